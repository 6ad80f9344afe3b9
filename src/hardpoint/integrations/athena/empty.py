"""The parquet file of a result without rows."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from hardpoint.idl import SimpleType

__all__ = ["no_rows"]

# As what Athena unloads columns of these types.
_TYPES: dict[int, pa.DataType] = {
    SimpleType.INTEGER: pa.int64(),
    SimpleType.FLOAT: pa.float64(),
    SimpleType.BOOLEAN: pa.bool_(),
    SimpleType.STRING: pa.string(),
    SimpleType.DATETIME: pa.timestamp("ms"),
    SimpleType.DURATION: pa.string(),
}


def no_rows(columns: Mapping[str, int]) -> bytes:
    """The bytes of a file with these columns, by the simple types that are declared for them; others are text."""
    schema = pa.schema([(name, _TYPES.get(kind, pa.string())) for name, kind in columns.items()])
    stream = io.BytesIO()
    pq.write_table(schema.empty_table(), stream)
    return stream.getvalue()
