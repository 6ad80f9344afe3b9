"""What a binding and a condition come to, once the values of the nodes before them are known."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from flyteidl.core.condition_pb2 import BooleanExpression, ComparisonExpression, ConjunctionExpression, Operand
from flyteidl.core.literals_pb2 import Primitive

from hardpoint import idl
from hardpoint.errors import FlyteAssertion
from hardpoint.idl import BindingData, Literal, PromiseAttribute

__all__ = ["evaluate", "follow", "resolve"]

Values = Callable[[str, str], Literal]
"""(node id, output name) -> its literal; the empty node id asks for an input of the workflow."""


def resolve(binding: BindingData, values: Values) -> Literal:
    """The literal of a binding. It may be the very object that `values` returned: do not change it.

    Raises:
        FlyteAssertion: an attribute path does not exist in the value, or the binding is empty.
    """
    kind = binding.WhichOneof("value")
    if kind == "promise":
        promise = binding.promise
        found = values(promise.node_id, promise.var)
        return follow(found, promise.attr_path, f"{promise.node_id}.{promise.var}") if promise.attr_path else found
    literal = Literal()
    if kind == "scalar":
        literal.scalar.CopyFrom(binding.scalar)
    elif kind == "collection":
        literal.collection.SetInParent()
        for part in binding.collection.bindings:
            literal.collection.literals.add().CopyFrom(resolve(part, values))
    elif kind == "map":
        literal.map.SetInParent()
        for name, part in binding.map.bindings.items():
            literal.map.literals[name].CopyFrom(resolve(part, values))
    elif kind == "offloaded_metadata":
        literal.offloaded_metadata.CopyFrom(binding.offloaded_metadata)
    else:
        raise FlyteAssertion("A binding is empty: it holds neither a value nor a promise.")
    return literal


def follow(literal: Literal, path: Iterable[PromiseAttribute], name: str = "the value") -> Literal:
    """What lies at an attribute path within a literal: in lists, maps, MessagePack and `Struct`s.

    Args:
        literal: Where to start; it is not changed.
        path: Keys and indices.
        name: What to call the value in an error.

    Raises:
        FlyteAssertion: there is no such key or index, or the value has no parts.
    """
    steps = list(path)
    done = name
    while steps:
        while literal.WhichOneof("value") == "scalar" and literal.scalar.WhichOneof("value") == "union":
            literal = literal.scalar.union.value
        kind = literal.WhichOneof("value")
        if kind == "collection":
            literal = _step(literal.collection.literals, steps[0], done)
        elif kind == "map":
            literal = _step(literal.map.literals, steps[0], done)
        elif kind == "scalar" and literal.scalar.WhichOneof("value") == "binary":
            data = msgspec.msgpack.decode(literal.scalar.binary.value)
            return idl.binary(msgspec.msgpack.encode(_descend(data, steps, done)))
        elif kind == "scalar" and literal.scalar.WhichOneof("value") == "generic":
            return _literal_of(_descend(idl.native(literal.scalar.generic), steps, done))
        else:
            raise FlyteAssertion(f"{done} has no parts, but {_key(steps[0])!r} of it was asked for.")
        done = f"{done}[{_key(steps.pop(0))!r}]"
    return literal


def _key(attribute: PromiseAttribute) -> str | int:
    return attribute.int_value if attribute.WhichOneof("value") == "int_value" else attribute.string_value


def _step(container: Any, attribute: PromiseAttribute, name: str) -> Any:
    key = _key(attribute)
    try:
        if isinstance(container, Mapping) and key not in container:
            raise KeyError(key)  # a protobuf map of messages would make an entry instead
        return container[key]
    except (KeyError, IndexError, TypeError) as error:
        have = sorted(map(str, container)) if isinstance(container, Mapping) else f"{len(container)} elements"
        raise FlyteAssertion(f"{name} has nothing at {key!r}; it has {have}.", key=key) from error


def _descend(data: Any, steps: list[PromiseAttribute], name: str) -> Any:
    for attribute in steps:
        if not isinstance(data, (dict, list)):
            raise FlyteAssertion(f"{name} has no parts, but {_key(attribute)!r} of it was asked for.")
        data = _step(data, attribute, name)
        name = f"{name}[{_key(attribute)!r}]"
    return data


def _literal_of(data: Any) -> Literal:
    """A literal of what was found in a `Struct`."""
    if data is None:
        return idl.none()
    if isinstance(data, bool):
        return idl.boolean(data)
    if isinstance(data, int):
        return idl.integer(data)
    if isinstance(data, float):
        return idl.floating(data)
    if isinstance(data, str):
        return idl.string(data)
    if isinstance(data, list):
        literal = Literal()
        literal.collection.literals.extend(_literal_of(part) for part in data)
        literal.collection.SetInParent()
        return literal
    return idl.record(data)


_COMPARE: dict[int, Callable[[Any, Any], bool]] = {
    ComparisonExpression.EQ: operator.eq,
    ComparisonExpression.NEQ: operator.ne,
    ComparisonExpression.GT: operator.gt,
    ComparisonExpression.GTE: operator.ge,
    ComparisonExpression.LT: operator.lt,
    ComparisonExpression.LTE: operator.le,
}


def evaluate(condition: BooleanExpression, inputs: Mapping[str, Literal]) -> bool:
    """Whether a condition holds.

    Args:
        condition: A comparison, or several joined by and / or.
        inputs: Values of the variables that it names: the inputs of the branch's node.

    Raises:
        FlyteAssertion: values that cannot be compared: of different kinds, not scalar, or None in an order.
    """
    if condition.WhichOneof("expr") == "conjunction":
        both = condition.conjunction
        left = evaluate(both.left_expression, inputs)
        if left == (both.operator == ConjunctionExpression.OR):
            return left
        return evaluate(both.right_expression, inputs)
    comparison = condition.comparison
    left_value, right_value = (_operand(side, inputs) for side in (comparison.left_value, comparison.right_value))
    ordered = comparison.operator not in (ComparisonExpression.EQ, ComparisonExpression.NEQ)
    if left_value is None or right_value is None:
        comparable = not ordered
    else:
        comparable = _kind(left_value) is _kind(right_value)
    if not comparable:
        sign = ComparisonExpression.Operator.Name(comparison.operator)
        raise FlyteAssertion(f"A condition compares {left_value!r} {sign} {right_value!r}: different types.")
    return _COMPARE[comparison.operator](left_value, right_value)


def _kind(value: Any) -> type:
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


def _operand(operand: Operand, inputs: Mapping[str, Literal]) -> Any:
    kind = operand.WhichOneof("val")
    if kind == "primitive":
        return _primitive(operand.primitive)
    if kind == "scalar":
        return _scalar(operand.scalar, "a constant")
    literal = inputs.get(operand.var)
    if literal is None:
        raise FlyteAssertion(f"A condition reads {operand.var!r}, which is not among {sorted(inputs)}.")
    if literal.WhichOneof("value") != "scalar":
        raise FlyteAssertion(
            f"A condition reads {operand.var!r}, which is a list or map; only scalars can be compared."
        )
    return _scalar(literal.scalar, operand.var)


def _scalar(scalar: idl.Scalar, name: str) -> Any:
    kind = scalar.WhichOneof("value")
    if kind == "primitive":
        return _primitive(scalar.primitive)
    if kind == "none_type":
        return None
    if kind == "union":
        return _scalar(scalar.union.value.scalar, name)
    if kind == "binary":
        return msgspec.msgpack.decode(scalar.binary.value)
    raise FlyteAssertion(f"A condition reads {name!r}, which is a {kind}; only primitive values can be compared.")


def _primitive(primitive: Primitive) -> Any:
    kind = primitive.WhichOneof("value")
    if kind == "datetime":
        return (primitive.datetime.seconds, primitive.datetime.nanos)
    if kind == "duration":
        return primitive.duration.ToTimedelta()
    return getattr(primitive, kind) if kind else None
