"""How a task runs: literals in, literals out.

Used by the local engine, by the container's entry point and by shim tasks alike. The errors of user code pass as the
same object, with a note that names the task.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from google.protobuf.message import Message

from hardpoint import idl
from hardpoint.context import ExecutionParameters, FlyteContext, FlyteContextManager
from hardpoint.errors import UserError

if TYPE_CHECKING:
    from hardpoint.idl import DynamicJobSpec, Literal, LiteralMap
    from hardpoint.tasks.decks import Recorder
    from hardpoint.tasks.interface import Interface

__all__ = ["EXECUTING", "Dispatchable", "IgnoreOutputs", "Outputs", "adispatch", "dispatch"]

Outputs: TypeAlias = "dict[str, Literal] | LiteralMap | DynamicJobSpec"
"""What a run gives: literals by output, or a message that the task made itself, as dynamic tasks do."""
EXECUTING = "Error encountered while executing"
"""How the note begins that marks an error as one of the task's own code."""


class IgnoreOutputs(Exception):
    """Raised by a task, or its `post_execute`, to say that this run has no outputs and did not fail."""


class Dispatchable(Protocol):
    """What `dispatch` needs of a task."""

    @property
    def name(self) -> str: ...
    @property
    def interface(self) -> Interface: ...
    @property
    def enable_deck(self) -> bool: ...
    @property
    def deck_fields(self) -> tuple[str, ...]: ...
    def pre_execute(self, user_params: ExecutionParameters) -> ExecutionParameters | None: ...
    def execute(self, **kwargs: Any) -> Any: ...
    def post_execute(self, user_params: ExecutionParameters, rval: Any) -> Any: ...
    def take_inputs(self, literals: Mapping[str, Literal]) -> dict[str, Any]: ...
    def encode_outputs(self, value: Any) -> dict[str, Literal]: ...


def dispatch(
    task: Dispatchable,
    literals: Mapping[str, Literal] | LiteralMap,
    *,
    ctx: FlyteContext | None = None,
    arguments: dict[str, Any] | None = None,
) -> Outputs:
    """Run a task and wait for it. An async task gets an event loop of its own, so this must not be called on one.

    Args:
        task: The task.
        literals: Its inputs.
        ctx: The context in which it runs; the current one if None. Decks are put in its `params.decks`.
        arguments: The inputs as values, where they have been converted already.

    Raises:
        TypeTransformerFailedError: an input or an output does not fit.
        IgnoreOutputs: the run has no outputs.
        Exception: whatever the task raises, unchanged.
    """
    run = _Run(task, ctx)
    token = FlyteContextManager.push(run.context)
    try:
        arguments = run.start(literals, arguments)
        try:
            value = task.execute(**arguments)
            if _is_awaited(type(value)):
                value = _wait_for(value)
        except BaseException as error:
            run.failed(error)
            raise
        return run.finish(value)
    except IgnoreOutputs:
        raise
    except BaseException as error:
        run.report(error)
        raise
    finally:
        run.close()
        FlyteContextManager.pop(token)


async def adispatch(
    task: Dispatchable, literals: Mapping[str, Literal] | LiteralMap, *, ctx: FlyteContext | None = None
) -> Outputs:
    """Run a task on the running event loop; conversions that move data leave it free. As `dispatch` in all else."""
    run = _Run(task, ctx)
    token = FlyteContextManager.push(run.context)
    try:
        moves_in = any(codec.io for codec in task.interface.input_codecs.values())
        arguments = await asyncio.to_thread(run.start, literals) if moves_in else run.start(literals)
        if run.context is not FlyteContextManager.current_context():  # the thread had a copy of the context variables
            FlyteContextManager.push(run.context)
        try:
            value = task.execute(**arguments)
            if _is_awaited(type(value)):
                value = await value
        except BaseException as error:
            run.failed(error)
            raise
        moves_out = any(codec.io for codec in task.interface.output_codecs.values())
        return await asyncio.to_thread(run.finish, value) if moves_out else run.finish(value)
    except IgnoreOutputs:
        raise
    except BaseException as error:
        run.report(error)
        raise
    finally:
        run.close()
        FlyteContextManager.pop(token)


_is_awaited: Callable[[type], bool] = lru_cache(maxsize=1024)(lambda kind: hasattr(kind, "__await__"))
"""Whether values of a type are awaitable."""


def _wait_for(awaitable: Any) -> Any:
    """The result of an awaitable, by a loop of its own."""

    async def result() -> Any:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(result())
    if inspect.iscoroutine(awaitable):
        awaitable.close()
    raise UserError("An async task was dispatched from code that runs on an event loop.", remedy="Await adispatch().")


class _Run:
    """One run of a task, in the parts between which `execute` is called."""

    __slots__ = ("context", "recorder", "task")

    def __init__(self, task: Dispatchable, ctx: FlyteContext | None) -> None:
        self.task = task
        self.context = ctx or FlyteContextManager.current_context()
        self.recorder: Recorder | None = None

    def start(
        self, literals: Mapping[str, Literal] | LiteralMap, arguments: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Prepare, and convert the inputs unless that is done."""
        task, params = self.task, self.context.params
        prepared = task.pre_execute(params)
        if prepared is not None and prepared is not params:
            self.context = self.context.new(params=prepared)
            FlyteContextManager.push(self.context)
        if arguments is not None and not task.enable_deck:
            return arguments
        given = literals.literals if isinstance(literals, idl.LiteralMap) else literals
        if not task.enable_deck:
            return task.take_inputs(given)
        from hardpoint.tasks.decks import Recorder

        self.recorder = Recorder(task, self.context)
        with self.recorder.part("Convert inputs"):
            arguments = task.take_inputs(given)
        self.recorder.inputs(arguments)
        self.recorder.begin("Execute user level code")
        return arguments

    def failed(self, error: BaseException) -> None:
        """Mark an error as one of the task's own code."""
        if not isinstance(error, IgnoreOutputs):
            error.add_note(f"{EXECUTING} '{self.task.name}'")

    def finish(self, value: Any) -> Outputs:
        """Clean up, and convert the outputs."""
        if self.recorder is not None:
            self.recorder.end()
        value = self.task.post_execute(self.context.params, value)
        if isinstance(value, Message) and isinstance(value, idl.LiteralMap | idl.DynamicJobSpec):
            return value
        if self.recorder is None:
            return self.task.encode_outputs(value)
        with self.recorder.part("Translate the output to literals"):
            literals = self.task.encode_outputs(value)
        self.recorder.outputs(value)
        return literals

    def report(self, error: BaseException) -> None:
        """Show a failure in the decks."""
        if self.recorder is not None:
            self.recorder.failure(error)

    def close(self) -> None:
        if self.recorder is not None:
            self.recorder.close()
