"""How data is written and read: what an annotation, or a `StructuredDataset`, may say beyond columns and format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["ReadOptions", "WriteOptions"]


@dataclass(frozen=True)
class WriteOptions:
    """How a frame is written: ``Annotated[DataFrame, WriteOptions(partition_by=("day",), compression="zstd")]``.

    Args:
        compression: ``snappy``, ``zstd``, ``gzip``, ``brotli``, ``lz4`` or ``none``.
        compression_level: As the codec counts them; None: its default.
        row_group_size: Most rows in a row group, which is what a filter can skip.
        max_rows_per_file: Most rows in a file; 0: one file.
        partition_by: Columns whose values become folders (``day=2024-01-01/``); a filter on them skips whole files.
        coerce_timestamps: Store times in this unit; None: in the unit that they have, down to nanoseconds.
        allow_truncated_timestamps: Whether `coerce_timestamps` may lose digits; otherwise that is an error.
    """

    compression: str = "snappy"
    compression_level: int | None = None
    row_group_size: int = 1024 * 1024
    max_rows_per_file: int = 0
    partition_by: Sequence[str] = ()
    coerce_timestamps: Literal["ms", "us"] | None = None
    allow_truncated_timestamps: bool = False


@dataclass(frozen=True)
class ReadOptions:
    """How a dataset is read: ``Annotated[DataFrame, kwtypes(name=str), ReadOptions(filters=[("age", ">", 30)])]``.

    Args:
        filters: Which rows: ``[(column, op, value), ...]`` of which all must hold, or a list of such lists of which one
            must hold, with the operators ``= == != < <= > >= in not in``; or a `pyarrow.compute.Expression`. Files and
            row groups that cannot match are not read.
        cast: Convert the columns to the types that the reader declares.
    """

    filters: Any = None
    cast: bool = False
