"""A database's errors as ours: the caller's to mend, worth another try, or neither."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hardpoint.errors import HardpointError, PermanentError, TransientError, UserError
from hardpoint.secrets import redact, redact_uri

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

__all__ = ["DatabaseError", "cause", "explained"]

# Classes and codes of SQLSTATE after which the same call may succeed: connection, resources, conflict with another
# transaction, shutdown. https://www.postgresql.org/docs/current/errcodes-appendix.html
_AGAIN_STATES = ("08", "53", "40", "55P03", "57P01", "57P02", "57P03")
# https://dev.mysql.com/doc/mysql-errors/8.4/en/
_AGAIN_MYSQL = {1040, 1205, 1213, 2002, 2003, 2006, 2013}
# What is said without a code, by SQLite and while a connection is made.
_AGAIN_WORDS = re.compile(
    r"database (?:table )?is locked|connection (?:refused|reset|timed out)"
    r"|timeout expired|server closed the connection|(?:starting up|shutting down)|too many (?:clients|connections)"
    r"|could not translate host name|failed to resolve host",
    re.IGNORECASE | re.DOTALL,
)


class DatabaseError(UserError):
    """The database refused; the words are the database's. `statement` is the text that it refused, or None."""

    statement: str | None


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """SQLAlchemy's errors as ours: without the values of parameters, and by what the caller should do."""
    from sqlalchemy import exc

    try:
        yield
    except exc.DBAPIError as error:
        raise _ours(error, redact_uri(uri)) from cause(error)
    except exc.StatementError as error:
        raise DatabaseError(
            f"A statement cannot be bound: {redact(str(error.orig))}", statement=error.statement
        ) from cause(error)


def cause(error: Exception) -> Exception | None:
    """The error, to be shown as a cause; None if its words hold a secret."""
    return error if redact_uri(str(error)) == str(error) else None


def _ours(error: DBAPIError, where: str) -> HardpointError:
    from sqlalchemy import exc

    words = redact_uri(str(error.orig)).strip()
    if error.connection_invalidated or _again(error):
        return TransientError(f"The database {where} cannot do it now: {words}")
    if isinstance(error, exc.InternalError):
        return PermanentError(f"The database {where} failed: {words}")
    what = "refused a statement" if error.statement else "refused the connection"
    remedy = None if error.statement else "Check the URL, the credentials and whether the database exists."
    return DatabaseError(f"The database {where} {what}: {words}", remedy=remedy, statement=error.statement)


def _again(error: DBAPIError) -> bool:
    original = error.orig
    code = original.args[0] if original is not None and original.args else None
    if isinstance(code, int):  # MySQL's; its states say less: HY000 is what all of its own have
        return code in _AGAIN_MYSQL
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    return state.startswith(_AGAIN_STATES) if isinstance(state, str) else _AGAIN_WORDS.search(str(original)) is not None
