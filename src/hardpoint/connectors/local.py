"""Tasks of connectors in local runs: the same kernel as in the service, within this process.

One event loop in a thread of its own serves all such tasks, so that jobs of one service share a watcher, and a creation goes on
when its task has been stopped.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardpoint.connectors.connection import Connection, use_connection
from hardpoint.connectors.contract import AsyncConnectorBase, SyncConnectorBase
from hardpoint.connectors.errors import explain, words
from hardpoint.connectors.identity import JobOwner
from hardpoint.connectors.jobs import Jobs, pending
from hardpoint.connectors.journal import Entry, open_journal
from hardpoint.connectors.phases import Phase
from hardpoint.connectors.pool import call, done_within
from hardpoint.connectors.registry import ConnectorRegistry
from hardpoint.connectors.resource import Resource
from hardpoint.context import FlyteContext, FlyteContextManager, Mode
from hardpoint.errors import FlyteValidationException, TransientError, UserError
from hardpoint.idl import Literal, LiteralMap, TaskTemplate, literal_map
from hardpoint.settings import settings
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.python_function_task import PythonFunctionTask

if TYPE_CHECKING:
    from hardpoint.tasks.serialization import SerializationSettings

    _Task = PythonTask[Any]
else:
    _Task = object

__all__ = [
    "AsyncConnectorExecutorMixin",
    "JobFailedError",
    "JobInterruptedError",
    "SyncConnectorExecutorMixin",
    "cancel_jobs",
    "jobs_of_run",
    "render_task_template",
]

logger = logging.getLogger(__name__)

_given: ContextVar[dict[str, Literal] | None] = ContextVar("hardpoint_given", default=None)
"""Inputs of the task that is about to be executed, as they came."""

_NAP = 0.05
"""Seconds for which a waiting thread cannot be interrupted."""
_LONG = 2.0
"""Seconds between looks at what hinders a creation."""
_PAUSE = 0.25
"""Seconds between looks at a job that is ending."""
_PATIENCE = 10.0
"""Seconds that the end of a job may take when its task is stopped."""


class JobFailedError(UserError):
    """An external job has failed; another attempt would fail alike."""

    code = "USER:JobFailed"

    def __init__(self, task: str, message: str | None, phase: Phase) -> None:
        super().__init__(_failed(task, message, phase), task=task, phase=phase)


class JobInterruptedError(TransientError):
    """An external job has failed in a way that another attempt may mend."""

    code = "USER:JobInterrupted"

    def __init__(self, task: str, message: str | None, phase: Phase) -> None:
        super().__init__(_failed(task, message, phase), task=task, phase=phase)


def _failed(task: str, message: str | None, phase: Phase) -> str:
    return f"Failed to run the task {task} with error: {message or phase.name}"


# -- the loop ----------------------------------------------------------------------------------------------------------


class _Kernel:
    """The event loop of this process's external jobs, and their journals."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._jobs: dict[str, Jobs] = {}

    def jobs(self) -> Jobs:
        """The jobs of the journal that the settings name."""
        place = settings().connectors.journal or str(Path(settings().local.state_path) / "jobs.sqlite")
        with self._lock:
            found = self._jobs.get(place)
            if found is None:
                found = self._jobs[place] = Jobs(open_journal(place))
            return found

    def run(self, work: Callable[[], Coroutine[Any, Any, Any]], limit: float | None = None) -> Any:
        """Run a coroutine on the loop, in a copy of the caller's context, and wait for it.

        The waiting thread can be interrupted; the coroutine is then cancelled, as it is after `limit` seconds.
        """
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="hardpoint-jobs", daemon=True).start()
            loop = self._loop
        done: concurrent.futures.Future[Any] = concurrent.futures.Future()
        context, tasks = copy_context(), []

        async def finish() -> None:
            try:
                done.set_result(await work())
            except BaseException as error:  # it goes to whoever waits
                done.set_exception(error)

        loop.call_soon_threadsafe(lambda: tasks.append(loop.create_task(finish(), context=context)))
        until = None if limit is None else time.monotonic() + limit
        try:
            while not done.done():
                if until is not None and time.monotonic() > until:
                    raise TimeoutError
                concurrent.futures.wait([done], timeout=_NAP)
        finally:
            if not done.done():
                loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])
        return done.result()


_kernel = _Kernel()


def jobs_of_run(run: str) -> list[Entry]:
    """Jobs of a local run, as the settings' journal has them, that have not ended as far as is known."""
    return [entry for entry in _kernel.jobs().journal.unfinished() if entry.local_run == run]


def cancel_jobs(entries: Sequence[Entry], patience: float = _PATIENCE) -> list[Entry]:
    """End jobs, all at once: those that have not ended, as far as their services say, after so many seconds."""
    jobs, left = _kernel.jobs(), list(entries)

    async def cancel(entry: Entry) -> None:
        name, _, version = entry.connector.rpartition("_v")
        connector = ConnectorRegistry.get_connector(name, int(version))
        if isinstance(connector, AsyncConnectorBase):
            await jobs.cancel_key(connector, entry.key)
            while not (await jobs.state(connector, entry.meta or pending(entry.key))).phase.is_terminal:
                await asyncio.sleep(_PAUSE)
            left.remove(entry)

    async def cancel_all() -> None:
        outcomes = await asyncio.gather(*map(cancel, entries), return_exceptions=True)
        for entry, outcome in zip(entries, outcomes, strict=True):
            if isinstance(outcome, Exception):
                logger.error("%s", explain(outcome, f"end the job {entry.key}", where=entry.connector)[1])
        await jobs.drain()  # who creates one of them ends it

    with suppress(TimeoutError):
        _kernel.run(cancel_all, patience)
    return left


# -- tasks -------------------------------------------------------------------------------------------------------------


def render_task_template(tt: TaskTemplate, file_prefix: str) -> TaskTemplate:
    """The template, changed in place: what stands in braces in its container's arguments is what a control plane would put there.

    Args:
        tt: The template.
        file_prefix: Where inputs lie and outputs belong.
    """
    values = {
        "{{.input}}": f"{file_prefix}/inputs.pb",
        "{{.outputPrefix}}": file_prefix,
        "{{.rawOutputDataPrefix}}": f"{file_prefix}/raw_output",
        "{{.checkpointOutputPrefix}}": f"{file_prefix}/checkpoint_output",
        "{{.prevCheckpointPrefix}}": f"{file_prefix}/prev_checkpoint",
    }
    for position, argument in enumerate(tt.container.args):
        for name, value in values.items():
            argument = argument.replace(name, value)
        tt.container.args[position] = argument
    return tt


def _serialization(context: FlyteContext) -> SerializationSettings:
    from hardpoint.tasks.image import ImageConfig
    from hardpoint.tasks.serialization import SerializationSettings

    found: SerializationSettings = context.serialization or SerializationSettings(ImageConfig.auto())
    return found


class SyncConnectorExecutorMixin(_Task):
    """Put before the class of a task: the task then runs here by its connector, within one call."""

    def execute(self, **kwargs: Any) -> Any:
        """What the connector's answer holds.

        Raises:
            FlyteConnectorNotFound: no connector serves the task type.
            JobFailedError: the work failed.
            JobInterruptedError: it failed in a way that another attempt may mend.
        """
        context = FlyteContextManager.current_context()
        template = self.template(_serialization(context))
        connector = ConnectorRegistry.get_connector(template.type, template.task_type_version)
        if not isinstance(connector, SyncConnectorBase):
            raise FlyteValidationException(
                f"{connector.name} starts jobs; put AsyncConnectorExecutorMixin in its stead."
            )
        inputs = literal_map(self.encode_inputs(kwargs))
        prefix = context.file_access.get_random_remote_directory()
        try:
            with use_connection(Connection.of(template)):
                resource = _kernel.run(
                    lambda: call(connector, "do", task_template=template, output_prefix=prefix, inputs=inputs)
                )
        except Exception as error:
            error.add_note(f"Failed to run the task {self.name} with error: {words(error)}")
            raise
        return _outputs(self, template, resource, prefix, context)


class AsyncConnectorExecutorMixin(_Task):
    """Put before the class of a task: the task then runs here by its connector, as a job that is created and followed.

    The job is in the journal before it is created. A run that is resumed finds it again, and a task that is stopped leaves it
    alone; a task whose own `timeout` is up, or that was called by itself and interrupted, ends it.
    """

    waits = True

    def take_inputs(self, literals: Mapping[str, Literal]) -> dict[str, Any]:
        """Values, for a function that may be called here; otherwise data stays where it is, for the job to read."""
        _given.set(dict(literals))
        if isinstance(self, PythonFunctionTask) or self.enable_deck:
            return self.decode_inputs(literals)
        codecs = self.interface.input_codecs
        moving = {name: literal for name, literal in literals.items() if name in codecs and codecs[name].io}
        return self.decode_inputs({n: v for n, v in literals.items() if n not in moving}) | moving

    def execute(self, **kwargs: Any) -> Any:
        """What the job has come to.

        Raises:
            FlyteConnectorNotFound: no connector serves the task type.
            JobFailedError: the job failed.
            JobInterruptedError: it failed in a way that another attempt may mend.
        """
        context, given = FlyteContextManager.current_context(), _given.get()
        _given.set(None)
        template = self.template(_serialization(context))
        connector = ConnectorRegistry.get_connector(template.type, template.task_type_version)
        if not isinstance(connector, AsyncConnectorBase):
            raise FlyteValidationException(
                f"{connector.name} starts no jobs; put SyncConnectorExecutorMixin in its stead."
            )
        prefix = context.file_access.get_random_remote_directory()
        inputs = self._prepared(template, kwargs, prefix, context)
        jobs, owner = _kernel.jobs(), JobOwner.of(None)
        # What a resumed run stores anew lies elsewhere, and is the same.
        known_by = inputs if given is None else literal_map(given)
        try:
            meta = _kernel.run(
                lambda: self._told(
                    jobs,
                    connector,
                    owner,
                    jobs.create_or_adopt(connector, template, inputs, prefix, owner=owner, known_by=known_by),
                )
            )
            resource = _kernel.run(lambda: jobs.follow(connector, meta, prefix, self._tell))
        except BaseException as error:
            if not isinstance(error, Exception):
                self._stopped(owner, error)
            raise
        return _outputs(self, template, resource, prefix, context)

    def _prepared(
        self, template: TaskTemplate, values: dict[str, Any], prefix: str, context: FlyteContext
    ) -> LiteralMap:
        """The inputs; for a function, which runs elsewhere, they are written where its container looks for them."""
        if not isinstance(self, PythonFunctionTask):
            there = {name: value for name, value in values.items() if isinstance(value, Literal)}
            encoded = self.encode_inputs({name: value for name, value in values.items() if name not in there})
            return literal_map({name: there.get(name) or encoded[name] for name in values})
        with FlyteContextManager.use(context, mode=Mode.TASK_EXECUTION):  # files travel with them
            inputs = literal_map(self.encode_inputs(values))
        with context.file_access.open(f"{prefix}/inputs.pb", "wb") as stream:
            stream.write(inputs.SerializeToString())
        render_task_template(template, prefix)
        return inputs

    def _tell(self, resource: Resource) -> None:
        links = {link.name: link.uri for link in resource.log_links or ()}
        told = "".join(f"\n  {name}: {uri}" for name, uri in links.items())
        logger.info("%s is %s. %s%s", self.name, resource.phase.name, resource.message or "", told)
        context = FlyteContextManager.current_context()
        if context.tell_job is not None:
            state = resource.phase.name.lower().replace("_", " ")
            context.tell_job(context.params.execution_id, state, resource.message or "", links)

    async def _told(
        self, jobs: Jobs, connector: AsyncConnectorBase[Any], owner: JobOwner, creation: Coroutine[Any, Any, bytes]
    ) -> bytes:
        """What a creation comes to; while it takes long, what there is to say of it is told."""
        task = asyncio.ensure_future(creation)
        last = ""
        try:
            while not await done_within(_LONG, task):
                resource = await jobs.state(connector, pending(owner.idempotency_key))
                if not resource.phase.is_terminal and resource.message and resource.message != last:
                    last = resource.message
                    self._tell(resource)
        except BaseException:
            task.cancel()
            raise
        return task.result()

    def _stopped(self, owner: JobOwner, error: BaseException) -> None:
        """See to the job of a task that was stopped, also while it was created: end it if nobody will ever ask for it again."""
        if not getattr(error, "time_is_up", False) and not isinstance(error, KeyboardInterrupt):
            logger.warning("%s was stopped. Its job goes on; a run that is resumed finds it again.", self.name)
            return
        for left in cancel_jobs([entry for entry in _begun(owner) if not entry.ended]):
            logger.error("It is not certain that the job %s of %s has ended.", left.key, self.name)


def _begun(owner: JobOwner) -> list[Entry]:
    """The jobs of a node, once what was asked for last is in the journal."""
    jobs, until = _kernel.jobs(), time.monotonic() + _PATIENCE
    while True:
        entries = jobs.journal.of_node(owner.node_key)
        if entries or not jobs.creating or time.monotonic() > until:
            return entries
        time.sleep(_NAP)


def _outputs(
    task: PythonTask[Any], template: TaskTemplate, resource: Resource, prefix: str, context: FlyteContext
) -> Any:
    """What a task returns, from what its connector said."""
    if resource.phase is Phase.RETRYABLE_FAILED:
        raise JobInterruptedError(task.name, resource.message, resource.phase)
    if resource.phase is not Phase.SUCCEEDED:
        raise JobFailedError(task.name, resource.message, resource.phase)
    if not template.interface.outputs.variables:
        return None
    literals = resource.literals(task.interface.outputs)
    if literals is not None:
        return literals
    with context.file_access.open(f"{prefix}/outputs.pb", "rb") as stream:
        return LiteralMap.FromString(stream.read())
