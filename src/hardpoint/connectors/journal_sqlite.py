"""The journal in SQLite, which processes of one machine share."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hardpoint.connectors.journal import Journal, Result, Statement
from hardpoint.errors import TransientError, UserError

__all__ = ["SQLiteJournal"]


_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
"""Kinds of errors that say nothing about the file, and may pass."""


class SQLiteJournal(Journal):
    """The journal in a file.

    Args:
        path: The file; its folder is made if need be.

    Raises:
        UserError: the file cannot be made, is no journal, or that of a later release.
        TransientError: somebody else keeps it locked, its disk is full, or does not answer.
    """

    now = "((julianday('now') - 2440587.5) * 86400.0)"

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        with self._told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                self.path, timeout=30, isolation_level=None, check_same_thread=False, cached_statements=512
            )
            try:
                self._db.execute("pragma journal_mode = wal")
                self._db.execute("pragma synchronous = full")  # what is written before a call must outlive a power cut
                with self._transaction():
                    self._upgrade(str(self.path), self._rows, bytes="blob", float="real")
            except BaseException:
                self._db.close()
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            # The lower byte is the kind, the rest says more: https://sqlite.org/rescode.html
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING:
                raise TransientError(
                    f"The journal of external jobs at {self.path} cannot be used just now: {error}",
                    remedy="See who keeps the file locked, and whether its disk is full; what was to be written is tried again.",
                    path=self.path,
                ) from error
            raise UserError(
                f"The journal of external jobs at {self.path} cannot be used: {error}",
                remedy="Free or repair the file, or name another place: HARDPOINT_CONNECTORS_JOURNAL.",
                path=self.path,
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("begin immediate")
        try:
            yield
            self._db.execute("commit")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(sql, values).fetchall()

    def _result(self, statement: Statement) -> Result:
        cursor = self._db.execute(*statement)
        return cursor.fetchall() if cursor.description else [], cursor.rowcount

    def _run(self, statements: Sequence[Statement]) -> list[Result]:
        with self._lock, self._told():
            if len(statements) == 1:
                return [self._result(statements[0])]
            with self._transaction():
                return [self._result(statement) for statement in statements]

    def close(self) -> None:
        with self._lock:
            self._db.close()
