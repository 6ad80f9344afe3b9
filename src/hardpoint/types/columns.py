"""The columns of a table as its annotation declares them, and the literal types that stand for them."""

from __future__ import annotations

import datetime
import types
import typing
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from flyteidl.core.types_pb2 import SchemaType

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import LiteralType, SimpleType, StructuredDatasetType
from hardpoint.integration import public_path
from hardpoint.types.codec import describe_type
from hardpoint.types.transformer import unannotated

__all__ = [
    "column_type",
    "convert_schema_type_to_structured_dataset_type",
    "dataset_columns",
    "flatten_dict",
    "kwtypes",
]

Column = StructuredDatasetType.DatasetColumn

_SIMPLE: dict[type, SimpleType] = {
    int: SimpleType.INTEGER,
    float: SimpleType.FLOAT,
    bool: SimpleType.BOOLEAN,
    str: SimpleType.STRING,
    datetime.datetime: SimpleType.DATETIME,
    datetime.timedelta: SimpleType.DURATION,
}
# By name, so that numpy need not be imported to know them.
_NUMPY: dict[str, SimpleType] = {
    **{f"numpy.{sign}int{bits}": SimpleType.INTEGER for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"numpy.float{bits}": SimpleType.FLOAT for bits in (16, 32, 64)},
    "numpy.bool": SimpleType.BOOLEAN,
    "numpy.bool_": SimpleType.BOOLEAN,
    "numpy.datetime64": SimpleType.DATETIME,
    "numpy.timedelta64": SimpleType.DURATION,
    "numpy.bytes_": SimpleType.STRING,
    "numpy.str_": SimpleType.STRING,
    "numpy.object_": SimpleType.STRING,
}
_SCHEMA: dict[int, SimpleType] = {
    SchemaType.SchemaColumn.INTEGER: SimpleType.INTEGER,
    SchemaType.SchemaColumn.FLOAT: SimpleType.FLOAT,
    SchemaType.SchemaColumn.STRING: SimpleType.STRING,
    SchemaType.SchemaColumn.DATETIME: SimpleType.DATETIME,
    SchemaType.SchemaColumn.DURATION: SimpleType.DURATION,
    SchemaType.SchemaColumn.BOOLEAN: SimpleType.BOOLEAN,
}


def kwtypes(**kwargs: Any) -> OrderedDict[str, Any]:
    """Names and their types, in order; how an annotation declares a table's columns: ``kwtypes(name=str, age=int)``."""
    return OrderedDict(kwargs)


def column_type(t: Any) -> LiteralType:
    """The literal type of a column.

    Raises:
        TypeTransformerFailedError: no literal type stands for it in a structured dataset.
    """
    base = unannotated(t)
    origin, args = get_origin(base), get_args(base)
    if origin in (typing.Union, types.UnionType):
        members = [a for a in args if a is not type(None)]
        if len(members) == 1:  # that a column may hold nulls is not part of its type
            return column_type(members[0])
    if origin is list and args:
        return LiteralType(collection_type=column_type(args[0]))
    if origin is dict and len(args) == 2:
        return LiteralType(map_value_type=column_type(args[1]))
    simple = _SIMPLE.get(base) if isinstance(base, type) else None
    if simple is None and isinstance(base, type):
        simple = next((_NUMPY[path] for path in public_path(base) if path in _NUMPY), None)
    if simple is None:
        raise TypeTransformerFailedError(
            f"type {describe_type(t)} is currently not supported by StructuredDataset",
            remedy="A column is int, float, bool, str, datetime, timedelta, numpy's of these, list[T] or dict[str, T].",
            type=t,
        )
    return LiteralType(simple=simple)


def _members(spec: Any) -> Mapping[str, Any] | None:
    """What a nested specification holds: a mapping, or a class with annotated fields."""
    if isinstance(spec, Mapping):
        return spec
    if isinstance(spec, type) and spec.__module__ != "builtins" and "__annotations__" in vars(spec):
        return typing.get_type_hints(spec)
    return None


def _flat(spec: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, t in spec.items():
        inner = _members(t)
        if inner is None:
            yield f"{prefix}{name}", t
        else:
            yield from _flat(inner, f"{prefix}{name}.")


def flatten_dict(sub_dict: Mapping[str, Any], parent_key: str = "") -> dict[str, Any]:
    """Columns, with those of nested dicts and dataclasses under dotted names: ``a.b`` for ``{"a": {"b": int}}``."""
    return dict(_flat(sub_dict, f"{parent_key}." if parent_key else ""))


def dataset_columns(spec: Any) -> list[Column]:
    """The columns that a mapping, or a class with annotated fields, declares."""
    members = _members(spec)
    if members is None:
        raise TypeTransformerFailedError(f"{describe_type(spec)} does not declare columns.")
    return [Column(name=name, literal_type=column_type(t)) for name, t in flatten_dict(members).items()]


def convert_schema_type_to_structured_dataset_type(column_type: int) -> SimpleType:
    """The simple type for a column's type in a legacy schema."""
    try:
        return _SCHEMA[column_type]
    except KeyError:
        raise TypeTransformerFailedError(f"Unrecognized SchemaColumnType: {column_type}") from None
