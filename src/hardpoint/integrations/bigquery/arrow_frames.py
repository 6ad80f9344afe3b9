"""Tables of BigQuery as `pyarrow.Table` and `pyarrow.RecordBatchReader`."""

from __future__ import annotations

import pyarrow as pa

from hardpoint.integrations.bigquery.handlers import BigQueryDecoder, BigQueryEncoder
from hardpoint.types.structured.arrow_handlers import ReaderDecoder

__all__ = ["ArrowToBQEncodingHandlers", "BQToArrowDecodingHandler", "BQToReaderDecoder", "ReaderToBQEncoder"]


class ArrowToBQEncodingHandlers(BigQueryEncoder[pa.Table]):
    """Writes a `pyarrow.Table`."""

    def __init__(self) -> None:
        super().__init__(pa.Table)

    def to_arrow(self, frame: pa.Table) -> pa.Table:
        return frame


class BQToArrowDecodingHandler(BigQueryDecoder[pa.Table]):
    """Reads a `pyarrow.Table`."""

    def __init__(self) -> None:
        super().__init__(pa.Table)

    def from_arrow(self, table: pa.Table) -> pa.Table:
        return table


class ReaderToBQEncoder(BigQueryEncoder[pa.RecordBatchReader]):
    """Writes a stream of batches."""

    def __init__(self) -> None:
        super().__init__(pa.RecordBatchReader)

    def to_arrow(self, frame: pa.RecordBatchReader) -> pa.RecordBatchReader:
        return frame


class BQToReaderDecoder(BigQueryDecoder[pa.RecordBatchReader], ReaderDecoder):
    """Gives a stream of batches, which reads as it is consumed."""

    def __init__(self) -> None:
        super().__init__(pa.RecordBatchReader)
