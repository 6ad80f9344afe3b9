"""Protobuf messages as `Struct`s, by the JSON mapping of protobuf.

https://protobuf.dev/programming-guides/json/
"""

from __future__ import annotations

import html
import sys
from importlib import import_module
from typing import Any

from google.protobuf import json_format, text_format
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Value

from hardpoint import idl
from hardpoint.context import FlyteContext
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType, SimpleType
from hardpoint.types.codec import describe_type, wrong_literal
from hardpoint.types.transformer import TypeTransformer, plain_of, unannotated

__all__ = ["ProtobufTransformer"]

_KEY = "pb_type"
_ALONE = "value"
"""Where the JSON of a message stands that is no object (`Timestamp`, `Value`, wrappers), as it does within an `Any`."""


class ProtobufTransformer(TypeTransformer[Message]):
    """Generated message classes; a `ListValue` is a collection."""

    io = False

    def __init__(self) -> None:
        super().__init__("Protobuf-Transformer", Message)

    def get_literal_type(self, t: Any) -> LiteralType:
        message = unannotated(t)
        if not isinstance(message, type) or not hasattr(message, "DESCRIPTOR") or message.DESCRIPTOR is None:
            raise TypeTransformerFailedError(
                f"{describe_type(t)} is no generated message.", remedy="Declare the class that protoc has generated."
            )
        literal_type = idl.simple(SimpleType.STRUCT)
        literal_type.metadata.update({_KEY: f"{message.__module__}.{message.__name__}"})
        return literal_type

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        if isinstance(python_val, ListValue):
            return _collection(python_val)
        literal = Literal()
        literal.scalar.generic.SetInParent()
        literal.scalar.generic.update(self.to_plain(python_val, python_type))
        return literal

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        if lv.HasField("collection") and unannotated(expected_python_type) is ListValue:
            return _list(lv)
        if lv.scalar.HasField("generic"):
            # Parsed from the Struct's own JSON, in which doubles stay doubles.
            return self._parse(json_format.MessageToDict(lv.scalar.generic), expected_python_type)
        return self.from_plain(plain_of(lv, expected_python_type), expected_python_type)

    def to_plain(self, value: Any, t: Any) -> Any:
        self.assert_type(t, value)
        try:
            plain = json_format.MessageToDict(value)
        except (json_format.Error, TypeError) as error:
            raise TypeTransformerFailedError(f"{describe_type(t)} has no JSON form here: {error}") from error
        return {_ALONE: plain} if value.DESCRIPTOR.full_name in _NO_OBJECT else plain

    def from_plain(self, data: Any, t: Any) -> Any:
        return self._parse(data, t)

    def _parse(self, data: Any, t: Any) -> Any:
        made = unannotated(t)()
        if made.DESCRIPTOR.full_name in _NO_OBJECT and isinstance(data, dict) and set(data) == {_ALONE}:
            data = data[_ALONE]
        try:
            return json_format.ParseDict(data, made)
        except (json_format.ParseError, TypeError, ValueError) as error:
            raise TypeTransformerFailedError(
                f"The data is not a {describe_type(t)}: {error}",
                remedy="Both sides should have been generated from the same .proto file.",
            ) from error

    def plain_schema(self, t: Any) -> dict[str, Any]:
        return {"type": "object"}

    def to_html(self, ctx: FlyteContext, python_val: Any, expected_python_type: Any) -> str:
        return f"<pre>{html.escape(text_format.MessageToString(python_val))}</pre>"

    def guess_python_type(self, literal_type: LiteralType) -> type[Message]:
        path = literal_type.metadata.fields[_KEY].string_value if _KEY in literal_type.metadata.fields else ""
        module, _, name = path.rpartition(".")
        # The name comes from outside, so only modules are imported that bear the name that protoc gives them.
        if literal_type.simple != SimpleType.STRUCT or not module.endswith("_pb2"):
            raise ValueError("not a protobuf message")
        try:
            found = getattr(sys.modules.get(module) or import_module(module), name, None)
        except ImportError as error:
            raise ValueError(f"the module of the message {path} cannot be imported: {error}") from error
        if not isinstance(found, type) or not issubclass(found, Message):
            raise ValueError(f"{path} is not a protobuf message")
        return found


# A `Value` may be an object, and is treated as one that is not, so that it comes back as it was.
_NO_OBJECT = frozenset(
    f"google.protobuf.{name}"
    for name in (
        *("Duration", "FieldMask", "ListValue", "Timestamp", "Value"),
        *("BoolValue", "BytesValue", "DoubleValue", "FloatValue", "StringValue"),
        *("Int32Value", "Int64Value", "UInt32Value", "UInt64Value"),
    )
)


def _collection(value: ListValue) -> Literal:
    literal = Literal()
    literal.collection.SetInParent()
    for item in value.values:
        literal.collection.literals.append(_element(item))
    return literal


def _element(value: Value) -> Literal:
    match value.WhichOneof("kind"):
        case "number_value":
            return idl.floating(value.number_value)
        case "string_value":
            return idl.string(value.string_value)
        case "bool_value":
            return idl.boolean(value.bool_value)
        case "list_value":
            return _collection(value.list_value)
        case "struct_value":
            literal = Literal()
            literal.scalar.generic.CopyFrom(value.struct_value)
            return literal
        case _:
            return idl.none()


def _list(literal: Literal) -> ListValue:
    made = ListValue()
    for item in literal.collection.literals:
        _fill(item, made.values.add())
    return made


def _fill(literal: Literal, value: Value) -> None:
    scalar = literal.scalar
    if literal.HasField("collection"):
        value.list_value.CopyFrom(_list(literal))
        return
    if scalar.HasField("generic"):
        value.struct_value.CopyFrom(scalar.generic)
        return
    if scalar.HasField("none_type"):
        value.null_value = NULL_VALUE
        return
    primitive = scalar.primitive
    match primitive.WhichOneof("value"):
        case "float_value":
            value.number_value = primitive.float_value
        case "integer":
            value.number_value = primitive.integer
        case "boolean":
            value.bool_value = primitive.boolean
        case "string_value":
            value.string_value = primitive.string_value
        case _:
            raise wrong_literal(ListValue, literal)
