"""Ending jobs."""

from __future__ import annotations

import asyncio

import pytest

from hardpoint.connectors.phases import Phase
from hardpoint.errors import TransientError
from hardpoint.testing.connectors.desk import Desk, JobsConformance, at_a_desk
from hardpoint.testing.saboteur import Held, Reset

__all__ = ["JobsAreEnded"]


class JobsAreEnded(JobsConformance):
    """Proves that a job can be ended at any point."""

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    @at_a_desk
    async def test_cancel_before_it_is_created(self, desk: Desk, after: bool) -> None:
        """The service has not been asked yet, or has not answered yet, when the job is no longer wanted."""
        self.promised(desk, "cancels")
        held = Held(after)
        if after:
            self.saboteur.fail(held, self.grew())
        else:
            self.saboteur.fail(held)
        meta = await desk.create(deadline=0.3)
        await self.reached(held)
        await desk.cancel(meta)
        held.release()
        while desk.jobs.creating:
            await asyncio.sleep(0.05)
        for job in self.made():
            await self.dead(job)
        assert (await desk.ended(meta)).phase.is_failure

    @at_a_desk
    async def test_cancel_in_any_state(self, desk: Desk) -> None:
        self.promised(desk, "cancels")
        alive = [raw for raw, phase in self.states.items() if not phase.is_terminal]
        assert alive, "Name the service's states."
        for number, raw in enumerate(alive):
            meta = await desk.create(f"cancel-{number}")
            job = self.made()[-1]
            self.service.say(job, raw)
            await desk.cancel(meta)
            await self.dead(job)

    @at_a_desk
    async def test_cancel_while_it_runs_twice(self, desk: Desk) -> None:
        self.promised(desk, "cancels")
        meta = await desk.create()
        job = self.the_job()
        await desk.cancel(meta)
        await self.dead(job)
        await desk.cancel(meta)
        assert (await desk.ended(meta)).phase is not Phase.SUCCEEDED

    @pytest.mark.parametrize("ok", [True, False], ids=["succeeded", "failed"])
    @at_a_desk
    async def test_cancel_after_it_has_ended(self, desk: Desk, ok: bool) -> None:
        meta = await desk.create()
        self.service.end(self.the_job(), ok)
        ended = await desk.ended(meta)
        await desk.cancel(meta)
        assert (await desk.get(meta)).phase is ended.phase

    @at_a_desk
    async def test_cancel_after_it_has_vanished(self, desk: Desk) -> None:
        meta = await desk.create()
        self.service.forget(self.the_job())
        await desk.cancel(meta)
        assert not self.service.alive(self.the_job())

    @at_a_desk
    async def test_cancel_that_fails_is_told(self, desk: Desk) -> None:
        """A job that may still run is not said to have ended."""
        self.promised(desk, "cancels")
        meta = await desk.create()
        job = self.the_job()
        self.saboteur.fail(Reset(), times=None)
        with pytest.raises((TransientError, OSError)):
            await desk.cancel(meta)
        self.saboteur.heal()
        assert self.service.alive(job)
        await desk.cancel(meta)
        await self.dead(job)
