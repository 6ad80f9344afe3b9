"""DuckDB's errors as ours: the caller's to mend, worth another try, or neither."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any

from hardpoint.errors import HardpointError, PermanentError, TransientError, UserError
from hardpoint.integrations.duckdb.parameters import short
from hardpoint.secrets import redact

__all__ = ["DuckDBError", "explained"]

# What is tried again: another process has the file, a server is busy or away. The texts are the same in 1.0 and 2.0.
_AGAIN = re.compile(
    r"Could not set lock on file|HTTP (?:GET|POST|HEAD|PUT) error.*(?:HTTP (?:429|50[0234]))|Could not establish connection"
    r"|Connection (?:error|refused|reset)|timed out",
    re.IGNORECASE | re.DOTALL,
)


class DuckDBError(UserError):
    """DuckDB refused; the words are DuckDB's. `statement` is the text that it refused, or None."""

    statement: str | None


class explained:
    """Turns DuckDB's errors into ours.

    Args:
        what: What was done, for the message; a statement or a phrase.
    """

    def __init__(self, what: Any) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        import duckdb

        if isinstance(error, duckdb.Error):
            told = redact(str(error))
            # A cause is shown as it is, so one that holds a secret is left out.
            raise self._ours(error, told) from (error if told == str(error) else None)

    def _ours(self, error: Exception, told: str) -> HardpointError:
        import duckdb

        at_statement = hasattr(self._what, "query")
        what = redact(short(self._what)) if at_statement else self._what
        if isinstance(error, duckdb.InternalError | duckdb.FatalException):
            return PermanentError(f"DuckDB failed at {what}: {told}", remedy="This is an error in DuckDB itself.")
        if isinstance(error, duckdb.TransactionException) or _AGAIN.search(told):
            return TransientError(f"DuckDB could not do {what} now: {told}")
        remedy = None
        if isinstance(error, duckdb.OutOfMemoryException):
            remedy = 'Raise config={"memory_limit": ...}, or set "temp_directory" so that DuckDB can spill.'
        statement = redact(self._what.query) if at_statement else None
        return DuckDBError(f"DuckDB refused {what}: {told}", remedy=remedy, statement=statement)
