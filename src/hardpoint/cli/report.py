"""What `hardpoint run` says when a run has ended: outputs and decks, or the failure and how to go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hardpoint.cli.plain import plain, to_json
from hardpoint.cli.shell import style, table, task_name
from hardpoint.engine.failure import Failure, explain, trim
from hardpoint.engine.local import RunResult
from hardpoint.engine.store import RunStore
from hardpoint.errors import HardpointError
from hardpoint.secrets import redact_uri
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


def success(result: RunResult, decks: Mapping[str, str], *, as_json: bool) -> str:
    """The outputs of a run and where its decks are.

    Args:
        result: What the run came to.
        decks: Node -> where its deck is.
        as_json: As JSON rather than as a table.
    """
    values = {name: plain(literal) for name, literal in result.literals.items()}
    page = str(result.deck) if result.deck is not None else None
    if as_json:
        return outcome(result.id, "succeeded", outputs=values, deck=page, decks=decks)
    rows = [[name, value if isinstance(value, str) else describe_value(value, 2000)] for name, value in values.items()]
    parts = [table(rows)] if rows else []
    parts += [f"decks: {page}"] if page else [f"deck of {path}: {place}" for path, place in decks.items()]
    return "\n".join(parts)


def failure(error: BaseException, decks: Mapping[str, str], again: str | None) -> str:
    """What went wrong: the node, its inputs, the user's traceback, what mends it, and how to resume.

    Args:
        error: What the run raised.
        decks: Node -> where its deck is.
        again: The command that resumes the run, if it can be.
    """
    trim(error)
    where = Failure.of(error)
    lines: list[str] = []
    if where is not None:
        tries = f" in attempt {where.attempt + 1}" if where.attempt else ""
        title = f"{where.path} ({task_name(where.name)}) failed{tries}" if where.path else f"{where.name} failed{tries}"
        lines.append(style(title, fg="red", bold=True))
        lines += [f"  {name} = {text}" for name, text in where.inputs.items()]
        lines.append("")
    if (
        isinstance(error, HardpointError) and error.__traceback__ is None
    ):  # it holds the words of whatever was its cause
        lines += [error.message, *([f"  -> {error.remedy}"] if error.remedy else [])]
        lines += getattr(error, "__notes__", [])
    else:
        lines.append(explain(error))
    if where is not None and where.path in decks:
        lines += ["", f"deck of {where.path}: {decks[where.path]}"]
    if again is not None:
        lines += ["", f"Resume with: {again}"]
    return redact_uri("\n".join(lines))


def interrupted(run: str | None) -> str:
    """The one line that is said when a run was interrupted."""
    return f"Interrupted. Resume with: hardpoint run --resume {run}" if run else "Interrupted."
