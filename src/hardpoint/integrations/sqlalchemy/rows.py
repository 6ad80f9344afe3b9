"""A result's rows as a dataset, of which one chunk at a time is in memory."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hardpoint.context import FlyteContextManager
from hardpoint.errors import UserError
from hardpoint.types.structured import StructuredDataset
from hardpoint.types.structured.arrow_io import write

if TYPE_CHECKING:
    import sqlalchemy

__all__ = ["written"]

_REMEDY = "Cast it in the query, so that all of its values have one type."


def written(result: sqlalchemy.engine.CursorResult[Any], chunk: int) -> StructuredDataset:
    """The rows in storage.

    Args:
        result: Where they come from; without rows, the dataset has no columns.
        chunk: How many are fetched at once.

    Raises:
        UserError: a column's values do not have one type, or two columns have one name.
    """
    if not result.returns_rows:
        return _stored(pa.table({}))
    names = list(result.keys())
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"The result has several columns named {', '.join(twice)}.", remedy="Name them apart in the query with AS."
        )
    rows = result.fetchmany(chunk)
    first = _table(names, rows)
    if len(rows) < chunk:
        return _stored(_typed(first, first.schema))
    return _stored_in_chunks(first, names, result, chunk)


def _stored_in_chunks(first: pa.Table, names: Sequence[str], result: Any, chunk: int) -> StructuredDataset:
    """By way of a file on this machine: what types the columns have, only the last row tells.

    A column may begin with a thousand NULLs, and NUMERICs grow as they come.
    """
    schema = first.schema
    with tempfile.TemporaryFile() as file:
        ends = [_append(file, first)]
        while rows := result.fetchmany(chunk):
            table = _table(names, rows)
            try:
                schema = pa.unify_schemas([schema, table.schema], promote_options="permissive")
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise UserError(f"A column of the result does not have one type: {error}", remedy=_REMEDY) from error
            ends.append(_append(file, table))
        schema = _typed(first.slice(0, 0).cast(schema), schema).schema

        def batches() -> Iterator[pa.RecordBatch]:
            start = 0
            for end in ends:
                file.seek(start)
                with pa.ipc.open_stream(file) as reader:
                    yield from reader.read_all().cast(schema).to_batches()
                start = end

        return _stored(pa.RecordBatchReader.from_batches(schema, batches()))


def _append(file: Any, table: pa.Table) -> int:
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    end: int = file.tell()
    return end


def _stored(data: pa.Table | pa.RecordBatchReader) -> StructuredDataset:
    files = FlyteContextManager.current_context().file_access
    uri = files.get_random_remote_directory()
    write(data, uri, files, fresh=True)
    return StructuredDataset(uri=uri, file_format="parquet")


def _typed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with text for columns of which nothing is known but NULLs."""
    fields = [field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in schema]
    return table.cast(pa.schema(fields))


def _table(names: Sequence[str], rows: Sequence[Any]) -> pa.Table:
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    return pa.Table.from_arrays(
        [_array(name, column) for name, column in zip(names, columns, strict=True)], list(names)
    )


def _array(name: str, column: Sequence[Any]) -> pa.Array:
    """A column. JSON objects become JSON text, and types that Arrow does not know, such as UUIDs, text."""
    if any(isinstance(value, dict) for value in column):
        return pa.array([None if value is None else json.dumps(value) for value in column], pa.string())
    kinds = {type(value) for value in column if value is not None}
    unknown = len(kinds) == 1 and kinds.isdisjoint({int, float, str, bytes, list})
    try:
        array = pa.array(column)
        if not isinstance(array.type, pa.BaseExtensionType):  # as newer versions make of UUIDs
            return array
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        if not unknown:
            raise UserError(
                f"The column {name!r} of the result does not have one type: {error}", remedy=_REMEDY
            ) from error
    return pa.array([None if value is None else str(value) for value in column], pa.string())
