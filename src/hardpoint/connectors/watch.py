"""Follows jobs: one watcher for all jobs of a connector at one endpoint.

It asks no more often than the age of a job makes sensible and the service allows, asks for many jobs at once where the
connector can, and answers with the last known state when the service cannot say. Not knowing is never failing, until the
budget for it is spent.

Where many jobs can be asked for at once, a job is asked for once for each time that somebody asks for it here, shortly before
that is expected to happen again; it is then answered from memory. Jobs for which nobody asks any more fall out by this.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from hardpoint.connectors.connection import Connection, use_connection
from hardpoint.connectors.contract import AsyncConnectorBase
from hardpoint.connectors.errors import is_transient, patience, words
from hardpoint.connectors.phases import JobGoneError, Phase
from hardpoint.connectors.pool import call, done_within, pool_size
from hardpoint.connectors.resource import Resource
from hardpoint.errors import PermanentError, TransientError

__all__ = ["WatchLimits", "Watched", "Watcher", "interval"]

logger = logging.getLogger(__name__)

_SHORTEST, _LONGEST, _OF_AGE = 0.2, 30.0, 0.1
_AHEAD, _MOST_AHEAD = 0.2, 6.0
"""How long before it is expected to be asked for a job is looked up: a part of the time between, and seconds at most."""
_MOST_JOBS = 50_000
"""Jobs that are remembered; those that nobody has asked for the longest are forgotten first."""
_LINGER, _SWEEP = 1200.0, 60.0
"""Seconds after which a job for which nobody asks is forgotten, and how often that is looked into."""
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
        rate: Calls in a second, at most; None: what the connector says.
        window: Seconds for which requests are gathered into one call, where the connector can.
        batch: Jobs in one call, at most; None: what the connector says.
        deadline: Seconds for one call.
    """

    budget: float = 1800.0
    rate: float | None = None
    window: float = 0.02
    batch: int | None = None
    deadline: float = 30.0


@dataclass(eq=False, slots=True)
class Watched:
    """A job that a watcher knows.

    Attributes:
        meta: Its metadata, encoded.
        decoded: The same, decoded.
        connection: What its task brings.
        since: When it was first asked for here; this and all times are those of `time.monotonic`.
        known: The last known state.
        answered: When the service said so.
        asked: When it was last asked for.
        gap: Seconds between the last two times.
        due: When it is to be looked up again, without being asked for.
        poll: While the service is asked.
        wanted: When that was last wanted.
        lost: Since when the service cannot say.
        error: Why.
        refusals: How often in a row it was for a reason that no retry mends.
        spent: Whether the budget for that was spent; it then counts as lost, which its service has not said.
    """

    meta: bytes
    decoded: Any
    connection: Connection
    since: float
    known: Resource | None = None
    answered: float | None = None
    asked: float = 0.0
    gap: float = _LONGEST
    due: float | None = None
    poll: asyncio.Future[None] | None = None
    wanted: float = 0.0
    lost: float | None = None
    error: Exception | None = None
    refusals: int = 0
    spent: bool = False

    @property
    def has_ended(self) -> bool:
        return self.known is not None and self.known.phase.is_terminal and self.answered is not None

    def pace(self, now: float) -> float:
        """Seconds between two looks at it: as its age makes sensible, and no more often than it is asked for."""
        return max(interval(now - self.since), self.gap)


class Watcher:
    """Asks a connector for the states of its jobs.

    Args:
        connector: The connector.
        limits: How its service is asked.
        dropped: Told the metadata of jobs that are forgotten.
    """

    def __init__(
        self,
        connector: AsyncConnectorBase[Any],
        limits: WatchLimits | None = None,
        dropped: Callable[[bytes], None] | None = None,
    ) -> None:
        self.connector = connector
        self.limits = limits or WatchLimits()
        can = connector.capabilities
        self._rate = self.limits.rate or can.poll_rate
        self._many = can.batches_polls
        self._batch = (self.limits.batch or can.poll_batch) if self._many else 1
        self._dropped = dropped
        self._jobs: dict[bytes, Watched] = {}
        self._wanted: list[Watched] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(pool_size(connector))
        self._gathering = False
        self._swept = self._next_turn = 0.0
        # By whose credentials are used: until when the service wants to be left alone, and what it said.
        self._pauses: dict[object, tuple[float, Exception]] = {}
        self._due: list[tuple[float, int, Watched]] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many jobs it knows."""
        return len(self._jobs)

    def lag(self) -> float:
        """For how many seconds the service's answer has been waited for, where that is the longest."""
        began = [job.wanted for job in self._jobs.values() if job.poll is not None]
        return time.monotonic() - min(began) if began else 0.0

    # -- answering -----------------------------------------------------------------------------------------------------

    def job(
        self,
        meta: bytes,
        known: Resource | None = None,
        connection: Connection | None = None,
        decoded: Any = None,
    ) -> Watched:
        """The job with this metadata.

        Args:
            meta: The job's metadata, encoded.
            known: What is known of a job that this watcher has never asked for.
            connection: What the job's task brings; None: what is known of it already.
            decoded: The metadata, decoded, if it is at hand.

        Raises:
            MetaError: the metadata is of no job of this connector.
        """
        job = self._jobs.get(meta)
        if job is None:
            now = time.monotonic()
            self._sweep(now)
            decoded = decoded if decoded is not None else self.connector.metadata_type.decode(meta)
            job = self._jobs[meta] = Watched(meta, decoded, connection or Connection(), now, known)
        elif connection is not None:
            job.connection = connection
        return job

    def fresh(self, job: Watched, *, within: float | None = None) -> Resource | None:
        """How a job stands, if that is known well enough not to ask the service, or the service must not be asked now.

        Args:
            job: The job.
            within: How old the answer may be, as a part of the time between two polls. Default: twice that, where jobs are looked
                up before they are asked for; half of it elsewhere.
        """
        now = time.monotonic()
        if job.asked:
            job.gap = min(now - job.asked, _LONGEST)
        job.asked = now
        if job.has_ended and not (job.spent and now - (job.answered or 0.0) > _SHORTEST):
            return self._told(job)
        if self._many:
            self._plan(job, now)
        if self._pauses and job.poll is None and (pause := self._pause(job, now)) is not None:
            self._wait_out(job, pause, now)
            return self._told(job)
        if job.answered is None:
            return None
        pace = job.pace(now) if self._many else interval(now - job.since)
        tolerance = within or (2.0 if self._many else 0.5)
        return self._told(job) if now - job.answered < pace * tolerance else None

    async def ask(self, job: Watched, deadline: float | None = None) -> Resource:
        """The service's answer, or the last known state if there is none within so many seconds."""
        if job.poll is None:
            self._want(job)
            self._gather()
        assert job.poll is not None
        await done_within(deadline, job.poll)
        return self._told(job)

    async def state(
        self,
        meta: bytes,
        deadline: float | None = None,
        known: Resource | None = None,
        connection: Connection | None = None,
    ) -> Resource:
        """How a job stands. Arguments are as for `job` and `ask`."""
        job = self.job(meta, known, connection)
        return self.fresh(job) or await self.ask(job, deadline)

    async def follow(
        self, meta: bytes, tell: Callable[[Resource], None], connection: Connection | None = None
    ) -> Resource:
        """Wait for a job's end.

        Args:
            meta: The job's metadata, encoded.
            tell: Called with each state that differs from the one before.
            connection: As for `job`.

        Raises:
            Exception: what the connector raised time and again, if it is of a kind that no retry mends.
        """
        told: Resource | None = None
        while True:
            job = self.job(meta, None, connection)
            resource = self.fresh(job, within=0.5) or await self.ask(job)
            if resource != told:
                tell(resource)
                told = resource
            if resource.phase.is_terminal:
                return resource
            if job.error is not None and job.refusals >= _REFUSALS:
                raise job.error
            now = time.monotonic()
            until, _ = self._pauses.get(_whose(job.connection), (0.0, None))
            await asyncio.sleep(min(max(interval(now - job.since), until - now), _LONGEST))

    def forget(self, meta: bytes) -> None:
        """Let the next question about a job reach the service."""
        job = self._jobs.pop(meta, None)
        if job is not None:
            job.due = None
            if self._dropped is not None:
                self._dropped(meta)

    def _sweep(self, now: float) -> None:
        """Forget jobs for which nobody asks any more."""
        if now - self._swept < _SWEEP and len(self._jobs) < _MOST_JOBS:
            return
        self._swept = now
        oldest = now - _LINGER
        asked = {job.meta: max(job.asked, job.since) for job in self._jobs.values() if job.poll is None}
        if len(asked) >= _MOST_JOBS:
            oldest = max(oldest, sorted(asked.values())[len(asked) // 4])
        for meta in [meta for meta, last in asked.items() if last <= oldest]:
            self.forget(meta)

    def _pause(self, job: Watched, now: float) -> Exception | None:
        """What the service said when it asked to be left alone, if it still wants to be."""
        whose = _whose(job.connection)
        until, error = self._pauses.get(whose, (0.0, None))
        if error is not None and until <= now:
            del self._pauses[whose]
            return None
        return error

    def _wait_out(self, job: Watched, error: Exception, now: float) -> None:
        """Count the time for which a job cannot be asked for, since its service wants to be left alone."""
        if job.lost is None:
            job.lost, job.error = now, error
        elif now - job.lost > self.limits.budget:
            self._lose(job, now, job.error or error)

    def _told(self, job: Watched) -> Resource:
        resource = job.known or _UNKNOWN
        if job.error is None or resource.phase.is_terminal:
            return resource
        said = f"The last known state; {self.connector.name} cannot say more: {words(job.error)}"
        return replace(resource, message=f"{resource.message}\n{said}" if resource.message else said)

    # -- looking up before it is asked for -----------------------------------------------------------------------------

    def _plan(self, job: Watched, now: float) -> None:
        """Have a job looked up shortly before it is likely to be asked for again."""
        pace = job.pace(now)
        due = job.asked + pace - min(_AHEAD * pace, _MOST_AHEAD)
        if job.due is None or due < job.due - 0.1 * pace:
            job.due = due
            heapq.heappush(self._due, (due, next(self._numbers), job))
            self._set_timer()

    def _set_timer(self) -> None:
        if not self._due:
            return
        when = self._due[0][0]
        if self._timer is not None:
            if self._timer.when() <= when + 0.01:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._look_up_due)

    def _look_up_due(self) -> None:
        self._timer = None
        now = time.monotonic()
        for job in self._take_due(now, 0):
            if self._pause(job, now) is None:  # the next question plans it anew
                self._want(job)
        self._gather()
        self._set_timer()

    def _take_due(self, now: float, count: int) -> list[Watched]:
        """Jobs that are due, and of those that soon will be as many as fill the last batch; `count` jobs are there already."""
        found: list[Watched] = []
        later: list[tuple[float, int, Watched]] = []
        looked = 0
        while self._due and looked < 4 * self._batch:
            due, number, job = self._due[0]
            is_full = (count + len(found)) % self._batch == 0 and count + len(found) > 0
            if due > now and (is_full or due > now + _LONGEST):
                break
            heapq.heappop(self._due)
            if due != job.due:
                continue  # it has been planned anew, or is forgotten
            if job.has_ended or job.poll is not None:
                job.due = None
                continue
            pace = job.pace(now)
            ahead = min(_AHEAD * pace, _MOST_AHEAD)
            due = job.asked + pace - ahead
            if due > now and (is_full or due - now > pace - ahead):
                job.due = due
                later.append((due, number, job))
                looked += 1
                continue
            job.due = None
            found.append(job)
        for entry in later:
            heapq.heappush(self._due, entry)
        return found

    # -- asking --------------------------------------------------------------------------------------------------------

    def _want(self, job: Watched) -> None:
        job.poll, job.wanted = asyncio.get_running_loop().create_future(), time.monotonic()
        self._wanted.append(job)

    def _gather(self) -> None:
        if not self._wanted or self._gathering:
            return
        if self._many:
            self._gathering = True
            self._start(self._ask())
        else:
            jobs, self._wanted = self._wanted, []
            for job in jobs:
                self._start(self._poll([job]))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self) -> None:
        await asyncio.sleep(self.limits.window)
        self._gathering = False
        now = time.monotonic()
        for job in self._take_due(now, len(self._wanted)):
            if self._pause(job, now) is None:
                self._want(job)
        jobs, self._wanted = self._wanted, []
        for group in _by_connection(jobs):
            for start in range(0, len(group), self._batch):
                self._start(self._poll(group[start : start + self._batch]))

    async def _turn(self) -> None:
        """Wait until one more call is within the rate."""
        now = time.monotonic()
        turn = max(now, self._next_turn)
        self._next_turn = turn + 1 / self._rate
        if turn > now:
            await asyncio.sleep(turn - now)

    async def _poll(self, jobs: list[Watched]) -> None:
        try:
            # Whoever waits here takes nobody's slot.
            while (until := self._pauses.get(_whose(jobs[0].connection), _NO_PAUSE)[0]) > time.monotonic():
                await asyncio.sleep(until - time.monotonic())
            async with self._slots:
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

    async def _poll_one(self, job: Watched) -> None:
        try:
            resource = await call(self.connector, "get", job.decoded, deadline=self.limits.deadline)
            self._heard(job, resource)
        except Exception as error:  # whatever it is, it says nothing about the job
            self._not_heard(job, error)

    async def _poll_many(self, jobs: list[Watched]) -> None:
        try:
            metas = [job.decoded for job in jobs]
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

    def _heard(self, job: Watched, resource: Resource) -> None:
        if resource.phase is Phase.UNDEFINED:
            # A control plane would take it for a failure.
            self._not_heard(job, TransientError(f"It names no phase. {resource.message or ''}".strip()))
            return
        if resource != job.known:
            job.known = resource  # and else the one before, of which callers may have kept the message
        job.answered = time.monotonic()
        job.lost, job.error, job.refusals, job.spent = None, None, 0, False

    def _not_heard(self, job: Watched, error: Exception) -> None:
        now = time.monotonic()
        job.error = error
        job.lost = job.lost if job.lost is not None else now
        job.refusals = 0 if is_transient(error) else job.refusals + 1
        if (wait := patience(error)) is not None:
            whose = _whose(job.connection)
            self._pauses[whose] = (max(self._pauses.get(whose, _NO_PAUSE)[0], now + wait), error)
        if isinstance(error, JobGoneError):
            self._end(job, words(error))
        elif now - job.lost > self.limits.budget:
            self._lose(job, now, error)
        else:
            logger.warning("%s cannot say how a job stands: %s", self.connector.name, words(error))

    def _lose(self, job: Watched, now: float, error: Exception) -> None:
        """Give a job up of which nothing was heard for too long. Its service may have it still."""
        lost = now - (job.lost if job.lost is not None else now)
        self._end(job, f"{self.connector.name} has not said for {lost:.0f} s how it stands: {words(error)}")
        job.spent = True

    def _end(self, job: Watched, message: str) -> None:
        job.known, job.answered = Resource(Phase.RETRYABLE_FAILED, message=message), time.monotonic()


_UNKNOWN = Resource(Phase.QUEUED)
_NO_PAUSE: tuple[float, Exception | None] = (0.0, None)


def _whose(connection: Connection) -> object:
    """The same for connections with which a service knows the same caller."""
    return connection.identity if connection.secrets or connection.names else None


def _by_connection(jobs: list[Watched]) -> list[list[Watched]]:
    """The jobs, together where they share a connection."""
    groups: dict[tuple[object, ...], list[Watched]] = {}
    for job in jobs:
        groups.setdefault(job.connection.identity, []).append(job)
    return list(groups.values())
