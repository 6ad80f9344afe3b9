"""Create or adopt, state, cancel: what the local engine and the connector service both call.

A node has one external job, whatever fails. Before a job is created, the earlier attempts of its node are resolved, from the
journal and by the service's own lookup: a job that runs or has succeeded is adopted, one that has failed is not.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from flyteidl.admin.agent_pb2 import TaskExecutionMetadata

from hardpoint.connectors.connection import Connection, use_connection
from hardpoint.connectors.contract import AsyncConnectorBase
from hardpoint.connectors.errors import JobExistsError, explain, is_transient, words
from hardpoint.connectors.identity import JobOwner
from hardpoint.connectors.journal import Entry, Journal, new_holder, retire_holder
from hardpoint.connectors.phases import JobGoneError, Phase, kind_of_error
from hardpoint.connectors.pool import Threads, call
from hardpoint.connectors.resource import Resource
from hardpoint.connectors.watch import Watcher, WatchLimits
from hardpoint.context import FlyteContextManager
from hardpoint.errors import PermanentError, StorageNotFoundError, TransientError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.secrets import redact_uri

__all__ = ["JobLimits", "Jobs"]

logger = logging.getLogger(__name__)

_PENDING = "hardpoint_key"
"""The one field of the metadata that stands for a job whose creation is still on its way."""


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


@dataclass(frozen=True)
class _Request:
    """What is asked for."""

    connector: AsyncConnectorBase[Any]
    template: TaskTemplate
    inputs: LiteralMap
    output_prefix: str
    metadata: TaskExecutionMetadata | None
    owner: JobOwner
    is_new: bool
    holder: str
    connection: Connection

    @property
    def key(self) -> str:
        return self.owner.idempotency_key


def _digest(template: TaskTemplate, inputs: LiteralMap) -> str:
    """Of what makes a job this job. Where it runs and writes differs between attempts, and says nothing about it."""
    bare = TaskTemplate()
    bare.CopyFrom(template)
    for field in ("id", "metadata", "container", "k8s_pod"):
        bare.ClearField(field)
    digest = hashlib.sha256(bare.SerializeToString(deterministic=True))
    digest.update(inputs.SerializeToString(deterministic=True))
    return digest.hexdigest()


def _pending(key: str) -> bytes:
    return json.dumps({_PENDING: key}).encode()


def _pending_key(meta: bytes) -> str | None:
    """The key in such metadata; None if it is a job's own."""
    try:
        fields = json.loads(meta)
    except ValueError:
        return None
    return str(fields[_PENDING]) if isinstance(fields, dict) and set(fields) == {_PENDING} else None


class Jobs:
    """External jobs of all connectors. All methods run on one event loop.

    Args:
        journal: Where they are written down.
        limits: How long things may take.
        watch: How services are asked for states.
        shared: Whether tasks of many are served, so that a connection that is read from a task's template is limited to what the
            settings allow to tasks.
    """

    def __init__(
        self,
        journal: Journal,
        limits: JobLimits | None = None,
        watch: WatchLimits | None = None,
        *,
        shared: bool = False,
    ) -> None:
        self.journal, self.limits, self._watch, self.shared = journal, limits or JobLimits(), watch, shared
        self._threads = Threads("hardpoint-journal", 1)
        self._creating: dict[str, asyncio.Task[bytes]] = {}
        self._watchers: dict[tuple[int, str], Watcher] = {}

    # -- create --------------------------------------------------------------------------------------------------------

    async def create_or_adopt(
        self,
        connector: AsyncConnectorBase[Any],
        template: TaskTemplate,
        inputs: LiteralMap | None,
        output_prefix: str,
        metadata: TaskExecutionMetadata | None = None,
        deadline: float | None = None,
        connection: Connection | None = None,
    ) -> bytes:
        """The encoded metadata of the node's job: a new one, or one that an earlier attempt left running or done.

        Args:
            connector: Who creates it.
            template: The task.
            inputs: Its inputs.
            output_prefix: Where its outputs belong.
            metadata: Who asks; None for the task that runs here.
            deadline: Seconds after which the caller wants an answer. The creation then goes on, and metadata that stands for it
                is returned, which `state` and `cancel` understand.
            connection: What the task brings; None: what its template says.

        Raises:
            UserError, PermanentError: the connector refuses.
            TransientError: the service is not available. Whether there is a job is looked up the next time.
        """
        began = time.monotonic()
        inputs = inputs if inputs is not None else LiteralMap()
        owner, is_new = await self._ask(connector, template, inputs, output_prefix, metadata)
        key = owner.idempotency_key
        task = self._creating.get(key)
        if task is None:
            brought = connection if connection is not None else Connection.of(template, shared=self.shared)
            request = _Request(
                connector, template, inputs, output_prefix, metadata, owner, is_new, new_holder(), brought
            )
            task = asyncio.get_running_loop().create_task(self._settle(request))
            self._creating[key] = task
            task.add_done_callback(lambda done: self._created(key, done))
        left = None if deadline is None else max(0.0, deadline - (time.monotonic() - began))
        done, _ = await asyncio.wait({task}, timeout=left)
        return task.result() if done else _pending(key)

    def _created(self, key: str, task: asyncio.Task[bytes]) -> None:
        self._creating.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("The job %s was not created: %s", key, words(error))

    async def _ask(
        self,
        connector: AsyncConnectorBase[Any],
        template: TaskTemplate,
        inputs: LiteralMap,
        output_prefix: str,
        metadata: TaskExecutionMetadata | None,
    ) -> tuple[JobOwner, bool]:
        """Write down that a job is wanted: under which key, and whether that had not been done before."""
        owner, digest, category = JobOwner.of(metadata, output_prefix), _digest(template, inputs), _category(connector)
        while True:
            entry = Entry(
                key=owner.idempotency_key,
                node_key=owner.node_key,
                connector=category,
                digest=digest,
                output_prefix=output_prefix,
                template=template.SerializeToString(),
                project=owner.project,
                domain=owner.domain,
                execution=owner.execution,
                node=owner.node,
                attempt=owner.attempt,
            )
            if await self._journal(self.journal.ask, entry):
                return owner, True
            known = await self._journal(self.journal.get, entry.key)
            if known is not None and not known.failed and (known.digest, known.connector) == (digest, category):
                return owner, False
            owner = owner.next()

    async def _settle(self, request: _Request) -> bytes:
        """Find or create the node's job, while nobody else does so."""
        with use_connection(request.connection):
            async with self._lease(request.owner.node_key, request.holder):
                return await self._find_or_create(request)

    @asynccontextmanager
    async def _lease(self, node_key: str, holder: str) -> AsyncIterator[None]:
        """Hold a node's lease, once it is free."""
        seconds, pause = self.limits.lease, 0.05

        async def take() -> bool:
            taken: bool = await self._journal(self.journal.acquire, node_key, holder, seconds)
            return taken

        async def keep() -> None:
            while True:
                await asyncio.sleep(seconds / 3)
                try:
                    await take()
                except Exception as error:  # the next time may do
                    logger.warning("A lease could not be kept: %s", words(error))

        try:
            while not await take():
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, 1.0)
            keeper = asyncio.get_running_loop().create_task(keep())
            try:
                yield
            finally:
                keeper.cancel()
                await self._journal(self.journal.release, node_key, holder)
        finally:
            retire_holder(holder)

    async def _find_or_create(self, request: _Request) -> bytes:
        key, journal = request.key, self.journal
        entries: list[Entry] = await self._journal(journal.of_node, request.owner.node_key)
        own = next(entry for entry in entries if entry.key == key)
        if own.failed:
            raise PermanentError(f"The job {key} was cancelled before it was created.")
        if own.meta is not None:
            return own.meta
        create_key = key
        for entry in reversed(entries):
            if entry.failed or (entry.connector, entry.digest) != (own.connector, own.digest) or entry.key == key:
                continue
            meta = entry.meta if entry.meta is not None else await self._insist(request, entry.key)
            if meta is None:
                if request.connector.capabilities.idempotent_create:
                    create_key = entry.key  # if it was created then, this gives that job
                continue
            if entry.meta is None:
                await self._journal(journal.record, entry.key, meta)
            if await self._may_be_adopted(request.connector, entry.key, meta):
                logger.info("The job of %s is adopted by %s", entry.key, key)
                return await self._adopt(request, entry, meta)
        meta = await self._create(request, create_key)
        if create_key != key:
            return await self._adopt(request, next(e for e in entries if e.key == create_key), meta)
        return await self._record(request, key, meta)

    async def _adopt(self, request: _Request, entry: Entry, meta: bytes) -> bytes:
        await self._journal(self.journal.record, entry.key, meta)
        await self._journal(self.journal.moved, request.key, entry.output_prefix)
        return await self._record(request, request.key, meta)

    async def _record(self, request: _Request, key: str, meta: bytes) -> bytes:
        """Write down the job that there is now; end it if it was cancelled while it was created."""
        until = time.monotonic() + self.limits.retry
        while True:
            try:
                is_wanted = await self._journal(self.journal.record, key, meta)
                break
            except TransientError as error:
                # A job that nobody knows of is the worst that can come of it.
                if time.monotonic() > until:
                    raise
                logger.warning("The job %s could not be written down yet: %s", key, words(error))
                await asyncio.sleep(1)
        if not is_wanted:
            await self._delete(request.connector, meta, None)
            raise PermanentError(f"The job {key} was cancelled while it was created.")
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
            await self._journal(self.journal.end, key, resource.phase, redact_uri(resource.message or "")[:2000])
        return not resource.phase.is_failure

    async def _look_up(self, request: _Request, key: str) -> bytes | None:
        """The job that the service has under a key."""
        if not request.connector.capabilities.finds_by_key:
            return None
        return await self._find(request.connector, key, request.template)

    async def _insist(self, request: _Request, key: str) -> bytes | None:
        """As `_look_up`, again and again while the service is not available: to create without knowing would be to guess."""
        pause, until = 0.5, time.monotonic() + self.limits.retry
        while True:
            try:
                return await self._look_up(request, key)
            except Exception as error:
                wait = getattr(error, "retry_after", None) or pause
                if not is_transient(error) or time.monotonic() + wait > until:
                    raise
                await asyncio.sleep(wait)
                pause = min(pause * 2, 30.0)

    async def _find(self, connector: AsyncConnectorBase[Any], key: str, template: TaskTemplate) -> bytes | None:
        found = await call(connector, "find", key, template, deadline=self.limits.call)
        return None if found is None else bytes(found.encode())

    async def _create(self, request: _Request, key: str) -> bytes:
        """Have the job created: again, as long as the service is not available and it is certain that this makes no second."""
        connector, journal, can = request.connector, self.journal, request.connector.capabilities
        pause, until = 0.5, time.monotonic() + self.limits.retry
        in_doubt = not request.is_new or key != request.key
        while True:
            first, asked = not in_doubt, False
            try:
                if in_doubt and (found := await self._look_up(request, key)) is not None:
                    return found
                if not await self._journal(journal.acquire, request.owner.node_key, request.holder, self.limits.lease):
                    raise TransientError(f"Somebody else has taken over the job {request.key}.")
                in_doubt = asked = True
                meta = await call(
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
                return bytes(meta.encode())
            except JobExistsError as error:
                existing = error.meta.encode() if error.meta is not None else await self._look_up(request, key)
                if existing is None:
                    raise
                return bytes(existing)
            except Exception as error:
                said = words(error)
                if not is_transient(error):
                    # Nothing came of it, unless an earlier call had an outcome that nobody can look up.
                    if asked and (first or can.finds_by_key):
                        told = explain(error, "create the job", where=connector.name)[1]
                        await self._journal(journal.end, request.key, kind_of_error(error).phase, told)
                    raise
                await self._journal(journal.note, request.key, Phase.RETRYABLE_FAILED, said)
                wait = getattr(error, "retry_after", None) or pause
                if not (can.finds_by_key or can.idempotent_create) or time.monotonic() + wait > until:
                    raise
                logger.info("%s is not available, and is asked again in %.1f s: %s", connector.name, wait, said)
                await asyncio.sleep(wait)
                pause = min(pause * 2, 30.0)

    # -- state ---------------------------------------------------------------------------------------------------------

    async def state(
        self,
        connector: AsyncConnectorBase[Any],
        meta: bytes,
        output_prefix: str = "",
        deadline: float | None = None,
        connection: Connection | None = None,
    ) -> Resource:
        """How a job stands, as far as is known within `deadline` seconds.

        Args:
            connector: Whose job it is.
            meta: What `create_or_adopt` returned.
            output_prefix: Where the caller expects outputs. A job that was adopted wrote them elsewhere; they are then in the
                answer.
            deadline: Seconds to wait for the service.
            connection: What the task brings; None: what its template says, if it is in the journal.

        Raises:
            MetaError: the metadata is of no job of this connector.
        """
        resolved = await self._resolve(connector, meta, connection)
        if isinstance(resolved, Resource):
            return resolved
        connector.metadata_type.decode(resolved)
        entries: list[Entry] = await self._journal(self.journal.of_meta, _category(connector), resolved)
        known = next((entry for entry in reversed(entries) if entry.phase is not Phase.UNDEFINED), None)
        resource = await self._watcher(connector, resolved).state(
            resolved,
            deadline,
            Resource(known.phase) if known and not known.phase.is_terminal else None,
            connection=connection or self._brought(entries),
        )
        await self._write(entries, resource)
        return await self._with_outputs(resource, entries, output_prefix)

    async def follow(
        self,
        connector: AsyncConnectorBase[Any],
        meta: bytes,
        output_prefix: str,
        tell: Callable[[Resource], None],
        connection: Connection | None = None,
    ) -> Resource:
        """Wait for a job's end. Arguments are as for `state`; `tell` is called with each new state."""
        entries: list[Entry] = await self._journal(self.journal.of_meta, _category(connector), meta)
        brought = connection or self._brought(entries)
        resource = await self._watcher(connector, meta).follow(meta, tell, connection=brought)
        await self._write(entries, resource)
        return await self._with_outputs(resource, entries, output_prefix)

    def _watcher(self, connector: AsyncConnectorBase[Any], meta: bytes) -> Watcher:
        # The endpoint is a field of the metadata by convention, since one connector may serve several.
        endpoint = str(getattr(connector.metadata_type.decode(meta), "endpoint", ""))
        found = self._watchers.get((id(connector), endpoint))
        if found is None:
            found = self._watchers[id(connector), endpoint] = Watcher(connector, self._watch)
        return found

    def _brought(self, entries: list[Entry]) -> Connection:
        """The connection of a job's task, as far as the journal knows."""
        template = TaskTemplate.FromString(entries[0].template) if entries else None
        return Connection.of(template, shared=self.shared)

    async def _resolve(
        self, connector: AsyncConnectorBase[Any], meta: bytes, connection: Connection | None
    ) -> bytes | Resource:
        """The job's own metadata; how its creation stands, if there is none yet."""
        key = _pending_key(meta)
        if key is None:
            return meta
        entry: Entry | None = await self._journal(self.journal.get, key)
        if entry is None:
            return Resource(Phase.RETRYABLE_FAILED, message=f"The journal knows of no job {key}.")
        if entry.meta is not None:
            return entry.meta
        if entry.ended:
            return Resource(entry.phase, message=entry.message)
        if key in self._creating or await self._journal(self.journal.held, entry.node_key):
            return Resource(Phase.QUEUED, message=f"The job is being created. {entry.message}".strip())
        return await self._orphan(connector, entry, connection)

    async def _orphan(
        self, connector: AsyncConnectorBase[Any], entry: Entry, connection: Connection | None
    ) -> bytes | Resource:
        """The job of a creation that nobody carries on: looked up, since its inputs are not in the journal."""
        said = entry.message or "The service ended while it created the job."
        if connector.capabilities.finds_by_key:
            holder = new_holder()
            async with self._lease(entry.node_key, holder):
                try:
                    with use_connection(connection or self._brought([entry])):
                        found = await self._find(connector, entry.key, TaskTemplate.FromString(entry.template))
                except Exception as error:
                    return Resource(Phase.QUEUED, message=f"It is not known whether the job exists: {words(error)}")
                if found is not None:
                    await self._journal(self.journal.record, entry.key, found)
                    return found
                await self._journal(self.journal.end, entry.key, Phase.RETRYABLE_FAILED, said)
        return Resource(Phase.RETRYABLE_FAILED, message=said)

    async def _write(self, entries: list[Entry], resource: Resource) -> None:
        write = self.journal.end if resource.phase.is_terminal else self.journal.note
        for entry in entries:
            if not entry.ended and entry.phase is not resource.phase:
                await self._journal(write, entry.key, resource.phase, redact_uri(resource.message or "")[:2000])

    async def _with_outputs(self, resource: Resource, entries: list[Entry], output_prefix: str) -> Resource:
        """The resource with the outputs that the job wrote where its first attempt wanted them."""
        if resource.phase is not Phase.SUCCEEDED or resource.outputs is not None or not entries or not output_prefix:
            return resource
        written = entries[0].output_prefix
        if written == output_prefix:
            return resource
        files = FlyteContextManager.current_context().file_access

        def read() -> LiteralMap | None:
            try:
                with files.open(f"{written}/outputs.pb", "rb") as stream:
                    return LiteralMap.FromString(stream.read())
            except StorageNotFoundError:
                return None

        outputs = await asyncio.to_thread(read)
        return resource if outputs is None else replace(resource, outputs=outputs)

    # -- cancel --------------------------------------------------------------------------------------------------------

    async def cancel(
        self,
        connector: AsyncConnectorBase[Any],
        meta: bytes,
        deadline: float | None = None,
        connection: Connection | None = None,
    ) -> None:
        """End a job, whatever its state. One that has ended, or is gone, is as it should be. Arguments are as for `state`.

        Raises:
            TransientError: the service is not available; the job may still run, and no attempt will adopt it.
        """
        key = _pending_key(meta)
        if key is not None:
            await self.cancel_key(connector, key, deadline, connection)
            return
        entries: list[Entry] = await self._journal(self.journal.of_meta, _category(connector), meta)
        for known in entries:
            await self._journal(self.journal.end, known.key, Phase.ABORTED, "cancelled")
        with use_connection(connection or self._brought(entries)):
            await self._delete(connector, meta, deadline)

    async def cancel_key(
        self,
        connector: AsyncConnectorBase[Any],
        key: str,
        deadline: float | None = None,
        connection: Connection | None = None,
    ) -> None:
        """As `cancel`, for the job with a key; also one of which it is not known whether it exists."""
        # Whoever is creating it finds this when it has been created, and ends it.
        await self._journal(self.journal.end, key, Phase.ABORTED, "cancelled")
        entry: Entry | None = await self._journal(self.journal.get, key)
        if entry is None:
            return
        if entry.meta is not None:
            await self.cancel(connector, entry.meta, deadline, connection)
            return
        if await self._journal(self.journal.held, entry.node_key) or not connector.capabilities.finds_by_key:
            return
        with use_connection(connection or self._brought([entry])):
            found = await self._find(connector, key, TaskTemplate.FromString(entry.template))
            if found is not None:
                await self._delete(connector, found, deadline)

    async def _delete(self, connector: AsyncConnectorBase[Any], meta: bytes, deadline: float | None) -> None:
        self._watcher(connector, meta).forget(meta)
        try:
            await call(connector, "delete", connector.metadata_type.decode(meta), deadline=deadline or self.limits.call)
        except JobGoneError:
            return

    async def _journal(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """Read or write the journal, off the event loop."""
        return await self._threads.run(partial(method, *arguments))


def _category(connector: AsyncConnectorBase[Any]) -> str:
    return str(connector.task_category)
