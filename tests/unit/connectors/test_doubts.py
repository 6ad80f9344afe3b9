"""Not knowing is never failing: jobs of which nothing can be learned for long, and calls whose outcome nobody foresaw."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hardpoint.connectors import Capabilities, Phase
from hardpoint.connectors.errors import JobInDoubtError
from hardpoint.connectors.jobs import Jobs, pending
from hardpoint.connectors.journal import Journal
from hardpoint.connectors.journal_sqlite import SQLiteJournal
from hardpoint.connectors.watch import WatchLimits
from hardpoint.errors import TransientError
from hardpoint.settings import override
from tests.unit.connectors.test_jobs import QUICK, Desk, job_id, killed_service
from tests.unit.connectors.vendor import Fault, Finding, JobMeta, Plain, Vendor

SHORT = WatchLimits(rate=1000, deadline=5, budget=0.5)


async def given_up(desk: Desk, meta: bytes) -> Any:
    """What is said of a job when its attempt is given up."""
    async with asyncio.timeout(10):
        while not (resource := await desk.state(meta)).phase.is_terminal:
            await asyncio.sleep(0.1)
    return resource


# -- lost --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["RUNNING", "DONE"])
@pytest.mark.parametrize("connector", [Plain(), Finding()], ids=["plain", "finding"])
async def test_a_job_of_which_nothing_was_heard_is_adopted_when_it_is_there_after_all(
    journal: Journal, vendor: Vendor, connector: Plain, state: str
) -> None:
    desk = Desk(journal, vendor, connector, watch=SHORT)
    meta = await desk.create(0)
    vendor.fail("GET", *(Fault(status=503) for _ in range(100)))
    lost = await given_up(desk, meta)
    assert lost.phase is Phase.RETRYABLE_FAILED
    assert "has not said for" in lost.message
    [entry] = journal.find()
    assert (entry.lost, entry.ended, entry.phase) == (True, False, Phase.RETRYABLE_FAILED)
    vendor.faults["GET"].clear()
    vendor.jobs["j0"].state = state
    assert await desk.create(1) == meta
    assert len(vendor.jobs) == 1
    expected = Phase.RUNNING if state == "RUNNING" else Phase.SUCCEEDED
    assert (await desk.state(meta, 1)).phase is expected
    assert not any(entry.lost for entry in journal.find())


async def test_how_long_a_service_may_say_nothing_is_configured(journal: Journal, vendor: Vendor) -> None:
    desk = Desk(journal, vendor, Plain())
    with override(connectors={"poll_budget": 1, "poll_rate": 50}):
        desk.jobs = Jobs(journal, QUICK)
    meta = await desk.create(0)
    vendor.fail("GET", *(Fault(status=503) for _ in range(100)))
    assert "has not said for 1 s" in (await given_up(desk, meta)).message


async def test_a_lost_job_is_waited_for_anew_by_the_attempt_that_adopts_it(journal: Journal, vendor: Vendor) -> None:
    desk = Desk(journal, vendor, Plain(), watch=SHORT)
    meta = await desk.create(0)
    vendor.fail("GET", *(Fault(status=503) for _ in range(100)))
    await given_up(desk, meta)
    assert await desk.create(1) == meta
    assert (await desk.state(meta, 1)).phase is Phase.QUEUED
    vendor.faults["GET"].clear()
    await asyncio.sleep(0.2)
    assert (await desk.state(meta, 1)).phase is Phase.RUNNING


async def test_a_lost_job_that_has_failed_is_replaced(journal: Journal, vendor: Vendor) -> None:
    desk = Desk(journal, vendor, Plain(), watch=SHORT)
    meta = await desk.create(0)
    vendor.fail("GET", *(Fault(status=503) for _ in range(100)))
    await given_up(desk, meta)
    vendor.faults["GET"].clear()
    vendor.jobs["j0"].state = "BROKEN"
    assert job_id(await desk.create(1)) == "j1"


# -- calls that end in a way that nobody foresaw -----------------------------------------------------------------------


class Library:
    """The vendor's client: it raises errors of its own kind."""

    spoilt = True

    class Timeout(OSError):
        """As `requests` has one, which is no TimeoutError."""

    def create(self, *args: Any, **kwargs: Any) -> JobMeta:
        made: JobMeta = super().create(*args, **kwargs)  # type: ignore[misc]
        if self.spoilt:
            raise Library.Timeout("Read timed out.")
        return made


class SpoiltPlain(Library, Plain):
    task_type_name = "vendor_spoilt_plain"


class SpoiltFinding(Library, Finding):
    task_type_name = "vendor_spoilt_finding"
    capabilities = Capabilities(finds_by_key=True)


async def test_what_a_call_that_broke_has_created_is_found(journal: Journal, vendor: Vendor) -> None:
    assert job_id(await Desk(journal, vendor, SpoiltFinding()).create()) == "j0"
    assert vendor.calls == {"POST": 1, "FIND": 1}


@pytest.mark.parametrize("attempt", [0, 1])
async def test_what_a_call_that_broke_has_created_is_looked_up_before_the_next(
    journal: Journal, vendor: Vendor, attempt: int
) -> None:
    connector = SpoiltFinding()
    desk = Desk(journal, vendor, connector)
    vendor.fail("FIND", Fault(status=503))
    with pytest.raises(Library.Timeout):
        await desk.create(0)
    [entry] = journal.unfinished()
    assert "Library.Timeout" in entry.message or "Timeout: Read timed out." in entry.message
    connector.spoilt = False
    assert job_id(await desk.create(attempt)) == "j0"
    assert vendor.calls["POST"] == 1


async def test_a_call_that_broke_is_not_repeated_where_nobody_can_look_it_up(journal: Journal, vendor: Vendor) -> None:
    desk = Desk(journal, vendor, SpoiltPlain())
    with pytest.raises(Library.Timeout):
        await desk.create(0)
    with pytest.raises(JobInDoubtError):
        await desk.create(0)
    assert len(vendor.jobs) == 1


async def test_a_call_that_broke_behind_its_caller_is_told(journal: Journal, vendor: Vendor) -> None:
    vendor.fail("POST", Fault(seconds=0.3))
    desk = Desk(journal, vendor, SpoiltFinding(), shared=True)
    meta = await desk.create(deadline=0.1)
    vendor.fail("FIND", Fault(status=503))
    await desk.settle()
    assert (await desk.state(meta)).phase is Phase.RUNNING  # what the next question has found


class Broken(Finding):
    """It fails before it asks its vendor."""

    task_type_name = "vendor_broken"

    def create(self, *args: Any, **kwargs: Any) -> JobMeta:
        raise KeyError("endpoint")


async def test_a_connector_with_a_mistake_is_not_called_for_ever(journal: Journal, vendor: Vendor) -> None:
    desk = Desk(journal, vendor, Broken(), shared=True)
    with pytest.raises(KeyError):
        await desk.create()
    [entry] = journal.unfinished()
    resource = await desk.state(pending(entry.key))
    assert resource.phase is Phase.RETRYABLE_FAILED
    assert "could not create the job: KeyError" in (resource.message or "")
    assert journal.unfinished() == []


# -- jobs of which it is not known whether they exist -----------------------------------------------------------------


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("status", [503, 401])
async def test_a_job_that_cannot_be_looked_up_is_given_up_some_time(
    tmp_path: Path, vendor: Vendor, shared: bool, status: int
) -> None:
    vendor.fail("POST", Fault(seconds=0.3))
    await killed_service(tmp_path / "jobs.sqlite", vendor, Finding(), "working")
    with closing(SQLiteJournal(tmp_path / "jobs.sqlite")) as journal:
        vendor.fail("FIND", *(Fault(status=status) for _ in range(1000)))
        desk = Desk(journal, vendor, Finding(), watch=SHORT, shared=shared)
        meta = pending(vendor.jobs["j0"].token)
        first = await desk.state(meta)
        assert first.phase is Phase.QUEUED
        if status == 401:
            assert "The vendor is sorry." in first.message
        resource = await given_up(desk, meta)
        assert resource.phase is Phase.RETRYABLE_FAILED
        assert "whether the job exists: The vendor is sorry." in (resource.message or "")
        vendor.faults["FIND"].clear()
        assert job_id(await desk.create(1)) == "j0"
        assert len(vendor.jobs) == 1


# -- a journal that is busy --------------------------------------------------------------------------------------------


async def test_a_known_job_is_written_down_once_the_journal_is_free(tmp_path: Path, vendor: Vendor) -> None:
    vendor.fail("POST", Fault(seconds=0.5))
    with closing(SQLiteJournal(tmp_path / "jobs.sqlite")) as journal:
        journal._db.execute("pragma busy_timeout = 50")
        desk = Desk(journal, vendor, Plain())
        creating = asyncio.ensure_future(desk.create())
        while not vendor.calls["POST"]:
            await asyncio.sleep(0.01)
        with closing(sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)) as other:
            other.execute("begin immediate")
            with pytest.raises(TransientError, match="cannot be used just now: database is locked"):
                journal.note("hp-1", Phase.RUNNING, "")
            await asyncio.sleep(1.5)
            assert len(vendor.jobs) == 1
            assert not creating.done()
            other.execute("rollback")
        assert job_id(await creating) == "j0"
        [entry] = journal.unfinished()
        assert entry.meta is not None


async def test_a_full_disk_passes(tmp_path: Path) -> None:
    with closing(SQLiteJournal(tmp_path / "jobs.sqlite")) as journal:
        [(pages,)] = journal._db.execute("pragma page_count").fetchall()
        journal._db.execute(f"pragma max_page_count = {pages}")
        with pytest.raises(TransientError, match="full") as caught:
            journal._execute("insert into leases values (?, ?, ?)", "n" * 10_000_000, "h", time.time())
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
