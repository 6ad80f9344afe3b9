"""Polars frames as datasets: parquet files in a folder, streamed and scanned where the frame is lazy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from hardpoint.types.structured.parquet import ParquetDecoder, ParquetEncoder

if TYPE_CHECKING:
    pass

__all__ = [
    "ParquetToPolarsDataFrameDecodingHandler",
    "ParquetToPolarsLazyFrameDecodingHandler",
    "PolarsDataFrameToParquetEncodingHandler",
    "PolarsLazyFrameToParquetEncodingHandler",
]

_ROWS = 1 << 18
"""Of the pieces in which a frame is handed to the writer."""


def _stream(schema: pl.Schema, pieces: Iterator[pl.DataFrame]) -> pa.RecordBatchReader:
    arrow = _arrow(schema.to_frame()).schema
    return pa.RecordBatchReader.from_batches(arrow, (batch for piece in pieces for batch in _arrow(piece).to_batches()))


def _arrow(frame: pl.DataFrame) -> pa.Table:
    # The newest layout has strings that the parquet writers of some supported Arrow versions do not know.
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


class PolarsDataFrameToParquetEncodingHandler(ParquetEncoder[pl.DataFrame]):
    """Writes a `polars.DataFrame`."""

    def __init__(self) -> None:
        super().__init__(pl.DataFrame)

    def to_arrow(self, frame: pl.DataFrame) -> pa.RecordBatchReader:
        return _stream(frame.schema, frame.iter_slices(_ROWS))


class PolarsLazyFrameToParquetEncodingHandler(ParquetEncoder[pl.LazyFrame]):
    """Computes a `polars.LazyFrame` piece by piece, and writes each at once: it is never in memory as a whole."""

    def __init__(self) -> None:
        super().__init__(pl.LazyFrame)

    def to_arrow(self, frame: pl.LazyFrame) -> pa.RecordBatchReader:
        return _stream(frame.collect_schema(), frame.collect_batches(chunk_size=_ROWS, lazy=True))


class ParquetToPolarsDataFrameDecodingHandler(ParquetDecoder[pl.DataFrame]):
    """Reads a `polars.DataFrame`."""

    def __init__(self) -> None:
        super().__init__(pl.DataFrame)

    def from_arrow(self, table: pa.Table) -> pl.DataFrame:
        return pl.DataFrame(table)


class ParquetToPolarsLazyFrameDecodingHandler(ParquetDecoder[pl.LazyFrame]):
    """Gives a `polars.LazyFrame` that reads, when it is collected, what its plan needs."""

    def __init__(self) -> None:
        super().__init__(pl.LazyFrame)

    def from_arrow(self, table: pa.Table) -> pl.LazyFrame:
        return pl.LazyFrame(table)
