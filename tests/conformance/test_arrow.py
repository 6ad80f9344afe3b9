"""`pyarrow.Table` as a dataset."""

from __future__ import annotations

import pyarrow as pa

from hardpoint.testing import DatasetConformance


class TestArrow(DatasetConformance):
    python_type = pa.Table

    def make(self, table: pa.Table) -> pa.Table:
        return table

    def table(self, frame: pa.Table) -> pa.Table:
        return frame
