"""Gates of a local run: a pause, a value that a person gives, an approval."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from hardpoint.engine.events import NodeEvent
from hardpoint.engine.run import Run
from hardpoint.errors import FlyteAssertion, FlyteDisapprovalException, TypeTransformerFailedError, UserError
from hardpoint.idl import Literal
from hardpoint.types import TypeEngine
from hardpoint.types.codec import describe_type, describe_value
from hardpoint.workflows.gate import Approval, Gate, Signal, Sleep

__all__ = ["pass_gate"]

_ATTEMPTS = 3


async def pass_gate(run: Run, path: str, gate: Gate, inputs: Mapping[str, Literal]) -> dict[str, Literal]:
    """Wait until a gate opens.

    Raises:
        FlyteDisapprovalException: a person said no.
        TypeTransformerFailedError: what a person typed was not of the type, three times.
        TimeoutError: nobody answered within the gate's timeout.
        UserError: nobody can be asked.
    """
    if isinstance(gate, Sleep):
        await asyncio.sleep(gate.duration.total_seconds())
        return {}
    run.tell(NodeEvent(path, gate.name, "waiting", message="for an answer"))
    limit = gate.timeout.total_seconds() or None
    if isinstance(gate, Signal):
        return {"o0": await asyncio.wait_for(_ask_value(run, path, gate), limit)}
    if not isinstance(gate, Approval):
        raise FlyteAssertion(f"{type(gate).__name__} is not a gate that can be passed on this machine.")
    value = TypeEngine.codec(gate.value_type).decode(inputs[gate.variable])
    question = f"Approve {gate.name} ({describe_value(value)})? [y/N] "
    answer = await asyncio.wait_for(_ask(run, question), limit)
    if answer.strip().lower() not in ("y", "yes"):
        raise FlyteDisapprovalException(f"{gate.name} was not approved.")
    return dict(inputs)


async def _ask(run: Run, question: str) -> str:
    try:
        return str(await run.workers.run(lambda: run.options.prompt(question), grace=0))
    except EOFError:
        raise UserError(
            f"Nobody is there to answer: {question.strip()}",
            remedy="Run it in a terminal, or give RunOptions(prompt=...).",
        ) from None


async def _ask_value(run: Run, path: str, gate: Signal) -> Literal:
    import yaml

    codec = TypeEngine.codec(gate.expected_type)
    left = _ATTEMPTS
    while True:
        text = await _ask(run, f"{gate.name} ({describe_type(gate.expected_type)}): ")
        try:
            data = text if gate.expected_type is str else yaml.safe_load(text)
            return codec.encode(codec.from_plain(data))
        except (TypeTransformerFailedError, yaml.YAMLError) as error:
            left -= 1
            if not left:
                raise
            run.tell(NodeEvent(path, gate.name, "waiting", message=str(error)))
