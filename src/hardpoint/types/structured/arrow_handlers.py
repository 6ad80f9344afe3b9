"""`pyarrow.Table` and `pyarrow.RecordBatchReader` as datasets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hardpoint.types.structured.options import ReadOptions
from hardpoint.types.structured.parquet import ArrowDecoder, ParquetDecoder, ParquetEncoder

if TYPE_CHECKING:
    from flyteidl.core.literals_pb2 import StructuredDataset as DatasetLiteral
    from flyteidl.core.literals_pb2 import StructuredDatasetMetadata

    from hardpoint.context import FlyteContext

__all__ = [
    "ArrowToParquetEncodingHandler",
    "ParquetToArrowDecodingHandler",
    "ParquetToReaderDecodingHandler",
    "ReaderDecoder",
    "ReaderToParquetEncodingHandler",
]

_BATCH_ROWS = 1 << 16


class ArrowToParquetEncodingHandler(ParquetEncoder[pa.Table]):
    """Writes a `pyarrow.Table`."""

    def __init__(self) -> None:
        super().__init__(pa.Table)

    def to_arrow(self, frame: pa.Table) -> pa.Table:
        return frame


class ParquetToArrowDecodingHandler(ParquetDecoder[pa.Table]):
    """Reads a `pyarrow.Table`."""

    def __init__(self) -> None:
        super().__init__(pa.Table)

    def from_arrow(self, table: pa.Table) -> pa.Table:
        return table


class ReaderToParquetEncodingHandler(ParquetEncoder[pa.RecordBatchReader]):
    """Writes a stream of batches, of which no more than a row group is in memory."""

    def __init__(self) -> None:
        super().__init__(pa.RecordBatchReader)

    def to_arrow(self, frame: pa.RecordBatchReader) -> pa.RecordBatchReader:
        return frame


class ReaderDecoder(ArrowDecoder[pa.RecordBatchReader]):
    """Gives a stream of batches, which reads as it is consumed."""

    def from_arrow(self, table: pa.Table) -> pa.RecordBatchReader:
        return table.to_reader()

    def read(
        self,
        ctx: FlyteContext,
        flyte_value: DatasetLiteral,
        current_task_metadata: StructuredDatasetMetadata,
        options: ReadOptions,
    ) -> Any:
        """The data as a stream."""
        source, columns, wanted = self.open(ctx, flyte_value, current_task_metadata, options)
        names = source.schema.names if columns is None else columns
        schema = pa.schema([source.schema.field(name) for name in names], metadata=source.schema.metadata)

        def cast() -> Iterator[pa.RecordBatch]:
            for batch in source.batches(_BATCH_ROWS, columns):
                yield batch if wanted is None else batch.cast(wanted)

        return pa.RecordBatchReader.from_batches(wanted or schema, cast())


class ParquetToReaderDecodingHandler(ReaderDecoder, ParquetDecoder[pa.RecordBatchReader]):
    """Gives a stream of batches of parquet files."""

    def __init__(self) -> None:
        super().__init__(pa.RecordBatchReader)
