"""`hardpoint jobs`: external jobs that were started from here and have not ended, as far as is known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from hardpoint.cli.runs import ago
from hardpoint.cli.shell import Group, table
from hardpoint.errors import UserError

if TYPE_CHECKING:
    from hardpoint.connectors.journal import Entry, Journal

__all__ = ["jobs"]


@contextmanager
def _journal() -> Iterator[Journal]:
    from hardpoint.connectors.journal import open_journal

    opened = open_journal()
    try:
        yield opened
    finally:
        opened.close()


@click.group(cls=Group)
def jobs() -> None:
    """List and cancel external jobs."""


@jobs.command(
    "list",
    examples="""
        hardpoint jobs list
        hardpoint jobs list --json
    """,
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_jobs(as_json: bool) -> None:
    """Show the jobs that have not ended, the oldest first, with the last that is known of them."""
    with _journal() as journal:
        found = journal.unfinished()
    if as_json:
        from hardpoint.cli.plain import to_json

        click.echo(to_json([_facts(entry) for entry in found]))
    elif found:
        rows = [[e.key, e.connector, _state(e), ago(e.created), f"{e.execution} {e.node}"] for e in found]
        click.echo(table(rows, ("job", "type", "state", "asked for", "by"), cut=True))
    else:
        click.echo("No jobs.")


@jobs.command(examples="hardpoint jobs cancel hp-261122-193612-k3fa-n0-0-2a5164c312c06380efff2e1ccd499342")
@click.argument("job")
def cancel(job: str) -> None:
    """End a job, named by its key or the beginning of one."""
    from hardpoint.connectors.contract import AsyncConnectorBase
    from hardpoint.connectors.jobs import Jobs
    from hardpoint.connectors.registry import ConnectorRegistry

    with _journal() as journal:
        found = [entry for entry in journal.unfinished() if entry.key.startswith(job)]
        if len(found) != 1:
            raise UserError(
                f"{len(found) or 'No'} jobs that have not ended begin with {job}.", remedy="See hardpoint jobs list."
            )
        [entry] = found
        name, _, version = entry.connector.rpartition("_v")
        connector = ConnectorRegistry.get_connector(name, int(version))
        if not isinstance(connector, AsyncConnectorBase):
            raise UserError(f"{connector.name} starts no jobs.")
        asyncio.run(Jobs(journal).cancel_key(connector, entry.key))
    click.echo(f"Cancelled {entry.key}.")


def _state(entry: Entry) -> str:
    return entry.phase.name.lower() if entry.phase else "asked for" if entry.meta is None else "created"


def _facts(entry: Entry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "type": entry.connector,
        "state": _state(entry),
        "message": entry.message,
        "metadata": entry.meta.decode(errors="replace") if entry.meta is not None else None,
        "project": entry.project,
        "domain": entry.domain,
        "execution": entry.execution,
        "node": entry.node,
        "attempt": entry.attempt,
        "asked": entry.created,
    }
