"""Arrow data to parquet files, on any storage."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from hardpoint.errors import TypeTransformerFailedError, UserError
from hardpoint.secrets import redact_uri
from hardpoint.storage import uris
from hardpoint.storage.local import find, staged_file
from hardpoint.storage.problems import problem
from hardpoint.types.structured.arrow_fs import arrow_filesystem
from hardpoint.types.structured.handlers import MissingColumnsError
from hardpoint.types.structured.layout import below, is_hidden
from hardpoint.types.structured.options import WriteOptions

if TYPE_CHECKING:
    from hardpoint.context import FileAccessLike

__all__ = ["as_arrow", "write"]

DEFAULT = WriteOptions()
_OURS = re.compile(r"\d{5,}")


def as_arrow(data: Any) -> pa.Table | pa.RecordBatchReader:
    """Anything that speaks the Arrow C data interface, as a table if it is one, else as a stream."""
    if isinstance(data, pa.Table | pa.RecordBatchReader):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if hasattr(data, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(data)
    raise TypeTransformerFailedError(
        f"A {type(data).__module__}.{type(data).__qualname__} is no Arrow data.",
        remedy="Give a pyarrow.Table, a RecordBatchReader, or something with __arrow_c_stream__.",
        value_type=type(data),
    )


def write(data: Any, uri: str, files: FileAccessLike, options: WriteOptions = DEFAULT, *, fresh: bool = False) -> None:
    """Write a table, or a stream of batches that is never held as a whole, to a folder.

    The numbered files that an earlier write left there are replaced; with `partition_by`, the partitions that it has.

    Args:
        data: Whatever `as_arrow` takes.
        uri: The folder.
        files: Storage.
        options: How.
        fresh: Nothing can be there yet, so nobody needs to look.

    Raises:
        UserError: there is other data in the folder, which a reader would mix with this.
    """
    source = as_arrow(data)
    uri = uri.rstrip("/")
    if options.partition_by:
        _write_partitions(source, uri, files, options)
        return
    before = set() if fresh else _numbered_files(uri, files)
    count = 0
    pieces = _pieces(source, options)
    piece = next(pieces, None)
    while count == 0 or piece is not None:
        rows = 0
        with (
            _sink(f"{uri}/{count:05d}", files) as sink,
            pq.ParquetWriter(sink, source.schema, **_writer_options(options)) as writer,
        ):
            while piece is not None and (not rows or not options.max_rows_per_file or rows < options.max_rows_per_file):
                writer.write_table(piece, row_group_size=options.row_group_size)
                rows += piece.num_rows
                piece = next(pieces, None)
        before.discard(f"{count:05d}")
        count += 1
    for name in before:
        _remove(f"{uri}/{name}", files)


def _writer_options(options: WriteOptions) -> dict[str, Any]:
    return {
        "compression": options.compression,
        "compression_level": options.compression_level,
        "coerce_timestamps": options.coerce_timestamps,
        "allow_truncated_timestamps": options.allow_truncated_timestamps,
    }


def _pieces(source: pa.Table | pa.RecordBatchReader, options: WriteOptions) -> Iterator[pa.Table]:
    """The data in pieces that never cross the border of a file; those of a stream are row groups."""
    limit = options.max_rows_per_file
    if isinstance(source, pa.Table):
        step = limit or max(source.num_rows, 1)
        for start in range(0, source.num_rows, step):
            yield source.slice(start, step)
        return
    waiting: list[pa.RecordBatch] = []
    rows = in_file = 0
    for batch in source:
        while batch.num_rows:
            room = options.row_group_size - rows
            if limit:
                room = min(room, limit - in_file - rows)
            waiting.append(batch.slice(0, room))
            rows += waiting[-1].num_rows
            batch = batch.slice(waiting[-1].num_rows)
            if waiting[-1].num_rows == room:
                # Where dictionaries differ, the writer would give up on them.
                yield pa.Table.from_batches(waiting).unify_dictionaries()
                in_file = 0 if limit and in_file + rows >= limit else in_file + rows
                waiting, rows = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting).unify_dictionaries()


def _sink(uri: str, files: FileAccessLike) -> AbstractContextManager[Any]:
    """Where to write a file that exists only once it is whole."""
    if uris.is_remote(uri):
        stream: AbstractContextManager[Any] = files.open(uri, "wb")
        return stream
    return staged_file(uris.local_path(uri))  # Arrow's own files are faster than Python's


def _numbered_files(uri: str, files: FileAccessLike) -> set[str]:
    """Names of the files that an earlier write left in a folder.

    Raises:
        UserError: there is other data.
    """
    if uris.is_remote(uri):
        filesystem = files.filesystem(uri)
        root = filesystem._strip_protocol(uri).rstrip("/")
        try:
            found = list(below(filesystem.find(root), root).values())
        except FileNotFoundError:
            found = []
        except Exception as error:
            raise problem(error, uri, "list") from error
        is_file = found == [""]
    else:
        root = uris.local_path(uri)
        is_file = os.path.isfile(root)
        found = [file.relative for file in find(root)[0]] if os.path.isdir(root) else []
    if is_file:
        raise UserError(f"{redact_uri(uri)} is a file; a dataset is written to a folder.", remedy="Give another uri.")
    foreign = [name for name in found if name and not is_hidden(name) and not _OURS.fullmatch(name)]
    if foreign:
        raise UserError(
            f"{redact_uri(uri)} holds other data already ({foreign[0]}), and readers would mix it with the new.",
            remedy="Give another uri, or remove what is there.",
            uri=redact_uri(uri),
        )
    return {name for name in found if _OURS.fullmatch(name)}


def _remove(uri: str, files: FileAccessLike) -> None:
    if uris.is_remote(uri):
        filesystem = files.filesystem(uri)
        filesystem.rm_file(filesystem._strip_protocol(uri))
    else:
        os.unlink(uris.local_path(uri))


def _write_partitions(
    source: pa.Table | pa.RecordBatchReader, uri: str, files: FileAccessLike, options: WriteOptions
) -> None:
    keys = list(options.partition_by)
    missing = [key for key in keys if key not in source.schema.names]
    if missing:
        raise MissingColumnsError(missing, source.schema.names, "The data that is to be partitioned")
    if len(keys) == len(source.schema.names):
        raise UserError(
            "All columns are partition columns, so nothing is left for the files.", remedy="Partition by fewer."
        )
    filesystem, path = arrow_filesystem(uri, files)
    parquet = ds.ParquetFileFormat()
    try:
        ds.write_dataset(
            source,
            path,
            basename_template="part-{i}.parquet",
            format=parquet,
            file_options=parquet.make_write_options(**_writer_options(options)),
            filesystem=filesystem,
            partitioning=ds.partitioning(pa.schema([source.schema.field(key) for key in keys]), flavor="hive"),
            max_rows_per_file=options.max_rows_per_file,
            max_rows_per_group=min(options.row_group_size, options.max_rows_per_file or options.row_group_size),
            max_partitions=1 << 16,
            use_threads=False,  # threads would shuffle the rows of a partition
            existing_data_behavior="delete_matching",
        )
        # The files do not have the partition columns; this says what types and places these had.
        with filesystem.open_output_stream(f"{path}/_common_metadata") as stream:
            pq.write_metadata(source.schema, stream)
    except OSError as error:
        raise problem(error, uri, "write") from error
