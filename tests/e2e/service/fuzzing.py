"""Messages that nobody would send: random ones, mutilated ones, and bytes that are none. A seed makes them again."""

from __future__ import annotations

import random
import struct
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

_DEPTH = 4
_WORDS = (
    "",
    "jobs",
    "plain",
    "now",
    "n0",
    "é",
    "a" * 300,
    "\x00",
    "{}",
    '{"hardpoint_key": "x"}',
    "s3://b/k",
    "-1",
    "../..",
)
_BYTES = (
    b"",
    b"{}",
    b'{"name": "j"}',
    b'{"name": "j", "get": "raise:user"}',
    b'{"hardpoint_key": "hp-x"}',
    b"\xff\xfe",
    b"[",
)
_NUMBERS = (0, 1, 2, -1, 127, 128, 2**31 - 1, -(2**31), 2**53)
_INTEGERS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SINT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
}


class Fuzzer:
    """Makes messages.

    Args:
        seed: Which ones.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def fill(self, message: Message, depth: int = 0) -> Any:
        """The message, with some of its fields set to something."""
        for field in message.DESCRIPTOR.fields:
            if self.random.random() < (0.3 if depth < 2 else 0.6):
                continue
            if field.message_type is not None and depth >= _DEPTH:
                continue
            count = self.random.choice((0, 1, 1, 3)) if field.is_repeated else 1
            for _ in range(count):
                self._set(message, field, depth)
        return message

    def _set(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        target = getattr(message, field.name)
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            self._entry(target, inner, depth)
        elif inner is not None and field.is_repeated:
            self.fill(target.add(), depth + 1)
        elif inner is not None:
            self.fill(target, depth + 1)
            target.SetInParent()
        elif field.is_repeated:
            target.append(self._value(field))
        else:
            setattr(message, field.name, self._value(field))

    def _entry(self, target: Any, entry: Descriptor, depth: int) -> None:
        key = self._value(entry.fields_by_name["key"])
        value = entry.fields_by_name["value"]
        if value.message_type is not None:
            self.fill(target[key], depth + 1)
        else:
            target[key] = self._value(value)

    def _value(self, field: FieldDescriptor) -> Any:
        if field.type == FieldDescriptor.TYPE_STRING:
            return self.random.choice(_WORDS)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return self.random.choice(_BYTES)
        if field.type == FieldDescriptor.TYPE_BOOL:
            return self.random.random() < 0.5
        if field.type == FieldDescriptor.TYPE_ENUM:
            return self.random.choice([0, 1, 5, 99])
        if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
            return self.random.choice((0.0, 1.5, float("nan"), float("inf")))
        least, most = _INTEGERS[field.type]
        return min(max(self.random.choice(_NUMBERS), least), most)

    def mutilate(self, data: bytes) -> bytes:
        """The bytes, changed in one to four places."""
        out = bytearray(data)
        for _ in range(self.random.randint(1, 4)):
            place = self.random.randint(0, len(out))
            match self.random.randrange(6):
                case 0 if out:
                    out[place % len(out)] ^= 1 << self.random.randrange(8)
                case 1:
                    del out[place : place + self.random.randint(1, 8)]
                case 2:
                    out[place:place] = self.random.randbytes(self.random.randint(1, 8))
                case 3:
                    del out[place:]
                case 4:
                    out[place:place] = out[: self.random.randint(0, 64)]
                case _:
                    # A field of bytes that says it is longer than what follows.
                    out[place:place] = bytes([0x0A]) + struct.pack("<I", self.random.getrandbits(31))
        return bytes(out)

    def rubbish(self) -> bytes:
        """Bytes of no meaning."""
        return self.random.randbytes(self.random.choice((0, 1, 7, 40, 400)))
