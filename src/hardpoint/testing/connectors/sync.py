"""The suite for connectors that answer at once."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from typing import ClassVar

import pytest

from hardpoint.connectors.errors import explain, is_transient, words
from hardpoint.connectors.phases import Phase
from hardpoint.connectors.pool import call, guard_loop
from hardpoint.connectors.resource import Resource
from hardpoint.errors import PermanentError, TransientError, UserError
from hardpoint.testing.connectors.service import BLOCKED, FEW, SLOW, ServiceConformance, logged, pause_of
from hardpoint.testing.saboteur import Held, Lost, Request, Reset, Slow

__all__ = ["SyncConnectorConformance"]


class SyncConnectorConformance(ServiceConformance):
    """Proves that a connector that answers at once gives what the task declares, and says what went wrong.

    Attributes:
        deadline: Seconds within which it gives up when the service does not answer. Let `connector` make one with a shorter
            time-out.
    """

    deadline: ClassVar[float] = 5.0

    def _do(self) -> Resource:
        async def main() -> Resource:
            connector = self.connected()
            prefix = str(self.folder / "outputs")
            template, inputs = self.prepared(prefix)
            try:
                resource: Resource = await call(
                    connector, "do", task_template=template, output_prefix=prefix, inputs=inputs
                )
            finally:
                await self.closed(connector)
            return resource

        return asyncio.run(main())

    def test_work_is_done(self) -> None:
        resource = self._do()
        assert resource.phase is Phase.SUCCEEDED, resource.message
        self.checked(resource, str(self.folder / "outputs"))

    def test_busy_service_is_told(self) -> None:
        """It is asked again when it said, or whoever asked is told when."""
        asked: list[float] = []

        def note(request: Request) -> bool:
            asked.append(request.at)
            return True

        self.saboteur.fail(self.busy, note, times=None)
        with pytest.raises(TransientError) as caught:
            self._do()
        pause = pause_of(self.busy)
        assert not pause or caught.value.retry_after == pytest.approx(pause, abs=0.5)
        for at, later in itertools.pairwise(asked):
            assert later - at >= pause - 0.05, "It asked again before the service wanted it."

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
        held.drop()
        assert time.monotonic() - began < self.deadline, "It waited too long."

    def test_refused_credential_is_told(self) -> None:
        self.refuse()
        with pytest.raises((PermanentError, PermissionError)) as caught:
            self._do()
        assert not is_transient(caught.value)
        assert len(self.saboteur.requests) <= FEW

    def test_invalid_task_is_told(self) -> None:
        self.saboteur.fail(self.invalid, times=None)
        with pytest.raises(UserError, match=self.invalid_says):
            self._do()
        assert len(self.saboteur.requests) <= FEW

    def test_loop_is_not_blocked(self) -> None:
        self._do()  # what is imported then is imported only once
        self.saboteur.fail(Slow(SLOW))
        with guard_loop(BLOCKED):
            assert self._do().phase is Phase.SUCCEEDED

    def test_secrets_are_seen_nowhere(self, caplog: pytest.LogCaptureFixture) -> None:
        """Neither in the template nor in answers, messages and logs."""
        with caplog.at_level(logging.INFO):
            caplog.set_level(logging.DEBUG, "hardpoint")
            told = {"the template": str(self.template()), "the answer": str(self._do())}
            self.refuse()
            with pytest.raises(Exception) as caught:
                self._do()
        told["the error"] = explain(caught.value, "do the work", where="The connector")[1]
        told["logs"] = logged(caplog)
        self.unseen(told)
