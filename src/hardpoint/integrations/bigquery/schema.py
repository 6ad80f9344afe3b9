"""BigQuery's types and Arrow's.

https://cloud.google.com/bigquery/docs/reference/storage#arrow_schema_details, and for what is written
https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet#parquet_conversions
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hardpoint.errors import TypeTransformerFailedError

__all__ = ["UnsuitableFrameError", "arrow_schema", "converted", "fields_of", "loadable"]

Field = dict[str, Any]

_ARROW: dict[str, pa.DataType] = {
    "BIGNUMERIC": pa.decimal256(76, 38),
    "BOOLEAN": pa.bool_(),
    "BYTES": pa.binary(),
    "DATE": pa.date32(),
    "DATETIME": pa.timestamp("us"),
    "FLOAT": pa.float64(),
    "GEOGRAPHY": pa.string(),
    "INTEGER": pa.int64(),
    "INTERVAL": pa.month_day_nano_interval(),
    "JSON": pa.string(),
    "NUMERIC": pa.decimal128(38, 9),
    "STRING": pa.string(),
    "TIME": pa.time64("us"),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}
_ALIASES = {"BIGDECIMAL": "BIGNUMERIC", "BOOL": "BOOLEAN", "DECIMAL": "NUMERIC", "FLOAT64": "FLOAT", "INT64": "INTEGER"}
_WRITTEN = {arrow: told for told, arrow in _ARROW.items() if told not in ("GEOGRAPHY", "JSON")}
# https://cloud.google.com/bigquery/docs/schemas#flexible-column-names
_REFUSED = re.compile(r"""[!"$()*,./;?@\[\\\]^`{}~]""")
_LONGEST_NAME = 300


class UnsuitableFrameError(TypeTransformerFailedError):
    """A frame has a column that a table of BigQuery cannot have."""


# -- reading -----------------------------------------------------------------------------------------------------------


def arrow_schema(fields: Iterable[Any]) -> pa.Schema:
    """The Arrow schema of a table's ``SchemaField``s, as both of BigQuery's APIs are read."""
    return pa.schema([pa.field(field.name, _arrow_type(field), nullable=field.mode != "REQUIRED") for field in fields])


def _arrow_type(field: Any) -> pa.DataType:
    kind = _ALIASES.get(field.field_type, field.field_type)
    if kind in ("RECORD", "STRUCT"):
        of: pa.DataType = pa.struct(list(arrow_schema(field.fields)))
    elif kind == "RANGE":
        element = _ARROW[field.range_element_type.element_type]
        of = pa.struct([("start", element), ("end", element)])
    else:
        of = _ARROW.get(kind, pa.string())  # a type that is newer than this table comes as text
    return pa.list_(of) if field.mode == "REPEATED" else of


# -- writing -----------------------------------------------------------------------------------------------------------


def fields_of(schema: pa.Schema) -> list[Field]:
    """The fields of a table, in the words of the REST API, that holds data of a schema that `loadable` made."""
    return [_field(field.name, field.type) for field in schema]


def _field(name: str, kind: pa.DataType) -> Field:
    if pa.types.is_list(kind):
        return {**_field(name, kind.value_type), "mode": "REPEATED"}
    if pa.types.is_struct(kind):
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": [_field(f.name, f.type) for f in kind]}
    if pa.types.is_decimal(kind):
        # https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#decimal_types
        fits = kind.scale <= 9 and kind.precision - kind.scale <= 29
        return {"name": name, "type": "NUMERIC" if fits else "BIGNUMERIC", "mode": "NULLABLE"}
    return {"name": name, "type": _WRITTEN[kind], "mode": "NULLABLE"}


def loadable(schema: pa.Schema) -> pa.Schema:
    """The schema to which a frame of this schema is converted before it is uploaded.

    Raises:
        UnsuitableFrameError: a column has a name or a type that a table cannot have.
    """
    _check_names(schema.names, "")
    return pa.schema([pa.field(field.name, _loadable(field.type, field.name)) for field in schema])


def _check_names(names: list[str], where: str) -> None:
    if not names:
        raise UnsuitableFrameError(f"{where or 'The frame'} has no columns, but a table of BigQuery needs one.")
    counts = Counter(name.lower() for name in names)
    for name in names:
        if not name or len(name) > _LONGEST_NAME or _REFUSED.search(name) or counts[name.lower()] > 1:
            raise UnsuitableFrameError(
                f"BigQuery cannot have a column named {where + '.' if where else ''}{name!r}"
                + (": names that differ only in case are the same." if counts[name.lower()] > 1 else "."),
                remedy="Rename it: up to 300 characters, without punctuation other than - _ : & % = + < > ' | #.",
                column=name,
            )


def _loadable(kind: pa.DataType, where: str) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if _is_list(kind):
        inner = _loadable(kind.value_type, where)
        if pa.types.is_list(inner):
            raise _unsuitable(where, kind, "Put the inner lists into structs: an ARRAY cannot hold ARRAYs.")
        return pa.list_(inner)
    if pa.types.is_struct(kind):
        _check_names([field.name for field in kind], where)
        return pa.struct([(field.name, _loadable(field.type, f"{where}.{field.name}")) for field in kind])
    if pa.types.is_decimal(kind):
        if kind.scale > 38 or kind.precision - kind.scale > 38 or kind.scale < 0:
            raise _unsuitable(where, kind, "BIGNUMERIC has 38 digits before the point and 38 after it.")
        return (
            kind
            if pa.types.is_decimal128(kind) or pa.types.is_decimal256(kind)
            else pa.decimal128(kind.precision, kind.scale)
        )
    for fits, target in _LOADABLE.items():
        if fits(kind):
            return target
    if pa.types.is_timestamp(kind):
        return _ARROW["DATETIME" if kind.tz is None else "TIMESTAMP"]
    remedy = "Write it as a number of seconds." if pa.types.is_duration(kind) else "Convert the column."
    raise _unsuitable(where, kind, remedy)


_LOADABLE: Mapping[Any, pa.DataType] = {
    pa.types.is_null: pa.string(),
    pa.types.is_boolean: pa.bool_(),
    pa.types.is_integer: pa.int64(),
    pa.types.is_floating: pa.float64(),
    lambda kind: (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    ): pa.string(),
    lambda kind: _is_bytes(kind): pa.binary(),
    pa.types.is_date: pa.date32(),
    pa.types.is_time: pa.time64("us"),
}


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )


def _unsuitable(where: str, kind: pa.DataType, remedy: str) -> UnsuitableFrameError:
    return UnsuitableFrameError(
        f"BigQuery has no type for the column {where!r}, which is {kind}.", remedy=remedy, column=where
    )


def converted(batch: pa.RecordBatch, target: pa.Schema, truncate: bool) -> pa.RecordBatch:
    """A batch as it is uploaded.

    Args:
        batch: The batch.
        target: What `loadable` made of its schema.
        truncate: Whether digits of times beyond the microsecond are dropped instead of refused.

    Raises:
        UnsuitableFrameError: a value does not fit.
    """
    columns = [_column(column, field, truncate) for field, column in zip(target, batch.columns, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=target)


def _column(column: pa.Array, field: pa.Field, truncate: bool) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_list(field.type) and column.flatten().null_count:
        raise UnsuitableFrameError(
            f"A list in the column {field.name!r} holds a null, which an ARRAY in a table cannot.",
            remedy="Leave nulls out of lists, or put the elements into structs.",
            column=field.name,
        )
    try:
        return pc.cast(column, options=pc.CastOptions(field.type, allow_time_truncate=truncate))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UnsuitableFrameError(
            f"The column {field.name!r} does not fit BigQuery's types: {error}",
            remedy="Convert the column; for times, WriteOptions(allow_truncated_timestamps=True) drops nanoseconds.",
            column=field.name,
        ) from error
