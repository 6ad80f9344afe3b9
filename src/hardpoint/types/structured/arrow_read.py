"""Parquet files of any layout, on any storage, as Arrow data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.secrets import redact_uri
from hardpoint.storage.problems import problem
from hardpoint.types.structured.arrow_fs import local_filesystem, remote_filesystem
from hardpoint.types.structured.handlers import MissingColumnsError
from hardpoint.types.structured.layout import Files, discover
from hardpoint.types.structured.schema import resolve

if TYPE_CHECKING:
    from hardpoint.context import FileAccessLike

__all__ = ["Source", "filter_columns", "filter_expression", "filter_groups", "open_source"]

_FOOTERS_AT_ONCE = 16
# Of each column while batches are read, in bytes; each filling of a remote one is a request.
_LOCAL_BUFFER = 1 << 16
_REMOTE_BUFFER = 1 << 22


def open_source(uri: str, files: FileAccessLike, filters: Any = None) -> Source:
    """A dataset that is ready to be read. So far footers are read, of the files that no filter rules out by partition.

    Args:
        uri: A file, a folder or a pattern.
        files: Storage.
        filters: As in `ReadOptions`.

    Raises:
        StorageNotFoundError: there is no data.
        TypeTransformerFailedError: it is not parquet, or its files do not fit together, or a filter is no filter.
    """
    expression = filter_expression(filters)
    found = discover(uri, files)
    with _explained(uri):
        return Source(_dataset(found, filters), uri, expression, filter_columns(filters))


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Arrow's errors, which do not say where, as ours."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        where = redact_uri(uri)
        raise TypeTransformerFailedError(f"{where} cannot be read: {error}", uri=where) from error
    except OSError as error:
        raise problem(error, uri, "read") from error


class Source:
    """A dataset that is ready to be read.

    Attributes:
        schema: Of all columns, those of partitions included.
        where: The URI, for messages.
    """

    def __init__(
        self, dataset: ds.FileSystemDataset, uri: str, filter: pc.Expression | None, filter_columns: list[str] | None
    ) -> None:
        self._dataset, self._uri, self._filter = dataset, uri, filter
        self._filter_columns = dataset.schema.names if filter_columns is None else filter_columns
        self.schema: pa.Schema = dataset.schema
        self.where = redact_uri(uri)

    def select(self, columns: Iterable[str]) -> list[str]:
        """The columns of the data that declared names stand for: for ``a.b`` all of ``a``, unless there is an ``a.b``.

        Raises:
            MissingColumnsError: some are not there.
        """
        names, missing = resolve(columns, self.schema)
        if missing:
            raise MissingColumnsError(missing, self.schema.names, self.where)
        return names

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows, less those that the filters rule out.

        Args:
            columns: Names of top-level columns; None: all.
        """
        with _explained(self._uri):
            return self._dataset.to_table(columns=columns, filter=self._filter)

    def batches(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The same in pieces of at most `rows` rows; no more than one is in memory.

        Row groups are decoded as they are consumed, where a scanner of datasets would decode several as a whole.
        """
        names = list(self.schema.names if columns is None else columns)
        wanted = None if columns is None else dict.fromkeys([*names, *self._filter_columns])
        for fragment in self._dataset.get_fragments(filter=self._filter):
            if self._filter is not None:
                fragment = fragment.subset(filter=self._filter, schema=self.schema)
            keys = ds.get_partition_keys(fragment.partition_expression)
            with _explained(self._uri), _stream(fragment) as file:
                present = fragment.physical_schema.names
                read = file.iter_batches(
                    rows,
                    row_groups=[group.id for group in fragment.row_groups],
                    columns=None if wanted is None else [name for name in wanted if name in present],
                )
                # No variable of a loop may keep a batch alive while the next one is decoded; `map` has none.
                pieces = map(partial(_conform, schema=self.schema, keys=keys), read)
                if self._filter is not None:
                    pieces = map(methodcaller("filter", self._filter), pieces)
                for parts in map(pa.Table.to_batches, map(methodcaller("select", names), pieces)):
                    while parts:
                        yield parts.pop(0)


def _stream(fragment: ds.ParquetFileFragment) -> pq.ParquetFile:
    """A file to be decoded page by page. It is not mapped: the pages would count as this process's memory."""
    local = isinstance(fragment.filesystem, pafs.LocalFileSystem)
    opened = pafs.LocalFileSystem().open_input_file(fragment.path) if local else fragment.open()
    buffer = _LOCAL_BUFFER if local else _REMOTE_BUFFER
    return pq.ParquetFile(opened, metadata=fragment.metadata, buffer_size=buffer, pre_buffer=False)


def filter_groups(filters: Any) -> list[list[tuple[str, str, Any]]]:
    """Filters in the form of lists as alternatives of conditions."""
    return [filters] if isinstance(filters[0][0], str) else filters


def filter_columns(filters: Any) -> list[str] | None:
    """The columns that filters look at; None: nobody knows, since an expression does not tell."""
    if isinstance(filters, pc.Expression):
        return None
    return [] if filters is None else [term[0] for group in filter_groups(filters) for term in group]


def filter_expression(filters: Any) -> pc.Expression | None:
    """Filters as an expression.

    Raises:
        TypeTransformerFailedError: they are none.
    """
    if filters is None or isinstance(filters, pc.Expression):
        return filters
    try:
        return pq.filters_to_expression(filters)
    except (ValueError, TypeError, IndexError) as error:
        raise TypeTransformerFailedError(
            f"{filters!r} is not a filter: {error}",
            remedy='A filter looks like [("age", ">", 30), ("name", "in", ["a", "b"])].',
        ) from error


def _conform(batch: pa.RecordBatch, schema: pa.Schema, keys: dict[str, Any]) -> pa.Table:
    """A batch with the columns that its file lacks: those of its partition, and nulls for what other files have."""
    columns = []
    for field in schema:
        if field.name in batch.schema.names:
            columns.append(batch.column(field.name).cast(field.type))
        elif field.name in keys:
            columns.append(pa.repeat(pa.scalar(keys[field.name], type=field.type), batch.num_rows))
        else:
            columns.append(pa.nulls(batch.num_rows, type=field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _about(names: Sequence[str], filters: Any) -> pc.Expression | None:
    """What filters say of certain columns alone: a condition that holds wherever they hold. Expressions stay as they are."""
    if filters is None or not names:
        return None
    if isinstance(filters, pc.Expression):
        return filters
    groups = [[term for term in group if term[0] in names] for group in filter_groups(filters)]
    return filter_expression(groups) if all(groups) else None


def _dataset(found: Files, filters: Any) -> ds.FileSystemDataset:
    local = found.filesystem is None
    filesystem = local_filesystem() if local else remote_filesystem(found.filesystem, found.sizes)
    # Ranges of a remote file are fetched together; a local one is mapped.
    parquet = ds.ParquetFileFormat(pre_buffer=not local)
    common: Any = pq.read_schema(found.common, filesystem=filesystem) if found.common else None
    keys = found.partition_keys
    typed: Any = common if common is not None and set(keys) <= set(common.names) else None
    partitioning: Any = ds.HivePartitioning.discover(infer_dictionary=False)
    if typed is not None:
        partitioning = ds.partitioning(pa.schema([typed.field(key) for key in keys]), flavor="hive")
    options = ds.FileSystemFactoryOptions(partition_base_dir=found.root, partitioning=partitioning)
    factory = ds.FileSystemDatasetFactory(filesystem, found.paths, parquet, options)
    if typed is None and keys:  # the folders' types can only be had together with those of the first file
        typed = factory.inspect()
    by_path = pa.schema([typed.field(key) for key in keys])
    unopened = factory.finish(by_path)
    try:
        fragments = list(unopened.get_fragments(filter=_about(by_path.names, filters)))
    except pa.ArrowInvalid:  # an expression about other columns, which cannot be taken apart
        fragments = list(unopened.get_fragments())
    with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
        schemas = list(pool.map(lambda fragment: fragment.physical_schema, fragments))
    schema = pa.unify_schemas([*schemas, by_path], promote_options="permissive")
    if common is not None and set(common.names) == set(schema.names):
        schema = pa.schema([schema.field(name) for name in common.names], metadata=schema.metadata)
    # These very fragments again, since they keep the footers that were read.
    return ds.FileSystemDataset(fragments, schema, parquet, filesystem)
