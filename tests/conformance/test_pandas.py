"""`pandas.DataFrame` as a dataset."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from hardpoint.testing import DatasetConformance


class TestPandas(DatasetConformance):
    python_type = pd.DataFrame

    def make(self, table: pa.Table) -> pd.DataFrame:
        return table.to_pandas()

    def table(self, frame: pd.DataFrame) -> pa.Table:
        return pa.Table.from_pandas(frame, preserve_index=False)
