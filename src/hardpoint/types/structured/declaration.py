"""What an annotation says of a dataset: ``Annotated[DataFrame, kwtypes(name=str), "csv", WriteOptions(...)]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import LiteralType, StructuredDatasetType
from hardpoint.integration import public_path
from hardpoint.types.codec import describe_type
from hardpoint.types.columns import dataset_columns
from hardpoint.types.structured.options import ReadOptions, WriteOptions
from hardpoint.types.transformer import runtime_class

__all__ = ["Declaration", "declaration"]


@dataclass
class Declaration:
    """An annotation, taken apart.

    Attributes:
        base: The class: `StructuredDataset` or one of dataframes.
        type: The columns, format and schema, as they stand in the literal type.
        write: How to write.
        read: How to read.
    """

    base: type
    type: StructuredDatasetType = field(default_factory=StructuredDatasetType)
    write: WriteOptions = field(default_factory=WriteOptions)
    read: ReadOptions = field(default_factory=ReadOptions)

    @property
    def literal_type(self) -> LiteralType:
        literal_type = LiteralType()
        literal_type.structured_dataset_type.CopyFrom(self.type)
        return literal_type


def declaration(t: Any) -> Declaration:
    """Take an annotation apart. Extras that concern others are left alone.

    Raises:
        TypeTransformerFailedError: columns or a format are given twice, or a column's type has no literal type.
    """
    found = Declaration(runtime_class(t))
    for extra in getattr(t, "__metadata__", ()):
        if isinstance(extra, str):
            if found.type.format:
                raise TypeTransformerFailedError(
                    f"A format was already specified {found.type.format}, cannot use {extra}", type=describe_type(t)
                )
            found.type.format = extra
        elif isinstance(extra, Mapping) or (isinstance(extra, type) and "__annotations__" in vars(extra)):
            if found.type.columns:
                raise TypeTransformerFailedError(f"The columns of {describe_type(t)} are declared twice.")
            found.type.columns.extend(dataset_columns(extra))
        elif isinstance(extra, WriteOptions):
            found.write = extra
        elif isinstance(extra, ReadOptions):
            found.read = extra
        elif "pyarrow.Schema" in public_path(type(extra)):
            from hardpoint.types.structured import schema

            found.type.external_schema_type = schema.ARROW
            found.type.external_schema_bytes = schema.to_bytes(extra)
    return found
