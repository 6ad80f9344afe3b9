"""Arrow schemas in literal types, and as what columns are read.

A schema travels as Arrow IPC (https://arrow.apache.org/docs/format/Columnar.html#schema-message). The reference writes
the text that pyarrow prints, which is read too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import LiteralType, SimpleType, StructuredDatasetType

__all__ = ["ARROW", "from_bytes", "resolve", "target", "to_bytes"]

ARROW = "arrow"
"""The `external_schema_type` of an Arrow schema."""

_SIMPLE: dict[int, pa.DataType] = {
    SimpleType.INTEGER: pa.int64(),
    SimpleType.FLOAT: pa.float64(),
    SimpleType.BOOLEAN: pa.bool_(),
    SimpleType.STRING: pa.string(),
    SimpleType.DURATION: pa.duration("ns"),
}


def to_bytes(schema: pa.Schema) -> bytes:
    """A schema as an Arrow IPC message."""
    data: bytes = schema.serialize().to_pybytes()
    return data


def from_bytes(data: bytes) -> pa.Schema:
    """The schema of an Arrow IPC message, or of the text that pyarrow prints.

    Raises:
        TypeTransformerFailedError: it is neither.
    """
    try:
        return pa.ipc.read_schema(pa.py_buffer(data))
    except (pa.ArrowInvalid, OSError):
        return _from_text(data)


def resolve(names: Iterable[str], actual: pa.Schema) -> tuple[list[str], list[str]]:
    """The top-level columns that declared names stand for, and the names that stand for none.

    A dotted name is that of a column, or else of a field of one, for which the whole column is given.
    """
    found, missing = dict[str, None](), []
    for name in names:
        if name in actual.names:
            found[name] = None
        elif _has_field(actual, name):
            found[name.partition(".")[0]] = None
        else:
            missing.append(name)
    return list(found), missing


def _has_field(actual: pa.Schema, dotted: str) -> bool:
    first, *rest = dotted.split(".")
    if first not in actual.names:
        return False
    kind = actual.field(first).type
    for name in rest:
        if not pa.types.is_struct(kind) or kind.get_field_index(name) < 0:
            return False
        kind = kind.field(name).type
    return True


def target(declared: StructuredDatasetType, actual: pa.Schema) -> pa.Schema:
    """`actual` with the types that an Arrow schema or else columns declare; the others stay as they are."""
    kinds: dict[str, pa.DataType] = {}
    if declared.external_schema_type == ARROW and declared.external_schema_bytes:
        schema = from_bytes(declared.external_schema_bytes)
        kinds.update({field.name: field.type for field in schema})
    for column in declared.columns:
        if column.name not in kinds and column.name in actual.names:
            kinds[column.name] = _column(column.literal_type, actual.field(column.name).type)
    return pa.schema([f.with_type(kinds.get(f.name, f.type)) for f in actual], metadata=actual.metadata)


def _column(declared: LiteralType, actual: pa.DataType) -> pa.DataType:
    """The Arrow type of a declared column; that of the data where it is of the declared kind already."""
    kind = declared.WhichOneof("type")
    if kind == "collection_type":
        inner = actual.value_type if pa.types.is_list(actual) or pa.types.is_large_list(actual) else pa.null()
        return pa.list_(_column(declared.collection_type, inner))
    if kind != "simple" or _IS[declared.simple](actual):
        return actual
    if declared.simple == SimpleType.DATETIME:
        return pa.timestamp("us")
    return _SIMPLE[declared.simple]


_IS: dict[int, Callable[[pa.DataType], bool]] = {
    SimpleType.INTEGER: pa.types.is_integer,
    SimpleType.FLOAT: pa.types.is_floating,
    SimpleType.BOOLEAN: pa.types.is_boolean,
    SimpleType.STRING: lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t),
    SimpleType.DATETIME: pa.types.is_timestamp,
    SimpleType.DURATION: pa.types.is_duration,
}


# The text form: one line a field, `name: type`, its children on indented lines that repeat what the type says already.

_TOP = re.compile(r"(?P<name>[^\s].*?): (?P<type>.+)")


def _from_text(data: bytes) -> pa.Schema:
    try:
        lines = data.decode("utf-8").split("-- ")[0].splitlines()
        fields = []
        for line in lines:
            match = _TOP.fullmatch(line)
            if match:  # children are indented
                fields.append(_field(match["name"], match["type"]))
        if not fields and any(line.strip() for line in lines):
            raise ValueError("no field in it")
    except (ValueError, UnicodeDecodeError, KeyError) as error:
        raise TypeTransformerFailedError(
            f"The external schema is neither Arrow IPC nor a schema's text: {error}"
        ) from error
    return pa.schema(fields)


def _field(name: str, text: str) -> pa.Field:
    nullable = not text.endswith(" not null")
    return pa.field(name, _type(text.removesuffix(" not null")), nullable=nullable)


def _split(text: str) -> list[str]:
    """The parts between commas that stand in no brackets."""
    parts, depth, start = [], 0, 0
    for position, sign in enumerate(text):
        depth += (sign in "<([") - (sign in ">)]")
        if sign == "," and not depth:
            parts.append(text[start:position].strip())
            start = position + 1
    return [*parts, text[start:].strip()]


def _named(text: str) -> pa.Field:
    name, _, kind = text.partition(": ")
    return _field(name, kind)


def _type(text: str) -> pa.DataType:
    match = re.fullmatch(r"(\w+)<(.*)>(?:\[(\d+)\])?|(\w+)[\[(](.*?)[\])]|(\w+)", text)
    if match is None:
        raise ValueError(f"unknown type {text!r}")
    if match[1]:
        inner: list[str] = _split(match[2])
        return _nested(match[1], inner, int(match[3] or -1))
    if match[4]:
        return _with_parameters(match[4], _split(match[5]))
    return pa.null() if text == "null" else pa.type_for_alias({"double": "float64", "float": "float32"}.get(text, text))


def _nested(name: str, inner: list[str], size: int) -> pa.DataType:
    if name == "struct":
        return pa.struct([_named(part) for part in inner])
    if name == "map":
        return pa.map_(_type(inner[0].partition(" (")[0]), _type(inner[1].partition(" (")[0]))
    if name == "dictionary":
        given: dict[str, Any] = dict(part.split("=", 1) for part in inner)
        return pa.dictionary(_type(given["indices"]), _type(given["values"]), ordered=given.get("ordered") == "1")
    kinds: dict[str, Callable[[pa.Field], pa.DataType]] = {
        "list": pa.list_,
        "large_list": pa.large_list,
        "list_view": pa.list_view,
        "large_list_view": pa.large_list_view,
        "fixed_size_list": lambda item: pa.list_(item, size),
    }
    return kinds[name](_named(inner[0]))


def _with_parameters(name: str, given: list[str]) -> pa.DataType:
    if name == "timestamp":
        return pa.timestamp(given[0], tz=given[1].removeprefix("tz=") if len(given) > 1 else None)
    if name.startswith("decimal"):
        make: Callable[[int, int], pa.DataType] = getattr(pa, name)
        return make(int(given[0]), int(given[1]))
    if name == "fixed_size_binary":
        return pa.binary(int(given[0]))
    return pa.type_for_alias(f"{name}[{given[0]}]")
