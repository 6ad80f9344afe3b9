"""Literals and literal types are byte for byte those of the reference (Flytekit 1.16.31, which wrote ``wire.json``)."""

from __future__ import annotations

import dataclasses
import enum
import json
import typing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hardpoint.idl import Literal
from hardpoint.types import TypeEngine


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class In:
    z: float


@dataclasses.dataclass
class D:
    a: int
    b: str | None = None
    c: list[int] = dataclasses.field(default_factory=list)
    i: In | None = None
    e: Colour = Colour.RED
    f: dict[str, int] = dataclasses.field(default_factory=dict)
    t: datetime = datetime(2024, 1, 2, tzinfo=UTC)
    d: timedelta = timedelta(seconds=2)
    u: int | str = 3
    k: bool = True


CASES: dict[str, tuple[Any, list[Any]]] = {
    "int": (int, [0, -5, 2**63 - 1]),
    "float": (float, [0.0, -1.5]),
    "bool": (bool, [True, False]),
    "str": (str, ["", "ä"]),
    "datetime": (
        datetime,
        [datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC), datetime(1960, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)],
    ),
    "date": (date, [date(2024, 1, 2)]),
    "timedelta": (timedelta, [timedelta(days=-1, microseconds=5), timedelta(0), timedelta(seconds=3)]),
    "none": (type(None), [None]),
    "list": (list[int], [[1, 2], []]),
    "listlist": (list[list[str]], [[["a"], []]]),
    "dict": (dict[str, int], [{"a": 1}, {}]),
    "untyped": (dict, [{"x": [1, {"y": None}]}, {}]),
    "intdict": (dict[int, str], [{1: "a"}]),
    "optional": (typing.Optional[int], [3, None]),
    "union": (typing.Union[int, str, list[int]], [3, "a", [1]]),
    "enum": (Colour, [Colour.BLUE]),
    "literal": (typing.Literal["a", "b"], ["a"]),
    "literalint": (typing.Literal[1, 2], [1]),
    "dataclass": (D, [D(1, i=In(2.0)), D(2, "x", [1], f={"k": 1}, u="s")]),
    "listdc": (list[In], [[In(1.0)]]),
    "uniondc": (typing.Union[In, D], [In(1.0)]),
    "optenum": (typing.Optional[Colour], [Colour.RED]),
}

WIRE: dict[str, list[Any]] = json.loads((Path(__file__).parent / "wire.json").read_text())


@pytest.mark.parametrize("name", CASES)
def test_literal_type(name: str) -> None:
    t, _ = CASES[name]
    assert TypeEngine.to_literal_type(t).SerializeToString(deterministic=True).hex() == WIRE[name][0]


@pytest.mark.parametrize("name", CASES)
def test_literals(name: str) -> None:
    t, values = CASES[name]
    written = [TypeEngine.codec(t).encode(v).SerializeToString(deterministic=True).hex() for v in values]
    assert written == WIRE[name][1]


@pytest.mark.parametrize("name", CASES)
def test_what_the_reference_wrote_is_read(name: str) -> None:
    t, values = CASES[name]
    for value, data in zip(values, WIRE[name][1], strict=True):
        got = TypeEngine.codec(t).decode(Literal.FromString(bytes.fromhex(data)))
        if isinstance(value, datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=UTC)
        assert got == value
