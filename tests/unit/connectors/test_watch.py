"""Following jobs: how often, how many at once, and what is said when the vendor cannot say."""

from __future__ import annotations

import asyncio
import time

import pytest

from hardpoint.connectors import Capabilities, Phase, Resource
from hardpoint.connectors.connection import Connection
from hardpoint.connectors.phases import UnknownStateError
from hardpoint.connectors.watch import Watcher, WatchLimits, interval
from tests.unit.connectors.vendor import Batching, Fault, Job, JobMeta, Plain, Vendor

QUICK = WatchLimits(rate=1000, deadline=5)


def started(vendor: Vendor, count: int = 1, polls: int | None = None) -> list[bytes]:
    for number in range(count):
        vendor.jobs[f"j{number}"] = Job(f"j{number}", f"t{number}", polls_left=polls)
    return [JobMeta(vendor.endpoint, f"j{number}").encode() for number in range(count)]


def test_young_jobs_are_asked_for_often_and_old_ones_seldom() -> None:
    assert [interval(age) for age in (0, 1, 10, 100, 1000, 100_000)] == [0.2, 0.2, 1.0, 10.0, 30.0, 30.0]


async def test_a_job_is_followed_to_its_end(vendor: Vendor) -> None:
    [meta] = started(vendor, polls=2)
    told: list[Resource] = []
    resource = await Watcher(Plain(), QUICK).follow(meta, told.append)
    assert resource.phase is Phase.SUCCEEDED
    assert [state.phase for state in told] == [Phase.RUNNING, Phase.SUCCEEDED]
    assert vendor.calls["GET"] == 3


async def test_a_job_that_is_done_at_once_is_not_waited_for(vendor: Vendor) -> None:
    [meta] = started(vendor, polls=0)
    began = time.monotonic()
    await Watcher(Plain(), QUICK).follow(meta, lambda state: None)
    assert time.monotonic() - began < 0.2


async def test_questions_in_quick_succession_are_one(vendor: Vendor) -> None:
    [meta] = started(vendor)
    watcher = Watcher(Plain(), QUICK)
    await asyncio.gather(*(watcher.state(meta) for _ in range(10)))
    await watcher.state(meta)
    assert vendor.calls["GET"] == 1


async def test_what_has_ended_is_not_asked_for_again(vendor: Vendor) -> None:
    [meta] = started(vendor, polls=0)
    watcher = Watcher(Plain(), QUICK)
    await watcher.state(meta)
    await asyncio.sleep(0.15)
    assert (await watcher.state(meta)).phase is Phase.SUCCEEDED
    assert vendor.calls["GET"] == 1
    watcher.forget(meta)
    await watcher.state(meta)
    assert vendor.calls["GET"] == 2


async def test_many_jobs_are_asked_for_at_once(vendor: Vendor) -> None:
    metas = started(vendor, 50, polls=2)
    watcher = Watcher(Batching(), QUICK)
    resources = await asyncio.gather(*(watcher.follow(meta, lambda state: None) for meta in metas))
    assert {resource.phase for resource in resources} == {Phase.SUCCEEDED}
    assert vendor.calls["GET"] == 0
    assert vendor.calls["LIST"] <= 6


async def test_a_batch_has_a_largest_size(vendor: Vendor) -> None:
    metas = started(vendor, 25)
    watcher = Watcher(Batching(), WatchLimits(rate=1000, batch=10))
    await asyncio.gather(*(watcher.state(meta) for meta in metas))
    assert vendor.calls == {"LIST": 3}


async def test_the_connector_says_how_many_and_how_often(vendor: Vendor) -> None:
    class Small(Batching):
        capabilities = Capabilities(batches_polls=True, poll_batch=5, poll_rate=20)

    metas = started(vendor, 20)
    watcher = Watcher(Small())
    await asyncio.gather(*(watcher.state(meta) for meta in metas))
    assert vendor.calls == {"LIST": 4}
    times = sorted(vendor.times["LIST"])
    assert times[-1] - times[0] > 0.12


async def test_jobs_are_looked_up_together_before_they_are_asked_for_again(vendor: Vendor) -> None:
    metas = started(vendor, 100)
    watcher = Watcher(Batching(), QUICK)

    async def round_of_questions() -> list[Resource]:
        """All jobs are asked for, some at a time, within a second."""
        answers: list[Resource] = []
        for start in range(0, 100, 10):
            answers += await asyncio.gather(*(watcher.state(meta) for meta in metas[start : start + 10]))
            await asyncio.sleep(0.1)
        return answers

    for _ in range(2):
        await round_of_questions()
    vendor.calls.clear()
    vendor.jobs["j50"].state = "DONE"
    answers = await round_of_questions() + await round_of_questions()
    assert vendor.calls["LIST"] <= 6  # of 20, and of 200 one by one
    assert vendor.calls["GET"] == 0
    assert answers[150].phase is Phase.SUCCEEDED
    assert {answer.phase for answer in answers[:50]} == {Phase.RUNNING}


async def test_jobs_that_nobody_asks_for_fall_out(vendor: Vendor) -> None:
    metas = started(vendor, 10)
    watcher = Watcher(Batching(), QUICK)
    for _ in range(3):
        await asyncio.gather(*(watcher.state(meta) for meta in metas))
        await asyncio.sleep(0.3)
    before = vendor.calls["LIST"]
    await asyncio.sleep(1)
    assert vendor.calls["LIST"] <= before + 1  # what was planned at the last question


async def test_one_job_that_spoils_the_batch_does_not_spoil_the_others(vendor: Vendor) -> None:
    metas = started(vendor, 3)
    vendor.fail("LIST", Fault(status=400))
    vendor.jobs["j1"].state = "HIBERNATING"
    watcher = Watcher(Batching(), QUICK)
    first, second, third = await asyncio.gather(*(watcher.state(meta) for meta in metas))
    assert (first.phase, third.phase) == (Phase.RUNNING, Phase.RUNNING)
    assert second.phase is Phase.QUEUED
    assert "'HIBERNATING'" in (second.message or "")


async def test_calls_keep_to_the_rate(vendor: Vendor) -> None:
    metas = started(vendor, 6)
    watcher = Watcher(Plain(), WatchLimits(rate=20))
    await asyncio.gather(*(watcher.state(meta) for meta in metas))
    times = sorted(vendor.times["GET"])
    assert times[-1] - times[0] > 0.2


async def test_a_vendor_that_asks_to_be_left_alone_is(vendor: Vendor) -> None:
    metas = started(vendor, 2)
    watcher = Watcher(Plain(), QUICK)
    vendor.fail("GET", Fault(status=429, retry_after="0.5"))
    began = time.monotonic()
    first = await watcher.state(metas[0])
    second = await watcher.state(metas[1])
    assert (first.phase, second.phase) == (Phase.QUEUED, Phase.QUEUED)
    assert vendor.calls["GET"] == 1
    vendor.jobs["j1"].state = "DONE"
    assert (await watcher.follow(metas[1], lambda state: None)).phase is Phase.SUCCEEDED
    assert vendor.times["GET"][1] - began >= 0.5


async def test_nobody_is_left_alone_for_longer_than_is_sensible(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hardpoint.connectors.errors._MOST_PATIENCE", 0.3)
    [meta] = started(vendor, polls=1)
    vendor.fail("GET", Fault(status=429, retry_after="86400"))
    async with asyncio.timeout(5):
        assert (await Watcher(Plain(), QUICK).follow(meta, lambda state: None)).phase is Phase.SUCCEEDED


async def test_the_budget_is_spent_also_while_a_vendor_is_left_alone(vendor: Vendor) -> None:
    metas = started(vendor, 2)
    watcher = Watcher(Plain(), WatchLimits(rate=1000, budget=0.5))
    vendor.fail("GET", Fault(status=429, retry_after="60"))
    for meta in metas:
        assert (await watcher.state(meta)).phase is Phase.QUEUED
    await asyncio.sleep(0.6)
    for meta in metas:
        resource = await watcher.state(meta)
        assert resource.phase is Phase.RETRYABLE_FAILED
        assert resource.message == "Vendor has not said for 1 s how it stands: The vendor is sorry."
    assert vendor.calls["GET"] == 1


@pytest.mark.parametrize("connector", [Plain(), Batching()], ids=["one", "many"])
async def test_a_vendor_is_left_alone_by_those_whom_it_has_asked(vendor: Vendor, connector: Plain) -> None:
    metas = started(vendor, 3)
    watcher = Watcher(connector, QUICK)
    theirs, ours = Connection(secrets={"api_key": "theirs"}), Connection(secrets={"api_key": "ours"})
    vendor.fail("GET", Fault(status=429, retry_after="60"))
    assert (await watcher.state(metas[0], connection=theirs)).phase is Phase.QUEUED
    assert (await watcher.state(metas[1], connection=ours)).phase is Phase.RUNNING
    assert (await watcher.state(metas[2], connection=theirs)).phase is Phase.QUEUED
    assert vendor.calls["GET"] == 2


async def test_the_last_known_state_goes_on_to_hold(vendor: Vendor) -> None:
    [meta] = started(vendor)
    watcher = Watcher(Plain(), QUICK)
    await watcher.state(meta)
    await asyncio.sleep(0.15)
    vendor.fail("GET", Fault(status=503))
    resource = await watcher.state(meta)
    assert resource.phase is Phase.RUNNING
    assert resource.message == "RUNNING\nThe last known state; Vendor cannot say more: The vendor is sorry."
    vendor.jobs["j0"].state = "DONE"
    assert (await watcher.state(meta)).message == "DONE"


async def test_a_slow_vendor_is_not_waited_for_longer_than_the_caller_has(vendor: Vendor) -> None:
    [meta] = started(vendor)
    watcher = Watcher(Plain(), QUICK)
    vendor.fail("GET", Fault(seconds=0.3), Fault(seconds=0.3))
    began = time.monotonic()
    assert (await watcher.state(meta, deadline=0.05)).phase is Phase.QUEUED
    assert time.monotonic() - began < 0.25
    await asyncio.sleep(0.4)
    assert (await watcher.state(meta, deadline=0.05)).phase is Phase.RUNNING  # what the first call came to


async def test_nobody_waits_for_ever_for_an_answer(vendor: Vendor) -> None:
    [meta] = started(vendor)
    vendor.fail("GET", *(Fault(status=503) for _ in range(20)))
    resource = await Watcher(Plain(), WatchLimits(rate=1000, budget=0.5)).follow(meta, lambda state: None)
    assert resource.phase is Phase.RETRYABLE_FAILED
    assert resource.message == "Vendor has not said for 1 s how it stands: The vendor is sorry."


async def test_a_job_that_is_gone_has_ended(vendor: Vendor) -> None:
    [meta] = started(vendor)
    vendor.jobs.clear()
    resource = await Watcher(Plain(), QUICK).state(meta)
    assert (resource.phase, resource.message) == (Phase.RETRYABLE_FAILED, "There is no such job.")


async def test_an_answer_that_no_retry_mends_is_raised_to_who_follows(vendor: Vendor) -> None:
    [meta] = started(vendor)
    vendor.jobs["j0"].state = "HIBERNATING"
    with pytest.raises(UnknownStateError, match="HIBERNATING"):
        await Watcher(Plain(), QUICK).follow(meta, lambda state: None)
    assert vendor.calls["GET"] == 3


class Vague(Plain):
    task_type_name = "vendor_vague"

    def get(self, resource_meta: JobMeta, **kwargs: object) -> Resource:
        return Resource(Phase.UNDEFINED, message="thinking")


async def test_no_phase_is_no_answer(vendor: Vendor) -> None:
    [meta] = started(vendor)
    resource = await Watcher(Vague(), QUICK).state(meta, known=Resource(Phase.RUNNING))
    assert resource.phase is Phase.RUNNING
    assert "It names no phase. thinking" in (resource.message or "")
