"""The journal in PostgreSQL, which replicas of the connector service share."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from hardpoint.connectors.journal import Journal, Result, Statement
from hardpoint.errors import MissingDependencyError, TransientError, UserError
from hardpoint.secrets import redact_uri

__all__ = ["PostgresJournal"]


class PostgresJournal(Journal):
    """The journal in a PostgreSQL database, over one connection that is made anew when it breaks.

    Args:
        url: ``postgresql://user:password@host/database``; the driver may be named, as in ``postgresql+psycopg://``.

    Raises:
        UserError: the URL is of another database.
        MissingDependencyError: psycopg is not installed.
        TransientError: the server does not answer.
    """

    now = "extract(epoch from clock_timestamp())::double precision"

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        if scheme.partition("+")[0] not in ("postgresql", "postgres"):
            raise UserError(
                f"The journal cannot be kept in {redact_uri(url)}.", remedy="Name a path, or a postgresql:// URL."
            )
        try:
            import psycopg
        except ImportError as error:
            raise MissingDependencyError("The journal in PostgreSQL", "psycopg>=3.2", "postgres") from error
        self._driver: Any = psycopg
        self._url = f"postgresql://{rest}"
        self._lock = threading.Lock()
        self._connection: Any = None
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    def _migrate(self) -> None:
        with self._connected().transaction():
            cursor = self._connection.cursor()

            def rows(sql: str) -> list[tuple[Any, ...]]:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []

            # Replicas start together, and "if not exists" alone does not stand two at once.
            rows("select pg_advisory_xact_lock(hashtext('hardpoint jobs'))")
            self._upgrade(redact_uri(self._url), rows, bytes="bytea", float="double precision")

    def _connected(self) -> Any:
        if self._connection is None or self._connection.closed:
            try:
                self._connection = self._driver.connect(self._url, autocommit=True, connect_timeout=10)
            except self._driver.OperationalError as error:
                raise self._unreachable(error) from None  # the driver's own error may hold the password
        return self._connection

    def _unreachable(self, error: Exception) -> TransientError:
        return TransientError(
            f"The journal of external jobs at {redact_uri(self._url)} does not answer: {redact_uri(str(error)).strip()}",
            remedy="Check that the database runs, and HARDPOINT_CONNECTORS_JOURNAL.",
        )

    def _run(self, statements: Sequence[Statement]) -> list[Result]:
        with self._lock:
            for last in (False, True):
                try:
                    return self._results(self._connected(), statements)
                except (self._driver.errors.DeadlockDetected, self._driver.errors.SerializationFailure) as error:
                    if last:
                        raise self._unreachable(error) from None
                except self._driver.OperationalError as error:
                    # A connection that broke while nothing was asked of it. All statements may be run twice; an insert that
                    # had been committed then says that its key is there already, which its asker finds out by reading.
                    if last or not self._connection.closed:
                        raise self._unreachable(error) from None
        raise AssertionError("unreachable")

    def _results(self, connection: Any, statements: Sequence[Statement]) -> list[Result]:
        if len(statements) == 1:
            cursors = [self._sent(connection, statements[0])]
        else:
            with connection.pipeline(), connection.transaction():  # all of them, there and back once
                cursors = [self._sent(connection, statement) for statement in statements]
        return [(cursor.fetchall() if cursor.description else [], cursor.rowcount) for cursor in cursors]

    @staticmethod
    def _sent(connection: Any, statement: Statement) -> Any:
        sql, values = statement
        # Text in PostgreSQL cannot hold the character zero, which a service's words may.
        values = [value.replace("\0", "") if type(value) is str else value for value in values]
        return connection.execute(sql.replace("?", "%s"), values)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
