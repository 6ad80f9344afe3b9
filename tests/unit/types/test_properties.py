"""Any value of a generated type survives encode, serialize, parse, decode; mutated literals never crash or give a wrong value."""

from __future__ import annotations

import dataclasses
import enum
import math
from datetime import UTC, date, datetime, timedelta
from typing import Any, Optional

import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal
from hardpoint.types import TypeEngine


class Suit(enum.Enum):
    HEARTS = "hearts"
    SPADES = "spades"


_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
_integers = st.integers(-(2**63), 2**63 - 1)
_spans = st.timedeltas(timedelta(days=-3650), timedelta(days=3650))
LEAVES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, _integers),
    (float, st.floats()),
    (bool, st.booleans()),
    (str, _text),
    (datetime, st.datetimes(timezones=st.just(UTC))),
    (date, st.dates()),
    (timedelta, _spans),
    (Suit, st.sampled_from(Suit)),
]


def _dataclass(fields: list[tuple[Any, st.SearchStrategy[Any]]]) -> tuple[Any, st.SearchStrategy[Any]]:
    names = [f"f{i}" for i in range(len(fields))]
    made = dataclasses.make_dataclass("Made", list(zip(names, [t for t, _ in fields], strict=True)))
    return made, st.builds(made, **dict(zip(names, [s for _, s in fields], strict=True)))


def _grow(inner: st.SearchStrategy[tuple[Any, Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.one_of(
        inner.map(lambda p: (list[p[0]], st.lists(p[1], max_size=4))),
        inner.map(lambda p: (dict[str, p[0]], st.dictionaries(_text, p[1], max_size=4))),
        inner.map(lambda p: (dict[int, p[0]], st.dictionaries(_integers, p[1], max_size=3))),
        inner.map(lambda p: (Optional[p[0]], st.none() | p[1])),
        st.lists(inner, min_size=1, max_size=3).map(_dataclass),
    )


types_and_values = st.recursive(st.sampled_from(LEAVES), _grow, max_leaves=5)


@st.composite
def typed_values(draw: st.DrawFn) -> tuple[Any, Any]:
    t, values = draw(types_and_values)
    return t, draw(values)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    return type(a) is type(b) and a == b


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(typed_values())
def test_values_survive(pair: tuple[Any, Any]) -> None:
    t, value = pair
    codec = TypeEngine.codec(t)
    data = codec.encode(value).SerializeToString(deterministic=True)
    got = codec.decode(Literal.FromString(data))
    assert same(got, value)
    assert codec.encode(got).SerializeToString(deterministic=True) == data
    assert codec.accepts(value)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(typed_values(), st.data())
def test_mutated_literals_give_a_typed_error_or_a_value_of_the_type(pair: tuple[Any, Any], data: st.DataObject) -> None:
    t, value = pair
    codec = TypeEngine.codec(t)
    wire = bytearray(codec.encode(value).SerializeToString(deterministic=True))
    for _ in range(data.draw(st.integers(1, 4))):
        if wire:
            wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    try:
        literal = Literal.FromString(bytes(wire))
    except DecodeError:
        return
    try:
        got = codec.decode(literal)
    except TypeTransformerFailedError as error:
        assert str(error)
    else:
        assert codec.accepts(got)


@given(st.sampled_from([t for t, _ in LEAVES]), st.one_of(*[s for _, s in LEAVES]), st.data())
def test_a_literal_of_one_type_is_no_value_of_another(t: Any, value: Any, data: st.DataObject) -> None:
    """Reading a literal under another declaration gives a value of that declaration, or a typed error."""
    literal = TypeEngine.codec(type(value)).encode(value)
    try:
        got = TypeEngine.codec(t).decode(literal)
    except TypeTransformerFailedError:
        return
    assert isinstance(got, t)


@pytest.mark.parametrize("order", [0, 1])
def test_union_members_keep_their_order_whatever_was_compiled_before(order: int) -> None:
    first, second = (int | str, str | int) if order else (str | int, int | str)
    tags = [[v.structure.tag for v in TypeEngine.to_literal_type(t).union_type.variants] for t in (first, second)]
    assert tags[0] == tags[1][::-1]
