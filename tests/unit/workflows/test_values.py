"""What bindings and conditions come to; each value is written as the type engine writes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from flyteidl.core.condition_pb2 import BooleanExpression, Operand

from hardpoint import idl
from hardpoint.errors import FlyteAssertion
from hardpoint.idl import BindingData, Literal, PromiseAttribute
from hardpoint.types import TypeEngine
from hardpoint.workflows.values import evaluate, follow, resolve


@dataclass
class Inner:
    n: int
    f: float


@dataclass
class Outer:
    inner: Inner
    table: dict[str, list[int]]


def literal(value, t):
    return TypeEngine.codec(t).encode(value)


def at(*keys):
    return [PromiseAttribute(int_value=k) if isinstance(k, int) else PromiseAttribute(string_value=k) for k in keys]


OUTER = Outer(Inner(3, 2.0), {"a": [5, 6]})


@pytest.mark.parametrize(
    ("value", "t", "path", "part", "part_type"),
    [
        ([1, 2], list[int], (1,), 2, int),
        ([[1], [2, 3]], list[list[int]], (1, 0), 2, int),
        ({"k": "v"}, dict[str, str], ("k",), "v", str),
        ({"k": [1, 2]}, dict[str, list[int]], ("k", -1), 2, int),
        (OUTER, Outer, ("inner", "n"), 3, int),
        (OUTER, Outer, ("inner", "f"), 2.0, float),
        (OUTER, Outer, ("inner",), OUTER.inner, Inner),
        (OUTER, Outer, ("table", "a", 1), 6, int),
        (OUTER, Outer, ("table",), {"a": [5, 6]}, dict[str, list[int]]),
        ([OUTER], list[Outer], (0, "inner", "n"), 3, int),
        ({"x": {"y": [None, True]}}, dict, ("x", "y", 1), True, bool),
        ([7], list[int] | None, (0,), 7, int),
    ],
)
def test_parts(value, t, path, part, part_type):
    whole = literal(value, t)
    before = whole.SerializeToString()
    found = TypeEngine.codec(part_type).decode(follow(whole, at(*path)))
    assert found == part
    assert type(found) is type(part)
    assert whole.SerializeToString() == before


@pytest.mark.parametrize(
    ("data", "path", "expected"),
    [
        ({"a": 1}, ("a",), idl.integer(1)),
        ({"a": 1.5}, ("a",), idl.floating(1.5)),
        ({"a": {"b": "s"}}, ("a", "b"), idl.string("s")),
        ({"a": {"b": True}}, ("a", "b"), idl.boolean(True)),
        ({"a": None}, ("a",), idl.none()),
        ({"a": {"b": 1}}, ("a",), idl.record({"b": 1})),
        ({"a": [1, [2]]}, ("a", 1, 0), idl.integer(2)),
    ],
)
def test_parts_of_structs(data, path, expected):
    assert follow(idl.record(data), at(*path)) == expected


def test_a_list_in_a_struct_becomes_a_collection():
    found = follow(idl.record({"a": [1, "s"]}), at("a"))
    assert list(found.collection.literals) == [idl.integer(1), idl.string("s")]


@pytest.mark.parametrize(
    ("value", "t", "path", "words"),
    [
        ([1], list[int], (3,), r"n0.o0 has nothing at 3; it has 1 elements"),
        ({"k": 1}, dict[str, int], ("z",), r"n0.o0 has nothing at 'z'; it has \['k'\]"),
        (3, int, ("a",), "n0.o0 has no parts"),
        (OUTER, Outer, ("inner", "z"), r"n0.o0\['inner'\] has nothing at 'z'"),
        (OUTER, Outer, ("inner", "n", "z"), r"n0.o0\['inner'\]\['n'\] has no parts"),
        ([{"a": 1}], list[dict[str, int]], (0, "b"), r"n0.o0\[0\] has nothing at 'b'"),
        ([1], list[int], ("a",), "has nothing at 'a'"),
    ],
)
def test_parts_that_are_not_there(value, t, path, words):
    binding = BindingData(promise=idl.OutputReference(node_id="n0", var="o0", attr_path=at(*path)))
    with pytest.raises(FlyteAssertion, match=words):
        resolve(binding, lambda node, var: literal(value, t))


def test_bindings_of_all_kinds():
    binding = BindingData()
    binding.map.bindings["a"].collection.bindings.add().promise.CopyFrom(idl.OutputReference(node_id="n1", var="v"))
    binding.map.bindings["a"].collection.bindings.add().scalar.primitive.integer = 4
    binding.map.bindings["b"].promise.CopyFrom(idl.OutputReference(var="x"))
    asked = []

    def values(node: str, var: str) -> Literal:
        asked.append((node, var))
        return idl.integer(len(node))

    found = resolve(binding, values)
    assert found.map.literals["a"].collection.literals[0] == idl.integer(2)
    assert found.map.literals["a"].collection.literals[1] == idl.integer(4)
    assert found.map.literals["b"] == idl.integer(0)
    assert sorted(asked) == [("", "x"), ("n1", "v")]
    with pytest.raises(FlyteAssertion, match="empty"):
        resolve(BindingData(), values)


def test_a_promise_without_path_is_not_copied():
    value = idl.integer(3)
    assert resolve(BindingData(promise=idl.OutputReference(var="x")), lambda node, var: value) is value


def compare(sign: str, left: Operand | Literal, right: Operand | Literal) -> bool:
    inputs = {}
    message = BooleanExpression()
    message.comparison.operator = getattr(message.comparison, sign)
    for name, side in (("left_value", left), ("right_value", right)):
        if isinstance(side, Literal):
            inputs[name] = side
            side = Operand(var=name)
        getattr(message.comparison, name).CopyFrom(side)
    return evaluate(message, inputs)


def constant(value: Literal) -> Operand:
    return Operand(primitive=value.scalar.primitive)


EARLY, LATE = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (idl.integer(1), idl.integer(2)),
        (idl.floating(1.5), idl.floating(2.5)),
        (idl.integer(1), idl.floating(1.5)),
        (idl.string("a"), idl.string("b")),
        (literal(EARLY, datetime), literal(LATE, datetime)),
        (literal(timedelta(seconds=1), timedelta), literal(timedelta(seconds=1, microseconds=1), timedelta)),
        (literal(1, int | str), idl.integer(2)),
        (follow(literal(OUTER, Outer), at("inner", "n")), idl.integer(4)),
    ],
)
def test_comparisons(small, large):
    assert compare("LT", small, large)
    assert compare("LTE", small, large)
    assert compare("LTE", small, small)
    assert compare("GT", large, small)
    assert compare("GTE", large, large)
    assert compare("NEQ", large, small)
    assert compare("EQ", small, small)
    assert not compare("EQ", small, large)
    assert not compare("GT", small, large)
    if large.scalar.HasField("primitive"):
        assert compare("LT", small, constant(large))


def test_none_equals_none_only():
    nothing = literal(None, int | None)
    assert compare("EQ", nothing, Operand(scalar=idl.none().scalar))
    assert compare("EQ", idl.none(), idl.none())
    assert compare("NEQ", nothing, constant(idl.integer(0)))
    assert not compare("EQ", idl.integer(0), Operand(scalar=idl.none().scalar))


@pytest.mark.parametrize(
    ("sign", "left", "right", "words"),
    [
        ("EQ", idl.integer(1), idl.string("1"), "different types"),
        ("EQ", idl.boolean(True), idl.integer(1), "different types"),
        ("LT", idl.none(), idl.integer(1), "different types"),
        ("EQ", literal([1], list[int]), idl.integer(1), "list or map"),
        ("EQ", idl.blob("s3://x"), idl.integer(1), "only primitive values"),
        ("EQ", Operand(var="gone"), idl.integer(1), "'gone', which is not among"),
    ],
)
def test_comparisons_that_cannot_be(sign, left, right, words):
    with pytest.raises(FlyteAssertion, match=words):
        compare(sign, left, right)


def test_conjunctions_stop_when_it_is_settled():
    def holds(value: bool) -> BooleanExpression:
        message = BooleanExpression()
        message.comparison.left_value.primitive.boolean = value
        message.comparison.right_value.primitive.boolean = True
        return message

    broken = BooleanExpression()
    broken.comparison.left_value.var = "gone"

    def join(sign: str, left: BooleanExpression, right: BooleanExpression) -> bool:
        message = BooleanExpression()
        message.conjunction.operator = getattr(message.conjunction, sign)
        message.conjunction.left_expression.CopyFrom(left)
        message.conjunction.right_expression.CopyFrom(right)
        return evaluate(message, {})

    assert join("OR", holds(True), broken)
    assert not join("AND", holds(False), broken)
    assert join("AND", holds(True), holds(True))
    assert not join("OR", holds(False), holds(False))
    assert join("OR", holds(False), holds(True))
    with pytest.raises(FlyteAssertion, match="gone"):
        join("AND", holds(True), broken)
