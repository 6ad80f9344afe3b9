"""`DuckDBQuery`: a task that runs SQL over its inputs."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hardpoint.context import FlyteContextManager, current_context
from hardpoint.errors import FlyteAssertion, FlyteValidationException, UserError
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.python_function_task import PythonInstanceTask
from hardpoint.types.structured import StructuredDataset

if TYPE_CHECKING:
    import duckdb

    from hardpoint.tasks.secret import Secret

__all__ = ["DuckDBProvider", "DuckDBQuery", "MissingSecretError", "QueryOutput"]

IN_MEMORY = ":memory:"


class MissingSecretError(UserError, ValueError):
    """The provider needs a token, and the task requests no secret."""


class QueryOutput(NamedTuple):
    """The result of one query.

    Attributes:
        counter: How many parameter sets have been used.
        output: The query's result.
    """

    counter: int = -1
    output: Any = None


class DuckDBProvider(enum.Enum):
    """Where the database is."""

    LOCAL = "local"
    """In this process; in memory, or in the file that `database` names."""
    MOTHERDUCK = "motherduck"
    """At MotherDuck; the token is the task's secret."""

    @property
    def needs_secret(self) -> bool:
        return self is DuckDBProvider.MOTHERDUCK

    def connect(self, token: str | None, database: str, config: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
        """Open a connection. A database file on remote storage is fetched, and opened for reading only."""
        import duckdb

        if self is DuckDBProvider.MOTHERDUCK:
            name = "" if database == IN_MEMORY else database
            return duckdb.connect(f"md:{name}", config={**config, "motherduck_token": str(token)})
        files = FlyteContextManager.current_context().file_access
        if files.is_remote(database):
            copy = files.get_random_local_path(database.rpartition("/")[2])
            return duckdb.connect(files.get_data(database, copy), read_only=True, config=dict(config))
        return duckdb.connect(database, config=dict(config))


class DuckDBQuery(PythonInstanceTask[None]):
    """Run SQL in the task's process over dataframes, datasets and files; the last statement's result is the output.

    An input that is a dataframe or a `StructuredDataset` is a table of the input's name. A list or a dict, or a str that
    holds one as JSON, gives the parameters: a list for each statement with parameters in turn, a list of such lists, or a dict
    for statements with named ones (``$name``). The input named ``query`` stands in for the task's own query. Parameters are
    bound, never spliced.

    Args:
        name: Name of the task.
        query: One statement, several in one text, or a list of such texts. Without one, the input ``query`` is needed.
        inputs: Name -> type of the inputs.
        provider: Where the database is; or a function that opens a connection, which is given the secret if there is one.
        database: A database file, which stays, or one on remote storage, which is only read; by default one in memory.
            With MotherDuck, the database's name there.
        config: DuckDB's settings, such as ``{"threads": 2, "memory_limit": "1GB"}``.
        extensions: Extensions that are installed and loaded first.
        output_type: Type of the output ``result``; ``Annotated[StructuredDataset, kwtypes(a=int)]`` declares its columns.
        secret_requests: The secret that holds the provider's token; at most one.
        kwargs: As for `PythonInstanceTask`.

    Raises:
        MissingSecretError: the provider needs a token and there is no secret.
        FlyteAssertion: there is more than one secret.
        FlyteValidationException: a function opens the connection, and `database` or `config` are given as well.
    """

    _TASK_TYPE = "duckdb"

    def __init__(
        self,
        name: str,
        query: str | Sequence[str] | None = None,
        inputs: Mapping[str, Any] | None = None,
        provider: DuckDBProvider | Callable[..., duckdb.DuckDBPyConnection] = DuckDBProvider.LOCAL,
        *,
        database: str = IN_MEMORY,
        config: Mapping[str, Any] | None = None,
        extensions: Sequence[str] = (),
        output_type: Any = StructuredDataset,
        secret_requests: Sequence[Secret] | None = None,
        **kwargs: Any,
    ) -> None:
        secrets = list(secret_requests or ())
        if len(secrets) > 1:
            raise FlyteAssertion("Only one secret can be used for a DuckDBQuery task.")
        if isinstance(provider, DuckDBProvider) and provider.needs_secret and not secrets:
            raise MissingSecretError(
                f"A secret_requests must be provided for the {provider.name} provider.",
                remedy="Pass secret_requests=[Secret(group=..., key=...)].",
            )
        if not isinstance(provider, DuckDBProvider) and (database != IN_MEMORY or config):
            raise FlyteValidationException(
                "A function that opens the connection does not get database and config.",
                remedy="Let the function do what they are for, or pass a DuckDBProvider.",
            )
        self._queries = None if query is None else [query] if isinstance(query, str) else list(query)
        self._provider, self._database = provider, database
        self._config, self._extensions = dict(config or {}), tuple(extensions)
        super().__init__(
            name=name,
            task_config=None,
            task_type=self._TASK_TYPE,
            interface=Interface(inputs, {"result": output_type}),
            secret_requests=secrets or None,
            **kwargs,
        )

    def execute(self, **kwargs: Any) -> StructuredDataset:
        """Run the statements and write the last one's result as it comes."""
        from hardpoint.integrations.duckdb.parameters import read_inputs
        from hardpoint.integrations.duckdb.session import Session

        tables, parameters, given = read_inputs(kwargs)
        queries = given or self._queries
        if not queries:
            raise FlyteAssertion(
                "A query must be specified when defining or executing a DuckDBQuery.",
                remedy=f"Give {self.name} a query, or an input named 'query'.",
            )
        with Session(self._connect(), self._extensions) as session:
            return session.run(queries, tables, parameters)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        from hardpoint.integrations.duckdb.problems import explained

        token = None
        if self.secret_requests:
            wanted = self.secret_requests[0]
            token = current_context().secrets.get(wanted.group, wanted.key, wanted.group_version)
        with explained("the connection"):
            return self._opened(token)

    def _opened(self, token: str | None) -> duckdb.DuckDBPyConnection:
        if isinstance(self._provider, DuckDBProvider):
            return self._provider.connect(token, self._database, self._config)
        return self._provider(token) if token is not None else self._provider()
