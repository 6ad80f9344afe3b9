"""Inputs that have no literal type of their own, as text: decimals, bytes and times of day, alone or within dataclasses.

Elsewhere they travel as pickles, which a connector service must not open.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from abc import abstractmethod
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

import msgspec

from hardpoint.context import FlyteContext
from hardpoint.idl import Literal, LiteralType, SimpleType, simple, string
from hardpoint.types.codec import Codec, mismatch, wrong_literal
from hardpoint.types.dataclass import record_codec
from hardpoint.types.plain import plain_data
from hardpoint.types.transformer import CodecTransformer, TypeTransformer, unannotated

__all__ = [
    "STANDS_FOR",
    "STRUCTS",
    "Bytes",
    "BytesTransformer",
    "Numeric",
    "NumericTransformer",
    "StructTransformer",
    "Time",
    "TimeTransformer",
]


class Numeric:
    """The type of an input of a `BigQueryTask` that is declared as `Decimal`."""


class Bytes:
    """The type of an input of a `BigQueryTask` that is declared as `bytes`."""


class Time:
    """The type of an input of a `BigQueryTask` that is declared as `datetime.time`."""


STANDS_FOR: dict[type, type] = {Decimal: Numeric, bytes: Bytes, datetime.time: Time}
"""From the type that the user writes to the one that is in the task's interface."""


class _AsText(TypeTransformer[Any]):
    """Carries values of one class as text."""

    io = False
    kind: ClassVar[type]
    stands_for: ClassVar[type]

    def __init__(self) -> None:
        super().__init__(f"BigQuery {self.kind.__name__}", self.kind, enable_type_assertions=False)

    @abstractmethod
    def text(self, value: Any) -> str:
        """The text of a value."""

    @abstractmethod
    def value(self, text: str) -> Any:
        """The value of a text; ValueError if it is of none."""

    def get_literal_type(self, t: Any) -> LiteralType:
        return simple(SimpleType.STRING)

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        if not isinstance(python_val, self.stands_for):
            raise mismatch(self.stands_for, python_val)
        return string(self.text(python_val))

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        if lv.scalar.primitive.WhichOneof("value") != "string_value":
            raise wrong_literal(self.stands_for, lv)
        try:
            return self.value(lv.scalar.primitive.string_value)
        except (ValueError, InvalidOperation) as error:
            raise wrong_literal(self.stands_for, lv, str(error)) from error


class NumericTransformer(_AsText):
    """Carries decimals."""

    kind, stands_for = Numeric, Decimal

    def text(self, value: Decimal) -> str:
        return str(value)

    def value(self, text: str) -> Decimal:
        return Decimal(text)


class BytesTransformer(_AsText):
    """Carries bytes, in Base64."""

    kind, stands_for = Bytes, bytes

    def text(self, value: bytes) -> str:
        return base64.b64encode(value).decode()

    def value(self, text: str) -> bytes:
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise ValueError(f"it is not Base64: {error}") from error


class TimeTransformer(_AsText):
    """Carries times of day, in ISO 8601."""

    kind, stands_for = Time, datetime.time

    def text(self, value: datetime.time) -> str:
        return value.isoformat()

    def value(self, text: str) -> datetime.time:
        return datetime.time.fromisoformat(text)


class StructTransformer(CodecTransformer[Any]):
    """Carries dataclasses of which BigQuery has parameters: MessagePack in which decimals and times of day are text."""

    def __init__(self) -> None:
        super().__init__("BigQuery Struct", object)

    def compile(self, t: Any) -> Codec:
        klass = unannotated(t)

        def to_plain(value: Any) -> Any:
            if not isinstance(value, klass):
                raise mismatch(klass, value)
            return plain_data(value)

        def from_plain(data: Any) -> Any:
            try:
                return msgspec.convert(data, klass)
            except msgspec.ValidationError as error:
                raise mismatch(klass, data, str(error)) from error

        return record_codec(
            python_type=t,
            name=self.name,
            accepts=lambda value: isinstance(value, klass),
            to_plain=to_plain,
            from_plain=from_plain,
            schema=lambda: {"type": "object", "title": klass.__name__},
            members={},
            io=False,
            transformer=self,
        )


STRUCTS = StructTransformer()
"""For the annotation of a dataclass in the interface."""
