"""Structured datasets: dataframes of any library, written and read by handlers that are found when a type is met."""

from hardpoint._lazy import attach

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
