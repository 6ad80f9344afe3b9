"""Dataclasses and random values to convert; every call gives others."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any


@dataclass
class Reading:
    sensor: int
    value: float
    unit: str
    valid: bool
    tags: list[str]


def integer() -> int:
    return random.getrandbits(48)


def text() -> str:
    return f"{random.getrandbits(64):x}"


def moment() -> datetime:
    return datetime(2020, 1, 1, tzinfo=UTC) + timedelta(microseconds=random.getrandbits(46))


def reading() -> Reading:
    return Reading(integer(), random.random(), text(), random.random() < 0.5, [text(), text()])


SCALARS: dict[str, tuple[type, Callable[[], Any]]] = {
    "int": (int, integer),
    "float": (float, random.random),
    "str": (str, text),
    "bool": (bool, lambda: random.random() < 0.5),
    "datetime": (datetime, moment),
}

# Type, maker of a value, how many values a round.
COMPOSED: dict[str, tuple[Any, Callable[[], Any], int]] = {
    "list[int] of 10,000": (list[int], lambda: [integer() for _ in range(10_000)], 5),
    "dict[str, float] of 1,000": (dict[str, float], lambda: {text(): random.random() for _ in range(1_000)}, 20),
    "dataclass": (Reading, reading, 300),
    "list[dataclass] of 1,000": (list[Reading], lambda: [reading() for _ in range(1_000)], 5),
}
