"""MessagePack of plain data, with the conventions of the wire for values inside of it."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

__all__ = ["MSGPACK_ENCODER", "json_data", "plain_data"]

MSGPACK_ENCODER = msgspec.msgpack.Encoder()


def plain_data(value: Any) -> Any:
    """Untyped data as MessagePack-able data: times as ISO 8601 text, enums by value, tuples and sets as lists.

    Raises:
        TypeError: there is something in it that has no plain form.
    """
    return msgspec.to_builtins(value, builtin_types=(bytes,))


def json_data(data: Any) -> Any:
    """Plain data as JSON has it: bytes as base64, in the lines that the reference makes of them."""
    if isinstance(data, bytes):
        return base64.encodebytes(data).decode()
    if isinstance(data, list | tuple):
        return [json_data(item) for item in data]
    if isinstance(data, dict):
        return {key: json_data(item) for key, item in data.items()}
    return data
