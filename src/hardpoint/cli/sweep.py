"""`hardpoint jobs sweep`: external jobs that nobody looks after any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from hardpoint.cli.job_desk import GLANCE, confirmed, connector_of, facts, known, opened, resource_facts, state
from hardpoint.cli.jobs import as_json as json_option
from hardpoint.cli.jobs import modules as modules_option
from hardpoint.cli.runs import ago
from hardpoint.cli.shell import FAILED, Command, say, table
from hardpoint.errors import HardpointError

if TYPE_CHECKING:
    from hardpoint.connectors.contract import AsyncConnectorBase
    from hardpoint.connectors.journal import Entry, Journal
    from hardpoint.connectors.resource import Resource
    from hardpoint.idl import TaskTemplate

__all__ = ["sweep"]

_TEMPLATES = 20
"""Different tasks of one connector with which its service is asked for its jobs; a task may say where to look."""


@dataclass
class _Stray:
    """A job that nobody looks after.

    Attributes:
        key: Its key.
        connector: Its connector's task category.
        why: Why it counts as such.
        entry: What the journal knows of it; None: nothing.
        meta: Its metadata, if it was found at its service.
        template: The task with which it was found there.
        found: How it stands.
        done: What was done to it.
    """

    key: str
    connector: str
    why: str
    entry: Entry | None = None
    meta: Any = None
    template: TaskTemplate | None = None
    found: Resource | None = None
    done: str = ""

    @property
    def state(self) -> str:
        if self.found is not None:
            return self.found.phase.name.lower()
        return state(self.entry) if self.entry is not None else "there"


@click.command(
    cls=Command,
    examples="""
        hardpoint jobs sweep                          # only shows them
        hardpoint jobs sweep --idle 3d --cancel
        hardpoint jobs sweep hp-261122 --forget       # those whose keys begin so
    """,
)
@click.argument("job", nargs=-1)
@click.option("--idle", default="1d", show_default=True, metavar="DURATION", help="For how long nobody has asked.")
@click.option("--cancel", "action", flag_value="cancel", help="End them.")
@click.option("--forget", "action", flag_value="forget", help="Count them as ended, without a word to their services.")
@modules_option
@json_option
def sweep(job: tuple[str, ...], idle: str, action: str | None, modules: tuple[str, ...], as_json: bool) -> int:
    """Find jobs that nobody looks after.

    These are jobs in the journal that have not ended and whose run is over or interrupted, or of which nothing was heard for
    long; and jobs that a service lists under Hardpoint's tags and the journal does not know. The latter may be somebody
    else's: they are cancelled only if they are named.
    """
    with opened(modules) as journal:
        sweeping = _Sweep(journal, job, _seconds(idle))
        strays = asyncio.run(sweeping.sweep(action))
    for problem in sweeping.problems:
        say(problem)
    for name, why in sweeping.unasked.items():
        click.echo(f"Not asked, since no job of it is known: {name}. {why}", err=True)
    if as_json:
        from hardpoint.cli.plain import to_json

        click.echo(to_json([_facts(stray) for stray in strays]))
    elif strays:
        rows = [[s.key, s.connector, s.done or s.state, s.why] for s in strays]
        click.echo(table(rows, ("job", "type", "state", "why"), cut=True))
    else:
        click.echo("Every job is looked after.")
    return FAILED if sweeping.problems else 0


def _seconds(idle: str) -> float:
    from hardpoint.cli.words import duration

    try:
        return duration(idle).total_seconds()
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--idle") from error


class _Sweep:
    """One sweep.

    Args:
        journal: The journal.
        names: With what keys begin; empty: all are meant.
        idle: Seconds.

    Attributes:
        problems: What went wrong.
        unasked: Name of a connector -> why its service could not be asked, where it may well not be in use here.
    """

    def __init__(self, journal: Journal, names: Sequence[str], idle: float) -> None:
        from hardpoint.connectors.jobs import Jobs

        self.journal, self.names, self.idle, self.jobs = journal, names, idle, Jobs(journal)
        self.problems: list[str] = []
        self.unasked: dict[str, str] = {}

    async def sweep(self, action: str | None) -> list[_Stray]:
        """The strays, after what was to be done to them."""
        strays = [stray for stray in self._of_journal() if self._is_meant(stray.key)]
        await asyncio.gather(*(self._ask(stray) for stray in strays))
        # What has ended meanwhile is written down as ended by now.
        strays = [stray for stray in strays if stray.found is None or not stray.found.phase.is_terminal]
        strays += [stray async for stray in self._of_services() if self._is_meant(stray.key)]
        for stray in strays:
            if action == "forget" and stray.entry is not None:
                self._forget(stray)
            elif action == "cancel" and (stray.entry is not None or self.names):
                await self._cancel(stray)
        return strays

    def _is_meant(self, key: str) -> bool:
        return not self.names or any(key.startswith(name) for name in self.names)

    # -- finding -------------------------------------------------------------------------------------------------------

    def _of_journal(self) -> Iterator[_Stray]:
        from hardpoint.engine.store import RunStore

        with closing(RunStore()) as store:
            runs = {run.id: run.status for run in store.runs(-1)}
        for entry in self.journal.unfinished():
            why = self._why(entry, runs.get(entry.execution))
            if why and not self.journal.held(entry.node_key):
                yield _Stray(entry.key, entry.connector, why, entry)

    def _why(self, entry: Entry, run: str | None) -> str:
        """Why nobody looks after a job; empty if somebody may."""
        from hardpoint.connectors.holders import is_dead

        if entry.unwanted:
            return "it was cancelled, and its service has not said that it has ended"
        if entry.local_run is not None:
            if run == "running":
                return ""
            if run is not None:
                return (
                    f"its run {run}: hardpoint run --resume {entry.execution}"
                    if run != "succeeded"
                    else "its run is over"
                )
            if entry.asker and is_dead(entry.asker):
                return "its process is gone"
        idle = time.time() - entry.updated
        return f"nothing was heard of it since {ago(entry.updated)}" if idle > self.idle else ""

    async def _ask(self, stray: _Stray) -> None:
        assert stray.entry is not None
        stray.found, problem = await known(self.jobs, stray.entry)
        if problem:
            self.problems.append(f"{stray.key}: {problem}")

    async def _of_services(self) -> Any:
        """What services list and the journal does not know."""
        from hardpoint.connectors.contract import AsyncConnectorBase
        from hardpoint.connectors.registry import ConnectorRegistry

        for connector in ConnectorRegistry.connectors():
            if isinstance(connector, AsyncConnectorBase) and connector.capabilities.lists_owned:
                seen: set[str] = set()
                for template in self._templates(str(connector.task_category)):
                    for stray in await self._listed(connector, template):
                        if stray.key not in seen and self.journal.get(stray.key) is None:
                            seen.add(stray.key)
                            yield stray

    def _templates(self, category: str) -> list[TaskTemplate | None]:
        """The latest different tasks of a connector; a service's jobs may lie where a task says."""
        from hardpoint.idl import TaskTemplate

        found: dict[str, TaskTemplate | None] = {}
        for entry in reversed(self.journal.find()):
            if entry.connector == category and len(found) < _TEMPLATES:
                template = TaskTemplate.FromString(entry.template)
                found.setdefault(f"{template.custom}{sorted(template.config.items())}", template)
        return list(found.values()) or [None]

    async def _listed(self, connector: AsyncConnectorBase[Any], template: TaskTemplate | None) -> list[_Stray]:
        from hardpoint.connectors.connection import Connection, use_connection
        from hardpoint.connectors.pool import call

        try:
            with use_connection(Connection.of(template)):
                listed = await call(connector, "find_owned", task_template=template, deadline=self.jobs.limits.call)
        except HardpointError as error:
            if template is None:
                self.unasked[connector.name] = str(error)
            else:
                self.problems.append(f"{connector.name} cannot list its jobs: {error}")
            return []
        return [
            _Stray(tags.get("hardpoint-key", ""), str(connector.task_category), _whose(tags), None, meta, template)
            for meta, tags in listed
        ]

    # -- ending --------------------------------------------------------------------------------------------------------

    def _forget(self, stray: _Stray) -> None:
        from hardpoint.connectors.phases import Phase

        self.journal.end(stray.key, Phase.ABORTED, "forgotten by hardpoint jobs sweep")
        stray.done = "forgotten"

    async def _cancel(self, stray: _Stray) -> None:
        from hardpoint.connectors.connection import Connection, use_connection
        from hardpoint.connectors.pool import call

        try:
            connector = connector_of(stray.connector)
            if stray.entry is not None:
                await self.jobs.cancel_key(connector, stray.key)
                if not await confirmed(self.jobs, stray.entry, GLANCE):
                    stray.done = "told to end"
                    return
            else:
                with use_connection(Connection.of(stray.template)):
                    await call(connector, "delete", stray.meta, deadline=self.jobs.limits.call)
        except HardpointError as error:
            self.problems.append(f"{stray.key} was not cancelled: {error}")
            return
        stray.done = "cancelled"


def _whose(tags: Any) -> str:
    names = ("project", "domain", "execution", "node")
    whose = " ".join(tags[f"hardpoint-{name}"] for name in names if tags.get(f"hardpoint-{name}"))
    return f"the journal does not know it; of {whose}" if whose else "the journal does not know it"


def _facts(stray: _Stray) -> dict[str, Any]:
    return {
        "key": stray.key,
        "type": stray.connector,
        "state": stray.state,
        "why": stray.why,
        "done": stray.done or None,
        "journal": facts(stray.entry) if stray.entry is not None else None,
        "service": resource_facts(stray.found) if stray.found is not None else None,
    }
