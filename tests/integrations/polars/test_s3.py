"""Polars frames on S3, by polars' own client."""

from __future__ import annotations

import polars as pl
import pytest

from hardpoint.context import FlyteContextManager
from hardpoint.integrations.polars import scan
from hardpoint.storage import FileAccess
from hardpoint.types import TypeEngine
from hardpoint.types.structured import StructuredDataset, WriteOptions


@pytest.mark.parametrize("kind", [pl.DataFrame, pl.LazyFrame])
@pytest.mark.parametrize(
    "options", [WriteOptions(), WriteOptions(max_rows_per_file=2), WriteOptions(partition_by=["k"])]
)
def test_round_trip(s3_bucket: str, kind: type, options: WriteOptions) -> None:
    frame = pl.DataFrame({"n": [1, 2, 3], "k": ["a b", "ü", None]})
    with FlyteContextManager.use(files=FileAccess(f"{s3_bucket}/raw data")):
        files = FlyteContextManager.current_context().file_access
        given = StructuredDataset(dataframe=frame if kind is pl.DataFrame else frame.lazy(), write_options=options)
        literal = TypeEngine.codec(StructuredDataset).encode(given)
        got = TypeEngine.codec(kind).decode(literal).lazy()
        assert got.collect().sort("n").equals(frame)
        native = scan.scan_native(literal.scalar.structured_dataset.uri, files)
    assert native is not None
    assert "Parquet SCAN [s3://" in native.explain()
