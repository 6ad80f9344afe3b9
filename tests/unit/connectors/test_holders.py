"""Who holds a lease, and whether he lives: other processes, containers with numbers of their own, and clocks that jump."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hardpoint.connectors.holders import (
    MACHINE,
    is_alive,
    is_dead,
    is_of_this_process,
    new_holder,
    retire_holder,
    told_alive,
)
from hardpoint.connectors.journal import Journal, open_journal
from tests.unit.connectors.test_jobs import Desk, job_id
from tests.unit.connectors.vendor import Fault, Finding, Vendor

HOLDER = """
import sys
from hardpoint.connectors.holders import new_holder
from hardpoint.connectors.journal import open_journal
holder = new_holder()
if len(sys.argv) > 1:
    assert open_journal(sys.argv[1]).acquire("node", holder, 3600)
print(holder, flush=True)
sys.stdin.read()
"""
NAMESPACE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")


@contextmanager
def other(*words: str, before: tuple[str, ...] = ()) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process, and the name of its holder."""
    command = [*before, sys.executable, "-c", HOLDER, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_a_holder_of_another_process_lives_as_long_as_it() -> None:
    with other() as (process, holder):
        assert (is_alive(holder), is_dead(holder), is_of_this_process(holder)) == (True, False, False)
        process.kill()
        process.wait()
        assert (is_alive(holder), is_dead(holder)) == (False, True)


def test_a_holder_of_this_process_lives_until_it_is_retired_or_falls_silent() -> None:
    holder = new_holder()
    assert (is_alive(holder), is_dead(holder), is_of_this_process(holder)) == (False, False, True)
    told_alive(holder, float("inf"))
    assert (is_alive(holder), is_dead(holder)) == (True, False)
    retire_holder(holder)
    assert (is_alive(holder), is_dead(holder)) == (False, True)


def test_a_number_that_another_process_bears_by_now_is_told_apart() -> None:
    with other() as (process, holder):
        began = holder[len(MACHINE) :].partition("/")[0].partition("@")[2]
        assert began
        assert is_dead(holder.replace(f"{process.pid}@{began}", f"{process.pid}@{int(began) - 1}"))
    own = f"{MACHINE}{os.getpid()}@1/another-life-0"
    assert is_dead(own)


@pytest.mark.parametrize("name", ["elsewhere/1/abc", "host/7/abc-1"])
def test_nobody_can_say_of_other_machines(name: str) -> None:
    assert (is_alive(name), is_dead(name)) == (False, False)


@pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode != 0,
    reason="No namespaces can be made here.",
)
def test_containers_of_one_name_do_not_take_each_other_for_dead(tmp_path: Path) -> None:
    """Two of them on the host's network: each is number 1 or so, and neither sees the other's processes."""
    place = str(tmp_path / "jobs.sqlite")
    open_journal(place).close()
    with other(place, before=NAMESPACE) as (_, holder):
        assert (is_alive(holder), is_dead(holder)) == (False, False)
        journal = open_journal(place)
        assert journal.held("node")
        assert not journal.acquire("node", new_holder(), 30)
        journal.close()
        with other(before=NAMESPACE) as (_, second):
            assert second.rpartition("@")[0] != holder.rpartition("@")[0]


# -- clocks that jump --------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgres"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else tmp_path / "jobs.sqlite"
    journal = open_journal(url)
    yield journal
    journal.close()


def jump(journal: Journal) -> None:
    """What an hour's jump of the clock comes to."""
    journal._execute("update leases set until = until - 3600")


async def test_a_jump_of_the_clock_takes_no_lease_from_who_lives(both: Journal, vendor: Vendor) -> None:
    vendor.fail("POST", Fault(seconds=0.6))
    desk = Desk(both, vendor, Finding())
    first = asyncio.ensure_future(desk.create(0))
    while not vendor.calls["POST"]:
        await asyncio.sleep(0.01)
    jump(both)
    again = await asyncio.gather(desk.create(1), Desk(both, vendor, Finding()).create(2))
    assert {job_id(meta) for meta in (await first, *again)} == {"j0"}
    assert len(vendor.jobs) == 1


def test_a_jump_of_the_clock_takes_no_lease_from_a_process_that_lives(tmp_path: Path) -> None:
    place = str(tmp_path / "jobs.sqlite")
    journal = open_journal(place)
    with other(place) as (process, _):
        jump(journal)
        assert journal.held("node")
        assert not journal.acquire("node", new_holder(), 30)
        process.kill()
        process.wait()
        assert not journal.held("node")
        assert journal.acquire("node", new_holder(), 30)
    journal.close()
