"""What the handlers of all dataframe libraries have in common: frames go to tables, and come from them, as Arrow data."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

from flyteidl.core.literals_pb2 import StructuredDataset as DatasetLiteral
from flyteidl.core.literals_pb2 import StructuredDatasetMetadata

from hardpoint.integrations.bigquery.read import BigQuerySource
from hardpoint.integrations.bigquery.uris import BIGQUERY, TableName
from hardpoint.integrations.bigquery.write import load
from hardpoint.types.structured import MissingColumnsError, StructuredDatasetEncoder
from hardpoint.types.structured.arrow_io import as_arrow
from hardpoint.types.structured.parquet import ArrowDecoder
from hardpoint.types.structured.schema import resolve

if TYPE_CHECKING:
    from hardpoint.context import FlyteContext
    from hardpoint.idl import StructuredDatasetType
    from hardpoint.types.structured import ReadOptions, StructuredDataset

__all__ = ["BigQueryDecoder", "BigQueryEncoder"]

T = TypeVar("T")


class BigQueryEncoder(StructuredDatasetEncoder[T]):
    """Writes frames to the table that the URI names.

    Args:
        python_type: The class of the frames.
    """

    def __init__(self, python_type: type[T]) -> None:
        super().__init__(python_type, BIGQUERY)

    @abstractmethod
    def to_arrow(self, frame: T) -> Any:
        """The frame as a `pyarrow.Table`, a `RecordBatchReader` or anything with ``__arrow_c_stream__``."""

    def encode(
        self,
        ctx: FlyteContext,
        structured_dataset: StructuredDataset,
        structured_dataset_type: StructuredDatasetType,
    ) -> DatasetLiteral:
        """Write the frame; see `StructuredDatasetEncoder.encode`. How is said by `BigQueryWriteOptions`."""
        name = TableName.parse(structured_dataset.uri)
        frame: Any = structured_dataset.dataframe
        data = as_arrow(self.to_arrow(frame))
        _, missing = resolve((column.name for column in structured_dataset_type.columns), data.schema)
        if missing:
            raise MissingColumnsError(missing, data.schema.names, f"The {type(frame).__qualname__}")
        load(data, name, structured_dataset.write_options)
        return DatasetLiteral(
            uri=structured_dataset.uri,
            metadata=StructuredDatasetMetadata(structured_dataset_type=structured_dataset_type),
        )


class BigQueryDecoder(ArrowDecoder[T]):
    """Reads frames from the table that the URI names: only the columns, and as far as possible the rows, that are wanted.

    Args:
        python_type: The class of the frames.
    """

    def __init__(self, python_type: type[T]) -> None:
        super().__init__(python_type, BIGQUERY)

    def source(self, ctx: FlyteContext, flyte_value: DatasetLiteral, options: ReadOptions) -> BigQuerySource:
        return BigQuerySource(flyte_value.uri, options)
