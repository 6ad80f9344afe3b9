"""Readers and writers of parquet files, for pandas and Arrow."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hardpoint.types.schema.handlers import LocalIOSchemaReader, LocalIOSchemaWriter, SchemaHandler
from hardpoint.types.structured.handlers import MissingColumnsError

__all__ = ["ARROW", "PANDAS"]


class ArrowSchemaReader(LocalIOSchemaReader):
    """Reads a table of Arrow; of the files no other columns than the declared ones."""

    def _read(self, *path: str, **kwargs: Any) -> Any:
        return pa.concat_tables([self._one(p, **kwargs) for p in path])

    def _one(self, path: str, **kwargs: Any) -> Any:
        with pq.ParquetFile(path) as file:
            wanted = self.column_names
            missing = [name for name in wanted or () if name not in file.schema_arrow.names]
            if missing:
                raise MissingColumnsError(missing, file.schema_arrow.names, self.from_path)
            return file.read(columns=wanted, **kwargs)


class ArrowSchemaWriter(LocalIOSchemaWriter):
    """Writes a table of Arrow."""

    def _write(self, df: Any, path: str, **kwargs: Any) -> None:
        pq.write_table(df, path, **{"coerce_timestamps": "us", "allow_truncated_timestamps": False, **kwargs})


class PandasSchemaReader(ArrowSchemaReader):
    """Reads a frame; frames that are only numbered through are numbered anew."""

    def _read(self, *path: str, **kwargs: Any) -> Any:
        import pandas as pd

        frames = [self._one(p, **kwargs).to_pandas() for p in path]
        if len(frames) == 1:
            return frames[0]
        return pd.concat(frames, ignore_index=all(isinstance(frame.index, pd.RangeIndex) for frame in frames))


class PandasSchemaWriter(ArrowSchemaWriter):
    """Writes a frame with its index."""

    def _write(self, df: Any, path: str, **kwargs: Any) -> None:
        super()._write(pa.Table.from_pandas(df), path, **kwargs)


def _pandas() -> SchemaHandler:
    import pandas as pd

    return SchemaHandler("pandas-dataframe-schema", pd.DataFrame, PandasSchemaReader, PandasSchemaWriter)


ARROW = SchemaHandler("arrow-table-schema", pa.Table, ArrowSchemaReader, ArrowSchemaWriter)
PANDAS = _pandas()
