"""Creating jobs: a node has one, whatever fails.

Before a job is created, the earlier attempts of its node are resolved, from the journal and by the service's own lookup: a job
that runs or has succeeded is adopted, one that has failed is not, and one that was cancelled is ended first.

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

from flyteidl.admin.agent_pb2 import CreateTaskRequest, TaskExecutionMetadata

from hardpoint.connectors.asking import JobLimits, end_job, find_job
from hardpoint.connectors.clerk import Clerk
from hardpoint.connectors.connection import Connection, use_connection
from hardpoint.connectors.contract import AsyncConnectorBase
from hardpoint.connectors.ending import Endings
from hardpoint.connectors.errors import JobExistsError, JobInDoubtError, explain, is_transient, patience, words
from hardpoint.connectors.holders import is_of_this_process, retire_holder
from hardpoint.connectors.identity import JobOwner
from hardpoint.connectors.journal import Begin, Entry, Finish, Note, Wish
from hardpoint.connectors.leases import Leases
from hardpoint.connectors.phases import JobGoneError, Phase, kind_of_error
from hardpoint.connectors.pool import call
from hardpoint.connectors.resource import MetaError, Resource, ResourceMeta
from hardpoint.errors import PermanentError, TransientError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.secrets import redact_uri

__all__ = ["Creator", "Request", "digest_of"]

logger = logging.getLogger(__name__)

_MOST_KEPT = 8_000_000
"""Bytes of inputs that the journal keeps of a job that is being created."""


@dataclass(eq=False, slots=True)
class Request:
    """What is asked for.

    Attributes:
        owner: Whose job it is. If the same attempt had a job that failed, it becomes the next one's.
        digest: Of what makes a job this job.
        holder: The name under which leases are taken.
        is_asked: Whether the owner is final, and the job is in the journal.
        is_new: Whether it was not there before.
        replaces: Keys of jobs that the same attempt has asked for with other inputs.
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
    replaces: tuple[str, ...] = ()
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

    @property
    def kept(self) -> bytes | None:
        """What it takes, beside the entry, to create the job by somebody else; None if it is not to be written down."""
        if self.connection.secrets or self.owner.is_local or self.inputs.ByteSize() > _MOST_KEPT:
            return None
        return bytes(CreateTaskRequest(inputs=self.inputs, task_execution_metadata=self.metadata).SerializeToString())

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
        leases: Of the nodes that somebody settles.
        limits: How long things may take.
        underway: Where the keys of the jobs stand that are being created here.
        endings: Who ends jobs that nobody wants, and sees to it that those which were told to end do.
    """

    def __init__(self, clerk: Clerk, leases: Leases, limits: JobLimits, underway: set[str], endings: Endings) -> None:
        self.clerk, self.journal, self.leases, self.limits = clerk, clerk.journal, leases, limits
        self.underway, self.endings = underway, endings

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
            begun = await self.clerk.write(Begin(request.entry, request.holder, self.limits.lease, request.kept))
            if begun.leased:
                self.leases.keep(request.owner.node_key, request.holder, began)
            if begun.is_new:
                break
            known, key = {entry.key: entry for entry in begun.others}, request.key
            while (own := known.get(request.key)) is not None:
                if not own.failed and not own.unwanted:
                    if request.is_for(own):
                        break
                    if not own.ended and not (own.local_run is not None and is_of_this_process(own.asker)):
                        request.replaces += (own.key,)
                request.owner = request.owner.next()
            if request.key == key:
                break
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
        if own is not None and (own.failed or own.unwanted):
            if own.is_to_end:
                await self._put_away(request, own)
            raise PermanentError(f"The job {key} was cancelled before it was created.")
        for entry in entries:
            if entry.connector != request.category or entry.ended or entry.key == key:
                continue
            if entry.key in request.replaces or (entry.unwanted and request.is_for(entry)):
                try:
                    await self._put_away(request, entry)
                except Exception as error:
                    if request.is_new:  # nobody has been asked for it
                        await self.clerk.do(self.journal.end, key, Phase.RETRYABLE_FAILED, words(error))
                    raise
        if own is not None and own.meta is not None:
            return own.meta
        create_key = key
        for entry in reversed(entries):
            if entry.failed or entry.unwanted or entry.key == key or not request.is_for(entry):
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
        finish, pause = Finish(request.key, meta, request.owner.node_key, request.holder), 1.0
        while True:
            try:
                is_wanted = await self.clerk.write(finish)
                break
            except TransientError as error:
                # A job that nobody knows of is the worst that can come of it, and here it is known.
                logger.warning("The job %s could not be written down yet: %s", request.key, words(error))
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, 10.0)
            except Exception:
                logger.error("The job %s is there and could not be written down: %r", request.key, meta)
                raise
        self.leases.was_given_back(finish.node_key, finish.holder)
        if not is_wanted:
            await self.endings.dispose(request.connector, meta, request.connection)
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

    async def _put_away(self, request: Request, entry: Entry) -> None:
        """See to it that a job that is not wanted any more has ended, so that the next one does not run beside it.

        Raises:
            TransientError: it cannot be ended, or nobody can say.
        """
        connector, key = request.connector, entry.key
        is_replaced = not entry.unwanted
        if is_replaced:
            said = f"The job {key}, which the same attempt asked for with other inputs, is ended before {request.key}."
            logger.warning("%s", said)
            await self.clerk.do(self.journal.note, request.key, Phase.UNDEFINED, said)
        meta = entry.meta
        if meta is None:
            meta = await self._insist(request, key, TaskTemplate.FromString(entry.template))
            if meta is None:
                if is_replaced and not connector.capabilities.finds_by_key:
                    logger.warning(
                        "%s may have created the job %s, and cannot say: %s may be a second one", *_who(request, key)
                    )
                await self.clerk.do(self.journal.end, key, Phase.ABORTED, "cancelled")
                return
            await self.clerk.do(self.journal.record, key, meta)
        until, pause, told, refused = time.monotonic() + self.limits.retry, 0.2, float("-inf"), ""
        while True:
            try:
                resource: Resource = await call(
                    connector, "get", connector.metadata_type.decode(meta), deadline=self.limits.call
                )
                how = resource.phase.name.lower()
            except JobGoneError as error:
                resource = Resource(Phase.RETRYABLE_FAILED, message=words(error))
            except Exception as error:
                resource, how = Resource(Phase.UNDEFINED), words(error)
            if not resource.phase.is_terminal and time.monotonic() - told > self.limits.again:
                told = time.monotonic()
                await self.clerk.write(Wish(entry.connector, meta))
                try:
                    await end_job(connector, meta, self.limits.call)
                    refused = ""
                    if not connector.capabilities.cancels:  # it is left alone
                        resource = Resource(Phase.ABORTED, message="cancelled")
                    elif is_replaced:  # other work, which may take its time to end
                        self.endings.see_off(connector, meta, request.connection)
                        return
                except Exception as error:
                    refused = words(error)
            if resource.phase.is_terminal:
                message = redact_uri(resource.message or "")[:2000]
                await self.clerk.write(Note(entry.connector, meta, resource.phase, message))
                return
            if time.monotonic() > until:
                raise TransientError(
                    f"The job {key} is to end before {request.key} is created, and has not: {refused or how}",
                    remedy=f"hardpoint jobs cancel {key} --wait",
                )
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 5.0)

    # -- the service's own lookup --------------------------------------------------------------------------------------

    async def _find(self, connector: AsyncConnectorBase[Any], key: str, template: TaskTemplate) -> bytes | None:
        return await find_job(connector, key, template, self.limits.call)

    async def _insist(self, request: Request, key: str, template: TaskTemplate | None = None) -> bytes | None:
        """As `find`, again and again while the service is not available: to create without knowing would be to guess."""
        pause, until = 0.5, time.monotonic() + self.limits.retry
        while True:
            try:
                return await self._find(request.connector, key, template or request.template)
            except Exception as error:
                wait = patience(error) or pause
                if not is_transient(error) or time.monotonic() + wait > until:
                    raise
                await asyncio.sleep(wait)
                pause = min(pause * 2, 30.0)

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
            request.decoded = None
            try:
                if in_doubt and (found := await self._find(connector, key, request.template)) is not None:
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
                    error.meta.encode()
                    if error.meta is not None
                    else await self._find(connector, key, request.template)
                )
                if existing is None:
                    raise
                return bytes(existing)
            except Exception as error:
                said, wait = words(error), patience(error)
                # Nothing came of it, unless an earlier call had an outcome that nobody can look up. Who says when to come
                # back has not begun.
                is_refused = request.decoded is None and _is_refusal(error)
                if asked and (first or can.finds_by_key) and (is_refused or (wait and not is_careful)):
                    kind, told = explain(error, "create the job", where=connector.name)
                    await self.clerk.do(self.journal.end, request.key, kind.phase, told)
                    raise
                if not is_transient(error):
                    if asked and not is_refused:
                        return await self._settle_doubt(request, key, error)
                    raise
                await self.clerk.do(self.journal.note, request.key, Phase.RETRYABLE_FAILED, said)
                wait = wait or pause
                if not is_careful or time.monotonic() + wait > until:
                    raise
                logger.info("%s is not available, and is asked again in %.1f s: %s", connector.name, wait, said)
                await asyncio.sleep(wait)
                pause = min(pause * 2, 30.0)

    async def _settle_doubt(self, request: Request, key: str, error: Exception) -> bytes:
        """The job that came of a call that ended in a way that nobody foresaw, as by a client library's own timeout.

        Raises:
            Exception: `error`; there is none that could be found. It is looked up before anybody creates one.
        """
        connector = request.connector
        request.decoded = None
        _, told = explain(error, "create the job", where=connector.name)
        await self.clerk.do(self.journal.doubt, request.key, told)
        try:
            found = await self._find(connector, key, request.template)
        except Exception as failed:
            logger.warning("%s cannot say whether the job %s exists: %s", connector.name, key, words(failed))
            found = None
        if found is None:
            raise error
        logger.warning("The job %s was created all the same", key)
        return found


def _is_refusal(error: Exception) -> bool:
    """Whether the service, or the connector before it asked the service, has said no: nothing came of it."""
    return not is_transient(error) and not isinstance(error, MetaError) and kind_of_error(error).status != "INTERNAL"


def _who(request: Request, key: str) -> tuple[str, str, str]:
    return request.connector.name, key, request.key
