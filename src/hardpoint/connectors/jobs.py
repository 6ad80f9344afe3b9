"""Create or adopt, state, cancel: what the local engine and the connector service both call."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flyteidl.admin.agent_pb2 import CreateTaskRequest, TaskExecutionMetadata

from hardpoint.connectors.asking import JobLimits, find_job
from hardpoint.connectors.clerk import Clerk
from hardpoint.connectors.connection import Connection, use_connection
from hardpoint.connectors.contract import AsyncConnectorBase
from hardpoint.connectors.create import Creator, Request, digest_of
from hardpoint.connectors.ending import Endings
from hardpoint.connectors.errors import is_transient, words
from hardpoint.connectors.holders import new_holder, retire_holder
from hardpoint.connectors.identity import JobOwner
from hardpoint.connectors.journal import Entry, Journal, Note
from hardpoint.connectors.leases import Leases
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
_MOST_AGAIN = 100
"""Jobs that one attempt may have had one after the other."""
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


def _owner_of(entry: Entry) -> JobOwner | None:
    """Whose job an entry is; None if it cannot be told from it."""
    for place in (entry.output_prefix, ""):
        owner = JobOwner(entry.project, entry.domain, entry.execution, entry.node, entry.attempt, place)
        while owner.again < _MOST_AGAIN:
            if owner.idempotency_key == entry.key:
                return owner
            owner = owner.next()
    return None


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
        watch: How services are asked for states; None: as configured.
        shared: Whether tasks of many are served. A connection that is read from a task's template is then limited to what the
            settings allow to tasks, and what another process left half done is carried on: jobs that it was creating, and
            those that it was to end.
    """

    def __init__(
        self,
        journal: Journal,
        limits: JobLimits | None = None,
        watch: WatchLimits | None = None,
        *,
        shared: bool = False,
    ) -> None:
        self.journal, self.limits, self.shared = journal, limits or JobLimits(), shared
        configured = settings().connectors
        self._watch = watch or WatchLimits(budget=configured.poll_budget, rate=configured.poll_rate or None)
        self._clerk = Clerk(journal)
        self._underway: set[str] = set()
        self._leases = Leases(self._clerk, self.limits.lease)
        self._endings = Endings(
            self._clerk, self._leases, self.limits, self._underway, self._has_ended, self._forget, shared=shared
        )
        self._creator = Creator(self._clerk, self._leases, self.limits, self._underway, self._endings)
        self._creating: dict[tuple[str, str], _Creation] = {}
        # By the identity of their connectors, which need not be hashable; what is known keeps them alive.
        self._known: dict[tuple[int, bytes], _Known] = {}
        self._watchers: dict[tuple[int, str], Watcher] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._doubts: dict[str, float] = {}
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
        self._endings.tend()
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
        self._doubts.pop(request.key, None)
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
            met = await self._meet(connector, meta, connection, deadline)
            if isinstance(met, Resource):
                return met
            known = met
        elif connection is not None:
            known.watched.connection = connection
        resource = await self._ask(connector, known, deadline)
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
        self._give_up(known)
        return await self._with_outputs(resource, known.output_prefix, output_prefix)

    async def _ask(self, connector: AsyncConnectorBase[Any], known: _Known, deadline: float | None) -> Resource:
        """How a job stands; written down if that is new."""
        resource = known.watcher.fresh(known.watched) or await known.watcher.ask(known.watched, deadline)
        if resource.phase is not known.written:
            await self._write(connector, known, resource)
        if known.watched.spent:
            self._give_up(known)
        return resource

    @staticmethod
    def _give_up(known: _Known) -> None:
        """Forget a job that counts as lost: if the next attempt adopts it, it is waited for anew."""
        if known.watched.spent:
            known.watcher.forget(known.watched.meta)

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
        self,
        connector: AsyncConnectorBase[Any],
        meta: bytes,
        connection: Connection | None,
        deadline: float | None = None,
    ) -> _Known | Resource:
        """The job with metadata that is new to this process; how its creation stands, if there is no job yet."""
        self._endings.tend()
        resolved = await self._resolve(connector, meta, connection, deadline)
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
            agree = all(e.phase is last and e.ended is last.is_terminal for e in entries)
            known.written = last if entries and agree else Phase.UNDEFINED
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

    async def _resolve(
        self,
        connector: AsyncConnectorBase[Any],
        meta: bytes,
        connection: Connection | None,
        deadline: float | None = None,
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
        if entry.ended or entry.lost:
            return Resource(entry.phase, message=entry.message)
        if key in self._underway or await self._clerk.do(self.journal.held, entry.node_key):
            return Resource(Phase.QUEUED, message=f"The job is being created. {entry.message}".strip())
        if self.shared and not entry.unwanted:
            kept = await self._clerk.do(self.journal.request, key)
            if kept is not None:
                carried = await self._carry_on(connector, entry, kept, connection, deadline)
                if carried is not None:
                    return carried
        return await self._orphan(connector, entry, connection)

    async def _carry_on(
        self,
        connector: AsyncConnectorBase[Any],
        entry: Entry,
        kept: bytes,
        connection: Connection | None,
        deadline: float | None,
    ) -> bytes | Resource | None:
        """The job of a creation that nobody carries on: found, or created with what the journal has kept for that.

        None if it takes more than that.
        """
        can = connector.capabilities
        if not (can.finds_by_key or can.idempotent_create):
            return None
        asked = CreateTaskRequest.FromString(kept)
        metadata = asked.task_execution_metadata if asked.HasField("task_execution_metadata") else None
        owner = _owner_of(entry)
        if owner is None:
            return None
        wanted = (entry.key, entry.digest)
        creation = self._creating.get(wanted)
        if creation is None:
            logger.info("The creation of the job %s, which another process began, is carried on", entry.key)
            template = TaskTemplate.FromString(entry.template)
            creation = self._start_creation(
                wanted,
                Request(
                    connector,
                    entry.connector,
                    template,
                    entry.template,
                    asked.inputs,
                    entry.output_prefix,
                    metadata,
                    connection or self._endings.brought([entry]),
                    owner,
                    entry.digest,
                    new_holder(),
                ),
            )
        if not await done_within(self.limits.call if deadline is None else deadline, creation.task):
            return Resource(Phase.QUEUED, message=f"The job is being created. {entry.message}".strip())
        error = creation.task.exception()
        if error is None:
            return creation.task.result()
        after = await self._clerk.do(self.journal.get, entry.key)
        if after is not None and after.ended:
            return Resource(after.phase, message=after.message)
        return await self._doubted(connector, entry, error)

    async def _orphan(
        self, connector: AsyncConnectorBase[Any], entry: Entry, connection: Connection | None
    ) -> bytes | Resource:
        """The job of a creation that nobody carries on: looked up, since what it takes to create it is not in the journal."""
        said = entry.message or "The service ended while it created the job."
        if connector.capabilities.finds_by_key:
            leases, holder = self._leases, new_holder()
            try:
                await leases.take(entry.node_key, holder)
                try:
                    with use_connection(connection or self._endings.brought([entry])):
                        template = TaskTemplate.FromString(entry.template)
                        found = await find_job(connector, entry.key, template, self.limits.call)
                except Exception as error:
                    return await self._doubted(connector, entry, error)
                self._doubts.pop(entry.key, None)
                if found is not None:
                    if not await self._clerk.do(self.journal.record, entry.key, found):
                        await self._endings.dispose(connector, found, connection or self._endings.brought([entry]))
                    return found
                if not entry.unwanted and await self._clerk.do(self.journal.request, entry.key) is not None:
                    waits = (
                        "Its creation was cut off; the connector service carries it on when it is asked for the job."
                    )
                    return Resource(Phase.QUEUED, message=waits)
                if entry.unwanted:
                    said = "cancelled"
                phase = Phase.ABORTED if entry.unwanted else Phase.RETRYABLE_FAILED
                await self._clerk.do(self.journal.end, entry.key, phase, said)
                return Resource(phase, message=said)
            finally:
                await leases.give_back(entry.node_key, holder)
                retire_holder(holder)
        return Resource(Phase.RETRYABLE_FAILED, message=said)

    async def _doubted(self, connector: AsyncConnectorBase[Any], entry: Entry, error: BaseException) -> Resource:
        """How a job stands of which nobody can say whether it exists: on its way, until the budget for that is spent."""
        now = asyncio.get_running_loop().time()
        lost = now - self._doubts.setdefault(entry.key, now)
        said = words(error)
        if isinstance(error, HardpointError) and error.remedy and not is_transient(error):
            said = f"{said}\n  -> {redact_uri(error.remedy)}"
        if lost <= self._watch.budget:
            return Resource(Phase.QUEUED, message=f"It is not known whether the job exists: {said}")
        del self._doubts[entry.key]
        told = f"{connector.name} has not said for {lost:.0f} s whether the job exists: {said}"
        await self._clerk.do(self.journal.doubt, entry.key, told, True)
        return Resource(Phase.RETRYABLE_FAILED, message=told)

    async def _write(self, connector: AsyncConnectorBase[Any], known: _Known, resource: Resource) -> None:
        """Write down that a job is in another phase. The answer waits for it a little, and does not depend on it."""
        before, known.written = known.written, resource.phase
        message = redact_uri(resource.message or "")[:2000]
        category, watched = str(connector.task_category), known.watched
        note = self._clerk.write(Note(category, watched.meta, resource.phase, message, watched.spent))

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

        From then on no attempt is given the job. It is followed until its service says that it has ended, and told so again now
        and then.

        Raises:
            MetaError: the metadata is of no job of this connector.
            TransientError: the service is not available; the job may still run, and no attempt will adopt it.
        """
        key = _pending_key(meta)
        if key is not None:
            await self.cancel_key(connector, key, deadline, connection)
            return
        known = self._known.get((id(connector), meta))
        if connection is None and known is not None:
            connection = known.watched.connection
        await self._endings.cancel(connector, meta, deadline, connection)

    async def cancel_key(
        self,
        connector: AsyncConnectorBase[Any],
        key: str,
        deadline: float | None = None,
        connection: Connection | None = None,
    ) -> None:
        """As `cancel`, for the job with a key; also one of which it is not known whether it exists.

        Raises:
            TransientError: as `cancel`; also if somebody else was creating it, and has not said within `deadline` what came of it.
        """
        await self._endings.cancel_key(connector, key, deadline, connection)

    def _forget(self, connector: AsyncConnectorBase[Any], meta: bytes) -> None:
        known = self._known.get((id(connector), meta))
        if known is not None:
            known.watcher.forget(meta)

    async def _has_ended(self, connector: AsyncConnectorBase[Any], meta: bytes, connection: Connection) -> bool:
        """Whether a job's service says that it has ended."""
        known = self._known.get((id(connector), meta)) or await self._meet(connector, meta, connection)
        if isinstance(known, Resource):
            return True
        known.watched.connection = connection
        resource = await self._ask(connector, known, self.limits.call)
        return resource.phase.is_terminal and not known.watched.spent
