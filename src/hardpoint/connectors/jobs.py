"""Create or adopt, state, cancel: what the local engine and the connector service both call."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flyteidl.admin.agent_pb2 import TaskExecutionMetadata

from hardpoint.connectors.clerk import Clerk
from hardpoint.connectors.connection import Connection, use_connection
from hardpoint.connectors.contract import AsyncConnectorBase
from hardpoint.connectors.create import Creator, JobLimits, Request, digest_of
from hardpoint.connectors.errors import words
from hardpoint.connectors.holders import new_holder, retire_holder
from hardpoint.connectors.identity import JobOwner
from hardpoint.connectors.journal import Entry, Journal, Note
from hardpoint.connectors.phases import JobGoneError, Phase
from hardpoint.connectors.pool import done_within
from hardpoint.connectors.resource import Resource
from hardpoint.connectors.watch import Watched, Watcher, WatchLimits
from hardpoint.context import FlyteContextManager
from hardpoint.errors import HardpointError, StorageNotFoundError, TransientError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.secrets import redact_uri
from hardpoint.settings import settings

__all__ = ["JobLimits", "Jobs", "pending"]

logger = logging.getLogger(__name__)

_PENDING = "hardpoint_key"
"""The one field of the metadata that stands for a job whose creation is still on its way."""
_NOTING = 1.0
"""Seconds that an answer waits for its phase to be written down."""
_PRUNING = 6 * 3600.0
"""Seconds between two clearings of the journal."""


def pending(key: str) -> bytes:
    """Metadata that stands for the job with a key while it is not known whether there is one."""
    return json.dumps({_PENDING: key}).encode()


def _pending_key(meta: bytes) -> str | None:
    """The key in such metadata; None if it is a job's own."""
    try:
        fields = json.loads(meta)
    except ValueError:
        return None
    return str(fields[_PENDING]) if isinstance(fields, dict) and set(fields) == {_PENDING} else None


def _written(template: TaskTemplate, output_prefix: str) -> str:
    """Where a task's job writes its outputs; empty if there are none."""
    return output_prefix if template.interface.outputs.variables else ""


@dataclass(eq=False, slots=True)
class _Known:
    """A job that this process has met.

    Attributes:
        watcher: Who follows it.
        watched: How it stands.
        written: The phase that the journal has.
        output_prefix: Where it was told to write its outputs; empty if it has none, or the journal does not know it.
        aliases: Further metadata under which it was asked for.
    """

    watcher: Watcher
    watched: Watched
    written: Phase
    output_prefix: str
    aliases: tuple[bytes, ...] = ()


@dataclass(eq=False, slots=True)
class _Creation:
    """A creation that is under way; `asked` is done when it is in the journal."""

    task: asyncio.Task[bytes]
    request: Request
    asked: asyncio.Future[None]


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
        self._clerk = Clerk(journal)
        self._creator = Creator(self._clerk, self.limits)
        self._creating: dict[tuple[str, str], _Creation] = {}
        # By the identity of their connectors, which need not be hashable; what is known keeps them alive.
        self._known: dict[tuple[int, bytes], _Known] = {}
        self._watchers: dict[tuple[int, str], Watcher] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pruned = float("-inf")

    @property
    def creating(self) -> int:
        """How many creations are under way."""
        return len(self._creating)

    def followed(self) -> dict[str, tuple[int, float]]:
        """By task type: how many jobs are known in this process, and for how many seconds the longest awaited answer is due."""
        found: dict[str, tuple[int, float]] = {}
        for watcher in self._watchers.values():
            task_type = watcher.connector.task_type_name
            jobs, lag = found.get(task_type, (0, 0.0))
            found[task_type] = (jobs + len(watcher), max(lag, watcher.lag()))
        return found

    async def drain(self, seconds: float | None = None) -> list[str]:
        """Wait until no creation is under way: the keys of those that still are after so many seconds."""
        tasks: dict[asyncio.Task[bytes], Request] = {made.task: made.request for made in self._creating.values()}
        if not tasks:
            return []
        _, left = await asyncio.wait(tasks, timeout=seconds)
        return [tasks[task].key for task in left]

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
        *,
        owner: JobOwner | None = None,
        known_by: LiteralMap | None = None,
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
            owner: Who asks, if the caller knows better.
            known_by: The inputs by which the same work is told from other work, where `inputs` differ from one time to the next.

        Raises:
            UserError, PermanentError: the connector refuses.
            JobInDoubtError: this attempt has asked for the job before, and nobody can say what came of it.
            TransientError: the service is not available. Whether there is a job is looked up the next time.
        """
        loop = asyncio.get_running_loop()
        if loop.time() - self._pruned > _PRUNING:
            self._prune(loop)
        inputs = inputs if inputs is not None else LiteralMap()
        owner, template_bytes = owner or JobOwner.of(metadata, output_prefix), template.SerializeToString()
        digest = digest_of(template_bytes, inputs if known_by is None else known_by)
        wanted = (owner.idempotency_key, digest)
        creation = self._creating.get(wanted)
        if creation is None:
            brought = connection if connection is not None else Connection.of(template, shared=self.shared)
            creation = self._start_creation(
                wanted,
                Request(
                    connector,
                    str(connector.task_category),
                    template,
                    template_bytes,
                    inputs,
                    output_prefix,
                    metadata,
                    brought,
                    owner,
                    digest,
                    new_holder(),
                ),
            )
        if not await done_within(deadline, creation.task) and not creation.request.is_asked:
            ways: set[asyncio.Future[Any]] = {creation.task, creation.asked}
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        return creation.task.result() if creation.task.done() else pending(creation.request.key)

    def _start_creation(self, wanted: tuple[str, str], request: Request) -> _Creation:
        loop = asyncio.get_running_loop()
        asked = loop.create_future()

        def ended(task: asyncio.Task[bytes]) -> None:
            del self._creating[wanted]
            asked.cancel()
            if not task.cancelled() and (error := task.exception()) is not None:
                logger.warning("The job %s was not created: %s", request.key, words(error))

        task = loop.create_task(self._create(request, lambda: asked.set_result(None)))
        task.add_done_callback(ended)
        made = self._creating[wanted] = _Creation(task, request, asked)
        return made

    async def _create(self, request: Request, asked: Callable[[], None]) -> bytes:
        meta = await self._creator.settle(request, asked)
        if request.decoded is not None:
            written = _written(request.template, request.output_prefix)
            self._meet_job(request.connector, meta, request.connection, None, written, request.decoded)
        else:  # it is known under one more key
            self._known.pop((id(request.connector), meta), None)
        return meta

    def _prune(self, loop: asyncio.AbstractEventLoop) -> None:
        self._pruned = loop.time()

        async def prune() -> None:
            try:
                await self._clerk.do(self.journal.prune, settings().connectors.keep_days)
            except HardpointError as error:
                logger.warning("The journal could not be cleared of old jobs: %s", words(error))

        task = loop.create_task(prune())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
        known = self._known.get((id(connector), meta))
        if known is None:
            met = await self._meet(connector, meta, connection)
            if isinstance(met, Resource):
                return met
            known = met
        elif connection is not None:
            known.watched.connection = connection
        resource = known.watcher.fresh(known.watched) or await known.watcher.ask(known.watched, deadline)
        if resource.phase is not known.written:
            await self._write(connector, known, resource)
        if resource.phase is not Phase.SUCCEEDED or resource.outputs is not None:
            return resource
        return await self._with_outputs(resource, known.output_prefix, output_prefix)

    async def follow(
        self,
        connector: AsyncConnectorBase[Any],
        meta: bytes,
        output_prefix: str,
        tell: Callable[[Resource], None],
        connection: Connection | None = None,
    ) -> Resource:
        """Wait for a job's end. Arguments are as for `state`; `tell` is called with each new state."""
        known = self._known.get((id(connector), meta))
        if known is None:
            met = await self._meet(connector, meta, connection)
            if isinstance(met, Resource):
                return met
            known = met
        resource = await known.watcher.follow(known.watched.meta, tell, connection)
        await self._write(connector, known, resource)
        return await self._with_outputs(resource, known.output_prefix, output_prefix)

    async def job(
        self, connector: AsyncConnectorBase[Any], meta: bytes, connection: Connection | None = None
    ) -> tuple[Any, Connection]:
        """A job's own metadata, decoded, and the connection with which its connector is asked about it.

        Raises:
            MetaError: the metadata is of no job of this connector.
            TransientError: the job is still being created.
            JobGoneError: it never came to be.
        """
        known = self._known.get((id(connector), meta)) or await self._meet(connector, meta, connection)
        if isinstance(known, Resource):
            kind = JobGoneError if known.phase.is_terminal else TransientError
            raise kind(known.message or "There is no job.")
        return known.watched.decoded, connection or known.watched.connection

    async def _meet(
        self, connector: AsyncConnectorBase[Any], meta: bytes, connection: Connection | None
    ) -> _Known | Resource:
        """The job with metadata that is new to this process; how its creation stands, if there is no job yet."""
        resolved = await self._resolve(connector, meta, connection)
        if isinstance(resolved, Resource):
            return resolved
        known = self._known.get((id(connector), resolved))
        if known is None:
            decoded = connector.metadata_type.decode(resolved)
            try:
                entries = await self._clerk.do(self.journal.of_meta, str(connector.task_category), resolved)
            except HardpointError as error:
                # What the service says matters more than what was written down; the next question reads it again.
                logger.warning("The journal does not say what is known of a job: %s", words(error))
                watcher = self._watcher(connector, decoded)
                watched = watcher.job(resolved, None, connection or Connection(shared=self.shared))
                return _Known(watcher, watched, Phase.UNDEFINED, "")
            last = next((e.phase for e in reversed(entries) if e.phase is not Phase.UNDEFINED), Phase.UNDEFINED)
            template = TaskTemplate.FromString(entries[0].template) if entries else None
            known = self._meet_job(
                connector,
                resolved,
                connection or Connection.of(template, shared=self.shared),
                None if last.is_terminal or not last else Resource(last),
                _written(template, entries[0].output_prefix) if template is not None else "",
                decoded,
            )
            # Entries that disagree, or an end that the service has not confirmed, are written anew.
            known.written = last if entries and all(e.phase is last for e in entries) else Phase.UNDEFINED
        if resolved != meta:
            self._known[id(connector), meta] = known
            known.aliases += (meta,)
        return known

    def _meet_job(
        self,
        connector: AsyncConnectorBase[Any],
        meta: bytes,
        connection: Connection,
        last: Resource | None,
        output_prefix: str,
        decoded: Any,
    ) -> _Known:
        watcher = self._watcher(connector, decoded)
        watched = watcher.job(meta, last, connection, decoded)
        known = self._known[id(connector), meta] = _Known(watcher, watched, Phase.UNDEFINED, output_prefix)
        return known

    def _watcher(self, connector: AsyncConnectorBase[Any], decoded: Any) -> Watcher:
        # The endpoint is a field of the metadata by convention, since one connector may serve several.
        endpoint = str(getattr(decoded, "endpoint", ""))
        found = self._watchers.get((id(connector), endpoint))
        if found is None:
            found = Watcher(connector, self._watch, lambda meta: self._drop(connector, meta))
            self._watchers[id(connector), endpoint] = found
        return found

    def _drop(self, connector: AsyncConnectorBase[Any], meta: bytes) -> None:
        known = self._known.pop((id(connector), meta), None)
        for alias in known.aliases if known is not None else ():
            self._known.pop((id(connector), alias), None)

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
        entry = await self._clerk.do(self.journal.get, key)
        if entry is None:
            return Resource(Phase.RETRYABLE_FAILED, message=f"The journal knows of no job {key}.")
        if entry.meta is not None:
            return entry.meta
        if entry.ended:
            return Resource(entry.phase, message=entry.message)
        if key in self._creator.underway or await self._clerk.do(self.journal.held, entry.node_key):
            return Resource(Phase.QUEUED, message=f"The job is being created. {entry.message}".strip())
        return await self._orphan(connector, entry, connection)

    async def _orphan(
        self, connector: AsyncConnectorBase[Any], entry: Entry, connection: Connection | None
    ) -> bytes | Resource:
        """The job of a creation that nobody carries on: looked up, since its inputs are not in the journal."""
        said = entry.message or "The service ended while it created the job."
        if connector.capabilities.finds_by_key:
            leases, holder = self._creator.leases, new_holder()
            try:
                await leases.take(entry.node_key, holder)
                try:
                    with use_connection(connection or self._brought([entry])):
                        template = TaskTemplate.FromString(entry.template)
                        found = await self._creator.find(connector, entry.key, template)
                except Exception as error:
                    return Resource(Phase.QUEUED, message=f"It is not known whether the job exists: {words(error)}")
                if found is not None:
                    await self._clerk.do(self.journal.record, entry.key, found)
                    return found
                await self._clerk.do(self.journal.end, entry.key, Phase.RETRYABLE_FAILED, said)
            finally:
                await leases.give_back(entry.node_key, holder)
                retire_holder(holder)
        return Resource(Phase.RETRYABLE_FAILED, message=said)

    async def _write(self, connector: AsyncConnectorBase[Any], known: _Known, resource: Resource) -> None:
        """Write down that a job is in another phase. The answer waits for it a little, and does not depend on it."""
        before, known.written = known.written, resource.phase
        message = redact_uri(resource.message or "")[:2000]
        note = self._clerk.write(Note(str(connector.task_category), known.watched.meta, resource.phase, message))

        def noted(done: asyncio.Future[None]) -> None:
            if not done.cancelled() and (error := done.exception()) is not None:
                known.written = before
                logger.warning("It could not be written down how a job stands: %s", words(error))

        note.add_done_callback(noted)
        await done_within(_NOTING, note)

    async def _with_outputs(self, resource: Resource, written: str, wanted: str) -> Resource:
        """The resource with the outputs that the job wrote where its first attempt wanted them."""
        if resource.phase is not Phase.SUCCEEDED or resource.outputs is not None or not written or not wanted:
            return resource
        if written == wanted:
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
        category = str(connector.task_category)
        known = self._known.get((id(connector), meta))
        if connection is None:
            if known is not None:
                connection = known.watched.connection
            else:
                connection = self._brought(await self._clerk.do(self.journal.of_meta, category, meta))
        await self._clerk.write(Note(category, meta, Phase.ABORTED, "cancelled"))
        with use_connection(connection):
            await self._end(connector, meta, deadline)

    async def cancel_key(
        self,
        connector: AsyncConnectorBase[Any],
        key: str,
        deadline: float | None = None,
        connection: Connection | None = None,
    ) -> None:
        """As `cancel`, for the job with a key; also one of which it is not known whether it exists."""
        # Whoever is creating it finds this when it has been created, and ends it.
        await self._clerk.do(self.journal.end, key, Phase.ABORTED, "cancelled")
        entry = await self._clerk.do(self.journal.get, key)
        if entry is None:
            return
        if entry.meta is not None:
            await self.cancel(connector, entry.meta, deadline, connection)
            return
        if await self._clerk.do(self.journal.held, entry.node_key):
            return
        with use_connection(connection or self._brought([entry])):
            found = await self._creator.find(connector, key, TaskTemplate.FromString(entry.template))
            if found is not None:
                await self._end(connector, found, deadline)

    async def _end(self, connector: AsyncConnectorBase[Any], meta: bytes, deadline: float | None) -> None:
        known = self._known.get((id(connector), meta))
        if known is not None:
            known.watcher.forget(meta)
        await self._creator.end(connector, meta, deadline)
