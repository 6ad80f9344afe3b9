"""Structured datasets: dataframes of any library, written and read by handlers that are found when a type is met."""

from typing import TYPE_CHECKING

from hardpoint._lazy import attach

if TYPE_CHECKING:
    from hardpoint.types.structured.dataset import StructuredDataset as StructuredDataset
    from hardpoint.types.structured.handlers import CSV as CSV
    from hardpoint.types.structured.handlers import GENERIC_FORMAT as GENERIC_FORMAT
    from hardpoint.types.structured.handlers import GENERIC_PROTOCOL as GENERIC_PROTOCOL
    from hardpoint.types.structured.handlers import PARQUET as PARQUET
    from hardpoint.types.structured.handlers import DuplicateHandlerError as DuplicateHandlerError
    from hardpoint.types.structured.handlers import HandlerNotFoundError as HandlerNotFoundError
    from hardpoint.types.structured.handlers import MissingColumnsError as MissingColumnsError
    from hardpoint.types.structured.handlers import StructuredDatasetDecoder as StructuredDatasetDecoder
    from hardpoint.types.structured.handlers import StructuredDatasetEncoder as StructuredDatasetEncoder
    from hardpoint.types.structured.handlers import StructuredDatasetFormat as StructuredDatasetFormat
    from hardpoint.types.structured.options import ReadOptions as ReadOptions
    from hardpoint.types.structured.options import WriteOptions as WriteOptions
    from hardpoint.types.structured.parquet import ParquetDecoder as ParquetDecoder
    from hardpoint.types.structured.parquet import ParquetEncoder as ParquetEncoder
    from hardpoint.types.structured.transformer import (
        StructuredDatasetTransformerEngine as StructuredDatasetTransformerEngine,
    )

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "CSV": ".handlers:CSV",
        "DuplicateHandlerError": ".handlers:DuplicateHandlerError",
        "GENERIC_FORMAT": ".handlers:GENERIC_FORMAT",
        "GENERIC_PROTOCOL": ".handlers:GENERIC_PROTOCOL",
        "HandlerNotFoundError": ".handlers:HandlerNotFoundError",
        "MissingColumnsError": ".handlers:MissingColumnsError",
        "PARQUET": ".handlers:PARQUET",
        "ParquetDecoder": ".parquet:ParquetDecoder",
        "ParquetEncoder": ".parquet:ParquetEncoder",
        "ReadOptions": ".options:ReadOptions",
        "StructuredDataset": ".dataset:StructuredDataset",
        "StructuredDatasetDecoder": ".handlers:StructuredDatasetDecoder",
        "StructuredDatasetEncoder": ".handlers:StructuredDatasetEncoder",
        "StructuredDatasetFormat": ".handlers:StructuredDatasetFormat",
        "StructuredDatasetTransformerEngine": ".transformer:StructuredDatasetTransformerEngine",
        "WriteOptions": ".options:WriteOptions",
    },
)
