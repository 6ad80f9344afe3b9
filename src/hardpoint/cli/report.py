"""What `hardpoint run` says when a run has ended: outputs and decks, or the failure and how to go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from hardpoint.cli.plain import plain, to_json
from hardpoint.cli.shell import table
from hardpoint.engine.failure import Failure, explain, trim
from hardpoint.engine.store import RunStore
from hardpoint.errors import HardpointError
from hardpoint.idl import Literal
from hardpoint.types.codec import describe_value

__all__ = ["decks_of", "failure", "interrupted", "outcome", "success"]


def decks_of(run: str) -> dict[str, str]:
    """Node -> where its deck is, for the decks of a recorded run."""
    store = RunStore()
    try:
        return {node.path: node.deck for node in store.nodes(run) if node.deck}
    finally:
        store.close()


def outcome(run: str, state: str, **more: Any) -> str:
    """The JSON of an ended run."""
    return to_json({"run": run, "state": state, **more})


def success(run: str, outputs: Mapping[str, Literal], decks: Mapping[str, str], *, as_json: bool) -> str:
    """The outputs of a run and its decks."""
    values = {name: plain(literal) for name, literal in outputs.items()}
    if as_json:
        return outcome(run, "succeeded", outputs=values, decks=decks)
    rows = [[name, value if isinstance(value, str) else describe_value(value, 2000)] for name, value in values.items()]
    parts = [table(rows)] if rows else []
    parts += [f"deck of {path}: {place}" for path, place in decks.items()]
    return "\n".join(parts)


def failure(error: BaseException, again: str | None) -> str:
    """What went wrong: the node, its inputs, the user's traceback, what mends it, and how to resume.

    Args:
        error: What the run raised.
        again: The command that resumes the run, if it can be.
    """
    trim(error)
    where = Failure.of(error)
    lines: list[str] = []
    if where is not None:
        tries = f" in attempt {where.attempt + 1}" if where.attempt else ""
        title = f"{where.path} ({where.name}) failed{tries}" if where.path else f"{where.name} failed{tries}"
        lines.append(click.style(title, fg="red", bold=True))
        lines += [f"  {name} = {text}" for name, text in where.inputs.items()]
        lines.append("")
    if isinstance(error, HardpointError) and error.__traceback__ is None and error.__cause__ is None:
        lines += [error.message, *([f"  -> {error.remedy}"] if error.remedy else [])]
        lines += getattr(error, "__notes__", [])
    else:
        lines.append(explain(error))
    if again is not None:
        lines += ["", f"Resume with: {again}"]
    return "\n".join(lines)


def interrupted(run: str | None) -> str:
    """The one line that is said when a run was interrupted."""
    return f"Interrupted. Resume with: hardpoint run --resume {run}" if run else "Interrupted."
