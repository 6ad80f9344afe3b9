"""Builders over the messages of `flyteidl`, for what the messages' own constructors say at length."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flyteidl.core.literals_pb2 import Literal, LiteralMap
from flyteidl.core.types_pb2 import BlobType, LiteralType, SimpleType
from google.protobuf.struct_pb2 import ListValue, Struct, Value

__all__ = [
    "MSGPACK",
    "binary",
    "blob",
    "boolean",
    "floating",
    "integer",
    "literal_map",
    "msgpack_annotation",
    "native",
    "none",
    "record",
    "simple",
    "string",
    "struct",
]

MSGPACK = "msgpack"
"""The tag of a `Binary` scalar that holds MessagePack; the only tag that exists."""


def integer(value: int) -> Literal:
    literal = Literal()
    literal.scalar.primitive.integer = value
    return literal


def floating(value: float) -> Literal:
    literal = Literal()
    literal.scalar.primitive.float_value = value
    return literal


def boolean(value: bool) -> Literal:
    literal = Literal()
    literal.scalar.primitive.boolean = value
    return literal


def string(value: str) -> Literal:
    literal = Literal()
    literal.scalar.primitive.string_value = value
    return literal


def none() -> Literal:
    literal = Literal()
    literal.scalar.none_type.SetInParent()
    return literal


def blob(uri: str, format: str = "", *, multipart: bool = False) -> Literal:
    """A blob literal; `multipart` for a directory."""
    literal = Literal()
    literal.scalar.blob.uri = uri
    kind = literal.scalar.blob.metadata.type
    kind.format = format
    kind.dimensionality = BlobType.MULTIPART if multipart else BlobType.SINGLE
    return literal


def binary(value: bytes) -> Literal:
    """A scalar that holds MessagePack bytes."""
    literal = Literal()
    literal.scalar.binary.value = value
    literal.scalar.binary.tag = MSGPACK
    return literal


def struct(value: Mapping[str, Any] | None) -> Struct:
    """A protobuf `Struct` from JSON-like data. Integers become doubles, tuples lists; other values raise TypeError."""
    message = Struct()
    if value:
        message.update(json.loads(json.dumps(value)))
    return message


def record(value: Mapping[str, Any]) -> Literal:
    """A literal that holds a `Struct` (`scalar.generic`)."""
    literal = Literal()
    literal.scalar.generic.CopyFrom(struct(value))
    return literal


def native(value: Struct | ListValue | Value) -> Any:
    """The plain Python data of a `Struct`, with whole doubles given back as integers."""
    if isinstance(value, Struct):
        return {k: native(v) for k, v in value.fields.items()}
    if isinstance(value, ListValue):
        return [native(v) for v in value.values]
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "struct_value":
        return native(value.struct_value)
    if kind == "list_value":
        return native(value.list_value)
    if kind in (None, "null_value"):
        return None
    return getattr(value, kind)


def simple(kind: SimpleType) -> LiteralType:
    return LiteralType(simple=kind)


def msgpack_annotation(literal_type: LiteralType) -> None:
    """Mark a STRUCT type as one whose values travel as MessagePack."""
    literal_type.annotation.annotations.update({"cache-key-metadata": {"serialization-format": "msgpack"}})


def literal_map(literals: Mapping[str, Literal]) -> LiteralMap:
    """A `LiteralMap` with copies of the given literals."""
    message = LiteralMap()
    for name, literal in literals.items():
        message.literals[name].CopyFrom(literal)
    return message
