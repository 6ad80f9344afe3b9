"""The run store: every local run and each of its nodes, in SQLite, written before the next step depends on it.

One file, ``<state dir>/runs.sqlite``, in WAL mode: a process that is killed leaves what it had committed, and several processes
may run side by side.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hardpoint.errors import UserError
from hardpoint.idl import Literal, LiteralMap
from hardpoint.settings import settings

__all__ = ["EndedNode", "NodeRecord", "RunRecord", "RunStore", "StartedNode", "pack", "unpack"]

_SCHEMA = """
create table if not exists runs (
    id text primary key, name text not null, source text not null, state text not null,
    started real not null, ended real, pid integer not null, inputs blob not null, outputs blob, error text, command text
) without rowid;
create index if not exists runs_by_start on runs (started);
create table if not exists nodes (
    run text not null, path text not null, name text not null, state text not null, attempt integer not null,
    started real not null, ended real, inputs blob, outputs blob, error text, cached integer not null default 0,
    external text, deck text,
    primary key (run, path)
) without rowid;
create table if not exists elements (run text not null, path text not null, name text not null, batch blob not null);
create index if not exists elements_by_run on elements (run);
"""
_VERSION = 2
_MUCH = 4 << 20
"""Bytes of the store that may stay empty after runs were removed."""


def pack(literals: Mapping[str, Literal]) -> bytes:
    """Literals as the bytes of a `LiteralMap`; equal literals give equal bytes.

    The map is written here, entry by entry, since a message of it would have to hold copies of the literals.
    Wire facts: https://protobuf.dev/programming-guides/encoding/#maps
    """
    parts: list[bytes] = []
    for name in sorted(literals) if len(literals) > 1 else literals:
        value = literals[name].SerializeToString(deterministic=True)
        entry = _key(name) + _varint(len(value)) + value
        parts += b"\x0a", _varint(len(entry)), entry
    return b"".join(parts)


@lru_cache(maxsize=4096)
def _key(name: str) -> bytes:
    """What an entry of the map begins with: its key, and the tag of its value."""
    text = name.encode()
    return b"\x0a" + _varint(len(text)) + text + b"\x12"


def _varint(number: int) -> bytes:
    if number < 0x80:
        return _BYTES[number]
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_BYTES = tuple(bytes([number]) for number in range(0x80))


def unpack(data: bytes) -> dict[str, Literal]:
    """The reverse of `pack`."""
    return dict(LiteralMap.FromString(data).literals)


class RunRecord(msgspec.Struct, frozen=True):
    """One run.

    Attributes:
        id: Its id, for example ``261122-193612-k3fa``.
        name: Name of the workflow or task.
        source: The file it was started from, if any.
        state: ``running``, ``succeeded``, ``failed`` or ``aborted``.
        started, ended: Seconds since 1970.
        pid: Process that runs it.
        inputs, outputs: Bytes of a `LiteralMap`.
        error: What the failure said.
        command: What is needed to start it again.
    """

    id: str
    name: str
    source: str
    state: str
    started: float
    ended: float | None
    pid: int
    inputs: bytes
    outputs: bytes | None
    error: str | None
    command: str | None

    @property
    def interrupted(self) -> bool:
        """Whether it says that it is running, but its process is gone."""
        return self.state == "running" and not _alive(self.pid)

    @property
    def status(self) -> str:
        """Its state, or ``interrupted``."""
        return "interrupted" if self.interrupted else self.state


class NodeRecord(msgspec.Struct, frozen=True):
    """One node of a run; `path` leads to it, as in ``n2/n0`` or ``n1/[17]``. The other fields are as in `RunRecord`."""

    run: str
    path: str
    name: str
    state: str
    attempt: int
    started: float
    ended: float | None
    inputs: bytes | None
    outputs: bytes | None
    error: str | None = None
    cached: int = 0
    external: str | None = None
    deck: str | None = None


class StartedNode(NamedTuple):
    """A node that has started; the fields are as in `NodeRecord`."""

    path: str
    name: str
    attempt: int
    started: float
    inputs: bytes


class EndedNode(NamedTuple):
    """How a node ended; the fields are as in `NodeRecord`."""

    start: StartedNode
    state: str
    ended: float
    outputs: bytes | None
    error: str | None
    cached: bool
    deck: str | None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class RunStore:
    """Reads and writes runs.

    Args:
        folder: The state directory; it is made if need be.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = Path(folder) if folder is not None else settings().local.state_path
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                self.folder / "runs.sqlite", timeout=30, isolation_level=None, check_same_thread=False
            )
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            self._db.execute("pragma wal_autocheckpoint = 4000")
            version = self._db.execute("pragma user_version").fetchone()[0]
            if version > _VERSION:
                raise UserError(
                    f"{self.folder} was written by a newer release (format {version}, this one knows {_VERSION}).",
                    remedy="Upgrade hardpoint, or set HARDPOINT_LOCAL_STATE_DIR to another folder.",
                )
            if version < _VERSION:
                self._db.executescript(_SCHEMA)
                self._db.execute(f"pragma user_version = {_VERSION}")
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"The run store in {self.folder} cannot be opened: {error}.",
                remedy="Make the folder writable, or set HARDPOINT_LOCAL_STATE_DIR to another one.",
            ) from error
        self._lock = threading.Lock()

    def close(self) -> None:
        self._db.close()

    def __del__(self) -> None:
        if hasattr(self, "_db"):  # it could be opened; Python 3.13 warns of a connection that nobody has closed
            self._db.close()

    def folder_of(self, run: str) -> Path:
        """Where the data and the decks of a run lie."""
        return self.folder / "runs" / run

    # -- writing ---------------------------------------------------------------------------------------------------------

    def start_run(
        self, run: str, name: str, source: str, inputs: bytes, command: Mapping[str, Any] | None = None
    ) -> None:
        """Record that a run starts, or that it is taken up again."""
        text = json.dumps(command) if command is not None else None
        with self._lock:
            self._db.execute(
                "insert into runs (id, name, source, state, started, pid, inputs, command) values (?,?,?,?,?,?,?,?) "
                "on conflict (id) do update set state = excluded.state, pid = excluded.pid, ended = null, error = null",
                (run, name, source, "running", time.time(), os.getpid(), inputs, text),
            )

    def end_run(self, run: str, state: str, outputs: bytes | None = None, error: str | None = None) -> None:
        """Record how a run ended."""
        with self._lock:
            self._db.execute(
                "update runs set state = ?, ended = ?, outputs = ?, error = ? where id = ?",
                (state, time.time(), outputs, error, run),
            )

    def start_nodes(self, run: str, rows: Sequence[StartedNode]) -> None:
        """Record that nodes have started (or started again)."""
        with self._lock:
            self._db.execute("begin immediate")
            self._db.executemany(
                "insert or replace into nodes (run, path, name, state, attempt, started, inputs) "
                "values (?,?,?,'running',?,?,?)",
                [(run, row.path, row.name, row.attempt, row.started, row.inputs) for row in rows],
            )
            self._db.execute("commit")

    def add_nodes(self, run: str, rows: Sequence[EndedNode]) -> None:
        """Record nodes that started and ended since their starts were last written; all of them or none."""
        statement = (
            "insert or replace into nodes "
            "(run, path, name, attempt, started, inputs, state, ended, outputs, error, cached, deck) "
            "values (?,?,?,?,?,?,?,?,?,?,?,?)"
        )
        values = [
            (run, *row.start, row.state, row.ended, row.outputs, row.error, int(row.cached), row.deck) for row in rows
        ]
        with self._lock:
            if len(values) == 1:
                self._db.execute(statement, values[0])
                return
            with self._db:
                self._db.execute("begin immediate")
                self._db.executemany(statement, values)

    def add_elements(self, run: str, path: str, name: str, batch: bytes) -> None:
        """Record elements of the map at `path` that have succeeded; `batch` is what `freeze` makes of them."""
        with self._lock:
            self._db.execute("insert into elements (run, path, name, batch) values (?,?,?,?)", (run, path, name, batch))

    def end_node(
        self,
        run: str,
        path: str,
        state: str,
        outputs: bytes | None = None,
        error: str | None = None,
        *,
        cached: bool = False,
        deck: str | None = None,
    ) -> None:
        """Record how a node ended."""
        with self._lock:
            self._db.execute(
                "update nodes set state = ?, ended = ?, outputs = ?, error = ?, cached = ?, deck = ? where run = ? and path = ?",
                (state, time.time(), outputs, error, int(cached), deck, run, path),
            )

    def set_external(self, run: str, path: str, external: Mapping[str, Any]) -> None:
        """Record the external job that a node has started."""
        with self._lock:
            self._db.execute(
                "update nodes set external = ? where run = ? and path = ?", (json.dumps(external), run, path)
            )

    def abort_nodes(self, run: str) -> None:
        """Mark what a run was doing when it was stopped."""
        with self._lock:
            self._db.execute(
                "update nodes set state = 'aborted', ended = ? where run = ? and state = 'running'", (time.time(), run)
            )

    # -- reading ---------------------------------------------------------------------------------------------------------

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def runs(self, limit: int = 20) -> list[RunRecord]:
        """The latest runs, the newest first."""
        columns = "id, name, source, state, started, ended, pid, inputs, outputs, error, command"
        return [
            RunRecord(*row)
            for row in self._rows(f"select {columns} from runs order by started desc, id desc limit ?", limit)
        ]

    def run(self, run: str) -> RunRecord:
        """A run by its id, by the beginning of it if that is unmistakable, or ``latest``.

        Raises:
            UserError: there is no such run, or several.
        """
        columns = "id, name, source, state, started, ended, pid, inputs, outputs, error, command"
        if run == "latest":
            rows = self._rows(f"select {columns} from runs order by started desc, id desc limit 1")
        else:
            rows = self._rows(f"select {columns} from runs where id = ? or substr(id, 1, ?) = ?", run, len(run), run)
            exact = [row for row in rows if row[0] == run]
            rows = exact or rows
        if not rows:
            raise UserError(f"There is no run {run!r} in {self.folder}.", remedy="hardpoint runs list shows them.")
        if len(rows) > 1:
            raise UserError(f"{run!r} is the beginning of {len(rows)} runs: {', '.join(row[0] for row in rows[:5])}.")
        return RunRecord(*rows[0])

    def nodes(self, run: str) -> list[NodeRecord]:
        """The nodes of a run, in the order in which they started."""
        columns = "run, path, name, state, attempt, started, ended, inputs, outputs, error, cached, external, deck"
        latest = {row[1]: NodeRecord(*row) for row in self._rows(f"select {columns} from nodes where run = ?", run)}
        for record in self._elements(run):
            known = latest.get(record.path)
            if known is None or known.started <= record.started:  # else it ran again later, with other inputs
                latest[record.path] = record
        return sorted(latest.values(), key=lambda record: (record.started, record.path))

    def _elements(self, run: str) -> Iterator[NodeRecord]:
        """The elements that were written in batches, as nodes."""
        from hardpoint.engine.batches import thaw

        for path, name, batch in self._rows("select path, name, batch from elements where run = ? order by rowid", run):
            for element in thaw(batch):
                yield NodeRecord(
                    run,
                    f"{path}/[{element.index}]",
                    name,
                    "succeeded",
                    0,
                    element.started,
                    element.ended,
                    pack(element.inputs),
                    pack(element.outputs),
                )

    def finished(self, run: str) -> dict[str, tuple[str, bytes, bytes]]:
        """Path -> (name, inputs, outputs) of the nodes that succeeded: what a resumed run need not do again."""
        return {
            node.path: (node.name, node.inputs or b"", node.outputs)
            for node in self.nodes(run)
            if node.state == "succeeded" and node.outputs is not None
        }

    def remove(self, run: str) -> None:
        """Forget a run and delete its data.

        Raises:
            UserError: it is still running.
        """
        record = self.run(run)
        if record.status == "running":
            raise UserError(f"Run {record.id} is still running (process {record.pid}).", remedy="Stop it first.")
        shutil.rmtree(self.folder_of(record.id), ignore_errors=True)
        with self._lock:
            self._db.execute("begin immediate")
            self._db.execute("delete from nodes where run = ?", (record.id,))
            self._db.execute("delete from elements where run = ?", (record.id,))
            self._db.execute("delete from runs where id = ?", (record.id,))
            self._db.execute("commit")
            self._give_back()

    def _give_back(self) -> None:
        """Give the disk what removed runs have left empty, if it is much and nobody else uses the store just now."""
        free, size = (self._db.execute(f"pragma {what}").fetchone()[0] for what in ("freelist_count", "page_size"))
        if free * size >= _MUCH:
            with contextlib.suppress(sqlite3.OperationalError):  # somebody reads or writes: the next time, then
                self._db.execute("vacuum")
