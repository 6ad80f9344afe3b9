"""Literals as plain data, for people and for JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from hardpoint import idl
from hardpoint.idl import Literal

__all__ = ["plain", "to_json"]


def plain(literal: Literal) -> Any:
    """What a literal holds: numbers, text, lists and objects as they are, times as text, lengths of time in seconds, and
    the URI of whatever lies elsewhere.
    """
    kind = literal.WhichOneof("value")
    if kind == "collection":
        return [plain(item) for item in literal.collection.literals]
    if kind == "map":
        return {key: plain(item) for key, item in literal.map.literals.items()}
    scalar = literal.scalar
    which = scalar.WhichOneof("value")
    if which == "union":
        return plain(scalar.union.value)
    if which in ("blob", "structured_dataset", "schema"):
        return getattr(scalar, which).uri
    if which == "binary":
        return msgspec.msgpack.decode(scalar.binary.value) if scalar.binary.tag == idl.MSGPACK else scalar.binary.value
    if which == "generic":
        return idl.native(scalar.generic)
    if which == "primitive":
        return _primitive(scalar.primitive)
    return None


def _primitive(primitive: Any) -> Any:
    name = primitive.WhichOneof("value")
    if name == "datetime":
        return primitive.datetime.ToJsonString()
    if name == "duration":
        return primitive.duration.seconds + primitive.duration.nanos / 1e9
    return getattr(primitive, name) if name else None


def to_json(data: Any) -> str:
    """Indented JSON. What JSON has no form for is text; NaN and infinity are null."""
    return msgspec.json.format(msgspec.json.encode(data, enc_hook=str), indent=2).decode()
