"""The journal, in both databases."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hardpoint.connectors.clerk import Clerk
from hardpoint.connectors.holders import new_holder, retire_holder
from hardpoint.connectors.journal import MIGRATIONS, Begin, Entry, Finish, Journal, Note, open_journal
from hardpoint.connectors.journal_sqlite import SQLiteJournal
from hardpoint.connectors.phases import Phase
from hardpoint.errors import TransientError, UserError
from hardpoint.settings import override

ENTRY = Entry(
    key="hp-1",
    node_key="node",
    connector="query_v0",
    digest="d",
    output_prefix="s3://b/0",
    template=b"\x00template",
    project="p",
    domain="d",
    execution="e",
    node="n0",
    attempt=1,
)

Opener = Callable[[], Journal]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "state" / "jobs.sqlite")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def journal(place: str) -> Iterator[Journal]:
    opened = open_journal(place)
    yield opened
    opened.close()


def test_a_job_on_its_way(journal: Journal) -> None:
    before = time.time()
    assert journal.ask(ENTRY)
    asked = journal.get("hp-1")
    assert asked is not None
    assert before - 1 < asked.created < time.time() + 1
    assert replace(asked, created=0.0, updated=0.0) == ENTRY
    assert journal.record("hp-1", b"\xffmeta")
    journal.note("hp-1", Phase.RUNNING, "at 10%")
    [running] = journal.of_meta("query_v0", b"\xffmeta")
    assert (running.meta, running.phase, running.message) == (b"\xffmeta", Phase.RUNNING, "at 10%")
    assert journal.unfinished() == [running]
    journal.end("hp-1", Phase.SUCCEEDED)
    ended = journal.get("hp-1")
    assert ended is not None
    assert (ended.ended, ended.failed, ended.phase) == (True, False, Phase.SUCCEEDED)
    assert journal.unfinished() == []


def test_a_key_is_asked_for_once(journal: Journal) -> None:
    assert journal.ask(ENTRY)
    assert not journal.ask(replace(ENTRY, digest="other"))
    found = journal.get("hp-1")
    assert found is not None
    assert found.digest == "d"


def test_what_has_ended_stays_so(journal: Journal) -> None:
    journal.ask(ENTRY)
    journal.end("hp-1", Phase.ABORTED, "cancelled")
    journal.end("hp-1", Phase.SUCCEEDED)
    journal.note("hp-1", Phase.RUNNING, "")
    found = journal.get("hp-1")
    assert found is not None
    assert (found.phase, found.message, found.failed) == (Phase.ABORTED, "cancelled", True)


def test_who_records_a_job_that_was_cancelled_meanwhile_is_told(journal: Journal) -> None:
    journal.ask(ENTRY)
    journal.end("hp-1", Phase.ABORTED)
    assert not journal.record("hp-1", b"meta")
    found = journal.get("hp-1")
    assert found is not None
    assert found.meta == b"meta"


def test_attempts_of_a_node_are_found_in_their_order(journal: Journal) -> None:
    for number in range(3):
        journal.ask(replace(ENTRY, key=f"hp-{2 - number}", attempt=number))
    journal.ask(replace(ENTRY, key="hp-x", node_key="else"))
    assert [entry.attempt for entry in journal.of_node("node")] == [0, 1, 2]
    assert journal.get("hp-9") is None


def test_two_journals_at_one_place_see_each_other(journal: Journal, place: str) -> None:
    other = open_journal(place)
    journal.ask(ENTRY)
    assert other.get("hp-1") is not None
    other.close()


def test_a_lease_has_one_holder(journal: Journal) -> None:
    ours, theirs = new_holder(), new_holder()
    assert journal.acquire("node", ours, 30)
    assert journal.acquire("node", ours, 30)
    assert not journal.acquire("node", theirs, 30)
    assert journal.held("node")
    journal.release("node", theirs)
    assert journal.held("node")
    journal.release("node", ours)
    assert not journal.held("node")
    assert journal.acquire("node", theirs, 30)


def test_a_lease_runs_out(journal: Journal) -> None:
    other_machine = "elsewhere/1/abc"
    assert journal.acquire("node", other_machine, 0.05)
    assert not journal.acquire("node", new_holder(), 30)
    time.sleep(0.1)
    assert not journal.held("node")
    assert journal.acquire("node", new_holder(), 30)


def test_the_lease_of_a_holder_that_is_gone_is_free_at_once(journal: Journal) -> None:
    gone = new_holder()
    assert journal.acquire("node", gone, 3600)
    retire_holder(gone)
    assert not journal.held("node")
    assert journal.acquire("node", new_holder(), 30)


def test_of_many_who_want_a_lease_at_once_one_gets_it(place: str) -> None:
    journals = [open_journal(place) for _ in range(6)]
    start = threading.Barrier(len(journals))
    got: list[bool] = []

    def want(journal: Journal) -> None:
        start.wait()
        got.append(journal.acquire("node", new_holder(), 30))

    threads = [threading.Thread(target=want, args=(journal,)) for journal in journals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for journal in journals:
        journal.close()
    assert sorted(got) == [False] * 5 + [True]


WRITER = """
import sys
from hardpoint.connectors.holders import new_holder
from hardpoint.connectors.journal import Entry, open_journal
journal = open_journal(sys.argv[1])
journal.acquire("node", new_holder(), 3600)
number = 0
while True:
    key = f"hp-{number:06}"
    journal.ask(Entry(key, "node", "query_v0", "d", ""))
    print(key, flush=True)
    journal.record(key, key.encode())
    number += 1
"""


def test_what_was_written_outlives_a_killed_process(place: str) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, place], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
        told += process.stdout.read().split()
    journal = open_journal(place)
    entries = {entry.key: entry for entry in journal.of_node("node")}
    assert set(told) <= set(entries)
    assert all(entries[key].meta == key.encode() for key in told[:-1])
    assert journal.acquire("node", new_holder(), 30)  # nobody waits for the dead
    journal.close()


def test_the_setting_names_the_place(state_dir: Path, tmp_path: Path) -> None:
    default = open_journal()
    assert isinstance(default, SQLiteJournal)
    assert default.path == state_dir / "jobs.sqlite"
    default.close()
    with override(connectors={"journal": str(tmp_path / "other.sqlite")}):
        named = open_journal()
    assert isinstance(named, SQLiteJournal)
    assert named.path == tmp_path / "other.sqlite"
    named.close()


def test_a_file_that_is_no_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_text(
        "This is a letter, and no database, and long enough to be told apart from one." * 20
    )
    with pytest.raises(UserError, match=r"jobs\.sqlite cannot be used") as caught:
        SQLiteJournal(tmp_path / "jobs.sqlite")
    assert isinstance(caught.value.__cause__, sqlite3.Error)


def test_a_database_that_does_not_answer_is_told_without_its_password() -> None:
    with pytest.raises(TransientError, match="does not answer") as caught:
        open_journal("postgresql+psycopg://me:swordfish@127.0.0.1:1/jobs")
    assert "swordfish" not in str(caught.value)


def test_another_database_is_refused() -> None:
    with pytest.raises(UserError, match="cannot be kept in mysql://me:\\*\\*\\*@host/jobs"):
        open_journal("mysql://me:swordfish@host/jobs")


def test_a_broken_connection_is_made_anew(postgres_url: str) -> None:
    journal = open_journal(postgres_url)
    journal.ask(ENTRY)
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
    assert journal.get("hp-1") is not None
    journal.close()


# -- many at once ------------------------------------------------------------------------------------------------------


def begin(number: int, *, node: str = "", holder: str = "") -> Begin:
    entry = replace(ENTRY, key=f"hp-{number}", node_key=node or f"node{number}")
    return Begin(entry, holder or new_holder(), 30)


def test_many_begin_and_finish_at_once(journal: Journal) -> None:
    begins = [begin(number) for number in range(20)]
    assert [(begun.is_new, begun.leased, begun.others) for begun in journal.write(begins)] == [(True, True, ())] * 20
    for write in begins[:3]:
        journal.end(write.entry.key, Phase.ABORTED)
    finishes = [Finish(w.entry.key, w.entry.key.encode(), w.entry.node_key, w.holder) for w in begins]
    assert journal.write(finishes) == [False] * 3 + [True] * 17
    found = [journal.get(write.entry.key) for write in begins]
    assert [entry and entry.meta for entry in found] == [write.entry.key.encode() for write in begins]
    assert not any(journal.held(write.entry.node_key) for write in begins)


def test_among_many_each_learns_what_others_have_asked_for(journal: Journal) -> None:
    [first] = journal.write([begin(1, node="shared")])
    assert first.leased
    again, sibling, lone = journal.write([begin(1, node="shared"), begin(2, node="shared"), begin(3)])
    assert (again.is_new, again.leased, [entry.key for entry in again.others]) == (False, False, ["hp-1"])
    assert (sibling.is_new, sibling.leased, [entry.key for entry in sibling.others]) == (True, False, ["hp-1"])
    assert (lone.is_new, lone.leased, lone.others) == (True, True, ())


def test_of_two_of_a_node_that_begin_at_once_one_gets_the_lease(journal: Journal) -> None:
    one, other = journal.write([begin(1, node="shared"), begin(2, node="shared")])
    assert (one.is_new, other.is_new) == (True, True)
    assert (one.leased, other.leased) == (True, False)


def test_what_cancels_goes_before_what_finishes(journal: Journal) -> None:
    write = begin(1)
    journal.write([write])
    journal.record("hp-1", b"meta")
    finish = Finish("hp-1", b"meta", "node1", write.holder)
    assert journal.write([finish, Note("query_v0", b"meta", Phase.ABORTED, "cancelled")]) == [False, None]


def test_a_note_is_for_all_who_share_the_job(journal: Journal) -> None:
    for number in range(3):
        journal.ask(replace(ENTRY, key=f"hp-{number}"))
        journal.record(f"hp-{number}", b"meta")
    journal.end("hp-0", Phase.ABORTED)
    journal.write([Note("query_v0", b"meta", Phase.RUNNING, "at\x00 10%"), Note("other_v0", b"meta", Phase.FAILED, "")])
    assert [entry.phase for entry in journal.of_node("node")] == [Phase.ABORTED, Phase.RUNNING, Phase.RUNNING]
    journal.write([Note("query_v0", b"meta", Phase.SUCCEEDED, "")])
    assert journal.unfinished() == []


def test_leases_are_kept_together(journal: Journal) -> None:
    ours, theirs = new_holder(), new_holder()
    assert journal.acquire("a", ours, 30)
    assert journal.acquire("b", theirs, 30)
    assert journal.renew([("a", ours), ("b", ours)], 30) == {ours}
    journal.release("a", ours)
    assert journal.renew([("b", ours)], 30) == set()


async def test_who_waits_at_the_same_time_shares_a_transaction(journal: Journal) -> None:
    clerk, sizes = Clerk(journal), []
    write = journal.write

    def counted(writes: Sequence[Any]) -> list[Any]:
        sizes.append(len(writes))
        return write(writes)

    journal.write = counted  # type: ignore[method-assign]
    outcomes = await asyncio.gather(*(clerk.write(begin(number)) for number in range(200)))
    assert all(begun.is_new and begun.leased for begun in outcomes)
    assert sizes == [128, 72]


async def test_what_cannot_be_written_of_one_is_not_refused_of_all(journal: Journal) -> None:
    clerk = Clerk(journal)
    good, bad = begin(1), begin(2)
    bad.entry.attempt = object()  # type: ignore[assignment]
    outcomes = await asyncio.gather(clerk.write(good), clerk.write(bad), return_exceptions=True)
    assert outcomes[0].is_new
    assert isinstance(outcomes[1], Exception)


# -- looking through it, and its age -----------------------------------------------------------------------------------


def test_jobs_are_found_by_what_is_known_of_them(journal: Journal) -> None:
    for key in ("hp-a-1", "hp-a-2", "hp-b-1"):
        journal.ask(replace(ENTRY, key=key))
    journal.note("hp-a-2", Phase.RUNNING, "")
    journal.end("hp-b-1", Phase.FAILED)

    def keys(**wanted: Any) -> list[str]:
        return sorted(entry.key for entry in journal.find(**wanted))

    assert keys() == ["hp-a-1", "hp-a-2", "hp-b-1"]
    assert keys(prefix="hp-a-") == ["hp-a-1", "hp-a-2"]
    assert keys(prefix="hp-a-2") == keys(phase=Phase.RUNNING) == ["hp-a-2"]
    assert keys(ended=True) == ["hp-b-1"]
    assert keys(prefix="hp-a", ended=True) == keys(idle=60) == []


def test_old_jobs_that_have_ended_are_forgotten(journal: Journal) -> None:
    for key in ("hp-old", "hp-new", "hp-runs"):
        journal.ask(replace(ENTRY, key=key))
    for key in ("hp-old", "hp-new"):
        journal.end(key, Phase.SUCCEEDED)
    journal._execute("update jobs set updated = updated - 86400 * 31 where key in ('hp-old', 'hp-runs')")
    assert journal.find(idle=86400 * 30)[0].key in ("hp-old", "hp-runs")
    assert journal.prune(30) == 1
    assert sorted(entry.key for entry in journal.find()) == ["hp-new", "hp-runs"]


def test_a_journal_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    with closing(sqlite3.connect(path)) as db:
        for statement in MIGRATIONS[0]:
            db.execute(statement.format(bytes="blob", float="real"))
        db.execute(
            "insert into jobs values ('hp-1', 'node', 'query_v0', 'd', '', x'00', x'6d', 'id', 2, '', 0, 'p', 'd', 'e', "
            "'n0', 0, 1.0, 2.0)"
        )
        db.commit()
    for _ in range(2):
        with closing(SQLiteJournal(path)) as journal:
            [entry] = journal.unfinished()
            assert (entry.key, entry.meta, entry.phase, entry.updated) == ("hp-1", b"m", Phase.RUNNING, 2.0)
            assert not journal.ask(replace(ENTRY, key="hp-1"))


def test_a_journal_of_a_later_release_is_left_alone(journal: Journal, place: str) -> None:
    journal._execute("update journal set version = 99")
    with pytest.raises(UserError, match="was written by a later release: its version is 99") as caught:
        open_journal(place)
    assert "Upgrade hardpoint" in str(caught.value)
