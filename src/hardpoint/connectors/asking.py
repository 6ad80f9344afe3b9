"""What a service is asked about one job, in the one form that all who ask it share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hardpoint.connectors.contract import AsyncConnectorBase
from hardpoint.connectors.phases import JobGoneError
from hardpoint.connectors.pool import call
from hardpoint.idl import TaskTemplate

__all__ = ["JobLimits", "end_job", "find_job"]


@dataclass(frozen=True)
class JobLimits:
    """How long things may take, in seconds.

    Attributes:
        create: One call that creates a job.
        call: Any other call.
        retry: For how long a creation is tried again while the service is not available.
        lease: How long a node stays with a process that has stopped telling that it lives.
        again: After which a job that is to end, and goes on, is told so again.
    """

    create: float = 900.0
    call: float = 30.0
    retry: float = 300.0
    lease: float = 30.0
    again: float = 10.0


async def find_job(
    connector: AsyncConnectorBase[Any], key: str, template: TaskTemplate, seconds: float
) -> bytes | None:
    """The encoded metadata of the job that a service has under a key; None as well where the connector cannot look it up.

    Raises:
        TransientError: the service does not say within so many seconds.
    """
    if not connector.capabilities.finds_by_key:
        return None
    found = await call(connector, "find", key, template, deadline=seconds)
    return None if found is None else bytes(found.encode())


async def end_job(connector: AsyncConnectorBase[Any], meta: bytes, seconds: float) -> None:
    """Have a job ended; one that is gone has ended.

    Raises:
        MetaError: the metadata is of no job of this connector.
        TransientError: the service does not answer within so many seconds.
    """
    try:
        await call(connector, "delete", connector.metadata_type.decode(meta), deadline=seconds)
    except JobGoneError:
        return
