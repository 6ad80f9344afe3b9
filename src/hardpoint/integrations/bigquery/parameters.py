"""Inputs as query parameters. No value becomes part of a query's text.

https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import types
import typing
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, get_args, get_origin

from hardpoint.errors import FlyteValidationException
from hardpoint.idl import Literal, LiteralMap, LiteralType, SimpleType
from hardpoint.integrations.bigquery.texts import ParameterError, text_of
from hardpoint.integrations.bigquery.values import STANDS_FOR, STRUCTS
from hardpoint.types.codec import describe_type
from hardpoint.types.transformer import plain_of, unannotated

__all__ = [
    "Kind",
    "ParameterError",
    "bound",
    "kind_of_literal_type",
    "kind_of_type",
    "pythonTypeToBigQueryType",
    "wire_type",
]

Kind = dict[str, Any]
"""A ``QueryParameterType``."""

pythonTypeToBigQueryType: dict[type, str] = {
    bool: "BOOL",
    bytes: "BYTES",
    datetime.date: "DATE",
    datetime.datetime: "TIMESTAMP",
    datetime.time: "TIME",
    datetime.timedelta: "INTERVAL",
    Decimal: "NUMERIC",
    dict: "JSON",
    float: "FLOAT64",
    int: "INT64",
    list: "ARRAY",
    str: "STRING",
}
"""What an input of a type is in a query. A dataclass is a STRUCT."""

_OF_SIMPLE = {
    SimpleType.INTEGER: "INT64",
    SimpleType.FLOAT: "FLOAT64",
    SimpleType.BOOLEAN: "BOOL",
    SimpleType.STRING: "STRING",
    SimpleType.DATETIME: "TIMESTAMP",
    SimpleType.DURATION: "INTERVAL",
    SimpleType.STRUCT: "JSON",
}


# -- types -------------------------------------------------------------------------------------------------------------


def kind_of_type(t: Any, within: tuple[type, ...] = ()) -> Kind:
    """The parameter type of a Python type.

    Args:
        t: The type.
        within: Dataclasses of which it is a part.

    Raises:
        FlyteValidationException: BigQuery has no parameters of this type.
    """
    base = unannotated(t)
    origin, args = get_origin(base), get_args(base)
    if origin in (typing.Union, types.UnionType):
        members = [member for member in args if member is not type(None)]
        if len(members) == 1:  # any parameter may be NULL
            return kind_of_type(members[0], within)
    elif origin is list and args:
        return _array(kind_of_type(args[0], within), describe_type(t))
    elif origin is dict or base is dict:
        return {"type": "JSON"}
    elif isinstance(base, type):
        if dataclasses.is_dataclass(base):
            if base in within:
                raise FlyteValidationException(
                    f"BigQuery has no parameters of type {describe_type(base)}, which contains itself.",
                    remedy="Declare the field, or the input, as a dict, which is JSON.",
                )
            hints = typing.get_type_hints(base, include_extras=True)
            parts = {field.name: kind_of_type(hints[field.name], (*within, base)) for field in dataclasses.fields(base)}
            return {"type": "STRUCT", "structTypes": [{"name": name, "type": kind} for name, kind in parts.items()]}
        if issubclass(base, enum.Enum):
            return {"type": "STRING"}
        if base is not list and base in pythonTypeToBigQueryType:
            return {"type": pythonTypeToBigQueryType[base]}
    raise _no_parameter(describe_type(t))


def kind_of_literal_type(literal_type: LiteralType) -> Kind:
    """The parameter type of a literal type, which tells less than the Python type did: a date looks like a TIMESTAMP.

    Raises:
        FlyteValidationException: BigQuery has no parameters of this type.
    """
    which = literal_type.WhichOneof("type")
    if which == "union_type":
        variants = [
            v
            for v in literal_type.union_type.variants
            if v.simple != SimpleType.NONE or v.WhichOneof("type") != "simple"
        ]
        if len(variants) == 1:
            return kind_of_literal_type(variants[0])
    elif which == "collection_type":
        return _array(kind_of_literal_type(literal_type.collection_type), "a list of lists")
    elif which == "map_value_type":
        return {"type": "JSON"}
    elif which == "enum_type":
        return {"type": "STRING"}
    elif which == "simple" and literal_type.simple in _OF_SIMPLE:
        return {"type": _OF_SIMPLE[literal_type.simple]}
    raise _no_parameter(which or "nothing")


def wire_type(t: Any) -> Any:
    """The type in the interface for one that the user declares: the same, but for those that would travel as pickles."""
    base = unannotated(t)
    origin, args = get_origin(base), get_args(base)
    if origin is list and args:
        return _instead(t, list[wire_type(args[0])])  # type: ignore[misc]
    if origin is dict and len(args) == 2:
        return _instead(t, dict[args[0], wire_type(args[1])])  # type: ignore[misc, valid-type]
    if origin in (typing.Union, types.UnionType):
        members = tuple(wire_type(member) for member in args)
        return _instead(t, typing.Union[members])  # noqa: UP007 - of members that are not known here
    if not isinstance(base, type):
        return t
    if dataclasses.is_dataclass(base):
        hints = typing.get_type_hints(base, include_extras=True)
        whole = all(wire_type(hints[field.name]) == hints[field.name] for field in dataclasses.fields(base))
        return t if whole else Annotated[base, STRUCTS]
    return _instead(t, STANDS_FOR.get(base, base))


def _instead(t: Any, base: Any) -> Any:
    """A type with another one below its annotations; the same object if it is the same type."""
    if base == unannotated(t):
        return t
    extras = getattr(t, "__metadata__", ())
    return Annotated[(base, *extras)] if extras else base


def _array(of: Kind, name: str) -> Kind:
    if of["type"] == "ARRAY":
        raise FlyteValidationException(
            f"BigQuery has no parameters of type {name}: an ARRAY cannot hold ARRAYs.",
            remedy="Put the inner list into a dataclass: an ARRAY of STRUCTs may hold ARRAYs.",
        )
    return {"type": "ARRAY", "arrayType": of}


def _no_parameter(name: str) -> FlyteValidationException:
    return FlyteValidationException(
        f"BigQuery has no parameters of type {name}.",
        remedy="An input is bool, bytes, date, datetime, Decimal, dict, float, int, str, time, timedelta, an enum, a dataclass or"
        " a list of these; a table is named in the query.",
    )


# -- values ------------------------------------------------------------------------------------------------------------


def bound(
    inputs: LiteralMap, interface: Mapping[str, LiteralType], declared: Iterable[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """The query parameters for inputs, and those that have their values already.

    Args:
        inputs: Values by name.
        interface: Their literal types.
        declared: ``QueryParameter``s of the task itself. One of an input's name says of what type the input is.

    Raises:
        ParameterError: a value does not fit its type, or parameters with and without names are mixed.
    """
    given = [dict(parameter) for parameter in declared]
    kinds = {parameter["name"]: parameter["parameterType"] for parameter in given if parameter.get("name")}
    fixed = [p for p in given if p.get("name") not in interface and p.get("parameterValue") is not None]
    if inputs.literals and any(not parameter.get("name") for parameter in fixed):
        raise ParameterError(
            "A query's parameters either all have names or none has.",
            remedy="Name the parameters of the QueryJobConfig, and write @name in the query.",
        )
    made = []
    for name in sorted(inputs.literals):
        kind = kinds.get(name) or kind_of_literal_type(interface[name])
        try:
            value = _value(kind, inputs.literals[name])
        except ParameterError as error:
            raise ParameterError(f"The input {name!r}: {error.message}", remedy=error.remedy) from error
        made.append({"name": name, "parameterType": kind, "parameterValue": value})
    return made + fixed


def _value(kind: Kind, literal: Literal) -> dict[str, Any]:
    """The ``QueryParameterValue`` of a literal."""
    scalar = literal.scalar
    which = scalar.WhichOneof("value")
    if which == "union":
        return _value(kind, scalar.union.value)
    if which == "none_type":
        return {"value": None}
    if which in ("binary", "generic"):
        return _of_plain(kind, plain_of(literal, describe(kind)))
    if literal.HasField("collection") and kind["type"] == "ARRAY":
        return {"arrayValues": [_value(kind["arrayType"], item) for item in literal.collection.literals]}
    if literal.HasField("map") and kind["type"] == "JSON":
        return {"value": text_of("JSON", _native(literal))}
    if which == "primitive":
        return {"value": text_of(kind["type"], _primitive(literal))}
    raise ParameterError(f"it does not fit the parameter type {describe(kind)}.")


def _primitive(literal: Literal) -> Any:
    primitive = literal.scalar.primitive
    which = primitive.WhichOneof("value")
    if which == "datetime":
        return primitive.datetime.ToDatetime(tzinfo=datetime.UTC)
    if which == "duration":
        return primitive.duration.ToTimedelta()
    return getattr(primitive, which or "integer")


def _native(literal: Literal) -> Any:
    """Any literal as JSON-like data."""
    if literal.HasField("collection"):
        return [_native(item) for item in literal.collection.literals]
    if literal.HasField("map"):
        return {name: _native(item) for name, item in literal.map.literals.items()}
    which = literal.scalar.WhichOneof("value")
    if which == "union":
        return _native(literal.scalar.union.value)
    if which == "none_type":
        return None
    return _primitive(literal) if which == "primitive" else plain_of(literal, dict)


def _of_plain(kind: Kind, data: Any) -> dict[str, Any]:
    """The ``QueryParameterValue`` of plain data: what a dataclass holds."""
    if kind["type"] == "JSON":
        return {"value": text_of("JSON", data)}
    if data is None:
        return {"value": None}
    if kind["type"] == "ARRAY" and isinstance(data, list):
        return {"arrayValues": [_of_plain(kind["arrayType"], item) for item in data]}
    if kind["type"] == "STRUCT" and isinstance(data, dict):
        fields = {field["name"]: field["type"] for field in kind["structTypes"]}
        return {"structValues": {name: _of_plain(fields[name], data.get(name)) for name in fields}}
    if isinstance(data, list | dict):
        raise ParameterError(f"it does not fit the parameter type {describe(kind)}.")
    return {"value": text_of(kind["type"], data)}


def describe(kind: Mapping[str, Any]) -> str:
    """A parameter type as one writes it in SQL."""
    if kind["type"] == "ARRAY":
        return f"ARRAY<{describe(kind['arrayType'])}>"
    if kind["type"] == "STRUCT":
        inner = ", ".join(f"{field['name']} {describe(field['type'])}" for field in kind["structTypes"])
        return f"STRUCT<{inner}>"
    return str(kind["type"])
