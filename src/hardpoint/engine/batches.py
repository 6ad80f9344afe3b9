"""Ended elements of a map, many in one record: column by column, since they all have the same names.

A batch is MessagePack; the values of each input and output are in it as a `LiteralCollection`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from flyteidl.core.literals_pb2 import LiteralCollection

from hardpoint.idl import Literal, LiteralMap

__all__ = ["Batch", "Element", "freeze", "thaw"]

Literals = Mapping[str, Literal]


class Element(msgspec.Struct, frozen=True, gc=False):
    """One element.

    Attributes:
        index: Its place in the map's lists.
        started, ended: Seconds since 1970.
        inputs: Its part of the lists.
        outputs: What it came to.
    """

    index: int
    started: float
    ended: float
    inputs: Literals
    outputs: Literals


class Batch(msgspec.Struct):
    """What is stored. A column has a value for each of `indices`; `shared` are the inputs that all elements have."""

    indices: list[int]
    started: list[float]
    ended: list[float]
    shared: bytes
    inputs: dict[str, bytes]
    outputs: dict[str, bytes]


def freeze(elements: Sequence[Element], shared: Literals) -> bytes:
    """Elements as they are stored; all have inputs and outputs of the same names."""
    batch = Batch(
        indices=[element.index for element in elements],
        started=[element.started for element in elements],
        ended=[element.ended for element in elements],
        shared=LiteralMap(literals=shared).SerializeToString(),
        inputs={name: _column(element.inputs[name] for element in elements) for name in elements[0].inputs},
        outputs={name: _column(element.outputs[name] for element in elements) for name in elements[0].outputs},
    )
    return msgspec.msgpack.encode(batch)


def _column(literals: Iterator[Literal]) -> bytes:
    return LiteralCollection(literals=literals).SerializeToString()


def thaw(data: bytes) -> Iterator[Element]:
    """The reverse of `freeze`; the inputs are whole."""
    batch = msgspec.msgpack.decode(data, type=Batch)
    shared = dict(LiteralMap.FromString(batch.shared).literals)
    inputs, outputs = (
        {name: LiteralCollection.FromString(column).literals for name, column in columns.items()}
        for columns in (batch.inputs, batch.outputs)
    )
    for at, (index, started, ended) in enumerate(zip(batch.indices, batch.started, batch.ended, strict=True)):
        own = {name: column[at] for name, column in inputs.items()}
        yield Element(index, started, ended, own | shared, {name: column[at] for name, column in outputs.items()})
