"""One connection to DuckDB, from its inputs to its result. Works on DuckDB 1.0 to 2.x."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from hardpoint.context import FlyteContextManager
from hardpoint.errors import UserError
from hardpoint.integrations.duckdb.parameters import Parameters, bind, is_pandas
from hardpoint.integrations.duckdb.problems import explained
from hardpoint.types.structured import StructuredDataset

if TYPE_CHECKING:
    import duckdb

__all__ = ["Session"]

_BATCH_ROWS = 1 << 16


class Session:
    """A connection that is closed at the end, however that comes.

    Args:
        connection: An open connection.
        extensions: What is installed and loaded before anything else.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, extensions: Sequence[str] = ()) -> None:
        self._connection, self._extensions = connection, extensions

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def run(
        self, queries: Sequence[str], tables: Mapping[str, Any], parameters: Parameters | None
    ) -> StructuredDataset:
        """Run the statements in order; the last one's result, written as it comes.

        Raises:
            ParameterError: too few or too many parameters; seen before any statement runs.
            DuckDBError: DuckDB refused a statement.
        """
        for extension in self._extensions:
            with explained(f"the extension {extension!r}"):
                self._connection.install_extension(extension)
                self._connection.load_extension(extension)
        for name, table in tables.items():
            with explained(f"the table {name!r}"):
                self._register(name, _arrow(table))
        statements = [statement for query in queries for statement in self._split(query)]
        if not statements:
            raise UserError("The query holds no statement.", remedy="Write at least one statement.")
        bound = bind(statements, parameters)
        for statement, values, rows in bound[:-1]:
            with explained(statement):
                self._execute(statement, values, rows)
        statement, values, rows = bound[-1]
        with explained(statement):
            if rows or _is_rowless(statement):
                self._execute(statement, values, rows)
                return _written(None)
            return _written(_failing_as_duckdb(self._reader(statement, values)))

    def _register(self, name: str, table: Any) -> None:
        import duckdb

        try:
            self._connection.register(name, table)
        except duckdb.NotImplementedException:
            self._connection.register(name, _without_views(table))  # DuckDB 1.0 does not read these

    def _split(self, query: str) -> list[Any]:
        with explained("the query"):
            return list(self._connection.extract_statements(query))

    def _execute(self, statement: Any, values: Any, rows: bool) -> None:
        if rows:
            if values:  # DuckDB refuses to run a statement for no row at all
                self._connection.executemany(statement, values)
        elif values is None:
            self._connection.execute(statement)
        else:
            self._connection.execute(statement, values)

    def _reader(self, statement: Any, values: Any) -> Any:
        """The result as a stream of record batches.

        DuckDB 1 streams what was executed, and reads relations with parameters as a whole; 2 has it the other way around.
        """
        if hasattr(self._connection, "fetch_record_batch"):
            self._execute(statement, values, rows=False)
            method = getattr(self._connection, "to_arrow_reader", self._connection.fetch_record_batch)
            return method(_BATCH_ROWS)
        relation = self._connection.sql(statement) if values is None else self._connection.sql(statement, params=values)
        return relation.to_arrow_reader(_BATCH_ROWS)


def _arrow(table: Any) -> Any:
    """A table as DuckDB reads it, whatever versions of DuckDB and of the frame's library these are."""
    import pyarrow as pa

    if isinstance(table, StructuredDataset):
        return table.open(pa.Table).all()
    if is_pandas(table):
        try:
            return pa.Table.from_pandas(table, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise UserError(f"A column of the frame does not have one type: {error}", remedy="Convert it.") from error
    return table if isinstance(table, pa.Table) else pa.table(table)


def _without_views(table: Any) -> Any:
    """The table with text and bytes in the layouts that are older than views, in which polars hands them over."""
    import pyarrow as pa

    older = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    return table.cast(pa.schema([field.with_type(older.get(field.type, field.type)) for field in table.schema]))


def _is_rowless(statement: Any) -> bool:
    """Whether a statement has no rows, not even those that say how many others it changed."""
    results = {result.name for result in statement.expected_result_type}
    return results == {"NOTHING"} or statement.type.name == "CREATE"


def _failing_as_duckdb(reader: Any) -> Any:
    """The stream, whose failures are DuckDB's again and not Arrow's, which has no kinds of them."""
    import duckdb
    import pyarrow as pa

    def batches() -> Iterator[Any]:
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except (OSError, pa.ArrowException) as error:
                raise duckdb.DataError(str(error)) from None
            yield batch

    return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _written(result: Any) -> StructuredDataset:
    """A result as a dataset: its batches go to storage one after the other."""
    import pyarrow as pa

    from hardpoint.types.structured.arrow_io import write

    files = FlyteContextManager.current_context().file_access
    uri = files.get_random_remote_directory()
    write(pa.table({}) if result is None else result, uri, files, fresh=True)
    return StructuredDataset(uri=uri, file_format="parquet")
