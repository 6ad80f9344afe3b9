"""The journal: every external job that was asked for, so that it is found again whatever dies in between.

A job is written down before its service is called (*asked*), when the service has answered (*recorded*), and when it has ended.
Leases see to it that of several replicas, or several attempts, one at a time settles what job a node has. The journal
lives in SQLite (``<state dir>/jobs.sqlite``) or, for replicas, in PostgreSQL (`hardpoint.connectors.journal_postgres`).
"""

from __future__ import annotations

import hashlib
import os
import socket
import sqlite3
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hardpoint._lazy import Ref
from hardpoint.connectors.phases import Phase
from hardpoint.errors import UserError
from hardpoint.settings import settings

__all__ = ["Entry", "Journal", "SQLiteJournal", "new_holder", "open_journal", "retire_holder"]

_POSTGRES = Ref("hardpoint.connectors.journal_postgres:PostgresJournal")

SCHEMA = (
    """create table if not exists jobs (
        key text primary key, node_key text not null, connector text not null, digest text not null,
        output_prefix text not null, template {bytes} not null, meta {bytes}, meta_id text,
        phase integer not null, message text not null, ended integer not null,
        project text not null, domain text not null, execution text not null, node text not null, attempt integer not null,
        created {float} not null, updated {float} not null)""",
    "create index if not exists jobs_by_node on jobs (node_key)",
    "create index if not exists jobs_by_meta on jobs (connector, meta_id)",
    "create table if not exists leases (node_key text primary key, holder text not null, until {float} not null)",
)


@dataclass(frozen=True)
class Entry:
    """One job.

    Attributes:
        key: Its idempotency key.
        node_key: What it shares with the other attempts of its node.
        connector: The connector's task category.
        digest: Of what was asked for: the task and its inputs.
        output_prefix: Where the job was told to write.
        template: Bytes of the `TaskTemplate`.
        meta: Its metadata, once the service has answered.
        phase: The last that is known.
        message: What there is to say about it.
        ended: Whether it has ended, was cancelled, or never came to be.
        project, domain, execution, node, attempt: Whom it was created for.
        created: When it was asked for, in seconds since 1970.
    """

    key: str
    node_key: str
    connector: str
    digest: str
    output_prefix: str
    template: bytes = b""
    meta: bytes | None = None
    phase: Phase = Phase.UNDEFINED
    message: str = ""
    ended: bool = False
    project: str = ""
    domain: str = ""
    execution: str = ""
    node: str = ""
    attempt: int = 0
    created: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether it is certain that nothing will come of it."""
        return self.ended and self.phase is not Phase.SUCCEEDED


_COLUMNS = tuple(field.name for field in fields(Entry))


def _entry(row: Sequence[Any]) -> Entry:
    values = dict(zip(_COLUMNS, row, strict=True))
    meta = values["meta"]
    values.update(
        template=bytes(values["template"]),
        meta=None if meta is None else bytes(meta),
        phase=Phase(values["phase"]),
        ended=bool(values["ended"]),
    )
    return Entry(**values)


def _meta_id(meta: bytes) -> str:
    return hashlib.sha256(meta).hexdigest()


# -- who holds a lease -------------------------------------------------------------------------------------------------

_HOST = socket.gethostname()
_holders: set[str] = set()


def new_holder() -> str:
    """A name for one who wants leases; it is alive until `retire_holder`, or until this process ends."""
    holder = f"{_HOST}/{os.getpid()}/{uuid.uuid4().hex}"
    _holders.add(holder)
    return holder


def retire_holder(holder: str) -> None:
    """Say that this holder is gone."""
    _holders.discard(holder)


def _is_dead(holder: str) -> bool:
    """Whether a holder was of this machine and is gone for certain, so that nobody needs to wait for its lease to run out."""
    host, pid, _ = holder.rsplit("/", 2)
    if host != _HOST:
        return False
    if int(pid) == os.getpid():
        return holder not in _holders
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


# -- the journal -------------------------------------------------------------------------------------------------------


class Journal(ABC):
    """Jobs and leases, in a database. Each method is one transaction, and may be called from any thread.

    Subclasses bring a connection, and the two words in which the databases differ.
    """

    now: str
    """SQL for the database's clock, in seconds since 1970: replicas' own clocks differ."""

    @abstractmethod
    def _execute(self, sql: str, values: Sequence[Any] = ()) -> tuple[list[tuple[Any, ...]], int]:
        """Run a statement with ``?`` as the placeholder and commit it: its rows, and how many it changed."""

    @abstractmethod
    def close(self) -> None:
        """Let the connection go."""

    def ask(self, entry: Entry) -> bool:
        """Write down that a job is about to be asked for; False if its key is there already."""
        _, count = self._execute(
            "insert into jobs (key, node_key, connector, digest, output_prefix, template, phase, message, ended, "
            "project, domain, execution, node, attempt, created, updated) "
            f"values (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, {self.now}, {self.now}) on conflict (key) do nothing",
            (
                entry.key,
                entry.node_key,
                entry.connector,
                entry.digest,
                entry.output_prefix,
                entry.template,
                int(Phase.UNDEFINED),
                entry.message,
                entry.project,
                entry.domain,
                entry.execution,
                entry.node,
                entry.attempt,
            ),
        )
        return count == 1

    def record(self, key: str, meta: bytes) -> bool:
        """Write down what the service has answered; False if the job was cancelled meanwhile, and should be ended."""
        self._execute(
            f"update jobs set meta = ?, meta_id = ?, message = '', updated = {self.now} where key = ?",
            (meta, _meta_id(meta), key),
        )
        entry = self.get(key)
        return entry is not None and not entry.ended

    def moved(self, key: str, output_prefix: str) -> None:
        """Write down that a job writes elsewhere than was wanted, since it was created for an earlier attempt."""
        self._execute(f"update jobs set output_prefix = ?, updated = {self.now} where key = ?", (output_prefix, key))

    def end(self, key: str, phase: Phase, message: str = "") -> None:
        """Write down that a job has ended, or never came to be. What has ended stays as it is."""
        self._execute(
            f"update jobs set phase = ?, message = ?, ended = 1, updated = {self.now} where key = ? and ended = 0",
            (int(phase), message, key),
        )

    def note(self, key: str, phase: Phase, message: str) -> None:
        """Write down how a job stands that has not ended."""
        self._execute(
            f"update jobs set phase = ?, message = ?, updated = {self.now} where key = ? and ended = 0",
            (int(phase), message, key),
        )

    def get(self, key: str) -> Entry | None:
        """The job with this key."""
        found = self._entries("where key = ?", key)
        return found[0] if found else None

    def of_node(self, node_key: str) -> list[Entry]:
        """The jobs of a node's attempts, the oldest first."""
        return self._entries("where node_key = ? order by created, attempt, key", node_key)

    def of_meta(self, connector: str, meta: bytes) -> list[Entry]:
        """The entries under which a job is known, the oldest first: more than one if later attempts have adopted it."""
        return self._entries(
            "where connector = ? and meta_id = ? order by created, attempt, key", connector, _meta_id(meta)
        )

    def unfinished(self) -> list[Entry]:
        """Jobs that have not ended, as far as is known, the oldest first."""
        return self._entries("where ended = 0 order by created, attempt, key")

    def _entries(self, clause: str, *values: Any) -> list[Entry]:
        rows, _ = self._execute(f"select {', '.join(_COLUMNS)} from jobs {clause}", values)
        return [_entry(row) for row in rows]

    def acquire(self, node_key: str, holder: str, seconds: float) -> bool:
        """Take a node's lease, or keep it longer; False if somebody else has it."""
        rows, _ = self._execute("select holder from leases where node_key = ?", (node_key,))
        dead = rows[0][0] if rows and _is_dead(rows[0][0]) else holder
        _, count = self._execute(
            f"insert into leases (node_key, holder, until) values (?, ?, {self.now} + ?) "
            "on conflict (node_key) do update set holder = excluded.holder, until = excluded.until "
            f"where leases.until < {self.now} or leases.holder in (?, ?)",
            (node_key, holder, seconds, holder, dead),
        )
        return count == 1

    def release(self, node_key: str, holder: str) -> None:
        """Give a lease back."""
        self._execute("delete from leases where node_key = ? and holder = ?", (node_key, holder))

    def held(self, node_key: str) -> bool:
        """Whether somebody who lives has the node's lease."""
        rows, _ = self._execute(f"select holder from leases where node_key = ? and until >= {self.now}", (node_key,))
        return bool(rows) and not _is_dead(rows[0][0])


class SQLiteJournal(Journal):
    """The journal in a file; several processes of one machine may share it.

    Args:
        path: The file; its folder is made if need be.

    Raises:
        UserError: the file cannot be made, or is no journal.
    """

    now = "((julianday('now') - 2440587.5) * 86400.0)"

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        with self._told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")  # what is written before a call must outlive a power cut
            for statement in SCHEMA:
                self._db.execute(statement.format(bytes="blob", float="real"))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"The journal of external jobs at {self.path} cannot be used: {error}",
                remedy="Free or repair the file, or name another place: HARDPOINT_CONNECTORS_JOURNAL.",
                path=self.path,
            ) from error

    def _execute(self, sql: str, values: Sequence[Any] = ()) -> tuple[list[tuple[Any, ...]], int]:
        with self._lock, self._told():
            cursor = self._db.execute(sql, values)
            return cursor.fetchall(), cursor.rowcount

    def close(self) -> None:
        with self._lock:
            self._db.close()


def open_journal(where: str | Path | None = None) -> Journal:
    """The journal at a place.

    Args:
        where: A path, or the URL of a PostgreSQL database. Default: the setting ``connectors.journal``, else
            ``jobs.sqlite`` in the state directory.

    Raises:
        UserError: it cannot be opened.
        TransientError: the database does not answer.
        MissingDependencyError: the database's driver is not installed.
    """
    place = str(where or settings().connectors.journal or settings().local.state_path / "jobs.sqlite")
    if "://" in place:
        made: Journal = _POSTGRES.load()(place)
        return made
    return SQLiteJournal(Path(place).expanduser())
