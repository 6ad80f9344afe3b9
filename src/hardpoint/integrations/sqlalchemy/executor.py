"""Runs the query of a `SQLAlchemyTask` from its template alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hardpoint import idl
from hardpoint.context import FlyteContextManager, current_context
from hardpoint.errors import PermanentError, TransientError, UserError
from hardpoint.idl import TaskTemplate
from hardpoint.secrets import redact, redact_uri
from hardpoint.tasks.shim import ShimTaskExecutor
from hardpoint.tasks.sql import InputReference, bind_query, parse_query

if TYPE_CHECKING:
    import sqlalchemy

    from hardpoint.types.structured import StructuredDataset

__all__ = ["DatabaseError", "SQLAlchemyTaskExecutor"]

_SECRET = re.compile(r"{secret\.(\w+)}")
_CHUNK = 65_536


class DatabaseError(UserError):
    """The database refused a statement; the words are the database's."""


class SQLAlchemyTaskExecutor(ShimTaskExecutor[Any]):
    """Connects, runs the statements in one transaction, and writes the last one's rows as they come."""

    def execute_from_model(self, tt: TaskTemplate, **kwargs: Any) -> StructuredDataset | None:
        """The rows as a dataset; None if the task has no output.

        Raises:
            DatabaseError: the database refused a statement.
            TransientError: it could not be reached.
        """
        custom = idl.native(tt.custom)
        statements = [bind(parts, kwargs) for parts in _split(custom["query_template"], kwargs)]
        with _engine(custom) as engine, _explained(custom["uri"]), engine.begin() as connection:
            for statement, values in statements[:-1]:
                connection.execute(statement, values)
            statement, values = statements[-1]
            if not tt.interface.outputs.variables:
                connection.execute(statement, values)
                return None
            streaming = connection.execution_options(stream_results=True)
            return _written(streaming.execute(statement, values), int(custom.get("chunksize") or _CHUNK))


def _split(query: str, inputs: Mapping[str, Any]) -> list[list[str | InputReference]]:
    """The statements of a query, each as text and places of inputs.

    Raises:
        UserError: there is none.
    """
    bind_query(parse_query(query), inputs, "?")  # refuses unknown and unused inputs, for all statements at once
    statements: list[list[str | InputReference]] = [[]]
    for part in parse_query(query):
        if isinstance(part, InputReference):
            statements[-1].append(part)
            continue
        pieces = list(_at_semicolons(part))
        for index, piece in enumerate(pieces):
            if index:
                statements.append([])
            statements[-1].append(piece)
    found = [parts for parts in statements if any(not isinstance(p, str) or _code(p) for p in parts)]
    if not found:
        raise UserError("The query holds no statement.", remedy="Write at least one statement.")
    return found


_TOKEN = re.compile(r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\$(\w*)\$.*?\$\1\$|;|.""", re.DOTALL)


def _at_semicolons(text: str) -> Iterator[str]:
    """The text between semicolons that are neither in a string nor in a comment."""
    piece: list[str] = []
    for match in _TOKEN.finditer(text):
        if match[0] == ";":
            yield "".join(piece)
            piece = []
        else:
            piece.append(match[0])
    yield "".join(piece)


def _code(text: str) -> str:
    """What a text holds besides comments and blanks."""
    kept = (m[0] for m in _TOKEN.finditer(text) if not m[0].startswith(("--", "/*")))
    return "".join(kept).strip()


def bind(
    parts: Sequence[str | InputReference], inputs: Mapping[str, Any]
) -> tuple[sqlalchemy.TextClause, dict[str, Any]]:
    """A statement with SQLAlchemy's own parameters in the places of the inputs; a list becomes as many as it has elements."""
    from sqlalchemy import bindparam, text

    written: list[str] = []
    used: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, str):
            written.append(part.replace(":", r"\:"))  # a colon of the user's is a colon
        else:
            written.append(f":{part.name}")
            used[part.name] = inputs[part.name]
    clause = text("".join(written))
    lists: list[Any] = [bindparam(name, expanding=True) for name, value in used.items() if isinstance(value, list)]
    return (clause.bindparams(*lists) if lists else clause), used


@contextmanager
def _engine(custom: Mapping[str, Any]) -> Iterator[sqlalchemy.Engine]:
    """An engine with the secrets in their places; its connections are closed at the end."""
    from sqlalchemy import create_engine

    secrets = {
        name: current_context().secrets.get(where.get("group"), where.get("key"), where.get("group_version"))
        for name, where in (custom.get("secret_connect_args") or {}).items()
    }
    in_uri = set(_SECRET.findall(custom["uri"]))
    uri = _SECRET.sub(lambda match: _quoted(secrets, match[1]), custom["uri"])
    arguments = {**(custom.get("connect_args") or {}), **{k: v for k, v in secrets.items() if k not in in_uri}}
    try:
        engine = create_engine(uri, connect_args=arguments)
    except Exception as error:
        raise UserError(
            f"SQLAlchemy cannot use the URL {redact_uri(custom['uri'])}: {redact(str(error))}",
            remedy="Write dialect+driver://user@host:port/database, and install the driver.",
        ) from None
    try:
        yield engine
    finally:
        engine.dispose()


def _quoted(secrets: Mapping[str, str], name: str) -> str:
    from urllib.parse import quote

    if name not in secrets:
        raise UserError(
            f"The URL names the secret {name!r}, which is not among secret_connect_args ({', '.join(secrets) or 'none'})."
        )
    return quote(secrets[name], safe="")


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """The database's errors as ours: without parameters' values, and with what the caller should do."""
    from sqlalchemy import exc

    try:
        yield
    except exc.DBAPIError as error:
        words = redact(str(error.orig))
        where = redact_uri(uri)
        if error.connection_invalidated or (isinstance(error, exc.OperationalError) and error.statement is None):
            raise TransientError(f"The database {where} cannot be reached: {words}") from error
        if isinstance(error, exc.InternalError):
            raise PermanentError(f"The database {where} failed: {words}") from error
        raise DatabaseError(f"The database {where} refused a statement: {words}", statement=error.statement) from error
    except exc.StatementError as error:
        raise DatabaseError(
            f"A statement cannot be bound: {redact(str(error.orig))}", statement=error.statement
        ) from error


def _written(result: Any, chunk: int) -> StructuredDataset:
    """The rows as a dataset, of which one chunk at a time is in memory."""
    import pyarrow as pa

    from hardpoint.types.structured import StructuredDataset
    from hardpoint.types.structured.arrow_io import write

    if not result.returns_rows:
        return _stored(pa.table({}), write, StructuredDataset)
    names = list(result.keys())
    first = result.fetchmany(chunk)
    head = _table(names, first)
    rows = iter(lambda: result.fetchmany(chunk), [])

    def batches() -> Iterator[Any]:
        yield from head.to_batches()
        for more in rows:
            yield from _table(names, more, head.schema).to_batches()

    if len(first) < chunk:
        return _stored(head, write, StructuredDataset)
    return _stored(pa.RecordBatchReader.from_batches(head.schema, batches()), write, StructuredDataset)


def _stored(data: Any, write: Any, dataset: Any) -> StructuredDataset:
    files = FlyteContextManager.current_context().file_access
    uri = files.get_random_remote_directory()
    write(data, uri, files)
    made: StructuredDataset = dataset(uri=uri, file_format="parquet")
    return made


def _table(names: Sequence[str], rows: Sequence[Any], schema: Any = None) -> Any:
    """Rows as an Arrow table. Types are those of the first chunk; a column of Nones there is text."""
    import pyarrow as pa

    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    try:
        if schema is not None:
            arrays = [pa.array(column, schema.field(i).type) for i, column in enumerate(columns)]
            return pa.Table.from_arrays(arrays, schema=schema)
        arrays = [pa.array(column) for column in columns]
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise UserError(
            f"A column of the result does not have one type: {error}",
            remedy="Cast it in the query, or raise chunksize.",
        ) from error
    arrays = [array.cast(pa.string()) if pa.types.is_null(array.type) else array for array in arrays]
    return pa.Table.from_arrays(arrays, names=list(names))
