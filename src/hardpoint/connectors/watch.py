"""Follows jobs: one watcher for all jobs of a connector at one endpoint.

It asks no more often than the age of a job makes sensible and the service allows, asks for many jobs at once where the
connector can, and answers with the last known state when the service cannot say. Not knowing is never failing, until the
budget for it is spent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from hardpoint.connectors.connection import Connection, use_connection
from hardpoint.connectors.contract import AsyncConnectorBase
from hardpoint.connectors.errors import is_transient, words
from hardpoint.connectors.phases import JobGoneError, Phase
from hardpoint.connectors.pool import call
from hardpoint.connectors.resource import Resource
from hardpoint.errors import PermanentError, TransientError

__all__ = ["WatchLimits", "Watcher", "interval"]

logger = logging.getLogger(__name__)

_SHORTEST, _LONGEST, _OF_AGE = 0.2, 30.0, 0.1
_MOST_JOBS = 10_000
"""Jobs that are remembered; those that nobody has asked for the longest are forgotten first."""
_REFUSALS = 3
"""Answers in a row of the kind that no retry mends, after which who follows a job here is told."""


def interval(age: float) -> float:
    """Seconds between two polls of a job that is followed for `age` seconds: a tenth of it, from 0.2 to 30."""
    return min(max(_SHORTEST, age * _OF_AGE), _LONGEST)


@dataclass(frozen=True)
class WatchLimits:
    """How a service is asked.

    Attributes:
        budget: Seconds without any answer after which a job counts as lost.
        rate: Calls in a second, at most.
        window: Seconds for which requests are gathered into one call, where the connector can.
        batch: Jobs in one call, at most.
        deadline: Seconds for one call.
    """

    budget: float = 1800.0
    rate: float = 10.0
    window: float = 0.02
    batch: int = 100
    deadline: float = 30.0


@dataclass(eq=False)
class _Job:
    meta: bytes
    since: float
    known: Resource | None
    connection: Connection
    answered: float | None = None
    lost: float | None = None
    error: Exception | None = None
    refusals: int = 0
    followed: bool = False
    poll: asyncio.Future[None] | None = None


class Watcher:
    """Asks a connector for the states of its jobs.

    Args:
        connector: The connector.
        limits: How its service is asked.
    """

    def __init__(self, connector: AsyncConnectorBase[Any], limits: WatchLimits | None = None) -> None:
        self.connector = connector
        self.limits = limits or WatchLimits()
        self._jobs: dict[bytes, _Job] = {}
        self._wanted: list[_Job] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathering = False
        self._paused_until = self._next_turn = 0.0

    async def state(
        self,
        meta: bytes,
        deadline: float | None = None,
        known: Resource | None = None,
        connection: Connection | None = None,
    ) -> Resource:
        """How a job stands: the service's answer, or the last known state if there is none in time.

        Args:
            meta: The job's metadata, encoded.
            deadline: Seconds to wait for the service.
            known: What is known of a job that this watcher has never asked for.
            connection: What the job's task brings; None: what is known of it already.
        """
        job = self._job(meta, known, connection)
        if not self._is_settled(job):
            if job.poll is None:
                job.poll = asyncio.get_running_loop().create_future()
                self._wanted.append(job)
                self._gather()
            await asyncio.wait({job.poll}, timeout=deadline)
        return self._told(job)

    async def follow(
        self, meta: bytes, tell: Callable[[Resource], None], connection: Connection | None = None
    ) -> Resource:
        """Wait for a job's end.

        Args:
            meta: The job's metadata, encoded.
            tell: Called with each state that differs from the one before.
            connection: As for `state`.

        Raises:
            Exception: what the connector raised time and again, if it is of a kind that no retry mends.
        """
        told: Resource | None = None
        while True:
            job = self._job(meta, None, connection)
            job.followed = True
            resource = await self.state(meta)
            if resource != told:
                tell(resource)
                told = resource
            if resource.phase.is_terminal:
                return resource
            if job.error is not None and job.refusals >= _REFUSALS:
                raise job.error
            now = time.monotonic()
            await asyncio.sleep(max(interval(now - job.since), self._paused_until - now))

    def forget(self, meta: bytes) -> None:
        """Let the next question about a job reach the service."""
        self._jobs.pop(meta, None)

    def _job(self, meta: bytes, known: Resource | None, connection: Connection | None) -> _Job:
        job = self._jobs.pop(meta, None) or _Job(meta, time.monotonic(), known, connection or Connection())
        if connection is not None:
            job.connection = connection
        self._jobs[meta] = job  # the last to be forgotten
        while len(self._jobs) > _MOST_JOBS:
            del self._jobs[next(iter(self._jobs))]
        return job

    def _is_settled(self, job: _Job) -> bool:
        """Whether the service need not, or must not, be asked now."""
        now = time.monotonic()
        if job.known is not None and job.known.phase.is_terminal and job.answered is not None:
            return True
        if now < self._paused_until and job.poll is None:
            return True
        return job.answered is not None and now - job.answered < interval(now - job.since) / 2

    def _told(self, job: _Job) -> Resource:
        resource = job.known or Resource(Phase.QUEUED)
        if job.error is None or resource.phase.is_terminal:
            return resource
        said = f"The last known state; {self.connector.name} cannot say more: {words(job.error)}"
        return replace(resource, message=f"{resource.message}\n{said}" if resource.message else said)

    # -- asking --------------------------------------------------------------------------------------------------------

    def _gather(self) -> None:
        if not self._gathering:
            self._gathering = True
            self._start(self._ask())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self) -> None:
        many = self.connector.capabilities.batches_polls
        if many:
            await asyncio.sleep(self.limits.window)
        self._gathering = False
        jobs, self._wanted = self._wanted, []
        if many:
            jobs += self._nearly_due()
        size = self.limits.batch if many else 1
        for group in _by_connection(jobs):
            for start in range(0, len(group), size):
                self._start(self._poll(group[start : start + size]))

    def _nearly_due(self) -> list[_Job]:
        """Jobs that would be asked for soon, and so may as well be asked for together with others."""
        if time.monotonic() < self._paused_until:
            return []
        found = []
        for job in self._jobs.values():
            if job.followed and job.poll is None and not self._is_settled(job):
                job.poll = asyncio.get_running_loop().create_future()
                found.append(job)
        return found

    async def _turn(self) -> None:
        """Wait until one more call is within the rate."""
        now = time.monotonic()
        turn = max(now, self._next_turn, self._paused_until)
        self._next_turn = turn + 1 / self.limits.rate
        if turn > now:
            await asyncio.sleep(turn - now)

    async def _poll(self, jobs: list[_Job]) -> None:
        try:
            await self._turn()
            with use_connection(jobs[0].connection):
                if len(jobs) == 1:
                    await self._poll_one(jobs[0])
                else:
                    await self._poll_many(jobs)
        finally:
            for job in jobs:
                if job.poll is not None and not job.poll.done():
                    job.poll.set_result(None)
                job.poll = None

    async def _poll_one(self, job: _Job) -> None:
        try:
            meta = self.connector.metadata_type.decode(job.meta)
            resource = await call(self.connector, "get", meta, deadline=self.limits.deadline)
            self._heard(job, resource)
        except Exception as error:  # whatever it is, it says nothing about the job
            self._not_heard(job, error)

    async def _poll_many(self, jobs: list[_Job]) -> None:
        try:
            metas = [self.connector.metadata_type.decode(job.meta) for job in jobs]
            resources = list(await call(self.connector, "get_many", metas, deadline=self.limits.deadline))
            if len(resources) != len(jobs):
                raise PermanentError(f"{self.connector.name} was asked for {len(jobs)} jobs and told {len(resources)}.")
        except Exception as error:
            if is_transient(error):
                for job in jobs:
                    self._not_heard(job, error)
                return
            for job in jobs:  # one of them may have spoilt it for all
                await self._turn()
                await self._poll_one(job)
            return
        for job, resource in zip(jobs, resources, strict=True):
            self._heard(job, resource)

    def _heard(self, job: _Job, resource: Resource) -> None:
        if resource.phase is Phase.UNDEFINED:
            # A control plane would take it for a failure.
            self._not_heard(job, TransientError(f"It names no phase. {resource.message or ''}".strip()))
            return
        job.known, job.answered = resource, time.monotonic()
        job.lost, job.error, job.refusals = None, None, 0

    def _not_heard(self, job: _Job, error: Exception) -> None:
        now = time.monotonic()
        job.error = error
        job.lost = job.lost if job.lost is not None else now
        job.refusals = 0 if is_transient(error) else job.refusals + 1
        retry_after = getattr(error, "retry_after", None)
        if retry_after:
            self._paused_until = max(self._paused_until, now + float(retry_after))
        if isinstance(error, JobGoneError):
            self._end(job, words(error))
        elif now - job.lost > self.limits.budget:
            self._end(
                job, f"{self.connector.name} has not said for {now - job.lost:.0f} s how it stands: {words(error)}"
            )
        else:
            logger.warning("%s cannot say how a job stands: %s", self.connector.name, words(error))

    def _end(self, job: _Job, message: str) -> None:
        job.known, job.answered = Resource(Phase.RETRYABLE_FAILED, message=message), time.monotonic()


def _by_connection(jobs: list[_Job]) -> list[list[_Job]]:
    """The jobs, together where they share a connection."""
    groups: dict[tuple[object, ...], list[_Job]] = {}
    for job in jobs:
        groups.setdefault(job.connection.identity, []).append(job)
    return list(groups.values())
