"""How a dataframe library joins in: subclasses that say how its frames become Arrow data, and how they come from it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pyarrow as pa
from flyteidl.core.literals_pb2 import StructuredDataset as DatasetLiteral
from flyteidl.core.literals_pb2 import StructuredDatasetMetadata

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.types.structured import schema
from hardpoint.types.structured.arrow_io import as_arrow, open_source, write
from hardpoint.types.structured.handlers import (
    PARQUET,
    MissingColumnsError,
    StructuredDatasetDecoder,
    StructuredDatasetEncoder,
)
from hardpoint.types.structured.options import ReadOptions

if TYPE_CHECKING:
    from hardpoint.context import FlyteContext
    from hardpoint.idl import StructuredDatasetType
    from hardpoint.types.structured.dataset import StructuredDataset

__all__ = ["ArrowDecoder", "ArrowSource", "ParquetDecoder", "ParquetEncoder"]

T = TypeVar("T")


class ParquetEncoder(StructuredDatasetEncoder[T]):
    """Writes frames as parquet to any storage.

    Args:
        python_type: The class of the frames.
    """

    def __init__(self, python_type: type[T]) -> None:
        super().__init__(python_type, None, PARQUET)

    @abstractmethod
    def to_arrow(self, frame: T) -> Any:
        """The frame as a `pyarrow.Table`, a `RecordBatchReader` or anything with ``__arrow_c_stream__``."""

    def encode(
        self,
        ctx: FlyteContext,
        structured_dataset: StructuredDataset,
        structured_dataset_type: StructuredDatasetType,
    ) -> DatasetLiteral:
        """Write the frame to the URI that it has, or a fresh one; see `StructuredDatasetEncoder.encode`."""
        frame: Any = structured_dataset.dataframe
        data = as_arrow(self.to_arrow(frame))
        _, missing = schema.resolve((column.name for column in structured_dataset_type.columns), data.schema)
        if missing:
            raise MissingColumnsError(missing, data.schema.names, f"The {type(frame).__qualname__}")
        uri = structured_dataset.uri or ctx.file_access.get_random_remote_directory()
        write(data, uri, ctx.file_access, structured_dataset.write_options, fresh=not structured_dataset.uri)
        return DatasetLiteral(
            uri=uri, metadata=StructuredDatasetMetadata(structured_dataset_type=structured_dataset_type)
        )


class ArrowSource(Protocol):
    """A dataset that is ready to be read as Arrow data.

    Attributes:
        schema: Of all its columns.
        where: What it is called in messages.
    """

    schema: pa.Schema
    where: str

    def select(self, columns: Iterable[str]) -> list[str]:
        """The columns of the data that declared names stand for; MissingColumnsError if some are not there."""

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows; of these columns, or of all."""

    def batches(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The same in pieces of at most so many rows."""


class ArrowDecoder(StructuredDatasetDecoder[T]):
    """Reads frames by way of Arrow data, wherever that comes from.

    Args:
        python_type: The class of the frames.
        protocol: As for `StructuredDatasetDecoder`.
        supported_format: As for `StructuredDatasetDecoder`.
    """

    @abstractmethod
    def source(self, ctx: FlyteContext, flyte_value: DatasetLiteral, options: ReadOptions) -> ArrowSource:
        """What to read from."""

    @abstractmethod
    def from_arrow(self, table: pa.Table) -> T:
        """The frame. The table is this method's to destroy."""

    def carried(self, actual: pa.Schema) -> list[str]:
        """Columns that are read also when only others are declared, such as an index."""
        return []

    def open(
        self,
        ctx: FlyteContext,
        flyte_value: DatasetLiteral,
        current_task_metadata: StructuredDatasetMetadata,
        options: ReadOptions,
    ) -> tuple[ArrowSource, list[str] | None, pa.Schema | None]:
        """What to read from, the columns to read (None: all), and the schema to cast to (None: as it is)."""
        declared = current_task_metadata.structured_dataset_type
        source = self.source(ctx, flyte_value, options)
        columns = None
        if declared.columns:
            chosen = source.select(column.name for column in declared.columns)
            columns = list(dict.fromkeys([*chosen, *self.carried(source.schema)]))
        if not options.cast:
            return source, columns, None
        names = source.schema.names if columns is None else columns
        wanted = schema.target(declared, source.schema)
        return source, columns, pa.schema([wanted.field(name) for name in names], metadata=wanted.metadata)

    def decode(
        self, ctx: FlyteContext, flyte_value: DatasetLiteral, current_task_metadata: StructuredDatasetMetadata
    ) -> T | Iterator[T]:
        """The data as a frame."""
        return self.read(ctx, flyte_value, current_task_metadata, ReadOptions())

    def read(
        self,
        ctx: FlyteContext,
        flyte_value: DatasetLiteral,
        current_task_metadata: StructuredDatasetMetadata,
        options: ReadOptions,
    ) -> T | Iterator[T]:
        """The data as a frame: only the columns, row groups and partitions that are wanted."""
        source, columns, wanted = self.open(ctx, flyte_value, current_task_metadata, options)
        return self.from_arrow(_cast(source.table(columns), wanted, source.where))

    def batches(
        self,
        ctx: FlyteContext,
        flyte_value: DatasetLiteral,
        current_task_metadata: StructuredDatasetMetadata,
        options: ReadOptions,
        batch_rows: int,
    ) -> Iterator[T]:
        """Frames of at most `batch_rows` rows, read one after the other."""
        source, columns, wanted = self.open(ctx, flyte_value, current_task_metadata, options)
        for batch in source.batches(batch_rows, columns):
            yield self.from_arrow(_cast(pa.Table.from_batches([batch]), wanted, source.where))


class ParquetDecoder(ArrowDecoder[T]):
    """Reads frames from parquet files of any layout on any storage.

    Args:
        python_type: The class of the frames.
    """

    def __init__(self, python_type: type[T]) -> None:
        super().__init__(python_type, None, PARQUET)

    def source(self, ctx: FlyteContext, flyte_value: DatasetLiteral, options: ReadOptions) -> ArrowSource:
        return open_source(flyte_value.uri, ctx.file_access, options.filters)


def _cast(table: pa.Table, wanted: pa.Schema | None, where: str) -> pa.Table:
    if wanted is None or wanted.equals(table.schema):
        return table
    try:
        return table.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TypeTransformerFailedError(f"{where} does not fit the declared types: {error}", where=where) from error
