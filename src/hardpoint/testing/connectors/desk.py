"""A desk: one process that looks after jobs, as the suites need it; and what their tests of jobs have in common."""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import pytest

from hardpoint.connectors.contract import AsyncConnectorBase
from hardpoint.connectors.errors import JobExistsError
from hardpoint.connectors.identity import JobOwner
from hardpoint.connectors.jobs import JobLimits, Jobs
from hardpoint.connectors.journal import open_journal
from hardpoint.connectors.phases import Phase
from hardpoint.connectors.pool import call
from hardpoint.connectors.resource import Resource
from hardpoint.connectors.watch import WatchLimits
from hardpoint.testing.connectors.service import ServiceConformance, Vendor
from hardpoint.testing.saboteur import Held, Request

__all__ = ["Desk", "JobsConformance", "at_a_desk"]

P = ParamSpec("P")
S = TypeVar("S", bound="JobsConformance")


class Desk:
    """One process that looks after jobs: a connector of its own, and a journal that it shares with the test's other desks.

    Args:
        suite: The test.
    """

    def __init__(self, suite: JobsConformance) -> None:
        self.suite = suite
        self.connector: AsyncConnectorBase[Any] = suite.connected()
        self.journal = open_journal(suite.folder / "jobs.sqlite")
        suite.stack.callback(self.journal.close)
        self.jobs = Jobs(self.journal, suite.limits, suite.watch_limits)

    async def create(self, node: str = "n0", attempt: int = 0, deadline: float | None = None) -> bytes:
        """Have the kernel create or adopt the job of a node: its metadata."""
        prefix = self.suite.prefix(node, attempt)
        template, inputs = self.suite.prepared(prefix)
        metadata = self.suite.metadata(node, attempt)
        return await self.jobs.create_or_adopt(self.connector, template, inputs, prefix, metadata, deadline)

    async def create_directly(self, node: str) -> bytes:
        """Have the connector create the job of a node, the way the kernel does it: the same call each time."""
        prefix, metadata, owner = self.suite.prefix(node, 0), self.suite.metadata(node, 0), self.suite.owner(node)
        template, inputs = self.suite.prepared(prefix)
        before = template.SerializeToString(deterministic=True), inputs.SerializeToString(deterministic=True)
        try:
            meta = await call(
                self.connector,
                "create",
                task_template=template,
                output_prefix=prefix,
                inputs=inputs,
                task_execution_metadata=metadata,
                idempotency_key=owner.idempotency_key,
                tags=owner.tags,
            )
        except JobExistsError as error:
            meta = error.meta or await call(self.connector, "find", owner.idempotency_key, template)
        after = template.SerializeToString(deterministic=True), inputs.SerializeToString(deterministic=True)
        assert after == before, "The connector has changed the task, or its inputs."
        return bytes(meta.encode())

    async def get(self, meta: bytes) -> Resource:
        """What the connector itself says of a job."""
        resource: Resource = await call(self.connector, "get", self.connector.metadata_type.decode(meta))
        return resource

    async def state(self, meta: bytes) -> Resource:
        """What the kernel says of a job."""
        return await self.jobs.state(self.connector, meta, self.suite.prefix("n0", 0), deadline=20)

    async def ended(self, meta: bytes) -> Resource:
        """What the kernel says of a job once it has ended."""
        limit = time.monotonic() + self.suite.patience
        while not (resource := await self.state(meta)).phase.is_terminal:
            assert time.monotonic() < limit, f"The job should end; it is {resource.phase.name}, {resource.message!r}."
            await asyncio.sleep(0.05)
        return resource

    async def cancel(self, meta: bytes) -> None:
        """Have the kernel end a job."""
        await self.jobs.cancel(self.connector, meta)

    async def close(self) -> None:
        """Let the connector go."""
        await self.suite.closed(self.connector)


def at_a_desk(
    test: Callable[Concatenate[S, Desk, P], Coroutine[Any, Any, None]],
) -> Callable[Concatenate[S, P], None]:
    """The test, run on an event loop of its own. Its argument `desk` is a new one; the others are fixtures."""

    def run(self: S, /, *args: P.args, **fixtures: P.kwargs) -> None:
        async def main() -> None:
            desk = self.another()
            try:
                await test(self, desk, *args, **fixtures)
            finally:
                for each in self._desks:
                    await each.close()
                self._desks.clear()

        asyncio.run(main())

    functools.update_wrapper(run, test)
    del run.__dict__["__wrapped__"]  # by which pytest would ask for a fixture of the name
    signature = inspect.signature(test)
    fixtures = [parameter for name, parameter in signature.parameters.items() if name != "desk"]
    run.__dict__["__signature__"] = signature.replace(parameters=fixtures)
    return run


class JobsConformance(ServiceConformance):
    """Base of the tests of connectors that start jobs.

    Attributes:
        states: The states that the service may name, with their phases: the connector's own table.
        unknown: A state that it does not have.
        failure_says: What the service says of a job that `Vendor.end` lets fail.
        limits: How long the kernel lets things take.
        watch_limits: How it asks for states.
    """

    states: ClassVar[Mapping[str, Phase]] = {}
    unknown: ClassVar[str] = "HARDPOINT_UNHEARD_OF"
    failure_says: ClassVar[str] = ""
    limits: ClassVar[JobLimits] = JobLimits(create=30, call=15, retry=20, lease=0.6)
    watch_limits: ClassVar[WatchLimits] = WatchLimits(rate=1000, deadline=15)
    service: Vendor

    @pytest.fixture(autouse=True)
    def _beginning(self, _surroundings: None) -> None:
        self._before = len(self.service.created())
        self._desks: list[Desk] = []

    def another(self) -> Desk:
        """A further desk, which is closed with the first."""
        self._desks.append(Desk(self))
        return self._desks[-1]

    def made(self) -> list[str]:
        """The jobs that this test has had created, in order."""
        return list(self.service.created())[self._before :]

    def the_job(self) -> str:
        """The one job that this test has had created."""
        made = self.made()
        assert len(made) == 1, f"There should be one job, but there are {len(made)}: {', '.join(made)}."
        return made[0]

    def grew(self) -> Callable[[Request], bool]:
        """Whether the service has created a job since now."""
        before = len(self.service.created())
        return lambda _: len(self.service.created()) > before

    def prefix(self, node: str, attempt: int) -> str:
        """Where an attempt writes its outputs."""
        return str(self.folder / node / str(attempt))

    def owner(self, node: str = "n0") -> JobOwner:
        """Who has the first job of a node created."""
        return JobOwner.of(self.metadata(node, 0), self.prefix(node, 0))

    def promised(self, desk: Desk, capability: str) -> None:
        """A connector that does not promise this has a gap here.

        Raises:
            NotImplementedError: it does not.
        """
        if not getattr(desk.connector.capabilities, capability):
            raise NotImplementedError(f"{desk.connector.name} does not promise {capability}.")

    async def dead(self, job: str) -> None:
        """Wait until a job has ended at the service."""
        limit = time.monotonic() + self.patience
        while self.service.alive(job):
            assert time.monotonic() < limit, f"The job {job} was ended, but it is alive."
            await asyncio.sleep(0.05)

    async def reached(self, held: Held) -> None:
        """Wait until a request is held."""
        limit = time.monotonic() + self.patience
        while not held.reached.is_set():
            assert time.monotonic() < limit, "No request was made that could be held."
            await asyncio.sleep(0.01)
