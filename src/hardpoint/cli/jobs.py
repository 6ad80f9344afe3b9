"""`hardpoint jobs`: external jobs, by the journal and by their services."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from hardpoint._lazy import Ref
from hardpoint.cli.job_desk import (
    GLANCE,
    asked,
    confirmed,
    connector_of,
    facts,
    known,
    one,
    opened,
    resource_facts,
    state,
)
from hardpoint.cli.runs import ago
from hardpoint.cli.shell import FAILED, INTERRUPTED, Group, say, style, table

if TYPE_CHECKING:
    from hardpoint.connectors.journal import Entry
    from hardpoint.connectors.resource import Resource

__all__ = ["as_json", "jobs", "modules"]

_COLORS = {"succeeded": "green", "failed": "red", "retryable_failed": "red", "aborted": "yellow", "running": "cyan"}
_PAUSE = 0.5

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
modules = click.option("--modules", multiple=True, help="A module that registers connectors; may be repeated.")


class _Jobs(Group):
    """`sweep` is loaded when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "sweep"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "sweep":
            loaded: click.Command = Ref("hardpoint.cli.sweep:sweep").load()
            return loaded
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Jobs)
def jobs() -> None:
    """List, show, follow and cancel external jobs.

    A job is named by its key, or by the beginning of it if that is unmistakable.
    """


# -- list --------------------------------------------------------------------------------------------------------------


@jobs.command(
    "list",
    examples="""
        hardpoint jobs list
        hardpoint jobs list --all --type slurm
        hardpoint jobs list --json | jq '.[].metadata'
    """,
)
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
@click.option("--type", "task_type", metavar="TYPE", help="Those of this task type only.")
@as_json
def list_jobs(everything: bool, task_type: str | None, as_json: bool) -> None:
    """Show the jobs that have not ended, the oldest first, with the last that is known of them."""
    with opened() as journal:
        found = [e for e in journal.find(ended=None if everything else False) if _is_of(e, task_type)]
    if as_json:
        _print([facts(entry) for entry in found])
    elif found:
        rows = [[e.key, e.connector, _colored(state(e)), ago(e.created), f"{e.execution} {e.node}"] for e in found]
        click.echo(table(rows, ("job", "type", "state", "asked for", "by"), cut=True))
    else:
        click.echo("No jobs.")


def _is_of(entry: Entry, task_type: str | None) -> bool:
    return task_type is None or task_type in (entry.connector, entry.connector.rpartition("_v")[0])


# -- show --------------------------------------------------------------------------------------------------------------


@jobs.command(
    examples="""
        hardpoint jobs show hp-261122-193612-k3fa
        hardpoint jobs show hp-261122 --json | jq -r '.service.links[].uri'
        hardpoint jobs show hp-261122 --offline
    """
)
@click.argument("job")
@click.option("--offline", is_flag=True, help="Do not ask the service.")
@modules
@as_json
def show(job: str, offline: bool, modules: tuple[str, ...], as_json: bool) -> None:
    """Show a job: what the journal knows of it, and what its service says of it now."""
    with opened(modules) as journal:
        entry = one(journal, job)
        found: Resource | None = None
        why = ""
        if not offline:
            found, why = asyncio.run(_known(journal, entry))
            entry = journal.get(entry.key) or entry  # what was found out has been written down
        attempts = [other for other in journal.of_node(entry.node_key) if other.key != entry.key]
    if as_json:
        service = resource_facts(found) if found is not None else {"error": why} if why else None
        _print({**facts(entry), "service": service, "other_attempts": [facts(other) for other in attempts]})
        return
    click.echo(f"{style(entry.key, bold=True)}  {entry.connector}  {_colored(state(entry))}")
    rows = [
        ["for", f"{entry.project}/{entry.domain} {entry.execution} {entry.node}, attempt {entry.attempt + 1}"],
        ["asked for", ago(entry.created)],
        ["outputs", entry.output_prefix],
        *([name, str(value)] for name, value in _metadata(entry).items()),
    ]
    click.echo(table([[f"  {name}", value] for name, value in rows]))
    if found is not None:
        click.echo("\n" + _told(found))
    elif why or entry.message:
        click.echo("\n" + (f"The service could not be asked: {why}" if why else entry.message))
    if attempts:
        click.echo("\nother attempts:")
        click.echo(table([[f"  {e.key}", _colored(state(e)), ago(e.created)] for e in attempts]))


async def _known(journal: Any, entry: Entry) -> tuple[Resource | None, str]:
    from hardpoint.connectors.jobs import Jobs

    return await known(Jobs(journal), entry)


def _metadata(entry: Entry) -> dict[str, Any]:
    data = facts(entry)["metadata"]
    return data if isinstance(data, dict) else {"metadata": data}


# -- attach ------------------------------------------------------------------------------------------------------------


@jobs.command(
    examples="""
        hardpoint jobs attach hp-261122-193612-k3fa     # Ctrl-C stops watching, and cancels nothing
        hardpoint jobs attach hp-261122 && echo It succeeded.
        hardpoint jobs attach hp-261122 --json          # one object a line
    """,
    statuses=True,
)
@click.argument("job")
@modules
@as_json
def attach(job: str, modules: tuple[str, ...], as_json: bool) -> int:
    """Follow a job until it ends. The exit status says how it ended."""
    with opened(modules) as journal:
        entry = one(journal, job)

        def tell(resource: Resource) -> None:
            if as_json:
                click.echo(json.dumps({"at": time.time(), "key": entry.key, **resource_facts(resource)}, default=str))
            else:
                click.echo(f"{time.strftime('%H:%M:%S')}  {_told(resource)}")

        try:
            resource = asyncio.run(_follow(journal, entry, tell))
        except KeyboardInterrupt:
            say("No longer watching; the job goes on.", f"hardpoint jobs attach {entry.key}")
            return INTERRUPTED
    return FAILED if resource.phase.is_failure else 0


async def _follow(journal: Any, entry: Entry, tell: Callable[[Resource], None]) -> Resource:
    """The job's last state; each that differs from the one before is told."""
    from hardpoint.connectors.jobs import Jobs, pending

    desk, connector = Jobs(journal), connector_of(entry.connector)
    meta = entry.meta or pending(entry.key)
    last: Resource | None = None

    def changed(resource: Resource) -> None:
        nonlocal last
        if resource != last:
            tell(resource)
        last = resource

    while True:
        resource = await desk.follow(connector, meta, "", changed)
        changed(resource)
        if resource.phase.is_terminal:
            return resource
        await asyncio.sleep(_PAUSE)  # it is still being created


# -- cancel ------------------------------------------------------------------------------------------------------------


@jobs.command(
    examples="""
        hardpoint jobs cancel hp-261122-193612-k3fa-n0-0-2a5164c312c06380efff2e1ccd499342
        hardpoint jobs cancel hp-261122 --wait --timeout 60
    """
)
@click.argument("job")
@click.option("--wait", is_flag=True, help="Wait until the service says that it has ended.")
@click.option("--timeout", type=click.FloatRange(0), default=300.0, show_default=True, help="Seconds for that.")
@modules
@as_json
def cancel(job: str, wait: bool, timeout: float, modules: tuple[str, ...], as_json: bool) -> int:
    """End a job. It stays listed until its service says that it has ended, and is given to no attempt any more."""
    with opened(modules) as journal:
        entry = one(journal, job, ended=False)
        has_ended, stands = asyncio.run(_cancel(journal, entry, timeout if wait else GLANCE))
    if as_json:
        _print({"key": entry.key, "cancelled": True, "ended": has_ended, "service": resource_facts(stands)})
    elif has_ended:
        click.echo(f"Cancelled {entry.key}: {_told(stands)}" if wait else f"Cancelled {entry.key}.")
    elif not wait:
        click.echo(f"Told {entry.key} to end; it is {stands.phase.name.lower()}.")
    if has_ended:
        return 0
    if wait:
        said = f"{entry.key} was to end, but after {timeout:g} s it is {stands.phase.name.lower()}."
        say(said, f"hardpoint jobs show {entry.key}")
        return FAILED
    say("It stays in hardpoint jobs list until it has ended.", f"hardpoint jobs cancel {entry.key} --wait")
    return 0


async def _cancel(journal: Any, entry: Entry, seconds: float) -> tuple[bool, Resource]:
    """End a job: whether it has ended within so many seconds, and how it stands then."""
    from hardpoint.connectors.jobs import Jobs

    desk, connector = Jobs(journal), connector_of(entry.connector)
    await desk.cancel_key(connector, entry.key)
    ended = await confirmed(desk, entry, seconds)
    return ended is not None, ended or await asked(desk, journal.get(entry.key) or entry)


# -- words -------------------------------------------------------------------------------------------------------------


def _colored(word: str) -> str:
    return style(word, fg=_COLORS[word]) if word in _COLORS else word


def _told(resource: Resource) -> str:
    """A state as a line, and its links below it."""
    said = resource_facts(resource)
    links = "".join(f"\n  {link['name']}: {link['uri']}" for link in said["links"])
    return f"{_colored(said['state'])}  {said['message']}".rstrip() + links


def _print(data: Any) -> None:
    from hardpoint.cli.plain import to_json

    click.echo(to_json(data))
