"""Parquet files of any layout as a `polars.LazyFrame`, which reads the columns and row groups that its plan needs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.integrations.polars.credentials import cloud_arguments
from hardpoint.storage import uris
from hardpoint.types.structured.arrow_io import Source
from hardpoint.types.structured.layout import Files, discover

if TYPE_CHECKING:
    from hardpoint.context import FileAccessLike

__all__ = ["arrow_of", "condition", "scan_arrow", "scan_native"]

_FOOTERS_AT_ONCE = 16
_BATCH_ROWS = 1 << 16


def arrow_of(frame: pl.DataFrame) -> pa.Table:
    """The frame as Arrow data, in the layout that every supported version of Arrow can write as parquet."""
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def scan_native(uri: str, files: FileAccessLike) -> pl.LazyFrame | None:
    """A scan by polars' own reader, with its own clients of object stores.

    Args:
        uri: A file, a folder or a pattern.
        files: Storage.

    Returns:
        None where that reader cannot do it: it knows no such storage, or the files differ in their columns.

    Raises:
        StorageNotFoundError: there is no data.
    """
    found = discover(uri, files)
    access: dict[str, Any] | None = {}
    if found.filesystem is not None:
        access = cloud_arguments(uris.protocol(uri), found.filesystem)
    if access is None:
        return None
    try:
        return _scan(found, access)
    except (pl.exceptions.PolarsError, OSError):  # Arrow may be able to read it, or else to say better what is wrong
        return None


def _scan(found: Files, access: dict[str, Any]) -> pl.LazyFrame | None:
    def located(path: str) -> str:
        return path if found.filesystem is None else str(found.filesystem.unstrip_protocol(path))

    def schema(path: str) -> pl.Schema:
        return pl.scan_parquet(located(path), glob=False, hive_partitioning=False, **access).collect_schema()

    with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
        first, *others = pool.map(schema, found.paths)
    if any(other != first for other in others):
        return None
    keys, order = found.partition_keys, list(first)
    kinds: dict[str, pl.DataType] = {}
    if found.common:
        common = schema(found.common)
        kinds = {key: common[key] for key in keys if key in common}
        order = list(common)
    names = [name for name in order if name in first or name in keys]
    frame = pl.scan_parquet(
        list(map(located, found.paths)),
        glob=False,
        hive_partitioning=bool(keys),
        hive_schema=kinds if len(kinds) == len(keys) > 0 else None,
        try_parse_hive_dates=False,  # the same types whichever library reads
        **access,
    )
    return frame.select(names + [key for key in keys if key not in names]) if keys else frame


def scan_arrow(source: Source) -> pl.LazyFrame:
    """A scan of what only Arrow can read: batch by batch, and only the columns that the plan needs."""
    schema = pl.DataFrame(source.schema.empty_table()).schema

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch_rows: int | None
    ) -> Iterator[pl.DataFrame]:
        wanted = None
        if columns is not None:
            roots = predicate.meta.root_names() if predicate is not None else []
            wanted = list(dict.fromkeys([*columns, *roots]))
        left = rows
        for batch in source.batches(batch_rows or _BATCH_ROWS, wanted):
            frame = pl.DataFrame(pa.Table.from_batches([batch]))
            if left is not None:
                frame = frame.head(left)
                left -= frame.height
            if predicate is not None:
                frame = frame.filter(predicate)
            yield frame if columns is None else frame.select(columns)
            if left == 0:
                return

    return register_io_source(read, schema=schema)


def condition(filters: Any) -> pl.Expr:
    """Filters in the form of lists, as in `ReadOptions`, as an expression.

    Raises:
        TypeTransformerFailedError: they are no filters.
    """
    try:
        groups = [filters] if isinstance(filters[0][0], str) else filters
        return reduce(
            operator.or_,
            (
                reduce(operator.and_, (_OPERATORS[op](pl.col(name), value) for name, op, value in group))
                for group in groups
            ),
        )
    except (ValueError, TypeError, LookupError) as error:
        raise TypeTransformerFailedError(
            f"{filters!r} is not a filter: {error}",
            remedy='A filter looks like [("age", ">", 30), ("name", "in", ["a", "b"])].',
        ) from error


_OPERATORS: dict[str, Callable[[pl.Expr, Any], pl.Expr]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda column, values: column.is_in(list(values)),
    # It holds for a null, as it does in Arrow.
    "not in": lambda column, values: ~column.is_in(list(values)) | column.is_null(),
}
