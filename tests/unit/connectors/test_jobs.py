"""One external job per node, whatever fails."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core.types_pb2 import SimpleType

from hardpoint import idl
from hardpoint.connectors import AsyncConnectorBase, Phase
from hardpoint.connectors.errors import JobInDoubtError
from hardpoint.connectors.identity import JobOwner
from hardpoint.connectors.jobs import JobLimits, Jobs
from hardpoint.connectors.journal import Journal, open_journal
from hardpoint.connectors.journal_sqlite import SQLiteJournal
from hardpoint.connectors.pool import Threads
from hardpoint.connectors.watch import WatchLimits
from hardpoint.errors import PermanentError, TransientError, UserError
from hardpoint.settings import override
from tests.unit.connectors.owners import metadata
from tests.unit.connectors.vendor import Fault, Finding, Idempotent, JobMeta, Plain, Vendor, template

QUICK = JobLimits(create=20, call=5, retry=5, lease=2)
RATE = WatchLimits(rate=1000, deadline=5)


class Desk:
    """A process of the service, with what its callers ask of it."""

    def __init__(
        self,
        journal: Journal,
        vendor: Vendor,
        connector: AsyncConnectorBase[Any],
        limits: JobLimits = QUICK,
        watch: WatchLimits = RATE,
        *,
        shared: bool = False,
    ) -> None:
        self.jobs, self.vendor, self.connector = Jobs(journal, limits, watch, shared=shared), vendor, connector

    async def create(self, attempt: int = 0, deadline: float | None = None, node: str = "n0", **config: str) -> bytes:
        wanted = template(self.vendor, self.connector.task_type_name, **config)
        prefix = f"s3://b/{node}/{attempt}"
        return await self.jobs.create_or_adopt(
            self.connector, wanted, None, prefix, metadata(node=node, attempt=attempt), deadline
        )

    async def state(self, meta: bytes, attempt: int = 0) -> Any:
        return await self.jobs.state(self.connector, meta, f"s3://b/n0/{attempt}", deadline=5)

    async def settle(self) -> None:
        """Wait for creations that go on."""
        await self.jobs.drain()


@pytest.fixture(params=[Plain, Finding, Idempotent])
def any_connector(request: pytest.FixtureRequest, vendor: Vendor) -> AsyncConnectorBase[Any]:
    vendor.unique = "same" if request.param is Idempotent else "no"
    made: AsyncConnectorBase[Any] = request.param()
    return made


@pytest.fixture(params=[Finding, Idempotent])
def careful(request: pytest.FixtureRequest, vendor: Vendor) -> AsyncConnectorBase[Any]:
    """Connectors that promise enough for one job under all circumstances."""
    vendor.unique = "same" if request.param is Idempotent else "no"
    made: AsyncConnectorBase[Any] = request.param()
    return made


def job_id(meta: bytes) -> str:
    return JobMeta.decode(meta).job_id


async def test_a_job_is_created_followed_and_written_down(
    journal: Journal, vendor: Vendor, any_connector: AsyncConnectorBase[Any]
) -> None:
    desk = Desk(journal, vendor, any_connector)
    meta = await desk.create()
    assert JobMeta.decode(meta) == JobMeta(vendor.endpoint, "j0")
    assert vendor.jobs["j0"].token == JobOwner.of(metadata(), "s3://b/n0/0").idempotency_key
    assert vendor.jobs["j0"].tags["hardpoint-execution"] == "f3a9"
    assert vendor.calls == {"POST": 1}
    assert (await desk.state(meta)).phase is Phase.RUNNING
    [entry] = journal.unfinished()
    assert (entry.meta, entry.phase, entry.node) == (meta, Phase.RUNNING, "n0")
    vendor.jobs["j0"].state = "DONE"
    desk = Desk(journal, vendor, any_connector)
    assert (await desk.state(meta)).phase is Phase.SUCCEEDED
    assert journal.unfinished() == []


async def test_the_same_attempt_that_asks_again_gets_its_job(
    journal: Journal, vendor: Vendor, any_connector: AsyncConnectorBase[Any]
) -> None:
    first = await Desk(journal, vendor, any_connector).create()
    again = await Desk(journal, vendor, any_connector).create()
    assert first == again
    assert vendor.calls["POST"] == 1


async def test_requests_of_one_attempt_at_the_same_time_are_one(
    journal: Journal, vendor: Vendor, any_connector: AsyncConnectorBase[Any]
) -> None:
    desk = Desk(journal, vendor, any_connector)
    vendor.fail("POST", Fault(seconds=0.2))
    assert len(set(await asyncio.gather(*(desk.create() for _ in range(8))))) == 1
    assert len(vendor.jobs) == 1


async def test_a_lost_answer_leaves_one_job(journal: Journal, vendor: Vendor, careful: AsyncConnectorBase[Any]) -> None:
    vendor.fail("POST", Fault(lost=True))
    meta = await Desk(journal, vendor, careful).create()
    assert [job_id(meta)] == list(vendor.jobs)


async def test_a_later_attempt_adopts_a_job_whose_answer_was_lost(
    journal: Journal, vendor: Vendor, careful: AsyncConnectorBase[Any]
) -> None:
    desk = Desk(journal, vendor, careful, JobLimits(retry=0))
    vendor.fail("POST", Fault(lost=True))
    vendor.fail("FIND", Fault(status=503))
    with pytest.raises(TransientError):
        await desk.create(0)
    meta = await Desk(journal, vendor, careful).create(1)
    assert [job_id(meta)] == list(vendor.jobs)


async def test_without_any_promise_a_lost_answer_is_told_and_not_repeated(journal: Journal, vendor: Vendor) -> None:
    vendor.fail("POST", Fault(lost=True))
    with pytest.raises(TransientError, match="does not answer"):
        await Desk(journal, vendor, Plain()).create()
    assert vendor.calls["POST"] == 1


async def test_without_any_promise_the_same_attempt_is_not_created_twice(journal: Journal, vendor: Vendor) -> None:
    vendor.fail("POST", Fault(lost=True))
    desk = Desk(journal, vendor, Plain())
    with pytest.raises(TransientError):
        await desk.create()
    for other in (desk, Desk(journal, vendor, Plain())):
        with pytest.raises(JobInDoubtError, match="there may be one already") as caught:
            await other.create()
        assert f"hardpoint jobs cancel {vendor.jobs['j0'].token}" in str(caught.value)
    assert vendor.calls["POST"] == 1
    await desk.jobs.cancel_key(Plain(), vendor.jobs["j0"].token)
    assert job_id(await desk.create()) == "j1"


async def test_without_any_promise_a_further_attempt_is_created_with_a_warning(
    journal: Journal, vendor: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail("POST", Fault(lost=True))
    desk = Desk(journal, vendor, Plain())
    with pytest.raises(TransientError):
        await desk.create()
    assert job_id(await desk.create(1)) == "j1"
    first, second = (job.token for job in vendor.jobs.values())
    assert f"Vendor may have created the job {first}, and cannot say: {second} may be a second one" in caplog.text


async def test_who_says_when_to_come_back_has_created_nothing(journal: Journal, vendor: Vendor) -> None:
    vendor.fail("POST", Fault(status=429, retry_after="1"))
    desk = Desk(journal, vendor, Plain())
    with pytest.raises(TransientError):
        await desk.create()
    assert job_id(await desk.create()) == "j0"


async def test_a_service_that_is_busy_is_asked_again_when_it_says(
    journal: Journal, vendor: Vendor, careful: AsyncConnectorBase[Any]
) -> None:
    vendor.fail("POST", Fault(status=429, retry_after="1"))
    meta = await Desk(journal, vendor, careful).create()
    assert job_id(meta) == "j0"
    first, second = vendor.times["POST"]
    assert second - first >= 1.0


@pytest.mark.parametrize("state", ["RUNNING", "DONE"])
async def test_a_later_attempt_adopts_what_runs_or_has_succeeded(
    journal: Journal, vendor: Vendor, any_connector: AsyncConnectorBase[Any], state: str
) -> None:
    first = await Desk(journal, vendor, any_connector).create(0)
    vendor.jobs["j0"].state = state
    desk = Desk(journal, vendor, any_connector)
    assert await desk.create(1) == first
    assert await desk.create(2) == first
    assert vendor.calls["POST"] == 1


@pytest.mark.parametrize("state", ["BROKEN", "LOST_NODE", "KILLED"])
async def test_a_later_attempt_replaces_what_has_failed(
    journal: Journal, vendor: Vendor, any_connector: AsyncConnectorBase[Any], state: str
) -> None:
    await Desk(journal, vendor, any_connector).create(0)
    vendor.jobs["j0"].state = state
    assert job_id(await Desk(journal, vendor, any_connector).create(1)) == "j1"


async def test_a_job_that_is_gone_is_replaced(journal: Journal, vendor: Vendor) -> None:
    await Desk(journal, vendor, Plain()).create(0)
    vendor.fail("GET", Fault(status=404))
    assert job_id(await Desk(journal, vendor, Plain()).create(1)) == "j1"


async def test_a_job_of_which_nothing_can_be_learned_counts_as_running(journal: Journal, vendor: Vendor) -> None:
    first = await Desk(journal, vendor, Plain()).create(0)
    vendor.fail("GET", Fault(status=503))
    assert await Desk(journal, vendor, Plain()).create(1) == first


async def test_a_cancelled_job_is_not_adopted(
    journal: Journal, vendor: Vendor, any_connector: AsyncConnectorBase[Any]
) -> None:
    desk = Desk(journal, vendor, any_connector)
    meta = await desk.create(0)
    await desk.jobs.cancel(any_connector, meta)
    await desk.jobs.cancel(any_connector, meta)
    assert vendor.jobs["j0"].state == "KILLED"
    assert job_id(await desk.create(1)) == "j1"


async def test_another_task_on_the_same_node_gets_its_own_job(journal: Journal, vendor: Vendor) -> None:
    desk = Desk(journal, vendor, Plain())
    first = await desk.create(0)
    assert await desk.create(0, query="another") != first
    assert len({job.token for job in vendor.jobs.values()}) == 2


async def test_inputs_are_part_of_what_is_asked_for(
    journal: Journal, vendor: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    """Of one attempt that asks with other inputs than before, the last job is the one that runs."""
    jobs = Jobs(journal, QUICK, RATE)
    wanted, owner = template(vendor, "vendor_plain"), metadata()
    metas = [
        await jobs.create_or_adopt(Plain(), wanted, idl.literal_map({"n": idl.integer(n)}), "p", owner)
        for n in (1, 1, 2, 1)
    ]
    assert [job_id(meta) for meta in metas] == ["j0", "j0", "j1", "j2"]
    assert [job.state for job in vendor.jobs.values()] == ["KILLED", "KILLED", "RUNNING"]
    first, second, _ = (job.token for job in vendor.jobs.values())
    assert (
        f"The job {first}, which the same attempt asked for with other inputs, is ended before {second}." in caplog.text
    )


async def test_a_job_with_other_inputs_that_cannot_be_ended_is_told(journal: Journal, vendor: Vendor) -> None:
    jobs = Jobs(journal, JobLimits(create=20, call=5, retry=0.5, lease=2), RATE)
    wanted, owner = template(vendor, "vendor_plain"), metadata()
    await jobs.create_or_adopt(Plain(), wanted, idl.literal_map({"n": idl.integer(1)}), "p", owner)
    vendor.fail("DELETE", Fault(status=503))
    with pytest.raises(TransientError, match=r"is to end before .* and has not: The vendor is sorry"):
        await jobs.create_or_adopt(Plain(), wanted, idl.literal_map({"n": idl.integer(2)}), "p", owner)
    assert len(vendor.jobs) == 1


async def test_a_job_with_other_inputs_that_has_succeeded_is_left_alone(journal: Journal, vendor: Vendor) -> None:
    jobs = Jobs(journal, QUICK, RATE)
    wanted, owner = template(vendor, "vendor_plain"), metadata()
    await jobs.create_or_adopt(Plain(), wanted, idl.literal_map({"n": idl.integer(1)}), "p", owner)
    vendor.jobs["j0"].state = "DONE"
    await jobs.create_or_adopt(Plain(), wanted, idl.literal_map({"n": idl.integer(2)}), "p", owner)
    assert vendor.calls["DELETE"] == 0
    assert len(vendor.jobs) == 2


async def test_nodes_have_jobs_of_their_own(journal: Journal, vendor: Vendor) -> None:
    desk = Desk(journal, vendor, Plain())
    await asyncio.gather(*(desk.create(node=f"n{i}") for i in range(5)))
    assert len(vendor.jobs) == 5


async def test_a_job_that_the_vendor_has_already_is_adopted(journal: Journal, vendor: Vendor) -> None:
    vendor.unique = "refused"
    token = JobOwner.of(metadata(), "s3://b/n0/0").idempotency_key
    first = Plain().create(template(vendor, "vendor_plain"), idempotency_key=token, tags={})
    assert job_id(await Desk(journal, vendor, Finding()).create()) == first.job_id


async def test_a_refusal_is_told_at_once_and_leaves_nothing(
    journal: Journal, vendor: Vendor, any_connector: AsyncConnectorBase[Any]
) -> None:
    with pytest.raises(UserError, match="No such table"):
        await Desk(journal, vendor, any_connector).create(refuse="No such table.")
    assert vendor.calls["POST"] == 1
    assert journal.unfinished() == []


# -- callers that do not wait ------------------------------------------------------------------------------------------


async def test_a_creation_goes_on_when_its_caller_has_gone(
    journal: Journal, vendor: Vendor, any_connector: AsyncConnectorBase[Any]
) -> None:
    desk = Desk(journal, vendor, any_connector)
    vendor.fail("POST", Fault(seconds=0.4))
    meta = await desk.create(deadline=0.1)
    assert json.loads(meta) == {"hardpoint_key": JobOwner.of(metadata(), "s3://b/n0/0").idempotency_key}
    waiting = await desk.state(meta)
    assert (waiting.phase, waiting.message) == (Phase.QUEUED, "The job is being created.")
    await desk.settle()
    assert (await desk.state(meta)).phase is Phase.RUNNING
    assert (await Desk(journal, vendor, any_connector).state(meta)).phase is Phase.RUNNING
    assert job_id(await desk.create(1)) == "j0"


async def test_the_next_attempt_waits_for_a_creation_that_goes_on(
    journal: Journal, vendor: Vendor, any_connector: AsyncConnectorBase[Any]
) -> None:
    vendor.fail("POST", Fault(seconds=0.4))
    desk = Desk(journal, vendor, any_connector)
    await desk.create(0, deadline=0.1)
    assert job_id(await Desk(journal, vendor, any_connector).create(1)) == "j0"
    await desk.settle()
    assert len(vendor.jobs) == 1


async def test_a_creation_that_fails_behind_its_caller_is_told_with_the_state(journal: Journal, vendor: Vendor) -> None:
    desk = Desk(journal, vendor, Plain())
    vendor.fail("POST", Fault(seconds=0.3))
    meta = await desk.create(deadline=0.1, refuse="No such table.")
    await desk.settle()
    resource = await desk.state(meta)
    assert resource.phase is Phase.FAILED
    assert resource.message == "Vendor could not create the job: No such table.\n  -> Correct the job."


async def test_cancelling_a_creation_ends_the_job_that_comes_of_it(
    journal: Journal, vendor: Vendor, any_connector: AsyncConnectorBase[Any]
) -> None:
    desk = Desk(journal, vendor, any_connector)
    vendor.fail("POST", Fault(seconds=0.3))
    meta = await desk.create(deadline=0.1)
    await desk.jobs.cancel(any_connector, meta)
    await desk.settle()
    assert vendor.jobs["j0"].state == "KILLED"
    assert (await desk.state(meta)).phase is Phase.ABORTED


async def test_metadata_of_an_unknown_creation_is_a_job_that_is_gone(journal: Journal, vendor: Vendor) -> None:
    resource = await Desk(journal, vendor, Plain()).state(b'{"hardpoint_key": "hp-x"}')
    assert resource.phase is Phase.RETRYABLE_FAILED
    await Desk(journal, vendor, Plain()).jobs.cancel(Plain(), b'{"hardpoint_key": "hp-x"}')


# -- replicas, and processes that die ----------------------------------------------------------------------------------


async def test_replicas_create_one_job(postgres_url: str, vendor: Vendor) -> None:
    journals = [open_journal(postgres_url) for _ in range(3)]
    desks = [Desk(journal, vendor, Plain()) for journal in journals]
    vendor.fail("POST", Fault(seconds=0.2))
    metas = await asyncio.gather(*(desk.create(attempt) for attempt in range(2) for desk in desks))
    assert len(set(metas)) == 1
    assert len(vendor.jobs) == 1
    for journal in journals:
        journal.close()


SERVICE = """
import asyncio, sys
from hardpoint.connectors.connection import Connection
from hardpoint.connectors.jobs import JobLimits, Jobs
from hardpoint.connectors.journal import open_journal
from tests.unit.connectors.owners import metadata
from tests.unit.connectors import vendor

async def main(place, endpoint, kind, secret):
    connector = getattr(vendor, kind)()
    jobs = Jobs(open_journal(place), JobLimits(lease=600))
    print("ready", flush=True)
    wanted = vendor.template(endpoint, connector.task_type_name)
    connection = Connection.of(wanted, secrets={"api_key": secret} if secret else None)
    await jobs.create_or_adopt(connector, wanted, None, "s3://b/n0/0", metadata(), connection=connection)
    print("created", flush=True)
    await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


async def killed_service(place: Path, vendor: Vendor, connector: Plain, when: str, secret: str = "") -> None:
    """Let a process create the job, and kill it: while the service works, or after it has answered."""
    command = [sys.executable, "-c", SERVICE, str(place), vendor.endpoint, type(connector).__name__, secret]
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        lines = Threads("reader", 1)
        assert await lines.run(process.stdout.readline) == "ready\n"
        if when == "created":
            assert await lines.run(process.stdout.readline) == "created\n"
        else:
            while not vendor.calls["POST"]:
                await asyncio.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    while when == "working" and not vendor.jobs:
        await asyncio.sleep(0.01)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "killed.sqlite"


@pytest.mark.parametrize("when", ["working", "created"])
@pytest.mark.parametrize("attempt", [0, 1])
async def test_a_killed_services_job_is_found_again(
    place: Path, vendor: Vendor, careful: Plain, when: str, attempt: int
) -> None:
    vendor.fail("POST", Fault(seconds=0.3 if when == "working" else 0))
    await killed_service(place, vendor, careful, when)
    journal = SQLiteJournal(place)
    meta = await asyncio.wait_for(Desk(journal, vendor, careful).create(attempt), 10)
    assert [job_id(meta)] == list(vendor.jobs)
    journal.close()


async def test_a_creation_that_nobody_carries_on_is_looked_up(place: Path, vendor: Vendor) -> None:
    vendor.fail("POST", Fault(seconds=0.3))
    await killed_service(place, vendor, Finding(), "working")
    journal = SQLiteJournal(place)
    desk = Desk(journal, vendor, Finding())
    meta = json.dumps({"hardpoint_key": vendor.jobs["j0"].token}).encode()
    vendor.fail("FIND", Fault(status=503))
    assert (await desk.state(meta)).phase is Phase.QUEUED
    assert (await desk.state(meta)).phase is Phase.RUNNING
    journal.close()


async def test_a_creation_that_never_reached_the_service_is_told(place: Path, vendor: Vendor) -> None:
    vendor.fail("POST", Fault(seconds=0.3))
    await killed_service(place, vendor, Finding(), "working", secret="canary-4711")
    token = vendor.jobs.pop("j0").token
    assert not any(b"canary-4711" in file.read_bytes() for file in place.parent.glob(f"{place.name}*"))
    journal = SQLiteJournal(place)
    desk = Desk(journal, vendor, Finding(), shared=True)
    resource = await desk.state(json.dumps({"hardpoint_key": token}).encode())
    assert (resource.phase, resource.message) == (
        Phase.RETRYABLE_FAILED,
        "The service ended while it created the job.",
    )
    journal.close()


@pytest.mark.parametrize("shared", [True, False])
async def test_a_creation_that_never_reached_the_service_is_carried_on(
    place: Path, vendor: Vendor, careful: Plain, shared: bool
) -> None:
    vendor.fail("POST", Fault(seconds=0.3))
    await killed_service(place, vendor, careful, "working")
    token = vendor.jobs.pop("j0").token
    journal = SQLiteJournal(place)
    desk = Desk(journal, vendor, careful, shared=shared)
    meta = json.dumps({"hardpoint_key": token}).encode()
    resource = await desk.state(meta)
    if not shared:  # whoever only looks creates nothing
        assert vendor.jobs == {}
        assert resource.phase is (Phase.QUEUED if isinstance(careful, Finding) else Phase.RETRYABLE_FAILED)
        assert journal.request(token) is not None
    else:
        assert resource.phase is Phase.RUNNING
        assert [job.token for job in vendor.jobs.values()] == [token]
        assert vendor.jobs["j0"].tags["hardpoint-execution"] == "f3a9"
        assert (await desk.state(meta)).phase is Phase.RUNNING
        assert journal.request(token) is None
    journal.close()


async def test_a_creation_that_is_carried_on_and_refused_is_told(place: Path, vendor: Vendor) -> None:
    vendor.fail("POST", Fault(seconds=0.3), Fault(status=400))
    await killed_service(place, vendor, Finding(), "working")
    token = vendor.jobs.pop("j0").token
    journal = SQLiteJournal(place)
    desk = Desk(journal, vendor, Finding(), shared=True)
    resource = await desk.state(json.dumps({"hardpoint_key": token}).encode())
    assert resource.phase is Phase.FAILED
    assert "Vendor could not create the job: The vendor is sorry." in (resource.message or "")
    journal.close()


# -- states and outputs ------------------------------------------------------------------------------------------------


async def test_a_service_that_cannot_say_is_answered_with_the_last_known_state(
    journal: Journal, vendor: Vendor
) -> None:
    desk = Desk(journal, vendor, Plain())
    meta = await desk.create()
    await desk.state(meta)
    desk = Desk(journal, vendor, Plain())  # another process, which knows it from the journal
    vendor.fail("GET", Fault(status=503))
    resource = await desk.state(meta)
    assert resource.phase is Phase.RUNNING
    assert "Vendor cannot say more: The vendor is sorry." in (resource.message or "")


async def test_outputs_of_an_adopted_job_are_read_where_it_wrote_them(
    journal: Journal, vendor: Vendor, tmp_path: Path
) -> None:
    jobs, connector = Jobs(journal, QUICK, RATE), Plain()
    wanted, prefixes = template(vendor, "vendor_plain"), [str(tmp_path / name) for name in ("first", "second")]
    wanted.interface.outputs.variables["o0"].type.simple = SimpleType.INTEGER
    for attempt, prefix in enumerate(prefixes):
        meta = await jobs.create_or_adopt(connector, wanted, None, prefix, metadata(attempt=attempt))
    (tmp_path / "first").mkdir()
    outputs = idl.literal_map({"o0": idl.integer(3)})
    (tmp_path / "first" / "outputs.pb").write_bytes(outputs.SerializeToString())
    vendor.jobs["j0"].state = "DONE"
    second = await jobs.state(connector, meta, prefixes[1])
    assert second.outputs == outputs
    first = await jobs.state(connector, meta, prefixes[0])
    assert first.outputs is None


async def test_what_is_known_is_answered_without_the_journal(journal: Journal, vendor: Vendor) -> None:
    desk = Desk(journal, vendor, Plain())
    meta = await desk.create()
    await desk.state(meta)
    journal.close()
    assert (await desk.state(meta)).phase is Phase.RUNNING
    vendor.jobs["j0"].state = "DONE"
    await asyncio.sleep(0.15)
    assert (await desk.state(meta)).phase is Phase.SUCCEEDED  # what cannot be written down is told all the same


async def test_a_journal_that_does_not_answer_fails_no_question(journal: Journal, vendor: Vendor) -> None:
    meta = await Desk(journal, vendor, Plain()).create()
    journal.close()
    assert (await Desk(journal, vendor, Plain()).state(meta)).phase is Phase.RUNNING


async def test_old_jobs_are_cleared_away(journal: Journal, vendor: Vendor) -> None:
    first = await Desk(journal, vendor, Plain()).create()
    await Desk(journal, vendor, Plain()).jobs.cancel(Plain(), first)
    while journal.unfinished():  # until the vendor has confirmed it
        await asyncio.sleep(0.01)
    journal._execute("update jobs set updated = updated - 86400 * 31")
    with override(connectors={"keep_days": 30}):
        desk = Desk(journal, vendor, Plain())
        await desk.create(node="n1")
        while len(journal.find()) > 1:
            await asyncio.sleep(0.01)


async def test_drained_when_no_creation_is_under_way(journal: Journal, vendor: Vendor) -> None:
    desk = Desk(journal, vendor, Plain())
    assert await desk.jobs.drain() == []
    vendor.fail("POST", Fault(seconds=0.3))
    await desk.create(deadline=0.05)
    assert desk.jobs.creating == 1
    [key] = await desk.jobs.drain(0.05)
    assert await desk.jobs.drain() == []
    assert [job.token for job in vendor.jobs.values()] == [key]
    assert desk.jobs.followed() == {"vendor_plain": (1, 0.0)}


async def test_outputs_that_were_not_declared_are_not_looked_for(journal: Journal, vendor: Vendor) -> None:
    desk = Desk(journal, vendor, Plain())
    await desk.create(0)
    meta = await desk.create(1)
    vendor.jobs["j0"].state = "DONE"
    desk = Desk(journal, vendor, Plain())
    assert (await desk.state(meta, 1)).phase is Phase.SUCCEEDED  # there is no store that could be read


async def test_foreign_metadata_is_told(journal: Journal, vendor: Vendor) -> None:
    with pytest.raises(PermanentError, match="JobMeta has no field 'endpoint'"):
        await Desk(journal, vendor, Plain()).state(b'{"query_id": "x"}')
