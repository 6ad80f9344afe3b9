"""Jobs that are not wanted any more: they are listed, and given to nobody, until their service says that they have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hardpoint.connectors import AsyncConnectorBase, Capabilities, ConnectorRegistry, Phase
from hardpoint.connectors.identity import JobOwner
from hardpoint.connectors.jobs import JobLimits, pending
from hardpoint.connectors.journal import Entry, Journal
from hardpoint.errors import TransientError
from tests.unit.connectors.owners import metadata
from tests.unit.connectors.test_jobs import QUICK, Desk, job_id
from tests.unit.connectors.vendor import Fault, Finding, Plain, Vendor, template

IMPATIENT = replace(QUICK, again=0.2)
"""What goes on is soon told again to end."""
ELSEWHERE = "elsewhere/1/abc"
"""Somebody of another machine, of whom nobody here can say whether he lives."""


@pytest.fixture(params=[Plain, Finding])
def connector(request: pytest.FixtureRequest) -> AsyncConnectorBase[Any]:
    made: AsyncConnectorBase[Any] = request.param()
    return made


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def cancelled_in_vain(desk: Desk, vendor: Vendor) -> bytes:
    meta = await desk.create(0)
    vendor.fail("DELETE", Fault(status=503))
    with pytest.raises(TransientError, match="The vendor is sorry"):
        await desk.jobs.cancel(desk.connector, meta)
    return meta


async def test_a_job_that_could_not_be_cancelled_stays_listed(
    journal: Journal, vendor: Vendor, connector: AsyncConnectorBase[Any]
) -> None:
    desk = Desk(journal, vendor, connector)
    meta = await cancelled_in_vain(desk, vendor)
    [entry] = journal.unfinished()
    assert (entry.unwanted, entry.ended, entry.failed) == (True, False, False)
    assert (await desk.state(meta)).phase is Phase.RUNNING
    await desk.jobs.cancel_key(connector, entry.key)
    assert not vendor.running
    await until(lambda: not journal.unfinished())
    ended = journal.get(entry.key)
    assert ended is not None
    assert (ended.phase, ended.failed) == (Phase.ABORTED, True)


@pytest.mark.parametrize("attempt", [0, 1])
async def test_the_next_job_does_not_run_beside_one_that_could_not_be_cancelled(
    journal: Journal, vendor: Vendor, connector: AsyncConnectorBase[Any], attempt: int
) -> None:
    """A run that is resumed begins with attempt 0 again."""
    first = await cancelled_in_vain(Desk(journal, vendor, connector), vendor)
    meta = await Desk(journal, vendor, connector).create(attempt)
    assert meta != first
    assert [job.state for job in vendor.jobs.values()] == ["KILLED", "RUNNING"]
    assert vendor.most == 1


async def test_the_next_job_is_not_created_while_the_cancelled_one_goes_on(
    journal: Journal, vendor: Vendor, connector: AsyncConnectorBase[Any]
) -> None:
    vendor.stubborn = True
    desk = Desk(journal, vendor, connector, JobLimits(create=20, call=5, retry=0.5, lease=2))
    await desk.jobs.cancel(connector, await desk.create(0))
    with pytest.raises(TransientError, match=r"is to end before .* is created, and has not: running") as caught:
        await desk.create(1)
    assert f"hardpoint jobs cancel {vendor.jobs['j0'].token} --wait" in str(caught.value)
    assert len(vendor.jobs) == 1
    vendor.jobs["j0"].state = "KILLED"
    assert job_id(await desk.create(1)) == "j1"


async def test_a_job_that_succeeds_although_it_was_cancelled_is_not_adopted(
    journal: Journal, vendor: Vendor, connector: AsyncConnectorBase[Any]
) -> None:
    desk = Desk(journal, vendor, connector)
    await cancelled_in_vain(desk, vendor)
    vendor.jobs["j0"].state = "DONE"
    assert job_id(await desk.create(1)) == "j1"


async def test_a_job_has_ended_when_its_service_says_so(journal: Journal, vendor: Vendor) -> None:
    vendor.stubborn = True
    desk = Desk(journal, vendor, Plain())
    await desk.jobs.cancel(desk.connector, await desk.create(0))
    await until(lambda: vendor.calls["GET"] >= 2)
    assert [entry.unwanted for entry in journal.unfinished()] == [True]
    vendor.jobs["j0"].state = "KILLED"
    await until(lambda: not journal.unfinished())


async def test_a_job_that_goes_on_is_told_again_to_end(journal: Journal, vendor: Vendor) -> None:
    vendor.stubborn = True
    desk = Desk(journal, vendor, Plain(), IMPATIENT)
    await desk.jobs.cancel(desk.connector, await desk.create(0))
    await until(lambda: vendor.calls["DELETE"] == 2)
    assert len(journal.unfinished()) == 1
    vendor.stubborn = False
    await until(lambda: not journal.unfinished())
    assert vendor.jobs["j0"].state == "KILLED"


async def test_a_creation_that_is_not_wanted_is_ended_also_if_that_fails_first(
    journal: Journal, vendor: Vendor, connector: AsyncConnectorBase[Any]
) -> None:
    desk = Desk(journal, vendor, connector, IMPATIENT)
    vendor.fail("POST", Fault(seconds=0.3))
    vendor.fail("DELETE", Fault(status=503))
    meta = await desk.create(deadline=0.1)
    await desk.jobs.cancel(connector, meta)
    await desk.settle()
    assert [entry.unwanted for entry in journal.unfinished()] == [True]
    await until(lambda: not vendor.running and not journal.unfinished())


class Lasting(Plain):
    """Its jobs cannot be ended."""

    task_type_name = "vendor_lasting"
    capabilities = Capabilities(cancels=False)

    def delete(self, resource_meta: Any, **kwargs: Any) -> None: ...


async def test_a_job_that_nobody_can_end_is_left_alone(journal: Journal, vendor: Vendor) -> None:
    desk = Desk(journal, vendor, Lasting())
    await desk.jobs.cancel(desk.connector, await desk.create(0))
    assert job_id(await desk.create(1)) == "j1"
    await until(lambda: len(journal.unfinished()) == 1)


async def test_a_service_ends_what_another_was_to_end(journal: Journal, vendor: Vendor) -> None:
    connector = Finding()
    ConnectorRegistry.register(connector)
    try:
        await Desk(journal, vendor, connector, IMPATIENT).create(0)
        journal.unwant(vendor.jobs["j0"].token)
        await asyncio.sleep(IMPATIENT.again)
        await Desk(journal, vendor, connector, IMPATIENT, shared=True).create(node="n1")
        await until(lambda: vendor.jobs["j0"].state == "KILLED" and len(journal.unfinished()) == 1)
    finally:
        ConnectorRegistry.unregister(connector.task_category)


# -- jobs of which it is not known whether they exist -----------------------------------------------------------------


def being_created(journal: Journal, vendor: Vendor, seconds: float) -> str:
    """The key of a job that somebody of another machine was creating; the vendor has made it."""
    owner, wanted = JobOwner.of(metadata(), "s3://b/n0/0"), template(vendor, "vendor_finding")
    journal.ask(Entry(owner.idempotency_key, owner.node_key, "vendor_finding_v0", "d", "", wanted.SerializeToString()))
    assert journal.acquire(owner.node_key, ELSEWHERE, seconds)
    Finding().create(wanted, idempotency_key=owner.idempotency_key, tags={})
    return owner.idempotency_key


async def test_what_somebody_who_died_was_creating_is_ended_once_his_lease_is_over(
    journal: Journal, vendor: Vendor
) -> None:
    key = being_created(journal, vendor, 0.5)
    desk = Desk(journal, vendor, Finding())
    await desk.jobs.cancel(desk.connector, pending(key))
    assert vendor.jobs["j0"].state == "KILLED"
    await until(lambda: not journal.unfinished())


async def test_who_cannot_wait_so_long_is_told_and_the_wish_is_kept(journal: Journal, vendor: Vendor) -> None:
    key = being_created(journal, vendor, 1.0)
    desk = Desk(journal, vendor, Finding())
    with pytest.raises(TransientError, match="is being created by somebody else"):
        await desk.jobs.cancel(desk.connector, pending(key), deadline=0.1)
    assert vendor.jobs["j0"].state == "RUNNING"
    assert [(entry.key, entry.unwanted) for entry in journal.unfinished()] == [(key, True)]
    while journal.held(JobOwner.of(metadata()).node_key):
        await asyncio.sleep(0.05)
    await Desk(journal, vendor, Finding()).state(pending(key))  # whoever finds it ends it
    assert vendor.jobs["j0"].state == "KILLED"


async def test_whoever_creates_a_job_that_is_not_wanted_any_more_finds_out(journal: Journal, vendor: Vendor) -> None:
    vendor.fail("POST", Fault(seconds=0.5))
    first, other = Desk(journal, vendor, Finding()), Desk(journal, vendor, Finding())
    meta = await first.create(deadline=0.1)
    await other.jobs.cancel(other.connector, meta)
    assert vendor.jobs["j0"].state == "KILLED"
    await first.settle()
    assert (await first.state(meta)).phase is Phase.ABORTED
    await until(lambda: not journal.unfinished())
