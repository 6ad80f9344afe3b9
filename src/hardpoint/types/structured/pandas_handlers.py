"""`pandas.DataFrame` as a dataset, in parquet and in CSV."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
import pyarrow as pa
from flyteidl.core.literals_pb2 import StructuredDataset as DatasetLiteral
from flyteidl.core.literals_pb2 import StructuredDatasetMetadata

from hardpoint.idl import SimpleType
from hardpoint.secrets import redact_uri
from hardpoint.storage import uris
from hardpoint.types.structured.handlers import (
    CSV,
    MissingColumnsError,
    StructuredDatasetDecoder,
    StructuredDatasetEncoder,
)
from hardpoint.types.structured.layout import discover
from hardpoint.types.structured.options import ReadOptions
from hardpoint.types.structured.parquet import ParquetDecoder, ParquetEncoder

if TYPE_CHECKING:
    from hardpoint.context import FileAccessLike, FlyteContext
    from hardpoint.idl import StructuredDatasetType
    from hardpoint.types.structured.dataset import StructuredDataset

__all__ = [
    "CSVToPandasDecodingHandler",
    "PandasToCSVEncodingHandler",
    "PandasToParquetEncodingHandler",
    "ParquetToPandasDecodingHandler",
]

_COMPRESSION = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
_ATTRS = b"PANDAS_ATTRS"  # where pandas itself keeps `DataFrame.attrs`


class PandasToParquetEncodingHandler(ParquetEncoder[pd.DataFrame]):
    """Writes a frame with its index and its `attrs`."""

    def __init__(self) -> None:
        super().__init__(pd.DataFrame)

    def to_arrow(self, frame: pd.DataFrame) -> pa.Table:
        table = pa.Table.from_pandas(frame)
        if frame.attrs:
            table = table.replace_schema_metadata({**table.schema.metadata, _ATTRS: json.dumps(frame.attrs)})
        return table


class ParquetToPandasDecodingHandler(ParquetDecoder[pd.DataFrame]):
    """Reads a frame, with its index also where only some columns are wanted."""

    def __init__(self) -> None:
        super().__init__(pd.DataFrame)

    def carried(self, actual: pa.Schema) -> list[str]:
        index = (actual.pandas_metadata or {}).get("index_columns", [])
        return [name for name in index if isinstance(name, str) and name in actual.names]  # a range is no column

    def from_arrow(self, table: pa.Table) -> pd.DataFrame:
        metadata = table.schema.metadata or {}
        frame: pd.DataFrame = table.to_pandas()
        if _ATTRS in metadata:
            frame.attrs = json.loads(metadata[_ATTRS])
        return frame


class PandasToCSVEncodingHandler(StructuredDatasetEncoder[pd.DataFrame]):
    """Writes a frame without its index to ``<uri>/.csv``."""

    def __init__(self) -> None:
        super().__init__(pd.DataFrame, None, CSV)

    def encode(
        self,
        ctx: FlyteContext,
        structured_dataset: StructuredDataset,
        structured_dataset_type: StructuredDatasetType,
    ) -> DatasetLiteral:
        """Write the frame; see `StructuredDatasetEncoder.encode`."""
        frame = cast(pd.DataFrame, structured_dataset.dataframe)
        names = [str(name) for name in frame.columns]
        missing = [column.name for column in structured_dataset_type.columns if column.name not in names]
        if missing:
            raise MissingColumnsError(missing, names, "The DataFrame")
        uri = structured_dataset.uri or ctx.file_access.get_random_remote_directory()
        with ctx.file_access.open(uris.join(uri, ".csv"), "w", newline="") as stream:
            frame.to_csv(stream, index=False)
        return DatasetLiteral(
            uri=uri, metadata=StructuredDatasetMetadata(structured_dataset_type=structured_dataset_type)
        )


class CSVToPandasDecodingHandler(StructuredDatasetDecoder[pd.DataFrame]):
    """Reads a CSV file, or all of a folder. Declared columns get their declared types."""

    def __init__(self) -> None:
        super().__init__(pd.DataFrame, None, CSV)

    def decode(
        self, ctx: FlyteContext, flyte_value: DatasetLiteral, current_task_metadata: StructuredDatasetMetadata
    ) -> pd.DataFrame:
        """The data as a frame."""
        columns = current_task_metadata.structured_dataset_type.columns
        frames = list(_frames(flyte_value.uri, ctx.file_access, columns))
        return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)

    def read(
        self,
        ctx: FlyteContext,
        flyte_value: DatasetLiteral,
        current_task_metadata: StructuredDatasetMetadata,
        options: ReadOptions,
    ) -> pd.DataFrame | Iterator[pd.DataFrame]:
        """The data as a frame; `cast` is what happens anyway."""
        return super().read(ctx, flyte_value, current_task_metadata, replace(options, cast=False))

    def batches(
        self,
        ctx: FlyteContext,
        flyte_value: DatasetLiteral,
        current_task_metadata: StructuredDatasetMetadata,
        options: ReadOptions,
        batch_rows: int,
    ) -> Iterator[pd.DataFrame]:
        """Frames of at most `batch_rows` rows."""
        if options.filters is not None:
            yield from super().batches(ctx, flyte_value, current_task_metadata, options, batch_rows)
        columns = current_task_metadata.structured_dataset_type.columns
        yield from _frames(flyte_value.uri, ctx.file_access, columns, batch_rows)


def _csv_files(uri: str, files: FileAccessLike) -> list[str]:
    own = uris.join(uri, ".csv")
    if uris.protocol(uri) not in ("http", "https") and files.exists(own):
        return [own]
    found = discover(uri, files, lambda name: ".csv" in name.lower() or name.startswith("part-"))
    if found.filesystem is None:
        return found.paths
    return [found.filesystem.unstrip_protocol(path) for path in found.paths]


def _frames(uri: str, files: FileAccessLike, columns: Sequence[Any], rows: int | None = None) -> Iterator[pd.DataFrame]:
    """The frames of a dataset: one a file, or as many as there are with at most `rows` rows."""
    kinds = {column.name: column.literal_type.simple for column in columns}
    names = list(kinds) or None
    for file in _csv_files(uri, files):
        packed: Any = next((kind for end, kind in _COMPRESSION.items() if file.endswith(end)), None)
        with files.open(file, "rb") as stream:
            if kinds:
                present = [str(name) for name in pd.read_csv(stream, nrows=0, compression=packed).columns]
                missing = [name for name in kinds if name not in present]
                if missing:
                    raise MissingColumnsError(missing, present, redact_uri(file))
                stream.seek(0)
            # Text that looks like a number stays text where text is declared.
            texts: Any = {name: str for name, kind in kinds.items() if kind == SimpleType.STRING}
            with pd.read_csv(
                stream, usecols=names, dtype=texts, compression=packed, chunksize=rows or sys.maxsize
            ) as chunks:
                for chunk in chunks:
                    yield _typed(chunk, kinds)


def _typed(frame: pd.DataFrame, kinds: Mapping[str, int]) -> pd.DataFrame:
    for name, kind in kinds.items():
        column = frame[name]
        if kind == SimpleType.DATETIME:
            frame[name] = pd.to_datetime(column)
        elif kind == SimpleType.DURATION:
            frame[name] = pd.to_timedelta(column)
        elif kind == SimpleType.INTEGER and not pd.api.types.is_integer_dtype(column):
            frame[name] = column.astype("Int64")  # there are gaps, which numpy's integers cannot have
        elif kind == SimpleType.BOOLEAN and not pd.api.types.is_bool_dtype(column):
            frame[name] = column.astype("boolean")
        elif kind == SimpleType.FLOAT:
            frame[name] = column.astype("float64")
    return frame[list(kinds)] if kinds else frame
