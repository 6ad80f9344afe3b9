"""The journal: every external job that was asked for, so that it is found again whatever dies in between.

A job is written down before its service is called (*asked*), when the service has answered (*recorded*), and when it has ended.
One that is not wanted any more (*unwanted*) is kept until its service has confirmed its end, and is given to nobody; one of
which nothing could be learned for long (*lost*) has not ended either.
Leases see to it that of several replicas, or several attempts, one at a time settles what job a node has. The journal
lives in SQLite (``<state dir>/jobs.sqlite``) or, for replicas, in PostgreSQL (`hardpoint.connectors.journal_postgres`).
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from hardpoint._lazy import Ref
from hardpoint.connectors.holders import MACHINE, is_alive, is_dead
from hardpoint.connectors.phases import Phase
from hardpoint.errors import UserError
from hardpoint.settings import settings

__all__ = ["Begin", "Begun", "Entry", "Finish", "Journal", "Note", "Wish", "Write", "open_journal"]

_POSTGRES = Ref("hardpoint.connectors.journal_postgres:PostgresJournal")
_SQLITE = Ref("hardpoint.connectors.journal_sqlite:SQLiteJournal")

MIGRATIONS = (
    (
        """create table if not exists jobs (
            key text primary key, node_key text not null, connector text not null, digest text not null,
            output_prefix text not null, template {bytes} not null, meta {bytes}, meta_id text,
            phase integer not null, message text not null, ended integer not null, project text not null,
            domain text not null, execution text not null, node text not null, attempt integer not null,
            created {float} not null, updated {float} not null)""",
        "create index if not exists jobs_by_node on jobs (node_key)",
        "create index if not exists jobs_by_meta on jobs (connector, meta_id)",
        "create table if not exists leases (node_key text primary key, holder text not null, until {float} not null)",
    ),
    (
        "alter table jobs add column asker text not null default ''",
        "create index if not exists jobs_that_ended on jobs (updated) where ended = 1",
    ),
    (
        "alter table jobs add column unwanted integer not null default 0",
        "alter table jobs add column lost integer not null default 0",
        "alter table jobs add column request {bytes}",
        "create index if not exists jobs_to_end on jobs (updated) where unwanted = 1 and ended = 0",
    ),
)
"""What leads from each version of the tables to the next; a journal without tables is version 0."""

Statement: TypeAlias = tuple[str, Sequence[Any]]
Result: TypeAlias = tuple[list[tuple[Any, ...]], int]


@dataclass(slots=True)
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
        ended: Whether it has ended, or never came to be.
        project, domain, execution, node, attempt: Whom it was created for.
        created: When it was asked for, in seconds since 1970.
        updated: When something was last written about it.
        asker: Who asked for it, as `new_holder` names them.
        unwanted: Whether it was cancelled. It is given to nobody any more, and has `ended` once its service says so.
        lost: Whether nothing could be learned of it for so long that its attempt was given up; it may run.
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
    updated: float = 0.0
    asker: str = ""
    unwanted: bool = False
    lost: bool = False

    @property
    def local_run(self) -> str | None:
        """The id of the local run that it was created for; None for jobs of a cluster."""
        return self.execution if (self.project, self.domain) == ("local", "local") else None

    @property
    def failed(self) -> bool:
        """Whether it is certain that nothing will come of it."""
        return self.ended and (self.unwanted or self.phase is not Phase.SUCCEEDED)

    @property
    def is_to_end(self) -> bool:
        """Whether it was cancelled, and its service has not confirmed its end yet."""
        return self.unwanted and not self.ended


_COLUMNS = tuple(field.name for field in fields(Entry))
_SELECT = f"select {', '.join(_COLUMNS)} from jobs"
_OLDEST_FIRST = "order by created, attempt, key"


def _entry(row: Sequence[Any]) -> Entry:
    values = dict(zip(_COLUMNS, row, strict=True))
    meta = values["meta"]
    values.update(
        template=bytes(values["template"]),
        meta=None if meta is None else bytes(meta),
        phase=Phase(values["phase"]),
        ended=bool(values["ended"]),
        unwanted=bool(values["unwanted"]),
        lost=bool(values["lost"]),
    )
    return Entry(**values)


def _meta_id(meta: bytes) -> str:
    return hashlib.sha256(meta).hexdigest()


# -- what is written for many at once ----------------------------------------------------------------------------------


@dataclass(eq=False, slots=True)
class Begin:
    """Write down that a job is about to be asked for, and take its node's lease. Its outcome is a `Begun`.

    Attributes:
        entry: The job.
        holder: Who asks: a name that nobody else ever bears.
        seconds: How long the lease lasts.
        request: What else it takes to create the job; kept until the service has answered.
    """

    entry: Entry
    holder: str
    seconds: float
    request: bytes | None = None


@dataclass(eq=False, slots=True)
class Begun:
    """What came of a `Begin`.

    Attributes:
        is_new: Whether the key had not been there.
        leased: Whether the lease was free, and is the asker's now.
        others: The node's jobs that others have asked for, the oldest first; the one with this key too, if it is not new.
    """

    is_new: bool
    leased: bool
    others: Sequence[Entry]


@dataclass(eq=False, slots=True)
class Finish:
    """Write down what the service has answered, and give the lease back. Its outcome is whether the job is still wanted."""

    key: str
    meta: bytes
    node_key: str
    holder: str


@dataclass(eq=False, slots=True)
class Note:
    """Write down how a job stands, under whatever keys it is known. What has ended stays as it is; what is lost has not."""

    connector: str
    meta: bytes
    phase: Phase
    message: str
    lost: bool = False


@dataclass(eq=False, slots=True)
class Wish:
    """Write down that a job is not wanted any more, under whatever keys it is known."""

    connector: str
    meta: bytes


Write: TypeAlias = Begin | Finish | Note | Wish


def _rows(row: str, count: int) -> str:
    return ", ".join([row] * count)


def _marks(count: int) -> str:
    return f"({_rows('?', count)})"


# Databases keep prepared statements by their text, so the texts are kept too.


@cache
def _sql_ask(now: str, count: int) -> str:
    row = f"(?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, {now}, {now})"
    return (
        "insert into jobs (key, node_key, connector, digest, output_prefix, template, phase, message, ended, "
        "project, domain, execution, node, attempt, asker, request, created, updated) "
        f"values {_rows(row, count)} on conflict (key) do nothing"
    )


@cache
def _sql_lease(now: str, count: int) -> str:
    return (
        f"insert into leases (node_key, holder, until) values {_rows(f'(?, ?, {now} + ?)', count)} "
        "on conflict (node_key) do update set holder = excluded.holder, until = excluded.until "
        # Of a holder of this machine it is known whether it lives; clocks jump.
        f"where (leases.until < {now} and substr(leases.holder, 1, {len(MACHINE)}) <> ?) "
        "or leases.holder = excluded.holder"
    )


@cache
def _sql_record(now: str, count: int) -> str:
    return (
        f"update jobs set meta = v.column2, meta_id = v.column3, message = '', request = null, lost = 0, updated = {now} "
        f"from (values {_rows('(?, ?, ?)', count)}) as v where jobs.key = v.column1"
    )


@cache
def _sql_note(now: str, count: int) -> str:
    return (
        f"update jobs set phase = v.column3, message = v.column4, ended = v.column5, lost = v.column6, updated = {now} "
        f"from (values {_rows('(?, ?, ?, ?, ?, ?)', count)}) as v "
        "where jobs.connector = v.column1 and jobs.meta_id = v.column2 and jobs.ended = 0"
    )


@cache
def _sql_wish(now: str, count: int) -> str:
    return (
        f"update jobs set unwanted = 1, updated = {now} from (values {_rows('(?, ?)', count)}) as v "
        "where jobs.connector = v.column1 and jobs.meta_id = v.column2 and jobs.ended = 0"
    )


def _asked(entry: Entry, asker: str, request: bytes | None = None) -> tuple[Any, ...]:
    return (
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
        asker,
        request,
    )


def _flat(rows: Iterable[Sequence[Any]]) -> list[Any]:
    return [value for row in rows for value in row]


# -- the journal -------------------------------------------------------------------------------------------------------


class Journal(ABC):
    """Jobs and leases, in a database. Each method is one transaction, and may be called from any thread.

    Subclasses bring a connection, and the words in which the databases differ.
    """

    now: str
    """SQL for the database's clock, in seconds since 1970: replicas' own clocks differ."""

    @abstractmethod
    def _run(self, statements: Sequence[Statement]) -> list[Result]:
        """Run statements with ``?`` as the placeholder in one transaction, to the disk: the rows of each, and how many it changed.

        They may be run twice, where it is unknown whether the first time succeeded.
        """

    @abstractmethod
    def close(self) -> None:
        """Let the connection go."""

    def _execute(self, sql: str, *values: Any) -> Result:
        return self._run([(sql, values)])[0]

    @staticmethod
    def _upgrade(where: str, execute: Callable[[str], list[tuple[Any, ...]]], **types: str) -> None:
        """Bring the tables to the version of this release, within a transaction that nobody else has at the same time."""
        execute("create table if not exists journal (version integer not null)")
        found = execute("select max(version) from journal")[0][0] or 0
        if found > len(MIGRATIONS):
            raise UserError(
                f"The journal of external jobs at {where} was written by a later release: its version is {found}, and this "
                f"release knows {len(MIGRATIONS)}.",
                remedy="Upgrade hardpoint, or name another journal: HARDPOINT_CONNECTORS_JOURNAL.",
                version=found,
            )
        if found == len(MIGRATIONS):
            return
        for migration in MIGRATIONS[found:]:
            for statement in migration:
                execute(statement.format(**types))
        execute("delete from journal")
        execute(f"insert into journal (version) values ({len(MIGRATIONS)})")

    def write(self, writes: Sequence[Write]) -> list[Any]:
        """Write for many in one transaction: the outcome of each, in their order."""
        # What cancels goes first, so that who finishes a job finds out that it is not wanted.
        wishes = [write for write in writes if type(write) is Wish]
        notes = [write for write in writes if type(write) is Note]
        begins = [write for write in writes if type(write) is Begin]
        finishes = [write for write in writes if type(write) is Finish]
        statements: list[Statement] = []
        if wishes:
            wished = _flat((wish.connector, _meta_id(wish.meta)) for wish in wishes)
            statements.append((_sql_wish(self.now, len(wishes)), wished))
        if notes:
            statements.append(self._noting(notes))
        leases: dict[str, Begin] = {}
        if begins:
            for begin in begins:
                leases.setdefault(begin.entry.node_key, begin)
            statements += self._beginning(begins, leases)
        if finishes:
            statements += self._finishing(finishes)
        results = iter(self._run(statements))
        outcomes: dict[int, Any] = {}
        if wishes:
            next(results)
        if notes:
            next(results)
        if begins:
            outcomes |= self._begun(begins, leases, next(results)[1], next(results)[1], next(results)[0])
        if finishes:
            next(results), next(results)
            unwanted = {key for (key,) in next(results)[0]}
            outcomes |= {id(finish): finish.key not in unwanted for finish in finishes}
        return [outcomes.get(id(write)) for write in writes]

    def _noting(self, notes: Sequence[Note]) -> Statement:
        rows = [
            (
                note.connector,
                _meta_id(note.meta),
                int(note.phase),
                note.message,
                int(note.phase.is_terminal and not note.lost),
                int(note.lost),
            )
            for note in notes
        ]
        return _sql_note(self.now, len(notes)), _flat(rows)

    def _beginning(self, begins: Sequence[Begin], leases: dict[str, Begin]) -> list[Statement]:
        # All replicas take rows in the same order, so that they do not wait for each other in a circle.
        rows = (_asked(begin.entry, begin.holder, begin.request) for begin in begins)
        asked = sorted(rows, key=lambda row: str(row[0]))
        nodes = sorted(leases)
        wanted = [(node, leases[node].holder, leases[node].seconds) for node in nodes]
        others = (
            f"{_SELECT} where node_key in {_marks(len(nodes))} and asker not in {_marks(len(begins))} {_OLDEST_FIRST}"
        )
        return [
            (_sql_ask(self.now, len(asked)), _flat(asked)),
            (_sql_lease(self.now, len(wanted)), [*_flat(wanted), MACHINE]),
            (others, [*nodes, *(begin.holder for begin in begins)]),
        ]

    def _begun(
        self, begins: Sequence[Begin], leases: dict[str, Begin], asked: int, leased: int, rows: Sequence[Sequence[Any]]
    ) -> dict[int, Begun]:
        new = {begin.holder for begin in begins}
        held = {begin.holder for begin in leases.values()}
        if asked < len(begins):  # some keys were there already; who asked for a job first never changes
            found, _ = self._execute(f"select asker from jobs where asker in {_marks(len(new))}", *new)
            new = {asker for (asker,) in found}
        if leased < len(leases):
            found, _ = self._execute(f"select holder from leases where holder in {_marks(len(held))}", *held)
            held = {holder for (holder,) in found}
        others: dict[str, list[Entry]] = {}
        for entry in map(_entry, rows):
            others.setdefault(entry.node_key, []).append(entry)
        return {
            id(begin): Begun(begin.holder in new, begin.holder in held, others.get(begin.entry.node_key, ()))
            for begin in begins
        }

    def _finishing(self, finishes: Sequence[Finish]) -> list[Statement]:
        rows = [(finish.key, finish.meta, _meta_id(finish.meta)) for finish in finishes]
        marks = _marks(len(finishes))
        keys, nodes, holders = zip(*((finish.key, finish.node_key, finish.holder) for finish in finishes), strict=True)
        return [
            (_sql_record(self.now, len(rows)), _flat(rows)),
            (f"delete from leases where node_key in {marks} and holder in {marks}", [*nodes, *holders]),
            (f"select key from jobs where key in {marks} and (ended = 1 or unwanted = 1)", keys),
        ]

    def ask(self, entry: Entry) -> bool:
        """Write down that a job is about to be asked for; False if its key is there already."""
        return self._execute(_sql_ask(self.now, 1), *_asked(entry, ""))[1] == 1

    def record(self, key: str, meta: bytes) -> bool:
        """Write down what the service has answered; False if the job was cancelled meanwhile, and should be ended."""
        _, (rows, _) = self._run(
            [
                (_sql_record(self.now, 1), (key, meta, _meta_id(meta))),
                ("select 1 from jobs where key = ? and ended = 0 and unwanted = 0", (key,)),
            ]
        )
        return bool(rows)

    def moved(self, key: str, output_prefix: str) -> None:
        """Write down that a job writes elsewhere than was wanted, since it was created for an earlier attempt."""
        self._execute(f"update jobs set output_prefix = ?, updated = {self.now} where key = ?", output_prefix, key)

    def end(self, key: str, phase: Phase, message: str = "") -> None:
        """Write down that a job has ended, or never came to be. What has ended stays as it is."""
        self._execute(
            f"update jobs set phase = ?, message = ?, ended = 1, lost = 0, request = null, updated = {self.now} "
            "where key = ? and ended = 0",
            *(int(phase), message, key),
        )

    def unwant(self, key: str) -> None:
        """Write down that a job is not wanted any more: whoever finds it ends it."""
        self._execute(
            f"update jobs set unwanted = 1, request = null, updated = {self.now} where key = ? and ended = 0", key
        )

    def doubt(self, key: str, message: str, lost: bool = False) -> None:
        """Write down that it is not known whether a job exists: it is looked up before anybody creates it, and by nobody's request.

        Args:
            key: Its key.
            message: Why.
            lost: Whether its attempt is given up for that.
        """
        self._execute(
            f"update jobs set phase = ?, message = ?, lost = ?, request = null, updated = {self.now} "
            "where key = ? and ended = 0",
            *(int(Phase.RETRYABLE_FAILED), message, int(lost), key),
        )

    def request(self, key: str) -> bytes | None:
        """What else it takes to create a job, if that is still kept."""
        rows, _ = self._execute("select request from jobs where key = ? and ended = 0", key)
        return bytes(rows[0][0]) if rows and rows[0][0] is not None else None

    def note(self, key: str, phase: Phase, message: str) -> None:
        """Write down how a job stands that has not ended."""
        self._execute(
            f"update jobs set phase = ?, message = ?, updated = {self.now} where key = ? and ended = 0",
            *(int(phase), message, key),
        )

    # -- reading -------------------------------------------------------------------------------------------------------

    def get(self, key: str) -> Entry | None:
        """The job with this key."""
        found = self._entries("where key = ?", key)
        return found[0] if found else None

    def of_node(self, node_key: str) -> list[Entry]:
        """The jobs of a node's attempts, the oldest first."""
        return self._entries(f"where node_key = ? {_OLDEST_FIRST}", node_key)

    def of_meta(self, connector: str, meta: bytes) -> list[Entry]:
        """The entries under which a job is known, the oldest first: more than one if later attempts have adopted it."""
        return self._entries(f"where connector = ? and meta_id = ? {_OLDEST_FIRST}", connector, _meta_id(meta))

    def unfinished(self) -> list[Entry]:
        """Jobs that have not ended, as far as is known, the oldest first."""
        return self.find(ended=False)

    def find(
        self,
        prefix: str = "",
        *,
        phase: Phase | None = None,
        ended: bool | None = None,
        unwanted: bool | None = None,
        idle: float = 0.0,
    ) -> list[Entry]:
        """Jobs of which all of this holds, the oldest first.

        Args:
            prefix: With what their keys begin.
            phase: The last that is known.
            ended: Whether they have ended.
            unwanted: Whether they were cancelled.
            idle: Seconds for which nothing was written about them, at least.
        """
        # Keys consist of lower-case letters, digits and hyphens: "~" sorts after all of them.
        clauses, values = [f"updated <= {self.now} - ?"], [idle]
        for clause, value in (
            ("key >= ? and key < ?", (prefix, f"{prefix}~") if prefix else None),
            ("phase = ?", None if phase is None else (int(phase),)),
            # As they stand in the conditions of the indices.
            (f"ended = {int(bool(ended))}", None if ended is None else ()),
            (f"unwanted = {int(bool(unwanted))}", None if unwanted is None else ()),
        ):
            if value is not None:
                clauses.append(clause)
                values += value  # type: ignore[arg-type]
        return self._entries(f"where {' and '.join(clauses)} {_OLDEST_FIRST}", *values)

    def _entries(self, clause: str, *values: Any) -> list[Entry]:
        rows, _ = self._execute(f"{_SELECT} {clause}", *values)
        return [_entry(row) for row in rows]

    def prune(self, days: float) -> int:
        """Forget jobs that ended so many days ago: how many there were."""
        return self._execute(f"delete from jobs where ended = 1 and updated < {self.now} - ?", days * 86400.0)[1]

    # -- leases --------------------------------------------------------------------------------------------------------

    def acquire(self, node_key: str, holder: str, seconds: float) -> bool:
        """Take a node's lease, or keep it longer; False if somebody else has it."""
        rows, _ = self._execute(f"select holder, until < {self.now} from leases where node_key = ?", node_key)
        if rows and rows[0][0] != holder and (is_dead(rows[0][0]) or (rows[0][1] and not is_alive(rows[0][0]))):
            self.release(node_key, rows[0][0])
        return self._execute(_sql_lease(self.now, 1), node_key, holder, seconds, MACHINE)[1] == 1

    def renew(self, leases: Sequence[tuple[str, str]], seconds: float) -> set[str]:
        """Keep leases longer, nodes each with its holder: the holders that have them."""
        rows = [(node_key, holder, seconds) for node_key, holder in sorted(leases)]
        holders = [holder for _, holder in leases]
        _, (held, _) = self._run(
            [
                (_sql_lease(self.now, len(rows)), [*_flat(rows), MACHINE]),
                (f"select holder from leases where holder in {_marks(len(holders))}", holders),
            ]
        )
        return {holder for (holder,) in held}

    def release(self, node_key: str, holder: str) -> None:
        """Give a lease back."""
        self._execute("delete from leases where node_key = ? and holder = ?", node_key, holder)

    def held(self, node_key: str) -> bool:
        """Whether somebody who lives has the node's lease."""
        rows, _ = self._execute(f"select holder, until >= {self.now} from leases where node_key = ?", node_key)
        return bool(rows) and (is_alive(rows[0][0]) or (bool(rows[0][1]) and not is_dead(rows[0][0])))


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
    made: Journal = _POSTGRES.load()(place) if "://" in place else _SQLITE.load()(Path(place).expanduser())
    return made
