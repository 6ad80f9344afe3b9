"""One job for each node, whatever gets lost and whoever dies."""

from __future__ import annotations

import asyncio

import pytest

from hardpoint.connectors.phases import Phase
from hardpoint.connectors.pool import call
from hardpoint.testing.connectors.desk import Desk, JobsConformance, at_a_desk
from hardpoint.testing.saboteur import Held, HttpSaboteur, Lost, Reset

__all__ = ["JobsAreCreatedOnce"]


class JobsAreCreatedOnce(JobsConformance):
    """Proves that a node has one job."""

    @at_a_desk
    async def test_create_starts_one_job(self, desk: Desk) -> None:
        meta = await desk.create()
        job = self.the_job()
        assert self.service.alive(job), f"The job {job} does not run."
        assert not (await desk.state(meta)).phase.is_terminal

    @at_a_desk
    async def test_create_is_idempotent(self, desk: Desk) -> None:
        """The same key twice, one after the other and side by side, is one job."""
        self.promised(desk, "idempotent_create")
        first = await desk.create_directly("n0")
        assert await desk.create_directly("n0") == first, "A second create with the same key gave another job."
        self.the_job()
        crowd = await asyncio.gather(*(desk.create_directly("n1") for _ in range(4)))
        assert len(set(crowd)) == 1, "Creates with one key at the same time gave several jobs."
        assert len(self.made()) == 2

    @at_a_desk
    async def test_replicas_create_one_job(self, desk: Desk) -> None:
        other = self.another()
        metas = await asyncio.gather(*(each.create() for each in (desk, other, desk, other)))
        assert len(set(metas)) == 1
        self.the_job()

    @at_a_desk
    async def test_later_attempts_adopt_what_runs_or_has_succeeded(self, desk: Desk) -> None:
        meta = await desk.create(attempt=0)
        assert await desk.create(attempt=1) == meta, "A later attempt did not adopt the job that runs."
        self.service.end(self.the_job())
        await desk.ended(meta)
        assert await desk.create(attempt=2) == meta, "A later attempt did not adopt the job that has succeeded."
        self.the_job()

    @at_a_desk
    async def test_later_attempts_begin_anew_after_a_failure(self, desk: Desk) -> None:
        meta = await desk.create(attempt=0)
        self.service.end(self.the_job(), ok=False)
        await desk.ended(meta)
        again = await desk.create(attempt=1)
        assert again != meta, "A later attempt was given the job that has failed."
        assert len(self.made()) == 2
        assert not (await desk.state(again)).phase.is_terminal

    @at_a_desk
    async def test_lost_response_leaves_one_job(self, desk: Desk) -> None:
        self.saboteur.fail(Lost(), self.grew())
        meta = await desk.create()
        job = self.the_job()
        self.service.end(job)
        assert (await desk.ended(meta)).phase is Phase.SUCCEEDED

    @pytest.mark.parametrize("fault", [Lost(), Reset()], ids=["lost", "reset"])
    @at_a_desk
    async def test_any_request_of_a_create_may_get_lost(self, desk: Desk, fault: Lost | Reset) -> None:
        if not isinstance(self.saboteur, HttpSaboteur):
            raise NotImplementedError("Requests can be told apart only where the protocol is HTTP.")
        count = await self._requests_of_a_create(desk)
        for number in range(count):
            before = len(self.made())
            self.saboteur.fail(fault, skip=number)
            await desk.create(f"lost-{number}")
            assert len(self.made()) == before + 1, f"The {fault} was request {number} of a create."
            self.saboteur.heal()

    @at_a_desk
    async def test_find_gives_the_job_of_a_key(self, desk: Desk) -> None:
        self.promised(desk, "finds_by_key")
        meta = await desk.create()
        owner = self.owner()
        template, _ = self.prepared(self.prefix("n0", 0))

        async def find(key: str) -> bytes | None:
            found = await call(desk.connector, "find", key, template)
            return None if found is None else bytes(found.encode())

        assert await find(owner.idempotency_key) == meta, "The job that runs was not found."
        assert await find(owner.next().idempotency_key) is None, "A job was found under a key that none has."
        self.service.end(self.the_job())
        await desk.ended(meta)
        assert await find(owner.idempotency_key) == meta, "The job that has ended was not found."

    # -- restarts ------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    def test_restart_while_creating_leaves_one_job(self, after: bool) -> None:
        """The process stops dead before, or after, a request of a create. Another one, or a later attempt, goes on."""
        counted: list[int] = []
        self._count(counted)
        frozen: list[tuple[asyncio.AbstractEventLoop, Desk]] = []
        try:
            for number in range(counted[0]):
                held, loop, desk = Held(after), asyncio.new_event_loop(), Desk(self)
                frozen.append((loop, desk))
                if isinstance(self.saboteur, HttpSaboteur):
                    self.saboteur.fail(held, skip=number)
                else:
                    self.saboteur.fail(held, self.grew() if after else lambda _: True)
                before = len(self.made())
                creation = loop.create_task(desk.create(f"stopped-{number}"))
                loop.run_until_complete(self.reached(held))
                # From here on nothing of it moves: no other process is as dead as a loop that does not run.
                self._goes_on(node=f"stopped-{number}", before=before)
                assert not creation.done()
        finally:
            self.saboteur.close()  # so that the dead do no harm when they are woken up
            for loop, desk in frozen:
                loop.run_until_complete(_thaw(desk))
                loop.close()

    @at_a_desk
    async def _count(self, desk: Desk, counted: list[int]) -> None:
        counted.append(await self._requests_of_a_create(desk))

    async def _requests_of_a_create(self, desk: Desk) -> int:
        """How many requests a create makes; 1 where they cannot be told apart."""
        for node in ("first", "next"):  # the first may have to log in
            began = len(self.saboteur.requests)
            await desk.create(node)
        return len(self.saboteur.requests) - began if isinstance(self.saboteur, HttpSaboteur) else 1

    @at_a_desk
    async def _goes_on(self, desk: Desk, node: str, before: int) -> None:
        meta = await desk.create(node)
        assert await desk.create(node, attempt=1) == meta
        jobs = self.made()[before:]
        assert len(jobs) == 1, f"There should be one job, but there are {len(jobs)}: {', '.join(jobs)}."
        self.service.end(jobs[0])
        assert (await desk.ended(meta)).phase is Phase.SUCCEEDED

    @at_a_desk
    async def test_restart_between_calls_finds_the_job_again(self, desk: Desk) -> None:
        meta = await desk.create()
        job = self.the_job()
        assert not (await self.another().state(meta)).phase.is_terminal, "Another process does not know the job."
        assert await self.another().create() == meta
        self.service.end(job)
        assert (await self.another().ended(meta)).phase is Phase.SUCCEEDED
        await self.another().cancel(meta)
        self.the_job()


async def _thaw(desk: Desk) -> None:
    """End what was left of a desk."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    await desk.close()
