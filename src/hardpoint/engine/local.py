"""Calls of tasks and workflows on this machine: native values in, native values out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from contextvars import copy_context
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from hardpoint.context import FlyteContextManager, Mode
from hardpoint.engine.failure import explain, trim
from hardpoint.engine.run import DECK_FILE, Run, RunOptions
from hardpoint.engine.steps import call_plan, run_entity, run_workflow
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal
from hardpoint.tasks.conversion import encode_inputs
from hardpoint.tasks.interface import Interface, bind_arguments
from hardpoint.workflows.launch_plan import LaunchPlan
from hardpoint.workflows.workflow import WorkflowBase

__all__ = ["RunResult", "call_task", "call_workflow", "execute", "execute_literals"]


class RunResult(msgspec.Struct, frozen=True, dict=True):
    """What a run came to.

    Attributes:
        id: The run's id.
        literals: Output name -> literal.
        folder: Where the run's data and decks lie; None where nothing was kept.
        entity: What was run.
    """

    id: str
    literals: dict[str, Literal]
    folder: Path | None
    entity: Any

    @property
    def deck(self) -> Path | None:
        """The page with all decks of the run, if any task made some."""
        page = self.folder / DECK_FILE if self.folder is not None else None
        return page if page is not None and page.exists() else None

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """Output name -> value; converted when it is first asked for."""
        return decode(self.entity.python_interface, self.literals, self.entity.name)


def decode(interface: Interface, literals: Mapping[str, Literal], name: str) -> dict[str, Any]:
    """Output literals as native values."""
    values: dict[str, Any] = {}
    for key, codec in interface.output_codecs.items():
        try:
            values[key] = codec.decode(literals[key])
        except TypeTransformerFailedError as error:
            error.add_note(f"while converting output {key!r} of {name}")
            raise
    return values


def _native(interface: Interface, values: Mapping[str, Any]) -> Any:
    """Outputs as a function would return them: nothing, the value, or a tuple."""
    if not interface.outputs:
        return None
    if len(interface.outputs) > 1 or interface.output_tuple_name is not None:
        return interface.output_tuple(*values.values())
    return next(iter(values.values()))


def run_sync(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine from plain code; where a loop runs already (a notebook), on one in another thread."""
    if asyncio._get_running_loop() is None:
        return _run_here(coroutine)
    result: list[Any] = []
    done = threading.Event()
    context = copy_context()
    begun: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = []

    async def noted() -> Any:
        begun.append((asyncio.get_running_loop(), asyncio.current_task()))
        return await coroutine

    def work() -> None:
        try:
            result.append((context.run(_run_here, noted()), None))
        except BaseException as error:  # handed to the caller's thread
            result.append((None, error))
        finally:
            done.set()

    thread = threading.Thread(target=work, name="hardpoint-run")
    thread.start()
    try:
        done.wait()  # not by `join`: interrupted once, it takes the thread for ended
    except KeyboardInterrupt:  # only the main thread gets it
        for loop, running in begun:
            if running is not None:
                loop.call_soon_threadsafe(running.cancel)
        done.wait()
        raise
    value, error = result[0]
    if error is not None:
        raise error
    return value


def _run_here(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine, on a loop of its own.

    It is not the result of the loop's task: on its way out, `asyncio.run` has `signal.signal` write that down at length.
    """
    result: list[Any] = []

    async def keep() -> None:
        result.append(await coroutine)

    asyncio.run(keep())
    return result[0]


async def _run(run: Run, entity: Any, inputs: Mapping[str, Literal]) -> dict[str, Literal]:
    """A run from its first record to its last."""
    flushing = asyncio.create_task(run.keep_flushing())
    try:
        run.start(entity.name, inputs)
        try:
            if isinstance(entity, WorkflowBase):
                outputs = await run_workflow(run, entity, inputs)
            else:
                outputs = dict(await run_entity(run, "n0", entity, inputs))
        except (asyncio.CancelledError, KeyboardInterrupt):
            run.finish("aborted", error="interrupted")
            raise
        except BaseException as error:
            run.finish("failed", error=explain(error))
            raise
        run.finish("succeeded", outputs)
        return outputs
    finally:
        flushing.cancel()
        run.write_deck()
        run.close()


def execute(entity: Any, values: Mapping[str, Any], options: RunOptions | None = None) -> RunResult:
    """Run a task, a workflow or a launch plan here and record it.

    Args:
        entity: What to run.
        values: Native inputs by name; defaults of the signature are filled in.
        options: How.

    Raises:
        Exception: whatever the user's code raised, itself, its traceback without our own frames.
        KeyboardInterrupt: the run was interrupted; it can be resumed.
    """
    complete = bind_arguments(entity.name, entity.python_interface, (), dict(values))
    run = Run(options or RunOptions())
    return _finish(run, entity, _encode(run, entity, complete))


def execute_literals(entity: Any, inputs: Mapping[str, Literal], options: RunOptions | None = None) -> RunResult:
    """Like `execute`, for inputs that are literals already: all of them, defaults included."""
    return _finish(Run(options or RunOptions()), entity, inputs)


def _encode(run: Run, entity: Any, values: Mapping[str, Any]) -> dict[str, Literal]:
    """Native inputs as literals. Data that has to be stored for them lies with that of the run, which may be resumed."""
    try:
        with FlyteContextManager.use(mode=Mode.LOCAL_WORKFLOW_EXECUTION, files=run.files):
            return encode_inputs(entity.name, entity.python_interface.input_codecs, values)
    except BaseException:
        run.close()
        raise


def _finish(run: Run, entity: Any, inputs: Mapping[str, Literal]) -> RunResult:
    try:
        outputs = run_sync(_run(run, entity, inputs))
    except BaseException as error:
        trim(error)
        raise
    folder = Path(run.prefix) if run.store is not None and "://" not in run.prefix else None
    return RunResult(run.id, outputs, folder, entity)


def call_workflow(workflow: WorkflowBase | LaunchPlan, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """A workflow that was called like a function."""
    values = bind_arguments(workflow.name, workflow.python_interface, args, dict(kwargs))
    inside = FlyteContextManager.current_context().mode is not Mode.NONE
    result = execute(workflow, values, RunOptions(record=not inside))
    return _native(workflow.python_interface, result.outputs)


def call_task(entity: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """A task, a map or a gate that was called like a function, outside of a workflow. It is not recorded, but its decks are kept.

    An async task gives a coroutine, to be awaited.
    """
    interface = entity.python_interface
    values = bind_arguments(entity.name, interface, args, dict(kwargs))
    mode = FlyteContextManager.current_context().mode
    run = Run(RunOptions(record=False, decks=mode is Mode.NONE or mode.is_local))
    work = call_plan(run, entity, _encode(run, entity, values))
    if getattr(entity, "is_async", False):
        return _awaited(run, interface, entity.name, work)
    try:
        outputs = work() if callable(work) else run_sync(work)
    except BaseException as error:
        trim(error)
        raise
    finally:
        run.write_deck()
        run.close()
    return _native(interface, decode(interface, outputs, entity.name))


async def _awaited(run: Run, interface: Interface, name: str, work: Any) -> Any:
    try:
        outputs = await work
    finally:
        run.write_deck()
        run.close()
    return _native(interface, decode(interface, outputs, name))
