"""Services that are busy, ill, slow, or refuse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from hardpoint.connectors.errors import explain, is_transient
from hardpoint.connectors.phases import Phase
from hardpoint.errors import PermanentError, UserError
from hardpoint.testing.connectors.desk import Desk, JobsConformance, at_a_desk
from hardpoint.testing.connectors.service import FEW, pause_of
from hardpoint.testing.saboteur import Held, HttpSaboteur, Request, Reset

__all__ = ["TroubleIsBorne"]

T = TypeVar("T")


class TroubleIsBorne(JobsConformance):
    """Proves that a service in trouble is waited for, and that one that refuses is not."""

    @at_a_desk
    async def test_busy_service_is_left_alone(self, desk: Desk) -> None:
        meta = await self._while_busy(desk.create)
        self.the_job()
        known = await self._while_busy(lambda: desk.state(meta))
        assert not known.phase.is_terminal
        limit = self._asked_busy + pause_of(self.busy)
        while time.monotonic() < limit:
            assert not (await desk.state(meta)).phase.is_terminal
            await asyncio.sleep(0.05)
        self._left_alone()
        self.service.end(self.the_job())
        assert (await desk.ended(meta)).phase is Phase.SUCCEEDED

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
        assert not later or later[0] >= pause_of(self.busy) - 0.05, (
            f"It was asked again after {later[0]:.2f} s, though it asked to be left alone for {pause_of(self.busy):g} s."
        )

    @at_a_desk
    async def test_unavailable_service_is_waited_for(self, desk: Desk) -> None:
        self.saboteur.fail(self.unavailable, times=2)
        meta = await desk.create()
        self.the_job()
        self.saboteur.fail(self.unavailable, times=None)
        assert not (await desk.state(meta)).phase.is_terminal
        self.saboteur.heal()
        self.service.end(self.the_job())
        assert (await desk.ended(meta)).phase is Phase.SUCCEEDED

    @at_a_desk
    async def test_broken_connection_is_waited_for(self, desk: Desk) -> None:
        self.saboteur.fail(Reset())
        meta = await desk.create()
        self.the_job()
        self.saboteur.fail(Reset(), times=None)
        assert not (await desk.state(meta)).phase.is_terminal
        self.saboteur.heal()
        self.service.end(self.the_job())
        assert (await desk.ended(meta)).phase is Phase.SUCCEEDED

    @at_a_desk
    async def test_slow_create_is_answered_in_time(self, desk: Desk) -> None:
        held = Held(after=True)
        self.saboteur.fail(held, self.grew())
        limit = time.monotonic() + self.patience
        answer = asyncio.ensure_future(desk.create(deadline=0.5))
        await self.reached(held)
        await asyncio.wait({answer}, timeout=limit - time.monotonic())  # the service says nothing until it is released
        in_time = answer.done() and time.monotonic() < limit
        assert in_time, "The caller waited for the service, although it had asked for an answer."
        meta = answer.result()
        assert not (await desk.state(meta)).phase.is_terminal
        held.release()
        self.service.end(self.the_job())
        assert (await desk.ended(meta)).phase is Phase.SUCCEEDED
        self.the_job()

    @at_a_desk
    async def test_refused_credential_is_told(self, desk: Desk) -> None:
        self.refuse()
        with pytest.raises((PermanentError, PermissionError)) as caught:
            await desk.create()
        assert not is_transient(caught.value)
        assert len(self.saboteur.requests) <= FEW or not isinstance(self.saboteur, HttpSaboteur)
        assert "->" in explain(caught.value, "create a job", where=desk.connector.name)[1]
        assert self.made() == []
        self.accept()
        meta = await desk.create(attempt=1)
        self.refuse()
        assert not (await desk.state(meta)).phase.is_terminal, "A credential can be mended; the job goes on."
        self.accept()

    @at_a_desk
    async def test_invalid_task_is_told(self, desk: Desk) -> None:
        self.saboteur.fail(self.invalid, times=None)
        with pytest.raises(UserError, match=self.invalid_says):
            await desk.create()
        assert len(self.saboteur.requests) <= FEW
        assert self.made() == []
        assert desk.journal.unfinished() == []
