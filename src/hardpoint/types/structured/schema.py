"""Arrow schemas in literal types, and as what columns are read.

A schema travels as Arrow IPC (https://arrow.apache.org/docs/format/Columnar.html#schema-message). The reference writes
the text that pyarrow prints, which is read too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

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


# The text form: a line a field, `name: type`, below it indented lines for the fields that a nested type has. The type of a
# parent is cut after some 100 characters, so it is made anew from its children.

_LINE = re.compile(r"( *)(?:child \d+, )?(.*?): (.+)")


@dataclass
class _Line:
    name: str
    type: str
    nullable: bool
    children: list[_Line] = field(default_factory=list)

    def field(self) -> pa.Field:
        return pa.field(self.name, _type(self.type, self.children), nullable=self.nullable)


def _from_text(data: bytes) -> pa.Schema:
    try:
        return pa.schema([line.field() for line in _lines(data.decode("utf-8"))])
    except (ValueError, LookupError, AttributeError, pa.ArrowException) as error:
        raise TypeTransformerFailedError(
            f"The external schema is neither Arrow IPC nor a schema's text: {error}"
        ) from error


def _lines(text: str) -> list[_Line]:
    top: list[_Line] = []
    open_lists = [(-1, top)]  # by indentation
    metadata = None
    for raw in text.split("-- schema metadata --")[0].splitlines():
        indent = len(raw) - len(raw.lstrip(" "))
        if raw.strip() == "-- field metadata --":
            metadata = indent
            continue
        if indent == metadata and not raw.startswith("child ", indent):
            continue
        metadata = None
        match = _LINE.fullmatch(raw)
        if match is None:
            raise ValueError(f"{raw!r} is no field")
        line = _Line(match[2], match[3].removesuffix(" not null"), not match[3].endswith(" not null"))
        while open_lists[-1][0] >= indent:
            open_lists.pop()
        open_lists[-1][1].append(line)
        open_lists.append((indent, line.children))
    return top


def _type(text: str, children: list[_Line]) -> pa.DataType:
    if children:
        return _nested(text, [child.field() for child in children])
    match = re.fullmatch(r"(\w+)(?:\[(.*)\]|\((.*)\)|<(.*)>)?", text)
    if match is None:
        raise ValueError(f"unknown type {text!r}")
    name, given = match[1], (match[2] or match[3] or match[4] or "").split(", ")
    if name == "null":
        return pa.null()
    if name == "dictionary":
        values, indices, ordered = (part.partition("=")[2] for part in given)
        return pa.dictionary(_type(indices, []), _type(values, []), ordered=ordered == "1")
    if name == "timestamp":
        return pa.timestamp(given[0], tz=given[1].removeprefix("tz=") if len(given) > 1 else None)
    if name.startswith("decimal"):
        make: Callable[[int, int], pa.DataType] = getattr(pa, name)
        return make(int(given[0]), int(given[1]))
    if name == "fixed_size_binary":
        return pa.binary(int(given[0]))
    return pa.type_for_alias(text)


def _nested(text: str, fields: list[pa.Field]) -> pa.DataType:
    name = text.partition("<")[0]
    if name == "struct":
        return pa.struct(fields)
    if name == "map":
        key, item = fields[0].type
        return pa.map_(key.type, item, keys_sorted=text.endswith(", keys_sorted>"))
    if name == "fixed_size_list":
        return pa.list_(fields[0], int(text[text.rindex("[") + 1 : -1]))
    kinds: dict[str, Callable[[pa.Field], pa.DataType]] = {
        "list": pa.list_,
        "large_list": pa.large_list,
        "list_view": pa.list_view,
        "large_list_view": pa.large_list_view,
    }
    return kinds[name](fields[0])
