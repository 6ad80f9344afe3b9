"""Filters as the row restriction of a read session, which has no parameters: every value is written as a literal.

A restriction may let more rows through than the filters do, since these are applied to what comes; it never lets through fewer.

https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#literals
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pyarrow as pa

from hardpoint.types.structured.arrow_read import filter_groups

__all__ = ["restriction"]

_OPERATORS = {"=": "=", "==": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def restriction(filters: Any, schema: pa.Schema) -> str:
    """The condition that BigQuery checks; empty if there is nothing that it can.

    Args:
        filters: As in `ReadOptions`.
        schema: Of the table.
    """
    if filters is None or isinstance(filters, pa.compute.Expression):
        return ""
    groups = [" AND ".join(_conditions(group, schema)) for group in filter_groups(filters)]
    return " OR ".join(f"({group})" for group in groups) if all(groups) else ""


def _conditions(group: Iterable[tuple[str, str, Any]], schema: pa.Schema) -> list[str]:
    """What can be said of one alternative; all of it has to hold, so a part may be left out."""
    found = []
    for column, operator, value in group:
        said = _condition(column, operator, value, schema.field(column).type) if column in schema.names else None
        if said is not None:
            found.append(said)
    return found


def _condition(column: str, operator: str, value: Any, kind: pa.DataType) -> str | None:
    name = _name(column)
    if operator in _OPERATORS:
        literal = _literal(value, kind)
        return None if literal is None else f"{name} {_OPERATORS[operator]} {literal}"
    if operator in ("in", "not in") and isinstance(value, list | tuple | set | frozenset):
        literals = [_literal(item, kind) for item in value]
        if not literals or None in literals:
            return None
        listed = ", ".join(str(literal) for literal in literals)
        # To Arrow, a null is not in a list; to SQL, nobody knows.
        return f"{name} IN ({listed})" if operator == "in" else f"({name} NOT IN ({listed}) OR {name} IS NULL)"
    return None


def _name(column: str) -> str:
    escaped = column.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _literal(value: Any, kind: pa.DataType) -> str | None:
    """A value as a literal of the column's type; None where the comparison is left to Arrow."""
    if isinstance(value, bool):
        return str(value).upper() if pa.types.is_boolean(kind) else None
    if isinstance(value, int) and pa.types.is_integer(kind):
        return str(value) if -(2**63) <= value < 2**63 else None
    if isinstance(value, int | float) and pa.types.is_floating(kind):
        return repr(float(value)) if math.isfinite(value) else None
    if isinstance(value, int | Decimal) and pa.types.is_decimal(kind):
        return f"{'NUMERIC' if pa.types.is_decimal128(kind) else 'BIGNUMERIC'} '{Decimal(value):f}'"
    if isinstance(value, str) and pa.types.is_string(kind):
        return _text(value)
    if isinstance(value, bytes) and pa.types.is_binary(kind):
        return "b'" + "".join(f"\\x{byte:02x}" for byte in value) + "'"
    if isinstance(value, datetime.datetime):
        if not pa.types.is_timestamp(kind) or (kind.tz is None) != (value.tzinfo is None):
            return None
        if value.tzinfo is None:
            return f"DATETIME '{value.isoformat(' ')}'"
        return f"TIMESTAMP '{value.astimezone(datetime.UTC).isoformat(' ')}'"
    if isinstance(value, datetime.date) and pa.types.is_date(kind):
        return f"DATE '{value.isoformat()}'"
    return None


def _text(value: str) -> str:
    """A string literal in which nothing but letters, digits and blanks stands for itself."""
    return "'" + "".join(c if c.isascii() and (c.isalnum() or c == " ") else f"\\U{ord(c):08x}" for c in value) + "'"
