"""Creating jobs: a node has one, whatever fails.

Before a job is created, the earlier attempts of its node are resolved, from the journal and by the service's own lookup: a job
that runs or has succeeded is adopted, one that has failed is not.

How far that goes depends on what the connector promises. With `Capabilities.finds_by_key` or `idempotent_create`, a creation
whose outcome is unknown is settled, by this attempt or a later one. With neither, nobody can settle it: the same attempt never
asks the service twice, and a further attempt, which is what the task's author has allowed by ``retries``, does so with a warning.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flyteidl.admin.agent_pb2 import TaskExecutionMetadata

from hardpoint.connectors.clerk import Clerk
from hardpoint.connectors.connection import Connection, use_connection
from hardpoint.connectors.contract import AsyncConnectorBase
from hardpoint.connectors.errors import JobExistsError, JobInDoubtError, explain, is_transient, words
from hardpoint.connectors.holders import retire_holder
from hardpoint.connectors.identity import JobOwner
from hardpoint.connectors.journal import Begin, Entry, Finish
from hardpoint.connectors.leases import Leases
from hardpoint.connectors.phases import JobGoneError, Phase
from hardpoint.connectors.pool import call
from hardpoint.connectors.resource import Resource, ResourceMeta
from hardpoint.errors import PermanentError, TransientError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.secrets import redact_uri

__all__ = ["Creator", "JobLimits", "Request", "digest_of"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobLimits:
    """How long things may take, in seconds.

    Attributes:
        create: One call that creates a job.
        call: Any other call.
        retry: For how long a creation is tried again while the service is not available.
        lease: How long a node stays with a process that has stopped telling that it lives.
    """

    create: float = 900.0
    call: float = 30.0
    retry: float = 300.0
    lease: float = 30.0


@dataclass(eq=False, slots=True)
class Request:
    """What is asked for.

    Attributes:
        owner: Whose job it is. If the same attempt had a job that failed, it becomes the next one's.
        digest: Of what makes a job this job.
        holder: The name under which leases are taken.
        is_asked: Whether the owner is final, and the job is in the journal.
        is_new: Whether it was not there before.
        decoded: The job's metadata, once it has been created for this very request.
    """

    connector: AsyncConnectorBase[Any]
    category: str
    template: TaskTemplate
    template_bytes: bytes
    inputs: LiteralMap
    output_prefix: str
    metadata: TaskExecutionMetadata | None
    connection: Connection
    owner: JobOwner
    digest: str
    holder: str
    is_asked: bool = False
    is_new: bool = False
    decoded: ResourceMeta | None = None

    @property
    def key(self) -> str:
        return self.owner.idempotency_key

    @property
    def entry(self) -> Entry:
        owner = self.owner
        return Entry(
            key=owner.idempotency_key,
            node_key=owner.node_key,
            connector=self.category,
            digest=self.digest,
            output_prefix=self.output_prefix,
            template=self.template_bytes,
            project=owner.project,
            domain=owner.domain,
            execution=owner.execution,
            node=owner.node,
            attempt=owner.attempt,
        )

    def is_for(self, entry: Entry) -> bool:
        """Whether an entry is of the same work."""
        return (entry.connector, entry.digest) == (self.category, self.digest)


def digest_of(template: bytes, inputs: LiteralMap) -> str:
    """Of what makes a job this job. Where it runs and writes differs between attempts, and says nothing about it."""
    digest = _template_hash(template).copy()
    digest.update(inputs.SerializeToString(deterministic=True))
    return str(digest.hexdigest())


@lru_cache(maxsize=256)
def _template_hash(template: bytes) -> Any:
    bare = TaskTemplate.FromString(template)
    for field in ("id", "metadata", "container", "k8s_pod"):
        bare.ClearField(field)
    return hashlib.sha256(bare.SerializeToString(deterministic=True))


class Creator:
    """Settles what job a node has.

    Args:
        clerk: Who keeps the journal.
        limits: How long things may take.
    """

    def __init__(self, clerk: Clerk, limits: JobLimits) -> None:
        self.clerk, self.journal, self.limits = clerk, clerk.journal, limits
        self.leases = Leases(clerk, limits.lease)
        self.underway: set[str] = set()

    async def settle(self, request: Request, asked: Callable[[], None]) -> bytes:
        """The encoded metadata of the job that there is now: found or created, while nobody else does so.

        Args:
            request: What is asked for.
            asked: Called when the request is in the journal.
        """
        with use_connection(request.connection):
            try:
                entries = await self._begin(request, asked)
                return await self._find_or_create(request, entries)
            finally:
                self.underway.discard(request.key)
                await self.leases.give_back(request.owner.node_key, request.holder)
                retire_holder(request.holder)

    async def _begin(self, request: Request, asked: Callable[[], None]) -> list[Entry]:
        """Write down that the job is wanted, and take the node's lease: the node's other jobs."""
        while True:
            began = time.monotonic()
            begun = await self.clerk.write(Begin(request.entry, request.holder, self.limits.lease))
            if begun.leased:
                self.leases.keep(request.owner.node_key, request.holder, began)
            if begun.is_new:
                break
            known = next(entry for entry in begun.others if entry.key == request.key)
            if not known.failed and request.is_for(known):
                break
            request.owner = request.owner.next()
        request.is_new, request.is_asked = begun.is_new, True
        self.underway.add(request.key)
        asked()
        if begun.leased:
            return list(begun.others)
        await self.leases.take(request.owner.node_key, request.holder)
        return await self.clerk.do(self.journal.of_node, request.owner.node_key)

    async def _find_or_create(self, request: Request, entries: list[Entry]) -> bytes:
        key, can = request.key, request.connector.capabilities
        own = next((entry for entry in entries if entry.key == key), None)
        if own is not None and own.failed:
            raise PermanentError(f"The job {key} was cancelled before it was created.")
        if own is not None and own.meta is not None:
            return own.meta
        create_key = key
        for entry in reversed(entries):
            if entry.failed or entry.key == key or not request.is_for(entry):
                continue
            meta = entry.meta if entry.meta is not None else await self._insist(request, entry.key)
            if meta is None:
                if can.idempotent_create:
                    create_key = entry.key  # if it was created then, this gives that job
                elif not can.finds_by_key:
                    logger.warning(
                        "%s may have created the job %s, and cannot say: %s may be a second one",
                        *_who(request, entry.key),
                    )
                continue
            if entry.meta is None:
                await self.clerk.do(self.journal.record, entry.key, meta)
            if await self._may_be_adopted(request.connector, entry.key, meta):
                logger.info("The job of %s is adopted by %s", entry.key, key)
                return await self._adopt(request, entry, meta)
        meta = await self._create(request, create_key)
        if create_key != key:
            return await self._adopt(request, next(e for e in entries if e.key == create_key), meta)
        return await self._finish(request, meta)

    async def _adopt(self, request: Request, entry: Entry, meta: bytes) -> bytes:
        request.decoded = None
        await self.clerk.do(self.journal.record, entry.key, meta)
        await self.clerk.do(self.journal.moved, request.key, entry.output_prefix)
        return await self._finish(request, meta)

    async def _finish(self, request: Request, meta: bytes) -> bytes:
        """Write down the job that there is now; end it if it was cancelled while it was created."""
        until = time.monotonic() + self.limits.retry
        finish = Finish(request.key, meta, request.owner.node_key, request.holder)
        while True:
            try:
                is_wanted = await self.clerk.write(finish)
                break
            except TransientError as error:
                # A job that nobody knows of is the worst that can come of it.
                if time.monotonic() > until:
                    raise
                logger.warning("The job %s could not be written down yet: %s", request.key, words(error))
                await asyncio.sleep(1)
        self.leases.was_given_back(finish.node_key, finish.holder)
        if not is_wanted:
            await self.end(request.connector, meta)
            raise PermanentError(f"The job {request.key} was cancelled while it was created.")
        return meta

    async def _may_be_adopted(self, connector: AsyncConnectorBase[Any], key: str, meta: bytes) -> bool:
        """Whether a job of an earlier attempt runs or has succeeded. One of which nothing can be learned counts as running."""
        try:
            decoded = connector.metadata_type.decode(meta)
            resource: Resource = await call(connector, "get", decoded, deadline=self.limits.call)
        except JobGoneError as error:
            resource = Resource(Phase.FAILED, message=words(error))
        except Exception as error:
            logger.warning("%s cannot say how the job %s stands: %s", connector.name, key, words(error))
            return True
        if resource.phase.is_failure:
            message = redact_uri(resource.message or "")[:2000]
            await self.clerk.do(self.journal.end, key, resource.phase, message)
        return not resource.phase.is_failure

    # -- the service's own lookup --------------------------------------------------------------------------------------

    async def find(self, connector: AsyncConnectorBase[Any], key: str, template: TaskTemplate) -> bytes | None:
        """The job that the service has under a key, asked once; None as well where the connector cannot look it up."""
        if not connector.capabilities.finds_by_key:
            return None
        found = await call(connector, "find", key, template, deadline=self.limits.call)
        return None if found is None else bytes(found.encode())

    async def _insist(self, request: Request, key: str) -> bytes | None:
        """As `find`, again and again while the service is not available: to create without knowing would be to guess."""
        pause, until = 0.5, time.monotonic() + self.limits.retry
        while True:
            try:
                return await self.find(request.connector, key, request.template)
            except Exception as error:
                wait = getattr(error, "retry_after", None) or pause
                if not is_transient(error) or time.monotonic() + wait > until:
                    raise
                await asyncio.sleep(wait)
                pause = min(pause * 2, 30.0)

    async def end(self, connector: AsyncConnectorBase[Any], meta: bytes, deadline: float | None = None) -> None:
        """Have a job ended; one that is gone has ended."""
        try:
            await call(connector, "delete", connector.metadata_type.decode(meta), deadline=deadline or self.limits.call)
        except JobGoneError:
            return

    # -- the call itself -----------------------------------------------------------------------------------------------

    async def _create(self, request: Request, key: str) -> bytes:
        """Have the job created: again, as long as the service is not available and it is certain that this makes no second."""
        connector, can = request.connector, request.connector.capabilities
        is_careful = can.finds_by_key or can.idempotent_create
        pause, until = 0.5, time.monotonic() + self.limits.retry
        in_doubt = not request.is_new or key != request.key
        if in_doubt and not is_careful:
            raise JobInDoubtError(connector.name, key)
        while True:
            first, asked = not in_doubt, False
            try:
                if in_doubt and (found := await self.find(connector, key, request.template)) is not None:
                    return found
                if not await self.leases.is_ours(request.owner.node_key, request.holder):
                    raise TransientError(f"Somebody else has taken over the job {request.key}.")
                in_doubt = asked = True
                request.decoded = await call(
                    connector,
                    "create",
                    deadline=self.limits.create,
                    task_template=request.template,
                    output_prefix=request.output_prefix,
                    inputs=request.inputs,
                    task_execution_metadata=request.metadata,
                    idempotency_key=key,
                    tags=request.owner.tags,
                )
                return bytes(request.decoded.encode())
            except JobExistsError as error:
                existing = (
                    error.meta.encode() if error.meta is not None else await self.find(connector, key, request.template)
                )
                if existing is None:
                    raise
                return bytes(existing)
            except Exception as error:
                said, wait = words(error), getattr(error, "retry_after", None)
                # Nothing came of it, unless an earlier call had an outcome that nobody can look up. Who says when to come
                # back has not begun.
                if asked and (first or can.finds_by_key) and (not is_transient(error) or (wait and not is_careful)):
                    kind, told = explain(error, "create the job", where=connector.name)
                    await self.clerk.do(self.journal.end, request.key, kind.phase, told)
                    raise
                if not is_transient(error):
                    raise
                await self.clerk.do(self.journal.note, request.key, Phase.RETRYABLE_FAILED, said)
                wait = wait or pause
                if not is_careful or time.monotonic() + wait > until:
                    raise
                logger.info("%s is not available, and is asked again in %.1f s: %s", connector.name, wait, said)
                await asyncio.sleep(wait)
                pause = min(pause * 2, 30.0)


def _who(request: Request, key: str) -> tuple[str, str, str]:
    return request.connector.name, key, request.key
