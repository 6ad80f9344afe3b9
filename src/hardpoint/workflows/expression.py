"""Conditions over promises: comparisons, and several of them joined by ``&`` and ``|``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import msgspec
from flyteidl.core.condition_pb2 import BooleanExpression, ComparisonExpression, ConjunctionExpression, Operand

__all__ = ["Comparison", "Conjunction", "Expression"]

_SIGNS = {
    "==": ComparisonExpression.EQ,
    "!=": ComparisonExpression.NEQ,
    ">": ComparisonExpression.GT,
    ">=": ComparisonExpression.GTE,
    "<": ComparisonExpression.LT,
    "<=": ComparisonExpression.LTE,
}
_OPPOSITE = {"==": "!=", "!=": "==", ">": "<=", "<=": ">", "<": ">=", ">=": "<"}


class Expression:
    """What `conditional(...).if_` takes."""

    __slots__ = ()

    def __and__(self, other: Any) -> Conjunction:
        return Conjunction(self, "&", _checked(other))

    def __or__(self, other: Any) -> Conjunction:
        return Conjunction(self, "|", _checked(other))

    def __bool__(self) -> NoReturn:
        raise ValueError(
            f"The condition {self!r} has no truth value while a workflow is compiled. Join conditions with & and | "
            "(in parentheses) instead of `and` and `or`, and choose with conditional(...).if_(...)."
        )

    def operands(self) -> Iterator[Any]:
        """Both sides of every comparison, from left to right."""
        raise NotImplementedError

    def negated(self) -> Expression:
        """The condition that holds exactly when this one does not."""
        raise NotImplementedError

    def proto(self, operand: Callable[[Any, Any], Operand]) -> BooleanExpression:
        """The message; `operand(side, other side)` makes that of a side."""
        raise NotImplementedError


def _checked(value: Any) -> Expression:
    if not isinstance(value, Expression):
        raise ValueError(
            f"{value!r} is not a condition; write comparisons in parentheses, as in (a == 1) & (b > 2), "
            "and p.is_true() for a promise that is a bool."
        )
    return value


class Comparison(msgspec.Struct, Expression, frozen=True, eq=False):
    """One comparison; at least one side is a promise.

    Attributes:
        sign: One of ``== != > >= < <=``.
    """

    left: Any
    sign: str
    right: Any

    def operands(self) -> Iterator[Any]:
        yield self.left
        yield self.right

    def negated(self) -> Expression:
        return Comparison(self.left, _OPPOSITE[self.sign], self.right)

    def proto(self, operand: Callable[[Any, Any], Operand]) -> BooleanExpression:
        message = BooleanExpression()
        message.comparison.operator = _SIGNS[self.sign]
        message.comparison.left_value.CopyFrom(operand(self.left, self.right))
        message.comparison.right_value.CopyFrom(operand(self.right, self.left))
        return message

    def __repr__(self) -> str:
        return f"({self.left!r} {self.sign} {self.right!r})"


class Conjunction(msgspec.Struct, Expression, frozen=True, eq=False):
    """Two conditions joined by ``&`` or ``|``."""

    left: Expression
    sign: str
    right: Expression

    def operands(self) -> Iterator[Any]:
        yield from self.left.operands()
        yield from self.right.operands()

    def negated(self) -> Expression:
        return Conjunction(self.left.negated(), "|" if self.sign == "&" else "&", self.right.negated())

    def proto(self, operand: Callable[[Any, Any], Operand]) -> BooleanExpression:
        message = BooleanExpression()
        both = message.conjunction
        both.operator = ConjunctionExpression.AND if self.sign == "&" else ConjunctionExpression.OR
        both.left_expression.CopyFrom(self.left.proto(operand))
        both.right_expression.CopyFrom(self.right.proto(operand))
        return message

    def __repr__(self) -> str:
        return f"({self.left!r} {self.sign} {self.right!r})"
