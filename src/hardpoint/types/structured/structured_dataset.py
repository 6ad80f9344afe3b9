"""Names that users know from `flytekit.types.structured.structured_dataset`."""

from hardpoint.types.structured.dataset import StructuredDataset
from hardpoint.types.structured.handlers import (
    CSV,
    GENERIC_FORMAT,
    GENERIC_PROTOCOL,
    PARQUET,
    StructuredDatasetDecoder,
    StructuredDatasetEncoder,
    StructuredDatasetFormat,
)
from hardpoint.types.structured.transformer import StructuredDatasetTransformerEngine

__all__ = [
    "CSV",
    "GENERIC_FORMAT",
    "GENERIC_PROTOCOL",
    "PARQUET",
    "StructuredDataset",
    "StructuredDatasetDecoder",
    "StructuredDatasetEncoder",
    "StructuredDatasetFormat",
    "StructuredDatasetTransformerEngine",
]
