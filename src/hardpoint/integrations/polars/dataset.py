"""Polars frames as datasets: parquet files in a folder, which are streamed and scanned where the frame is lazy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.integrations.polars.scan import arrow_of, condition, scan_arrow, scan_native
from hardpoint.secrets import redact_uri
from hardpoint.types.structured import schema
from hardpoint.types.structured.arrow_io import open_source
from hardpoint.types.structured.dataset import StructuredDataset
from hardpoint.types.structured.handlers import MissingColumnsError
from hardpoint.types.structured.options import ReadOptions
from hardpoint.types.structured.parquet import ParquetDecoder, ParquetEncoder

if TYPE_CHECKING:
    from flyteidl.core.literals_pb2 import StructuredDataset as DatasetLiteral
    from flyteidl.core.literals_pb2 import StructuredDatasetMetadata

    from hardpoint.context import FlyteContext
    from hardpoint.idl import StructuredDatasetType

__all__ = [
    "ParquetToPolarsDataFrameDecodingHandler",
    "ParquetToPolarsLazyFrameDecodingHandler",
    "PolarsDataFrameToParquetEncodingHandler",
    "PolarsLazyFrameToParquetEncodingHandler",
]

_PIECE_ROWS = 1 << 18


def _arrow_schema(columns: pl.Schema) -> pa.Schema:
    return arrow_of(columns.to_frame()).schema


def _stream(columns: pl.Schema, pieces: Iterable[pl.DataFrame]) -> pa.RecordBatchReader:
    batches = (batch for piece in pieces for batch in arrow_of(piece).to_batches())
    return pa.RecordBatchReader.from_batches(_arrow_schema(columns), batches)


F = TypeVar("F", pl.DataFrame, pl.LazyFrame)


class _Encoder(ParquetEncoder[F]):
    """Writes the declared columns, and no others; all if none are declared."""

    def encode(
        self,
        ctx: FlyteContext,
        structured_dataset: StructuredDataset,
        structured_dataset_type: StructuredDatasetType,
    ) -> DatasetLiteral:
        frame: Any = structured_dataset.dataframe
        names = [column.name for column in structured_dataset_type.columns]
        chosen, missing = schema.resolve(names, _arrow_schema(frame.lazy().collect_schema()))
        if chosen and not missing:  # what is missing is an error, which is raised where it is for all libraries
            structured_dataset = StructuredDataset(
                dataframe=frame.select(chosen),
                uri=structured_dataset.uri,
                write_options=structured_dataset.write_options,
            )
        return super().encode(ctx, structured_dataset, structured_dataset_type)


class PolarsDataFrameToParquetEncodingHandler(_Encoder[pl.DataFrame]):
    """Writes a `polars.DataFrame`."""

    def __init__(self) -> None:
        super().__init__(pl.DataFrame)

    def to_arrow(self, frame: pl.DataFrame) -> pa.RecordBatchReader:
        return _stream(frame.schema, frame.iter_slices(_PIECE_ROWS))


class PolarsLazyFrameToParquetEncodingHandler(_Encoder[pl.LazyFrame]):
    """Computes a `polars.LazyFrame` piece by piece and writes each at once: it is never in memory as a whole."""

    def __init__(self) -> None:
        super().__init__(pl.LazyFrame)

    def to_arrow(self, frame: pl.LazyFrame) -> pa.RecordBatchReader:
        return _stream(frame.collect_schema(), frame.collect_batches(chunk_size=_PIECE_ROWS, lazy=True))


class ParquetToPolarsDataFrameDecodingHandler(ParquetDecoder[pl.DataFrame]):
    """Reads a `polars.DataFrame`."""

    def __init__(self) -> None:
        super().__init__(pl.DataFrame)

    def from_arrow(self, table: pa.Table) -> pl.DataFrame:
        return pl.DataFrame(table)

    def read(
        self,
        ctx: FlyteContext,
        flyte_value: DatasetLiteral,
        current_task_metadata: StructuredDatasetMetadata,
        options: ReadOptions,
    ) -> pl.DataFrame | Iterator[pl.DataFrame]:
        """The data as a frame: only the columns, row groups and partitions that are wanted."""
        frame = None if isinstance(options.filters, pc.Expression) else scan_native(flyte_value.uri, ctx.file_access)
        if frame is None:
            return super().read(ctx, flyte_value, current_task_metadata, options)
        where = redact_uri(flyte_value.uri)
        try:
            return _wanted(frame, current_task_metadata.structured_dataset_type, options, where).collect()
        except pl.exceptions.PolarsError as error:
            raise TypeTransformerFailedError(f"{where} cannot be read: {error}", where=where) from error


class ParquetToPolarsLazyFrameDecodingHandler(ParquetDecoder[pl.LazyFrame]):
    """Gives a `polars.LazyFrame` that reads, when it is collected, what its plan needs."""

    def __init__(self) -> None:
        super().__init__(pl.LazyFrame)

    def from_arrow(self, table: pa.Table) -> pl.LazyFrame:
        return pl.LazyFrame(table)

    def read(
        self,
        ctx: FlyteContext,
        flyte_value: DatasetLiteral,
        current_task_metadata: StructuredDatasetMetadata,
        options: ReadOptions,
    ) -> pl.LazyFrame | Iterator[pl.LazyFrame]:
        """The data as a plan that reads it; so far only footers are read."""
        uri, filters = flyte_value.uri, options.filters
        frame = None if isinstance(filters, pc.Expression) else scan_native(uri, ctx.file_access)
        if frame is None:
            frame = scan_arrow(open_source(uri, ctx.file_access, filters))
        return _wanted(frame, current_task_metadata.structured_dataset_type, options, redact_uri(uri))


def _wanted(frame: pl.LazyFrame, declared: StructuredDatasetType, options: ReadOptions, where: str) -> pl.LazyFrame:
    """The rows, columns and types that the reader asks for."""
    there = _arrow_schema(frame.collect_schema())
    # An Arrow expression has done its work in the scan.
    if options.filters is not None and not isinstance(options.filters, pc.Expression):
        rows = condition(options.filters)
        _require(rows.meta.root_names(), there, where)
        frame = frame.filter(rows)
    if declared.columns:
        frame = frame.select(_require([column.name for column in declared.columns], there, where))
    if options.cast:
        kinds = pl.DataFrame(schema.target(declared, there).empty_table()).schema
        frame = frame.cast({name: kinds[name] for name in frame.collect_schema()})
    return frame


def _require(names: Iterable[str], there: pa.Schema, where: str) -> list[str]:
    chosen, missing = schema.resolve(names, there)
    if missing:
        raise MissingColumnsError(missing, there.names, where)
    return chosen
