"""What a Pandera schema says of a frame's columns, in the words of a literal type."""

from __future__ import annotations

from typing import Any, get_args

from pandera import dtypes

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import LiteralType, SimpleType, StructuredDatasetType
from hardpoint.types.codec import describe_type
from hardpoint.types.transformer import unannotated

__all__ = ["columns_of", "columns_to_read", "model_of", "schema_of"]


def model_of(t: Any) -> Any:
    """The model in ``DataFrame[Model]``; None for a bare ``DataFrame``."""
    arguments = get_args(unannotated(t))
    return arguments[0] if arguments else None


def schema_of(t: Any) -> Any:
    """The schema of ``DataFrame[Model]``; None for a bare ``DataFrame``.

    Raises:
        TypeTransformerFailedError: the model is no usable schema.
    """
    model = model_of(t)
    if model is None:
        return None
    try:
        return model.to_schema()
    except Exception as error:  # a model's own code runs here
        raise TypeTransformerFailedError(
            f"{describe_type(model)} is no usable Pandera schema: {error}", type=describe_type(t)
        ) from error


def columns_of(schema: Any) -> list[StructuredDatasetType.DatasetColumn]:
    """The columns that every frame of a schema has.

    None where they cannot all be told: where names are patterns, or a column's type is not one of a literal's. A list
    with gaps would make the frame look unfit for a task that asks for one of those.
    """
    columns = []
    for name, column in schema.columns.items():
        simple = _simple(column.dtype)
        if column.regex or not isinstance(name, str) or simple is None:
            return []
        if column.required:
            kind = LiteralType(simple=simple)
            kind.metadata.update({"dtype": str(column.dtype), "nullable": bool(column.nullable)})
            columns.append(StructuredDatasetType.DatasetColumn(name=name, literal_type=kind))
    return columns


def columns_to_read(schema: Any) -> list[str] | None:
    """The columns that a frame of the schema may be cut down to when it is read; None for all.

    All are needed where others are forbidden, where names are patterns, and where something looks at the frame as a
    whole.
    """
    names = list(schema.columns)
    if not names or schema.strict is True or schema.checks or getattr(schema, "parsers", None):
        return None
    if any(column.regex or not isinstance(name, str) for name, column in schema.columns.items()):
        return None
    if any(_groups(check) for column in schema.columns.values() for check in column.checks):
        return None
    return names


def _groups(check: Any) -> bool:
    return getattr(check, "groupby", None) is not None


def _simple(dtype: Any) -> SimpleType | None:
    """The simple type of Pandera's type, which is its own class for each library but of common bases."""
    if dtype is None:
        return None
    # Booleans count as numbers there.
    for test, simple in _SIMPLE:
        if test(dtype):
            return simple
    return _BY_NAME.get(str(dtype).lower())


_SIMPLE = (
    (dtypes.is_bool, SimpleType.BOOLEAN),
    (dtypes.is_int, SimpleType.INTEGER),
    (dtypes.is_float, SimpleType.FLOAT),
    (dtypes.is_string, SimpleType.STRING),
    (dtypes.is_datetime, SimpleType.DATETIME),
    (dtypes.is_timedelta, SimpleType.DURATION),
    (dtypes.is_category, SimpleType.STRING),
)
_BY_NAME = {"date": SimpleType.DATETIME, "categorical": SimpleType.STRING, "object": SimpleType.STRING}
