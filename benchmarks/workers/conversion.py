"""The type engine, both ways. Usage: conversion.py ours|reference|raw

`raw` fills and reads the protobuf message by a loop written by hand. Only the conversion itself is timed: for the reference not
the step between its own classes and the message.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from clock import Stopwatch
from records import COMPOSED, SCALARS

BATCH = 500
ROUNDS = 20

Way = Callable[[Any], Callable[[Any], Any]]


def engine(side: str) -> tuple[Way, Way, Way]:
    """For a type: the functions that encode, decode, and make a literal that nobody has read yet."""
    if side == "ours":
        from hardpoint import FlyteContextManager
        from hardpoint.idl import Literal
        from hardpoint.types import TypeEngine

        def fresh(literal: Any) -> Any:
            return Literal.FromString(literal.SerializeToString())
    else:
        from flyteidl.core.literals_pb2 import Literal as Message
        from flytekit import FlyteContextManager
        from flytekit.core.type_engine import TypeEngine
        from flytekit.models.literals import Literal

        def fresh(literal: Any) -> Any:
            data = literal.to_flyte_idl().SerializeToString()
            return Literal.from_flyte_idl(Message.FromString(data))

    context = FlyteContextManager.current_context()

    def encode(t: Any) -> Callable[[Any], Any]:
        literal_type = TypeEngine.to_literal_type(t)
        return lambda value: TypeEngine.to_literal(context, value, t, literal_type)

    def decode(t: Any) -> Callable[[Any], Any]:
        return lambda literal: TypeEngine.to_python_value(context, literal, t)

    return encode, decode, lambda t: fresh


def by_hand() -> tuple[Way, Way, Way]:
    from flyteidl.core.literals_pb2 import Literal

    def fill_list(values: list[int]) -> Any:
        literal = Literal()
        add = literal.collection.literals.add
        for value in values:
            add().scalar.primitive.integer = value
        return literal

    def fill_dict(values: dict[str, float]) -> Any:
        literal = Literal()
        literals = literal.map.literals
        for key, value in values.items():
            literals[key].scalar.primitive.float_value = value
        return literal

    def read_list(literal: Any) -> list[int]:
        return [one.scalar.primitive.integer for one in literal.collection.literals]

    def read_dict(literal: Any) -> dict[str, float]:
        return {key: one.scalar.primitive.float_value for key, one in literal.map.literals.items()}

    fill: dict[Any, Any] = {list[int]: fill_list, dict[str, float]: fill_dict}
    read: dict[Any, Any] = {list[int]: read_list, dict[str, float]: read_dict}
    return fill.__getitem__, read.__getitem__, lambda t: lambda made: Literal.FromString(made.SerializeToString())


def main(side: str) -> None:
    encode, decode, fresh = by_hand() if side == "raw" else engine(side)
    watch = Stopwatch()
    if side != "raw":
        for name, (t, make) in SCALARS.items():
            forth, back, unread = encode(t), decode(t), fresh(t)
            batches = [[make() for _ in range(BATCH)] for _ in range(ROUNDS)]
            watch.best(f"{name}, encode", lambda values, call=forth: [call(v) for v in values], batches, BATCH)
            literals = [[unread(forth(value)) for value in values] for values in batches]
            last = watch.best(f"{name}, decode", lambda values, call=back: [call(v) for v in values], literals, BATCH)
            assert last == batches[-1]
    for name, (t, make, count) in COMPOSED.items():
        if side == "raw" and "dataclass" in name:
            continue
        forth, back, unread = encode(t), decode(t), fresh(t)
        values = [make() for _ in range(count)]
        watch.best(f"{name}, encode", forth, values)
        assert watch.best(f"{name}, decode", back, [unread(forth(value)) for value in values]) == values[-1]
    watch.answer()


main(sys.argv[1])
