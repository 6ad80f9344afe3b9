"""Polars frames, eager and lazy, as datasets."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from hardpoint.testing import DatasetConformance, never


class TestDataFrame(DatasetConformance):
    python_type = pl.DataFrame

    def make(self, table: pa.Table) -> pl.DataFrame:
        return pl.DataFrame(table)

    def table(self, frame: pl.DataFrame) -> pa.Table:
        return frame.to_arrow()


class TestLazyFrame(DatasetConformance):
    python_type = pl.LazyFrame
    gaps = (
        never(
            "impossible_cast",
            raises=pl.exceptions.InvalidOperationError,
            reason="a lazy frame is cast when it is collected, which is after we have handed it over",
        ),
    )

    def make(self, table: pa.Table) -> pl.LazyFrame:
        return pl.LazyFrame(table)

    def table(self, frame: pl.LazyFrame) -> pa.Table:
        return frame.collect().to_arrow()
