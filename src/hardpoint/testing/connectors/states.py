"""What is told of a job."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hardpoint.connectors.phases import JobGoneError, Phase
from hardpoint.connectors.pool import call
from hardpoint.connectors.resource import Resource
from hardpoint.testing.connectors.desk import Desk, JobsConformance, at_a_desk
from hardpoint.testing.saboteur import HttpSaboteur

__all__ = ["StatesAreTold"]


class StatesAreTold(JobsConformance):
    """Proves that a job's state is told as it is, and that what is not known is not guessed."""

    @at_a_desk
    async def test_states_have_their_phases(self, desk: Desk) -> None:
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

    @at_a_desk
    async def test_unknown_state_is_told_and_fails_nothing(self, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
        meta = await desk.create()
        self.service.say(self.the_job(), self.unknown)
        for _ in range(3):
            resource = await desk.get(meta)
            assert not resource.phase.is_terminal, f"It is {resource.phase.name} by a state that nobody knows."
            assert resource.phase is not Phase.UNDEFINED
            assert self.unknown in (resource.message or ""), "The message does not name the state."
        logged = [record for record in caplog.records if self.unknown in record.getMessage()]
        assert len(logged) == 1, "It should be logged once, not with each poll."

    @at_a_desk
    async def test_success_gives_the_declared_outputs(self, desk: Desk) -> None:
        meta = await desk.create()
        assert (await desk.state(meta)).outputs is None
        self.service.end(self.the_job())
        resource = await desk.ended(meta)
        assert resource.phase is Phase.SUCCEEDED, resource.message
        await asyncio.to_thread(self.checked, resource, self.prefix("n0", 0))

    @at_a_desk
    async def test_failure_says_why(self, desk: Desk) -> None:
        assert self.failure_says, "Name what the service says of a job that fails."
        meta = await desk.create()
        self.service.end(self.the_job(), ok=False)
        resource = await desk.ended(meta)
        assert resource.phase in (Phase.FAILED, Phase.RETRYABLE_FAILED)
        assert self.failure_says in (resource.message or ""), "The service's own words are missing."
        assert resource.outputs is None

    @at_a_desk
    async def test_vanished_job_has_ended(self, desk: Desk) -> None:
        meta = await desk.create()
        self.service.forget(self.the_job())
        resource = await desk.state(meta)
        assert resource.phase.is_failure, "That a job is gone is certain: it is told at once."
        assert resource.message
        try:
            assert (await desk.get(meta)).phase.is_failure
        except JobGoneError as error:
            assert error.message

    @at_a_desk
    async def test_many_are_asked_for_at_once(self, desk: Desk) -> None:
        self.promised(desk, "batches_polls")
        metas = [await desk.create(f"many-{number}") for number in range(6)]
        self.service.end(self.made()[1])
        self.service.end(self.made()[4], ok=False)
        for ended in (metas[1], metas[4]):
            await desk.ended(ended)
        decoded = [desk.connector.metadata_type.decode(metas[number]) for number in (5, 1, 3, 4, 0, 2)]
        began = len(self.saboteur.requests)
        together = list(await call(desk.connector, "get_many", decoded))
        asked = len(self.saboteur.requests) - began
        alone = [await call(desk.connector, "get", meta) for meta in decoded]
        answers = [_facts(resource) for resource in together]
        assert answers == [_facts(resource) for resource in alone], "get_many does not say, in order, what get says."
        assert together[3].message == alone[3].message
        if isinstance(self.saboteur, HttpSaboteur):
            assert asked < len(decoded), f"get_many made {asked} requests for {len(decoded)} jobs."

    @at_a_desk
    async def test_one_of_many_has_vanished(self, desk: Desk) -> None:
        self.promised(desk, "batches_polls")
        metas = [await desk.create(f"many-{number}") for number in range(3)]
        self.service.forget(self.made()[1])
        states = await asyncio.gather(*(desk.state(meta) for meta in metas))
        ended = [state.phase.is_failure for state in states]
        assert ended == [False, True, False], "The job that has vanished, and no other, should have ended."


def _facts(resource: Resource) -> tuple[Phase, list[Any]]:
    return resource.phase, list(resource.log_links or ())
