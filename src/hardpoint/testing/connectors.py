"""The suites that every connector passes. Subclass `ConnectorConformance`, or `SyncConnectorConformance`, in a test module.

They use a connector as the service and local runs do, through the kernel and its journal, with a saboteur between the connector
and its service.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ClassVar, TypeVar

import pytest

from hardpoint.connectors.contract import AsyncConnectorBase, SyncConnectorBase
from hardpoint.connectors.errors import JobExistsError, explain, is_transient, words
from hardpoint.connectors.identity import JobOwner
from hardpoint.connectors.jobs import JobLimits, Jobs
from hardpoint.connectors.journal import SQLiteJournal
from hardpoint.connectors.phases import JobGoneError, Phase
from hardpoint.connectors.pool import call, guard_loop
from hardpoint.connectors.resource import MetaError, Resource
from hardpoint.connectors.watch import WatchLimits
from hardpoint.errors import PermanentError, TransientError, UserError
from hardpoint.testing.saboteur import Answer, Held, HttpSaboteur, Lost, Request, Reset, Slow
from hardpoint.testing.vendor import ServiceConformance, Vendor

__all__ = ["ConnectorConformance", "SyncConnectorConformance"]

T = TypeVar("T")

_LIMITS = JobLimits(create=30, call=15, retry=20, lease=0.6)
_WATCH = WatchLimits(rate=1000, deadline=15)
_FEW = 6
"""Requests that a call may make before it accepts that a credential, or a task, is refused."""
_SLOW, _BLOCKED = 0.8, 0.5
"""Seconds by which an answer is late, and after which the loop counts as blocked."""
_WRITTEN = {
    "finds_by_key": "find",
    "batches_polls": "get_many",
    "estimates": "estimate",
    "logs": "get_logs",
    "metrics": "get_metrics",
}
"""From a capability to the method that it promises."""


class Desk:
    """One process that looks after jobs: a connector of its own, and a journal that it may share with others."""

    def __init__(self, suite: ConnectorConformance) -> None:
        self.suite = suite
        self.connector: AsyncConnectorBase[Any] = suite._connect()
        self.journal = SQLiteJournal(suite.folder / "jobs.sqlite")
        suite._stack.callback(self.journal.close)
        self.jobs = Jobs(self.journal, _LIMITS, _WATCH)

    async def create(self, node: str = "n0", attempt: int = 0, deadline: float | None = None) -> bytes:
        prefix = self.suite._prefix(node, attempt)
        template, inputs = self.suite.prepared(prefix)
        metadata = self.suite._metadata(node, attempt)
        return await self.jobs.create_or_adopt(self.connector, template, inputs, prefix, metadata, deadline)

    async def create_directly(self, key: str) -> bytes:
        """As the kernel has the connector create a job; the same call each time."""
        prefix = self.suite._prefix(key, 0)
        template, inputs = self.suite.prepared(prefix)
        try:
            meta = await call(
                self.connector,
                "create",
                task_template=template,
                output_prefix=prefix,
                inputs=inputs,
                task_execution_metadata=self.suite._metadata(key, 0),
                idempotency_key=key,
                tags=JobOwner.of(self.suite._metadata(key, 0), prefix).tags,
            )
        except JobExistsError as error:
            meta = error.meta or await call(self.connector, "find", key, template)
        return bytes(meta.encode())

    async def get(self, meta: bytes) -> Resource:
        """What the connector itself says."""
        resource: Resource = await call(self.connector, "get", self.connector.metadata_type.decode(meta))
        return resource

    async def state(self, meta: bytes) -> Resource:
        return await self.jobs.state(self.connector, meta, self.suite._prefix("n0", 0), deadline=20)

    async def until(self, meta: bytes, wanted: Callable[[Resource], bool], says: str) -> Resource:
        """The state, once it is as wanted."""
        limit = time.monotonic() + self.suite.patience
        while True:
            resource = await self.state(meta)
            if wanted(resource):
                return resource
            assert time.monotonic() < limit, f"{says}: it is {resource.phase.name}, {resource.message!r}"
            await asyncio.sleep(0.05)

    async def ended(self, meta: bytes) -> Resource:
        return await self.until(meta, lambda resource: resource.phase.is_terminal, "The job should end")

    async def cancel(self, meta: bytes) -> None:
        await self.jobs.cancel(self.connector, meta)

    async def close(self) -> None:
        close = getattr(self.connector, "close", None)
        if close is not None and asyncio.iscoroutine(closed := close()):
            await closed


class ConnectorConformance(ServiceConformance):
    """Proves that a connector of jobs has one job for each node, loses none, ends what it should end, and never guesses.

    Attributes:
        states: The states that the service may name, with their phases: the connector's own table.
        unknown: A state that it does not have.
        failure_says: What the service says of a job that `Vendor.end` lets fail.
        invalid_says: What it says in `invalid`.
    """

    states: ClassVar[Mapping[str, Phase]] = {}
    unknown: ClassVar[str] = "HARDPOINT_UNHEARD_OF"
    failure_says: ClassVar[str] = ""
    invalid_says: ClassVar[str] = "makes no sense"
    service: Vendor

    @pytest.fixture(autouse=True)
    def _beginning(self, _surroundings: None) -> None:
        self._before = len(self.service.created())

    # -- the tools -----------------------------------------------------------------------------------------------------

    def made(self) -> list[str]:
        """The jobs that this test has had created."""
        return list(self.service.created())[self._before :]

    def _prefix(self, node: str, attempt: int) -> str:
        return str(self.folder / node / str(attempt))

    def _run(self, work: Callable[[Desk], Coroutine[Any, Any, T]]) -> T:
        async def main() -> T:
            desk = Desk(self)
            try:
                return await work(desk)
            finally:
                await desk.close()

        return asyncio.run(main())

    def _grew(self, by: int = 1) -> Callable[[Request], bool]:
        """Whether the service has created so many jobs more than it has now."""
        wanted = len(self.service.created()) + by
        return lambda _: len(self.service.created()) >= wanted

    async def _dead(self, job: str) -> None:
        limit = time.monotonic() + self.patience
        while self.service.alive(job):
            assert time.monotonic() < limit, f"The job {job} was ended, but it is alive."
            await asyncio.sleep(0.05)

    async def _reached(self, held: Held, task: asyncio.Future[Any]) -> bool:
        """Whether a request is held before the task is done."""
        while not (held.reached.is_set() or task.done()):
            await asyncio.sleep(0.01)
        return held.reached.is_set()

    def _promised(self, desk: Desk, capability: str) -> None:
        if not getattr(desk.connector.capabilities, capability):
            raise NotImplementedError(f"{desk.connector.name} does not promise {capability}.")

    def _requests_of_a_create(self) -> int:
        if not isinstance(self.saboteur, HttpSaboteur):
            raise NotImplementedError("Requests can be told apart only where the protocol is HTTP.")

        async def work(desk: Desk) -> int:
            began = len(self.saboteur.requests)
            await desk.create("clean")
            return len(self.saboteur.requests) - began

        return self._run(work)

    # -- one job -------------------------------------------------------------------------------------------------------

    def test_create_starts_one_job(self) -> None:
        async def work(desk: Desk) -> None:
            meta = await desk.create()
            [job] = self.made()
            assert self.service.alive(job)
            assert not (await desk.state(meta)).phase.is_terminal

        self._run(work)

    def test_create_is_idempotent(self) -> None:
        """The same key twice, one after the other and side by side, is one job."""

        async def work(desk: Desk) -> None:
            self._promised(desk, "idempotent_create")
            first = await desk.create_directly(f"hp-twice-{self.execution}")
            assert await desk.create_directly(f"hp-twice-{self.execution}") == first
            assert len(self.made()) == 1
            crowd = await asyncio.gather(*(desk.create_directly(f"hp-crowd-{self.execution}") for _ in range(4)))
            assert len(set(crowd)) == 1
            assert len(self.made()) == 2

        self._run(work)

    def test_replicas_create_one_job(self) -> None:
        async def work(desk: Desk) -> None:
            other = Desk(self)
            metas = await asyncio.gather(*(each.create() for each in (desk, other, desk, other)))
            await other.close()
            assert len(set(metas)) == 1
            assert len(self.made()) == 1

        self._run(work)

    def test_later_attempts_adopt_what_runs_or_has_succeeded(self) -> None:
        async def work(desk: Desk) -> None:
            meta = await desk.create(attempt=0)
            assert await desk.create(attempt=1) == meta
            [job] = self.made()
            self.service.end(job)
            await desk.ended(meta)
            assert await desk.create(attempt=2) == meta
            assert self.made() == [job]

        self._run(work)

    def test_later_attempts_begin_anew_after_a_failure(self) -> None:
        async def work(desk: Desk) -> None:
            meta = await desk.create(attempt=0)
            self.service.end(self.made()[0], ok=False)
            await desk.ended(meta)
            again = await desk.create(attempt=1)
            assert again != meta
            assert len(self.made()) == 2
            assert not (await desk.state(again)).phase.is_terminal

        self._run(work)

    def test_lost_response_leaves_one_job(self) -> None:
        async def work(desk: Desk) -> None:
            self.saboteur.fail(Lost(), self._grew())
            meta = await desk.create()
            [job] = self.made()
            self.service.end(job)
            assert (await desk.ended(meta)).phase is Phase.SUCCEEDED

        self._run(work)

    @pytest.mark.parametrize("fault", [Lost(), Reset()], ids=["lost", "reset"])
    def test_any_request_of_a_create_may_get_lost(self, fault: Lost | Reset) -> None:
        count = self._requests_of_a_create()

        async def work(desk: Desk) -> None:
            for number in range(count):
                before = len(self.made())
                self.saboteur.fail(fault, skip=number)
                await desk.create(f"lost-{number}")
                assert len(self.made()) == before + 1, f"The {fault} was request {number} of a create."
                self.saboteur.heal()

        self._run(work)

    def test_find_gives_the_job_of_a_key(self) -> None:
        async def work(desk: Desk) -> None:
            self._promised(desk, "finds_by_key")
            meta = await desk.create()
            owner = JobOwner.of(self._metadata("n0", 0), self._prefix("n0", 0))
            template, _ = self.prepared(self._prefix("n0", 0))

            async def find(key: str) -> bytes | None:
                found = await call(desk.connector, "find", key, template)
                return None if found is None else bytes(found.encode())

            assert await find(owner.idempotency_key) == meta
            assert await find(owner.next().idempotency_key) is None
            self.service.end(self.made()[0])
            await desk.ended(meta)
            assert await find(owner.idempotency_key) == meta

        self._run(work)

    # -- restarts ------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    def test_restart_while_creating_leaves_one_job(self, after: bool) -> None:
        """The process stops dead before, or after, the service has been asked. Another one, or a later attempt, goes on."""
        held = Held(after)
        if after:
            self.saboteur.fail(held, self._grew())
        else:
            self.saboteur.fail(held)
        loop = asyncio.new_event_loop()
        frozen = Desk(self)
        task = loop.create_task(frozen.create())
        try:
            # From here on nothing of it moves: no other process is as dead as a loop that does not run.
            assert loop.run_until_complete(self._reached(held, task)), "The create made no request."

            async def work(desk: Desk) -> None:
                meta = await desk.create()
                [job] = self.made()
                assert await desk.create(attempt=1) == meta
                self.service.end(job)
                assert (await desk.ended(meta)).phase is Phase.SUCCEEDED
                assert self.made() == [job]

            self._run(work)
        finally:
            held.drop()
            task.cancel()
            loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
            loop.run_until_complete(frozen.close())
            for rest in asyncio.all_tasks(loop):
                rest.cancel()
                loop.run_until_complete(asyncio.gather(rest, return_exceptions=True))
            loop.close()

    def test_restart_between_calls_finds_the_job_again(self) -> None:
        meta = self._run(Desk.create)
        [job] = self.made()
        assert not self._run(lambda desk: desk.state(meta)).phase.is_terminal
        assert self._run(Desk.create) == meta
        self.service.end(job)
        assert self._run(lambda desk: desk.ended(meta)).phase is Phase.SUCCEEDED
        self._run(lambda desk: desk.cancel(meta))
        assert self.made() == [job]

    # -- states --------------------------------------------------------------------------------------------------------

    def test_states_have_their_phases(self) -> None:
        async def work(desk: Desk) -> None:
            assert self.states, "Name the service's states."
            for number, (raw, phase) in enumerate(self.states.items()):
                meta = await desk.create(f"state-{number}")
                if phase.is_terminal:
                    self.service.end(self.made()[-1], phase is Phase.SUCCEEDED)
                self.service.say(self.made()[-1], raw)
                resource = await desk.get(meta)
                assert resource.phase is phase, f"{raw} should be {phase.name}."
                assert resource.message or not phase.is_failure, f"Nothing is said of {raw}."
                assert resource.outputs is None or phase is Phase.SUCCEEDED

        self._run(work)

    def test_unknown_state_is_told_and_fails_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        async def work(desk: Desk) -> None:
            meta = await desk.create()
            self.service.say(self.made()[0], self.unknown)
            for _ in range(3):
                resource = await desk.get(meta)
                assert not resource.phase.is_terminal
                assert resource.phase is not Phase.UNDEFINED
                assert self.unknown in (resource.message or "")
            logged = [record for record in caplog.records if self.unknown in record.getMessage()]
            assert len(logged) == 1, "It should be logged once, not with each poll."

        with caplog.at_level(logging.WARNING):
            self._run(work)

    def test_success_gives_the_declared_outputs(self) -> None:
        async def work(desk: Desk) -> None:
            meta = await desk.create()
            assert (await desk.state(meta)).outputs is None
            self.service.end(self.made()[0])
            resource = await desk.ended(meta)
            assert resource.phase is Phase.SUCCEEDED, resource.message
            await asyncio.to_thread(self._checked, resource, self._prefix("n0", 0))

        self._run(work)

    def test_failure_says_why(self) -> None:
        async def work(desk: Desk) -> None:
            assert self.failure_says, "Name what the service says of a job that fails."
            meta = await desk.create()
            self.service.end(self.made()[0], ok=False)
            resource = await desk.ended(meta)
            assert resource.phase in (Phase.FAILED, Phase.RETRYABLE_FAILED)
            assert self.failure_says in (resource.message or "")
            assert resource.outputs is None

        self._run(work)

    def test_vanished_job_has_ended(self) -> None:
        async def work(desk: Desk) -> None:
            meta = await desk.create()
            self.service.forget(self.made()[0])
            resource = await desk.state(meta)
            assert resource.phase.is_failure, "That a job is gone is certain: it is told at once."
            assert resource.message
            try:
                assert (await desk.get(meta)).phase.is_failure
            except JobGoneError as error:
                assert error.message

        self._run(work)

    def test_many_are_asked_for_at_once(self) -> None:
        async def work(desk: Desk) -> None:
            self._promised(desk, "batches_polls")
            metas = [await desk.create(f"many-{number}") for number in range(6)]
            self.service.end(self.made()[1])
            self.service.end(self.made()[4], ok=False)
            for meta in metas:
                await desk.state(meta)
            decoded = [desk.connector.metadata_type.decode(metas[number]) for number in (5, 1, 3, 4, 0, 2)]
            began = len(self.saboteur.requests)
            together = list(await call(desk.connector, "get_many", decoded))
            asked = len(self.saboteur.requests) - began
            alone = [await call(desk.connector, "get", meta) for meta in decoded]
            assert [(r.phase, list(r.log_links or ())) for r in together] == [
                (r.phase, list(r.log_links or ())) for r in alone
            ]
            assert together[3].message == alone[3].message
            if isinstance(self.saboteur, HttpSaboteur):
                assert asked < len(decoded)

        self._run(work)

    def test_one_of_many_has_vanished(self) -> None:
        async def work(desk: Desk) -> None:
            self._promised(desk, "batches_polls")
            metas = [await desk.create(f"many-{number}") for number in range(3)]
            self.service.forget(self.made()[1])
            states = await asyncio.gather(*(desk.state(meta) for meta in metas))
            assert [state.phase.is_failure for state in states] == [False, True, False]

        self._run(work)

    # -- metadata, capabilities ----------------------------------------------------------------------------------------

    def test_metas_travel(self) -> None:
        async def work(desk: Desk) -> None:
            kind, data = desk.connector.metadata_type, await desk.create()
            meta, told = kind.decode(data), json.loads(data)
            assert kind.decode(meta.encode()) == meta
            assert kind.decode(json.dumps({**told, "of_a_later_release": {"a": [1]}}).encode()) == meta
            required = [
                field.name
                for field in dataclasses.fields(kind)
                if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            ]
            for name in required:
                with pytest.raises(MetaError, match=name):
                    kind.decode(json.dumps({key: told[key] for key in told if key != name}).encode())
            for data in (b"", b"\xff", b"[]", b"null"):
                with pytest.raises(MetaError):
                    kind.decode(data)

        self._run(work)

    def test_promises_are_kept(self) -> None:
        """What the capabilities promise is written, what is written is promised, and it answers."""

        async def work(desk: Desk) -> None:
            connector, can = desk.connector, desk.connector.capabilities
            for capability, method in _WRITTEN.items():
                written = getattr(type(connector), method) is not getattr(AsyncConnectorBase, method)
                assert getattr(can, capability) == written, f"{capability} and {method} do not agree."
            if can.estimates:
                template, inputs = self.prepared(self._prefix("n0", 0))
                assert await call(connector, "estimate", template, inputs=inputs) is not None
                assert self.made() == []
            meta = connector.metadata_type.decode(await desk.create())
            self.service.end(self.made()[0])
            if can.logs:
                logs = await call(connector, "get_logs", meta)
                assert ([part async for part in logs] if hasattr(logs, "__aiter__") else [logs]) != []
            if can.metrics:
                assert await call(connector, "get_metrics", meta) is not None

        self._run(work)

    def test_loop_is_not_blocked(self) -> None:
        """Each method is called while the service takes its time."""

        async def work(desk: Desk) -> None:
            await desk.create("first")  # what is imported then is imported only once
            meta = desk.connector.metadata_type.decode(await desk.create("second"))
            await call(desk.connector, "get", meta)
            methods: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
                "create": lambda: desk.create_directly(f"hp-slow-{self.execution}"),
                "get": lambda: call(desk.connector, "get", meta),
            }
            if desk.connector.capabilities.batches_polls:
                methods["get_many"] = lambda: call(desk.connector, "get_many", [meta, meta])
            if desk.connector.capabilities.finds_by_key:
                methods["find"] = lambda: call(desk.connector, "find", f"hp-slow-{self.execution}", self.template())
            methods["delete"] = lambda: call(desk.connector, "delete", meta)
            with guard_loop(_BLOCKED):
                for method in methods.values():
                    self.saboteur.fail(Slow(_SLOW))
                    await method()
                    self.saboteur.heal()

        self._run(work)

    # -- bad days ------------------------------------------------------------------------------------------------------

    def test_busy_service_is_left_alone(self) -> None:
        async def work(desk: Desk) -> None:
            meta = await self._while_busy(desk.create)
            assert len(self.made()) == 1
            known = await self._while_busy(lambda: desk.state(meta))
            assert not known.phase.is_terminal
            limit = self._asked_busy + _seconds(self.busy)
            while time.monotonic() < limit:
                assert not (await desk.state(meta)).phase.is_terminal
                await asyncio.sleep(0.05)
            self._left_alone()
            self.service.end(self.made()[0])
            assert (await desk.ended(meta)).phase is Phase.SUCCEEDED

        self._run(work)

    async def _while_busy(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the work gives, whose first request the service is too busy for; it was left alone."""
        asked: list[float] = []

        def note(request: Request) -> bool:
            asked.append(request.at)
            return True

        self.saboteur.fail(self.busy, note)
        done = await work()
        assert asked, "It made no request."
        [self._asked_busy] = asked
        self._left_alone()
        return done

    def _left_alone(self) -> None:
        later = [request.at - self._asked_busy for request in self.saboteur.requests if request.at > self._asked_busy]
        assert not later or later[0] >= _seconds(self.busy) - 0.05, (
            f"It was asked again after {later[0]:.2f} s, though it asked to be left alone for {_seconds(self.busy):g} s."
        )

    def test_unavailable_service_is_waited_for(self) -> None:
        async def work(desk: Desk) -> None:
            self.saboteur.fail(self.unavailable, times=2)
            meta = await desk.create()
            assert len(self.made()) == 1
            for fault in (self.unavailable, Reset()):
                self.saboteur.fail(fault, times=None)
                assert not (await desk.state(meta)).phase.is_terminal
                self.saboteur.heal()
                await asyncio.sleep(0.3)
            self.service.end(self.made()[0])
            assert (await desk.ended(meta)).phase is Phase.SUCCEEDED

        self._run(work)

    def test_broken_connection_is_waited_for(self) -> None:
        async def work(desk: Desk) -> None:
            self.saboteur.fail(Reset())
            meta = await desk.create()
            assert len(self.made()) == 1
            self.saboteur.fail(Reset(), times=None)
            assert not (await desk.state(meta)).phase.is_terminal
            self.saboteur.heal()
            self.service.end(self.made()[0])
            assert (await desk.ended(meta)).phase is Phase.SUCCEEDED

        self._run(work)

    def test_slow_create_is_answered_in_time(self) -> None:
        async def work(desk: Desk) -> None:
            held = Held(after=True)
            self.saboteur.fail(held, self._grew())
            began = time.monotonic()
            meta = await desk.create(deadline=0.5)
            assert time.monotonic() - began < 3
            assert not (await desk.state(meta)).phase.is_terminal
            assert await self._reached(held, asyncio.get_running_loop().create_future())
            held.release()
            [job] = self.made()
            self.service.end(job)
            assert (await desk.ended(meta)).phase is Phase.SUCCEEDED
            assert self.made() == [job]

        self._run(work)

    def test_refused_credential_is_told(self) -> None:
        async def work(desk: Desk) -> None:
            self.refuse()
            with pytest.raises((PermanentError, PermissionError)) as caught:
                await desk.create()
            assert not is_transient(caught.value)
            assert len(self.saboteur.requests) <= _FEW or not isinstance(self.saboteur, HttpSaboteur)
            assert "->" in explain(caught.value, "create a job", where=desk.connector.name)[1]
            assert self.made() == []
            self.saboteur.heal()
            meta = await desk.create(attempt=1)
            self.refuse()
            assert not (await desk.state(meta)).phase.is_terminal, "A credential can be mended; the job goes on."
            self.saboteur.heal()

        self._run(work)

    def test_invalid_task_is_told(self) -> None:
        async def work(desk: Desk) -> None:
            self.saboteur.fail(self.invalid, times=None)
            with pytest.raises(UserError, match=self.invalid_says):
                await desk.create()
            assert len(self.saboteur.requests) <= _FEW
            assert self.made() == []
            assert self.journal_is_settled(desk)

        self._run(work)

    @staticmethod
    def journal_is_settled(desk: Desk) -> bool:
        """Whether every job that was asked for has ended."""
        return desk.journal.unfinished() == []

    # -- cancelling ----------------------------------------------------------------------------------------------------

    def test_cancel_before_it_is_created(self) -> None:
        async def work(desk: Desk) -> None:
            self._promised(desk, "cancels")
            held = Held(after=True)
            self.saboteur.fail(held, self._grew())
            meta = await desk.create(deadline=0.3)
            assert await self._reached(held, asyncio.get_running_loop().create_future())
            await desk.cancel(meta)
            held.release()
            [job] = self.made()
            await self._dead(job)
            assert (await desk.ended(meta)).phase.is_failure

        self._run(work)

    def test_cancel_in_any_state(self) -> None:
        async def work(desk: Desk) -> None:
            self._promised(desk, "cancels")
            for number, raw in enumerate(raw for raw, phase in self.states.items() if not phase.is_terminal):
                meta = await desk.create(f"cancel-{number}")
                job = self.made()[-1]
                self.service.say(job, raw)
                await desk.cancel(meta)
                await self._dead(job)

        self._run(work)

    def test_cancel_while_it_runs_twice(self) -> None:
        async def work(desk: Desk) -> None:
            self._promised(desk, "cancels")
            meta = await desk.create()
            [job] = self.made()
            await desk.cancel(meta)
            await self._dead(job)
            await desk.cancel(meta)
            assert (await desk.ended(meta)).phase is not Phase.SUCCEEDED

        self._run(work)

    @pytest.mark.parametrize("ok", [True, False], ids=["succeeded", "failed"])
    def test_cancel_after_it_has_ended(self, ok: bool) -> None:
        async def work(desk: Desk) -> None:
            meta = await desk.create()
            self.service.end(self.made()[0], ok)
            ended = await desk.ended(meta)
            await desk.cancel(meta)
            assert (await desk.get(meta)).phase is ended.phase

        self._run(work)

    def test_cancel_after_it_has_vanished(self) -> None:
        async def work(desk: Desk) -> None:
            meta = await desk.create()
            self.service.forget(self.made()[0])
            await desk.cancel(meta)
            assert not self.service.alive(self.made()[0])

        self._run(work)

    def test_cancel_that_fails_is_told(self) -> None:
        """A job that may still run is not said to have ended."""

        async def work(desk: Desk) -> None:
            self._promised(desk, "cancels")
            meta = await desk.create()
            [job] = self.made()
            self.saboteur.fail(Reset(), times=None)
            with pytest.raises((TransientError, OSError)):
                await desk.cancel(meta)
            self.saboteur.heal()
            assert self.service.alive(job)
            await desk.cancel(meta)
            await self._dead(job)

        self._run(work)

    # -- secrets -------------------------------------------------------------------------------------------------------

    def test_secrets_are_seen_nowhere(self, caplog: pytest.LogCaptureFixture) -> None:
        """Neither in metadata and templates nor in messages, logs and the journal."""
        told = [str(self.template())]

        async def work(desk: Desk) -> None:
            caplog.set_level(logging.DEBUG, type(desk.connector).__module__.partition(".")[0])
            for number, ok in enumerate((True, False)):
                meta = await desk.create(f"life-{number}")
                told.append(str(await desk.get(meta)))
                self.service.end(self.made()[-1], ok)
                told.extend((meta.decode(), str(await desk.ended(meta))))
            meta = await desk.create("refused")
            self.refuse()
            with pytest.raises(Exception) as caught:
                await desk.create("refused-at-once")
            told.append(explain(caught.value, "create a job", where=desk.connector.name)[1])
            told.append(str(await desk.state(meta)))
            self.saboteur.heal()
            await desk.cancel(meta)

        with caplog.at_level(logging.INFO):
            caplog.set_level(logging.DEBUG, "hardpoint")
            self._run(work)
        told += [f"{record.getMessage()} {record.exc_text}" for record in caplog.records]
        told += [file.read_bytes().decode(errors="replace") for file in self.folder.glob("jobs.sqlite*")]
        assert self._seen("\n".join(told)) == []


def _seconds(answer: Answer) -> float:
    """For how long an answer asks to be left alone."""
    return float(answer.headers.get("Retry-After", 0))


class SyncConnectorConformance(ServiceConformance):
    """Proves that a connector that answers at once gives what the task declares, and says what went wrong.

    Attributes:
        deadline: Seconds within which it gives up when the service does not answer. Let `connector` make one with a shorter
            time-out.
        invalid_says: What the service says in `invalid`.
    """

    deadline: ClassVar[float] = 5.0
    invalid_says: ClassVar[str] = "makes no sense"

    def _do(self) -> Resource:
        async def main() -> Resource:
            connector: SyncConnectorBase = self._connect()
            prefix = str(self.folder / "outputs")
            template, inputs = self.prepared(prefix)
            try:
                resource: Resource = await call(
                    connector, "do", task_template=template, output_prefix=prefix, inputs=inputs
                )
            finally:
                close = getattr(connector, "close", None)
                if close is not None and asyncio.iscoroutine(closed := close()):
                    await closed
            return resource

        return asyncio.run(main())

    def test_work_is_done(self) -> None:
        resource = self._do()
        assert resource.phase is Phase.SUCCEEDED, resource.message
        self._checked(resource, str(self.folder / "outputs"))

    def test_busy_service_is_told(self) -> None:
        """It is asked again when it said, or whoever asked is told when."""
        asked: list[float] = []

        def note(request: Request) -> bool:
            asked.append(request.at)
            return True

        self.saboteur.fail(self.busy, note, times=None)
        with pytest.raises(TransientError) as caught:
            self._do()
        pause = _seconds(self.busy)
        assert not pause or caught.value.retry_after == pytest.approx(pause, abs=0.5)
        assert all(later - at >= pause - 0.05 for at, later in itertools.pairwise(asked))

    @pytest.mark.parametrize("fault", ["unavailable", "reset", "lost"])
    def test_unavailable_service_is_told(self, fault: str) -> None:
        faults = {"unavailable": self.unavailable, "reset": Reset(), "lost": Lost()}
        self.saboteur.fail(faults[fault], times=None)
        with pytest.raises((TransientError, ConnectionError)) as caught:
            self._do()
        assert words(caught.value)

    def test_slow_service_is_told(self) -> None:
        held = Held(after=True)
        self.saboteur.fail(held, times=None)
        began = time.monotonic()
        with pytest.raises((TransientError, TimeoutError)):
            self._do()
        assert time.monotonic() - began < self.deadline
        held.drop()

    def test_refused_credential_is_told(self) -> None:
        self.refuse()
        with pytest.raises((PermanentError, PermissionError)) as caught:
            self._do()
        assert not is_transient(caught.value)
        assert len(self.saboteur.requests) <= _FEW

    def test_invalid_task_is_told(self) -> None:
        self.saboteur.fail(self.invalid, times=None)
        with pytest.raises(UserError, match=self.invalid_says):
            self._do()
        assert len(self.saboteur.requests) <= _FEW

    def test_loop_is_not_blocked(self) -> None:
        self._do()  # what is imported then is imported only once
        self.saboteur.fail(Slow(_SLOW))
        with guard_loop(_BLOCKED):
            assert self._do().phase is Phase.SUCCEEDED

    def test_secrets_are_seen_nowhere(self, caplog: pytest.LogCaptureFixture) -> None:
        """Neither in the template nor in answers, messages and logs."""
        with caplog.at_level(logging.INFO):
            caplog.set_level(logging.DEBUG, "hardpoint")
            told = [str(self.template()), str(self._do())]
            self.refuse()
            with pytest.raises(Exception) as caught:
                self._do()
        told.append(explain(caught.value, "do the work", where="The connector")[1])
        told += [f"{record.getMessage()} {record.exc_text}" for record in caplog.records]
        assert self._seen("\n".join(told)) == []
