"""`conditional`: a choice between calls, made while the workflow runs."""

from __future__ import annotations

from typing import Any, NoReturn

from flyteidl.core.condition_pb2 import Operand

from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteAssertion
from hardpoint.idl import BindingData, SimpleType
from hardpoint.types import TypeEngine
from hardpoint.types.codec import describe_type, describe_value
from hardpoint.types.transformer import unannotated
from hardpoint.workflows.compilation import Compilation
from hardpoint.workflows.expression import Comparison, Conjunction, Expression
from hardpoint.workflows.graph import Branch, Node, NodeMetadata
from hardpoint.workflows.promise import Promise, node_of, reference, scope_of, task_output, type_of

__all__ = ["Case", "Condition", "ConditionalSection", "conditional"]


def conditional(name: str) -> ConditionalSection:
    """Begin a choice: ``conditional("size").if_(n > 3).then(big(n=n)).else_().then(small(n=n))``.

    The chain ends with ``else_().then(...)`` or ``else_().fail("why")`` and then gives the outputs that all cases have.
    Each `then` takes one call. `fail` may stand for any case.

    Args:
        name: Name of the choice.

    Raises:
        FlyteAssertion: no workflow is being compiled.
    """
    compilation = FlyteContextManager.current_context().compilation
    if compilation is None:
        raise FlyteAssertion(
            f"conditional({name!r}) is not inside a workflow: there are no nodes outside of one.",
            remedy="Call it in the body of a @workflow or a @dynamic.",
        )
    return ConditionalSection(name, compilation)


class ConditionalSection:
    """What `conditional` gives; it begins with `if_`."""

    def __init__(self, name: str, compilation: Compilation) -> None:
        self.name = name
        self._compilation = compilation
        self._frame: list[Node] = []
        self._cases: list[Case] = []
        compilation.unfinished.append(self)

    def if_(self, expr: Expression) -> Case:
        """The first case: what follows in `then` runs when `expr` holds."""
        if self._cases:
            raise FlyteAssertion(f"The conditional {self.name!r} has its `if_` already.", remedy="Go on with elif_.")
        return self._case("if", expr)

    def _case(self, word: str, expr: Expression | None) -> Case:
        if self not in self._compilation.unfinished:
            raise FlyteAssertion(f"The conditional {self.name!r} has ended already.")
        case = Case(self, word, expr)
        self._cases.append(case)
        self._compilation.open(self._frame)
        return case

    def _made_since(self, start: int) -> list[Node]:
        """Close the current case and return the nodes that were made in it."""
        if self._compilation.unfinished[-1] is not self:
            self._compilation.check_conditionals()
        self._compilation.close(self._frame)
        return self._frame[start:]

    def _end(self) -> Any:
        """Make the node of the whole choice and return its promises."""
        compilation = self._compilation
        compilation.unfinished.remove(self)
        results = [case.outputs for case in self._cases if case.error is None]
        if not results:
            raise FlyteAssertion(f"In the conditional {self.name!r} every case fails; one at least has to run.")
        shared = [name for name in results[0] if all(name in others for others in results[1:])]
        outputs = {name: _common_type([type_of(others[name]) for others in results]) for name in shared}
        node = self._node(list(self._cases), outputs)
        return task_output(node, self.name, compilation, None)

    def _node(self, cases: list[Case], outputs: dict[str, Any]) -> Node:
        """The branch node of the cases, of which the last has no condition.

        On the wire only the last case can fail. An earlier one that does becomes a guard around the others: the error
        of a branch whose only condition is that an even earlier case holds, or that this one does not.
        """
        failing = next((index for index, case in enumerate(cases[:-1]) if case.error is not None), None)
        if failing is None:
            conditions = [(case.condition, case.node) for case in cases[:-1]]
            error = cases[-1].error
            last = cases[-1].node if error is None else None
        else:
            guard = cases[failing].condition.negated()
            for case in reversed(cases[:failing]):
                guard = Conjunction(case.condition, "|", guard)
            self._compilation.open(self._frame)
            rest = self._node(cases[:failing] + cases[failing + 1 :], outputs)
            self._compilation.close(self._frame)
            conditions, last, error = [(guard, rest)], None, cases[failing].error
        variables: dict[str, BindingData] = {}
        for condition, _ in conditions:
            for operand in condition.operands():
                if isinstance(operand, Promise):
                    variables[_variable(operand)] = BindingData(promise=reference(operand))
        branch = Branch(
            name=self.name,
            cases=[(condition.proto(_operand), node) for condition, node in conditions],
            otherwise=last,
            error=error,
            outputs=tuple(outputs),
        )
        bindings = {name: variables[name] for name in sorted(variables)}
        made = self._compilation.add(branch, bindings, NodeMetadata(self.name), outputs)
        for inner in branch.nodes:
            inner.inside = made
        return made


class Case:
    """One case, which `then` or `fail` completes."""

    def __init__(self, section: ConditionalSection, word: str, expr: Expression | None) -> None:
        where = f"{section.name}.{word}"
        if word != "else":
            _check_condition(expr, where, section._compilation)
        self._section, self._expr = section, expr
        self._start = len(section._frame)
        self._node: Node | None = None
        self.where = where
        self.error: str | None = None

    @property
    def condition(self) -> Expression:
        assert self._expr is not None  # only the last case has none, and it is not asked
        return self._expr

    @property
    def node(self) -> Node:
        """What runs in this case."""
        assert self._node is not None
        return self._node

    @property
    def outputs(self) -> dict[str, Promise]:
        return self.node.outputs

    def then(self, p: Any) -> Any:
        """What this case runs: a call, written right here.

        Returns:
            The chain, to go on with; after the last case, the promises of the outputs that all cases have.

        Raises:
            FlyteAssertion: it is not one call that is made here.
        """
        made = self._section._made_since(self._start)
        node = made[0] if p is None and len(made) == 1 else node_of(p)
        if node not in made:
            raise FlyteAssertion(
                f"{self.where}: then() was given {p!r}, which was made before this case and runs in any case.",
                remedy="Make the call inside then(...); to hand on a value that exists, call a task that returns it.",
            )
        if len(made) > 1:
            names = ", ".join(str(getattr(n.entity, "name", n.id)) for n in made)
            raise FlyteAssertion(
                f"{self.where}: then() takes one call, but {len(made)} were made ({names}).",
                remedy="Put the steps of a case into a @workflow and call that.",
            )
        self._node = node
        return self._continue()

    def fail(self, err: str) -> Any:
        """Let the workflow fail with `err` in this case; returns as `then`."""
        if self._section._made_since(self._start):
            raise FlyteAssertion(f"{self.where}: a call was made in a case that fails; it would never run.")
        self.error = err
        return self._continue()

    def _continue(self) -> Any:
        return self._section._end() if self._expr is None else Condition(self._section)

    def __bool__(self) -> NoReturn:
        raise ValueError(f"{self.where} is a part of a conditional; it has no truth value.")


class Condition:
    """A chain that has cases but no end yet."""

    def __init__(self, section: ConditionalSection) -> None:
        self._section = section

    def elif_(self, expr: Expression) -> Case:
        """A further case, for when no earlier one holds."""
        return self._section._case("elif", expr)

    def else_(self) -> Case:
        """The last case, for when no other holds."""
        return self._section._case("else", None)


def _check_condition(expr: Any, where: str, scope: Compilation) -> None:
    if isinstance(expr, bool):
        raise FlyteAssertion(
            "Logical (and/or/is/not) operations are not supported. "
            f"Received an evaluated expression with val {expr} in {where}",
            remedy="Compare promises (<, <=, >, >=, ==, !=) and join comparisons with & and |.",
        )
    if isinstance(expr, Promise):
        raise FlyteAssertion(
            f"Unary expressions of the form if_(x) are not supported. Received var {expr!r} in condition {where}",
            remedy="Write x.is_true().",
        )
    if not isinstance(expr, Expression):
        raise FlyteAssertion(
            "Only comparisons (<,<=,>,>=,==,!=) and conjunctions (&/|) of promises are conditions. "
            f"Received {describe_value(expr)} in condition {where}"
        )
    for operand in expr.operands():
        if isinstance(operand, Promise) and scope_of(operand) is not scope:
            raise FlyteAssertion(f"{operand!r} in condition {where} belongs to another workflow.")
    _check_kinds(expr, where)


_ORDERS = ("<", "<=", ">", ">=")


def _check_kinds(expr: Expression, where: str) -> None:
    """Refuse what the control plane would refuse only when it gets there."""
    if isinstance(expr, Conjunction):
        _check_kinds(expr.left, where)
        _check_kinds(expr.right, where)
    if not isinstance(expr, Comparison):
        return
    for side in (expr.left, expr.right):
        if not isinstance(side, Promise) or unannotated(type_of(side)) is Any:
            continue
        literal_type = TypeEngine.codec(type_of(side)).literal_type
        kind = literal_type.WhichOneof("type")
        if kind not in ("simple", "enum_type", "union_type") or literal_type.simple == SimpleType.STRUCT:
            raise FlyteAssertion(
                f"{side!r} in condition {where} is of type {describe_type(type_of(side))}; "
                "only primitive values can be compared."
            )
        if expr.sign in _ORDERS and literal_type.simple == SimpleType.BOOLEAN:
            raise FlyteAssertion(f"{expr!r} in condition {where} orders booleans; they can only be equal or not.")


def _variable(promise: Promise) -> str:
    """The name of a promise among the inputs of a branch node; parts of one output are told apart."""
    ref = reference(promise)
    origin = node_of(promise).own_id if ref.node_id else ""
    keys = [str(a.int_value) if a.WhichOneof("value") == "int_value" else a.string_value for a in ref.attr_path]
    return ".".join([origin, ref.var, *(repr(key) if "." in key else key for key in keys)])


def _operand(side: Any, other: Any) -> Operand:
    if isinstance(side, Promise):
        return Operand(var=_variable(side))
    if type(side) is int and isinstance(other, Promise) and unannotated(type_of(other)) is float:
        side = float(side)  # the control plane does not compare an integer with a float
    if not isinstance(side, list | tuple | dict | set):
        scalar = TypeEngine.codec(type(side)).encode(side).scalar
        kind = scalar.WhichOneof("value")
        if kind == "primitive":
            return Operand(primitive=scalar.primitive)
        if kind == "none_type":
            return Operand(scalar=scalar)
    raise FlyteAssertion(f"A promise is compared with {describe_value(side)}; only primitive values can be compared.")


def _common_type(candidates: list[Any]) -> Any:
    return candidates[0] if all(candidate == candidates[0] for candidate in candidates[1:]) else Any
