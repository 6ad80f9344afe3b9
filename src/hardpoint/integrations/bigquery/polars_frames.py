"""Tables of BigQuery as `polars.DataFrame`."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa

from hardpoint.integrations.bigquery.handlers import BigQueryDecoder, BigQueryEncoder

__all__ = ["BQToPolarsDecoder", "PolarsToBQEncoder"]


class PolarsToBQEncoder(BigQueryEncoder[pl.DataFrame]):
    """Writes a frame."""

    def __init__(self) -> None:
        super().__init__(pl.DataFrame)

    def to_arrow(self, frame: pl.DataFrame) -> Any:
        return frame


class BQToPolarsDecoder(BigQueryDecoder[pl.DataFrame]):
    """Reads a frame."""

    def __init__(self) -> None:
        super().__init__(pl.DataFrame)

    def from_arrow(self, table: pa.Table) -> pl.DataFrame:
        return pl.DataFrame(table)
