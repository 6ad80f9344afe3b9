"""What the commands for external jobs have in common: the journal, the connectors of its jobs, and what is said of a job."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hardpoint.errors import HardpointError, UserError

if TYPE_CHECKING:
    from hardpoint.connectors.contract import AsyncConnectorBase
    from hardpoint.connectors.jobs import Jobs
    from hardpoint.connectors.journal import Entry, Journal
    from hardpoint.connectors.resource import Resource

__all__ = ["GLANCE", "asked", "confirmed", "connector_of", "facts", "known", "one", "opened", "resource_facts", "state"]

_PATIENCE = 15.0
"""Seconds that a service has to say how a job stands."""
GLANCE = 3.0
"""Seconds for which a job that was told to end is watched in any case."""
_PAUSE = 0.5


@contextmanager
def opened(modules: Sequence[str] = ()) -> Iterator[Journal]:
    """The journal, once these modules have registered their connectors."""
    from hardpoint.connectors.journal import open_journal
    from hardpoint.connectors.service.directory import import_modules

    import_modules(modules)
    journal = open_journal()
    try:
        yield journal
    finally:
        journal.close()


def one(journal: Journal, prefix: str, *, ended: bool | None = None) -> Entry:
    """The one job whose key begins so.

    Args:
        journal: The journal.
        prefix: A key, or the beginning of one.
        ended: Whether it should have ended; None: either way.

    Raises:
        UserError: there is none, or more than one.
    """
    found = journal.find(prefix, ended=ended)
    exact = [entry for entry in found if entry.key == prefix]
    if len(exact or found) != 1:
        which = "jobs" if ended is None else "jobs that have ended" if ended else "jobs that have not ended"
        raise UserError(f"{len(found) or 'No'} {which} begin with {prefix}.", remedy="See hardpoint jobs list --all.")
    return (exact or found)[0]


def connector_of(category: str) -> AsyncConnectorBase[Any]:
    """The connector of a task category, as in ``query_v0``.

    Raises:
        FlyteConnectorNotFound: there is none.
        UserError: it starts no jobs.
    """
    from hardpoint.connectors.contract import AsyncConnectorBase
    from hardpoint.connectors.registry import ConnectorRegistry, FlyteConnectorNotFound

    name, _, version = category.rpartition("_v")
    try:
        connector = ConnectorRegistry.get_connector(name, int(version))
    except FlyteConnectorNotFound as error:
        error.remedy = f"Name the module that registers it with --modules, or look for its integration: {error.remedy}"
        raise
    if not isinstance(connector, AsyncConnectorBase):
        raise UserError(f"{connector.name} starts no jobs.")
    return connector


async def asked(jobs: Jobs, entry: Entry) -> Resource:
    """How a job stands, by its service.

    Raises:
        HardpointError: there is no connector for it here.
    """
    from hardpoint.connectors.jobs import pending

    return await jobs.state(connector_of(entry.connector), entry.meta or pending(entry.key), deadline=_PATIENCE)


async def confirmed(jobs: Jobs, entry: Entry, seconds: float) -> Resource | None:
    """How a job stands that was told to end, once it has, as its service says; None if it has not within so many seconds.

    Raises:
        HardpointError: there is no connector for it here.
    """
    until, pause = time.monotonic() + seconds, 0.05
    while True:
        resource = await asked(jobs, jobs.journal.get(entry.key) or entry)
        now = jobs.journal.get(entry.key)
        if now is None or now.ended:
            return resource
        if time.monotonic() > until:
            return None
        await asyncio.sleep(pause)
        pause = min(pause * 2, _PAUSE)


async def known(jobs: Jobs, entry: Entry) -> tuple[Resource | None, str]:
    """As `asked`; or None, and why it cannot be asked."""
    try:
        return await asked(jobs, entry), ""
    except HardpointError as error:
        return None, str(error)


def state(entry: Entry) -> str:
    """In a word or two, how a job stands as far as the journal knows."""
    if entry.is_to_end:
        return "to end"
    if entry.lost:
        return "lost"
    return entry.phase.name.lower() if entry.phase else "asked for" if entry.meta is None else "created"


def facts(entry: Entry) -> dict[str, Any]:
    """What the journal knows of a job, for JSON."""
    return {
        "key": entry.key,
        "type": entry.connector,
        "state": state(entry),
        "ended": entry.ended,
        "cancelled": entry.unwanted,
        "message": entry.message,
        "metadata": _decoded(entry.meta),
        "project": entry.project,
        "domain": entry.domain,
        "execution": entry.execution,
        "node": entry.node,
        "attempt": entry.attempt,
        "output_prefix": entry.output_prefix,
        "asked": entry.created,
        "updated": entry.updated,
    }


def resource_facts(resource: Resource) -> dict[str, Any]:
    """What a connector says of a job, for JSON."""
    from hardpoint.secrets import redact_uri

    return {
        "state": resource.phase.name.lower(),
        "message": redact_uri(resource.message or ""),
        "links": [{"name": link.name, "uri": redact_uri(link.uri)} for link in resource.log_links or ()],
        "info": dict(resource.custom_info or {}),
    }


def _decoded(meta: bytes | None) -> Any:
    """Metadata as data; as text if it is no JSON."""
    if meta is None:
        return None
    try:
        return json.loads(meta)
    except ValueError:
        return meta.decode(errors="replace")
