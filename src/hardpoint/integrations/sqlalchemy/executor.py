"""Runs the query of a `SQLAlchemyTask` from its template alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hardpoint import idl
from hardpoint.context import current_context
from hardpoint.errors import UserError
from hardpoint.idl import TaskTemplate
from hardpoint.integrations.sqlalchemy.problems import cause, explained
from hardpoint.integrations.sqlalchemy.statements import split
from hardpoint.secrets import redact_uri
from hardpoint.tasks.shim import ShimTaskExecutor
from hardpoint.types.schema import FlyteSchema, SchemaOpenMode

if TYPE_CHECKING:
    import sqlalchemy

    from hardpoint.types.structured import StructuredDataset

__all__ = ["CHUNK_ROWS", "SQLAlchemyTaskExecutor"]

CHUNK_ROWS = 65_536
_SECRET = re.compile(r"{secret\.(\w+)}")


class SQLAlchemyTaskExecutor(ShimTaskExecutor[Any]):
    """Connects, runs the statements in one transaction, and writes the last one's rows as they come."""

    def execute_from_model(self, tt: TaskTemplate, **kwargs: Any) -> StructuredDataset | FlyteSchema | None:
        """The rows as a dataset, or as a schema where that is declared; None if the task has no output.

        Raises:
            DatabaseError: the database refused the connection or a statement.
            TransientError: it could not be reached, or another transaction was in the way.
        """
        custom = idl.native(tt.custom)
        statements = split(custom["query_template"], kwargs, custom["uri"])
        with _engine(custom) as engine, explained(custom["uri"]), engine.begin() as connection:
            for statement in statements[:-1]:
                connection.execute(statement.bind(kwargs, engine.dialect.name))
            last = statements[-1].bind(kwargs, engine.dialect.name)
            if not tt.interface.outputs.variables:
                connection.execute(last)
                return None
            from hardpoint.integrations.sqlalchemy.rows import written

            streams = statements[-1].streams
            result = connection.execute(last.execution_options(stream_results=True) if streams else last)
            with closing(result):
                dataset = written(result, int(custom.get("chunksize") or CHUNK_ROWS))
        if all(variable.type.HasField("schema") for variable in tt.interface.outputs.variables.values()):
            return FlyteSchema(remote_path=dataset.uri, supported_mode=SchemaOpenMode.READ)
        return dataset


@contextmanager
def _engine(custom: Mapping[str, Any]) -> Iterator[sqlalchemy.engine.Engine]:
    """An engine with the secrets in their places; its connections are closed at the end.

    Raises:
        UserError: the URL is none, or its driver is not installed.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    secrets = {
        name: current_context().secrets.get(where.get("group"), where.get("key"), where.get("group_version"))
        for name, where in (custom.get("secret_connect_args") or {}).items()
    }
    in_uri = set(_SECRET.findall(custom["uri"]))
    uri = _SECRET.sub(lambda match: _quoted(secrets, match[1]), custom["uri"])
    arguments = {**(custom.get("connect_args") or {}), **{k: v for k, v in secrets.items() if k not in in_uri}}
    try:
        engine = create_engine(uri, connect_args=arguments, hide_parameters=True, poolclass=NullPool)
    except Exception as error:
        raise UserError(
            f"SQLAlchemy cannot use the URL {redact_uri(custom['uri'])}: {redact_uri(str(error))}",
            remedy="Write dialect+driver://user@host:port/database, and install the driver.",
        ) from cause(error)
    try:
        yield engine
    finally:
        engine.dispose()


def _quoted(secrets: Mapping[str, str], name: str) -> str:
    """A secret as a part of a URL."""
    if name not in secrets:
        raise UserError(
            f"The URL names the secret {name!r}, which is not among secret_connect_args ({', '.join(secrets) or 'none'})."
        )
    return quote(secrets[name], safe="")
