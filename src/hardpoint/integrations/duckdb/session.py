"""One connection to DuckDB, from its inputs to its result. Works on DuckDB 1.0 to 2.x."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from hardpoint.context import FlyteContextManager
from hardpoint.errors import UserError
from hardpoint.types.codec import describe_type, describe_value
from hardpoint.types.structured import StructuredDataset

if TYPE_CHECKING:
    import duckdb

__all__ = ["DuckDBError", "ParameterError", "Session", "read_inputs"]

Parameters = list[Any] | dict[str, Any]

_BATCH_ROWS = 1 << 16


class ParameterError(UserError, ValueError):
    """Parameters and statements do not fit together."""


class DuckDBError(UserError):
    """DuckDB refused a statement; `statement` is its text, the words are DuckDB's."""


def read_inputs(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], Parameters | None, str | None]:
    """Inputs of the task as (tables by name, parameters, query).

    Raises:
        ParameterError: an input is none of these, or there are several with parameters.
    """
    tables: dict[str, Any] = {}
    parameters: Parameters | None = None
    owner = ""
    query: str | None = None
    for name, value in inputs.items():
        if name == "query" and (isinstance(value, str) or value is None):
            query = value
        elif isinstance(value, list | dict | str):
            if parameters is not None:
                raise ParameterError(
                    f"Both {owner!r} and {name!r} give parameters, but a DuckDBQuery takes them from one input.",
                    remedy="Give a list with one list of parameters for each statement.",
                )
            parameters, owner = _parsed(name, value), name
        elif isinstance(value, StructuredDataset) or hasattr(type(value), "__arrow_c_stream__") or _is_pandas(value):
            tables[name] = value
        else:
            raise ParameterError(
                f"Expected inputs of type StructuredDataset, str or list, received {describe_type(type(value))}",
                remedy=f"Input {name!r} should be a dataframe, a dataset, a list, a dict or JSON text.",
            )
    return tables, parameters, query


def _is_pandas(value: Any) -> bool:
    return any(c.__module__.partition(".")[0] == "pandas" and c.__name__ == "DataFrame" for c in type(value).__mro__)


def _parsed(name: str, value: list[Any] | dict[str, Any] | str) -> Parameters:
    if not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value)
    except json.JSONDecodeError as error:
        raise ParameterError(
            f"Input {name!r} should be parameters as JSON, but is {describe_value(value)}: {error}",
            remedy="For example [\"a\", 1]. A statement goes into an input named 'query'.",
        ) from error
    if not isinstance(parsed, list | dict):
        raise ParameterError(f"Input {name!r} should be a JSON list or object, but is {describe_value(parsed)}.")
    return parsed


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
            self._connection.install_extension(extension)
            self._connection.load_extension(extension)
        for name, table in tables.items():
            self._register(name, table)
        statements = [statement for query in queries for statement in self._split(query)]
        if not statements:
            raise UserError("The query holds no statement.", remedy="Write at least one statement.")
        bound = list(_bind(statements, parameters))
        for statement, values in bound[:-1]:
            with _explained(statement):
                self._execute(statement, values)
        statement, values = bound[-1]
        with _explained(statement):
            if _is_rows(values):
                self._execute(statement, values)
                return _written(None)
            result = (
                self._connection.sql(statement, params=values)
                if values is not None
                else self._connection.sql(statement)
            )
            return _written(result)

    def _register(self, name: str, table: Any) -> None:
        if isinstance(table, StructuredDataset):
            import pyarrow as pa

            table = table.open(pa.Table).all()
        elif hasattr(type(table), "__arrow_c_stream__") and not _is_pandas(table):
            import pyarrow as pa

            table = pa.table(table)
        self._connection.register(name, table)

    def _split(self, query: str) -> list[Any]:
        with _explained(query):
            return list(self._connection.extract_statements(query))

    def _execute(self, statement: Any, values: Any) -> None:
        if _is_rows(values):
            self._connection.executemany(statement, values)
        elif values is None:
            self._connection.execute(statement)
        else:
            self._connection.execute(statement, values)


def _is_rows(values: Any) -> bool:
    """Whether these are the parameters of several executions."""
    return isinstance(values, list) and bool(values) and all(isinstance(row, list | dict) for row in values)


def _bind(statements: Sequence[Any], parameters: Parameters | None) -> Iterator[tuple[Any, Any]]:
    """Each statement with its parameters, or None; which need some, DuckDB's own parser says."""
    needing = [statement for statement in statements if statement.named_parameters]
    if parameters is None:
        if needing:
            raise ParameterError(f"Parameter not specified: {_short(needing[0])} needs {_names(needing[0])}.")
        yield from ((statement, None) for statement in statements)
        return
    if not needing:
        if parameters:
            raise ParameterError(
                "Parameters are given, but no statement takes any.", remedy="Write ? or $name in the SQL."
            )
        yield from ((statement, None) for statement in statements)
        return
    per_statement = isinstance(parameters, list) and bool(parameters) and isinstance(parameters[0], list)
    if per_statement and len(parameters) != len(needing):
        which = "Parameter doesn't exist" if len(parameters) < len(needing) else "There are too many parameters"
        raise ParameterError(
            f"{which}: {len(parameters)} lists of parameters are given, and {len(needing)} statements take some.",
            remedy="Give one list for each; a list of rows for a statement that is to run once for each row.",
        )
    sets: Iterator[Any] = iter(parameters) if per_statement else iter(())
    for statement in statements:
        if not statement.named_parameters:
            yield statement, None
            continue
        values = next(sets) if per_statement else parameters
        for row in values if _is_rows(values) else [values]:
            _check(statement, row)
        if isinstance(values, dict):
            values = {name: values[name] for name in statement.named_parameters}
        yield statement, values


def _check(statement: Any, values: Any) -> None:
    wanted = statement.named_parameters
    if isinstance(values, dict):
        missing = sorted(wanted - set(values))
        if missing:
            raise ParameterError(f"Parameter doesn't exist: {_short(statement)} needs {', '.join(missing)}.")
    elif len(values) != len(wanted):
        raise ParameterError(
            f"{_short(statement)} takes {len(wanted)} parameters ({_names(statement)}), but {len(values)} are given."
        )


def _names(statement: Any) -> str:
    return ", ".join(f"${name}" for name in sorted(statement.named_parameters))


def _short(statement: Any) -> str:
    text = " ".join(getattr(statement, "query", str(statement)).split())
    return f"the statement {text[:80]!r}{'...' if len(text) > 80 else ''}"


class _explained:
    """DuckDB's errors as ours, with the statement; one that the caller cannot mend passes as it is."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        import duckdb

        if isinstance(error, duckdb.Error) and not isinstance(error, duckdb.InternalError | duckdb.IOException):
            raise DuckDBError(
                f"DuckDB refused {_short(self._statement)}: {error}", statement=str(self._statement)
            ) from error


def _written(result: Any) -> StructuredDataset:
    """A result as a dataset: its batches go to storage one after the other."""
    import pyarrow as pa

    from hardpoint.types.structured.arrow_io import write

    files = FlyteContextManager.current_context().file_access
    uri = files.get_random_remote_directory()
    data: Any = pa.table({}) if result is None else _reader(result)
    try:
        write(data, uri, files)
    finally:
        with suppress(AttributeError):
            data.close()
    return StructuredDataset(uri=uri, file_format="parquet")


def _reader(result: Any) -> Any:
    """A stream of record batches; the method has had three names."""
    for name in ("to_arrow_reader", "fetch_arrow_reader", "fetch_record_batch"):
        method = getattr(result, name, None)
        if method is not None:
            return method(_BATCH_ROWS)
    raise UserError(f"{type(result).__qualname__} gives no Arrow data.", remedy="Use duckdb>=1.0,<3.")
