"""What becomes of the external jobs of a run that was interrupted: they are ended, or left to the run that is resumed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from hardpoint.cli.shell import say

if TYPE_CHECKING:
    from hardpoint.connectors.journal import Entry

__all__ = ["see_to_jobs"]

_LOCAL = "hardpoint.connectors.local"
"""What runs the tasks of connectors here: where it has not been loaded, there are no jobs."""


def see_to_jobs(run: str, wish: str | None, *, resumable: bool, may_ask: bool = True) -> None:
    """End the jobs of an interrupted run, or leave them running, and say so.

    Args:
        run: Its id.
        wish: ``cancel``, ``leave``, or ``ask`` (as None) for what is said at the terminal. Where there is none they are left if the
            run can be resumed, since it then goes on with them, and ended if not.
        resumable: Whether the run can be resumed.
        may_ask: Whether there is time to ask.
    """
    if _LOCAL not in sys.modules:
        return
    from hardpoint.connectors.local import jobs_of_run

    jobs = jobs_of_run(run)
    if not jobs:
        return
    for job in jobs:
        click.echo(f"  {job.node}  {job.connector}  {job.key}", err=True)
    if wish not in ("cancel", "leave"):
        default = "leave" if resumable else "cancel"
        wish = _answer(default) if may_ask else default
    if wish == "cancel":
        _cancel(jobs)
    else:
        click.echo("Left running; hardpoint jobs cancel KEY ends one.", err=True)


def _answer(default: str) -> str:
    """What is said at the terminal; the default where there is none, or another interruption in the stead of an answer."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        with contextlib.suppress(click.Abort):
            return str(
                click.prompt(
                    "External jobs still run: cancel them, or leave them",
                    type=click.Choice(["cancel", "leave"]),
                    default=default,
                    err=True,
                )
            )
    return default


def _cancel(jobs: Sequence[Entry]) -> None:
    from hardpoint.connectors.local import cancel_jobs

    left = cancel_jobs(jobs)
    if left:
        say(
            f"It is not certain that these have ended: {', '.join(job.key for job in left)}.",
            "See hardpoint jobs list, and hardpoint jobs cancel KEY --wait.",
        )
    else:
        click.echo("Cancelled.", err=True)
