"""MessagePack of plain data, with the conventions of the wire for values inside of it."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["MSGPACK_ENCODER", "plain_data"]

MSGPACK_ENCODER = msgspec.msgpack.Encoder()


def plain_data(value: Any) -> Any:
    """Untyped data as MessagePack-able data: times as ISO 8601 text, enums by value, tuples and sets as lists.

    Raises:
        TypeError: there is something in it that has no plain form.
    """
    return msgspec.to_builtins(value, builtin_types=(bytes,))
