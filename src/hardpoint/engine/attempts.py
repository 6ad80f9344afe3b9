"""Runs one task: from the resumed run or the cache if it is there, else in attempts, each in a thread or on the loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from hardpoint.engine.cache import cache_key
from hardpoint.engine.events import NodeEvent
from hardpoint.engine.failure import Failure, explain
from hardpoint.engine.run import Run, clock
from hardpoint.engine.workers import Interrupted, TimeIsUp
from hardpoint.errors import TransientError, UserError
from hardpoint.idl import Literal
from hardpoint.settings import settings
from hardpoint.tasks.dispatch import adispatch, dispatch

if TYPE_CHECKING:
    from hardpoint.tasks.base import PythonTask
    from hardpoint.workflows.graph import NodeMetadata

__all__ = [
    "Attempt",
    "Failed",
    "Policy",
    "TaskExit",
    "TaskTimeout",
    "in_thread",
    "limited",
    "once",
    "run_in_thread",
    "run_on_loop",
]

Outputs = Mapping[str, Literal]
T = TypeVar("T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0


class TaskTimeout(TransientError, TimeoutError):
    """A node took longer than its ``timeout``; it counts as a failure that may be retried, as on a cluster."""

    code = "USER:Timeout"

    def __init__(self, name: str, limit: float) -> None:
        super().__init__(
            f"{name} did not finish within its timeout of {limit:g} s.", remedy="Raise timeout= or make it faster."
        )


class TaskExit(UserError):
    """A task called ``sys.exit()``."""

    def __init__(self, name: str, code: object) -> None:
        super().__init__(
            f"{name} called sys.exit({'' if code is None else repr(code)}).",
            remedy="Return from a task to end it, and raise an exception to let it fail.",
        )
        self.exit_code = code


class TaskCancelled(UserError):
    """An async task let a cancellation of its own out."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} raised asyncio.CancelledError, though nobody has cancelled it.",
            remedy="Catch it where what the task waits for may be cancelled.",
        )


class Policy(msgspec.Struct, frozen=True):
    """How a task is run here: its own metadata, with what its node overrides.

    Attributes:
        retries: Further attempts after a failure that may be retried: a `TransientError` (`FlyteRecoverableException`
            among them) or a time-out. Other errors of user code end the node at once, as on a cluster.
        timeout: Seconds for one attempt; None for no limit.
        cache_version: Version of the cache entries; None where the task is not cached.
        ignored: Inputs that do not count for the cache.
    """

    retries: int = 0
    timeout: float | None = None
    cache_version: str | None = None
    ignored: tuple[str, ...] = ()

    @staticmethod
    def of(task: PythonTask[Any], node: NodeMetadata | None = None) -> Policy:
        own = task.metadata
        retries, timeout = own.retries, own.timeout
        cached, version = own.cache, own.cache_version
        if node is not None:
            retries = node.retries  # which it has from the task, unless they were overridden
            timeout = timeout if node.timeout is None else node.timeout
            cached = cached if node.cacheable is None else node.cacheable
            version = node.cache_version or version
        local = settings().local
        return Policy(
            retries=retries,
            timeout=_seconds(timeout),
            cache_version=version if cached and local.cache_enabled else None,
            ignored=tuple(own.cache_ignore_input_vars),
        )


def _seconds(timeout: timedelta | int | None) -> float | None:
    if timeout is None:
        return None
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)
    return seconds or None


def may_retry(error: BaseException) -> bool:
    """Whether a failure is one that another attempt may mend, as on a cluster: not an ordinary error of user code."""
    return isinstance(error, TransientError | ConnectionError)


def pause_before(error: BaseException, attempt: int) -> float:
    """Seconds to wait before the next attempt: what the other side asked for, else longer each time."""
    asked = getattr(error, "retry_after", None)
    return float(asked) if asked else min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)


class Attempt(msgspec.Struct, frozen=True):
    """A request to whoever drives the attempts: run the task once.

    Attributes:
        number: 0 for the first.
        prefix: Where its raw data goes; empty for the run's own folder.
    """

    number: int
    prefix: str


class Failed(msgspec.Struct, frozen=True):
    """A first attempt that was made already.

    Attributes:
        error: What it came to.
        began: When it began, by `clock`.
    """

    error: BaseException
    began: float


def attempts(
    run: Run,
    path: str,
    task: PythonTask[Any],
    inputs: Mapping[str, Literal],
    policy: Policy,
    element: Mapping[str, Literal] | None = None,
    failed: Failed | None = None,
) -> Generator[Attempt | float, Outputs, Outputs]:
    """How a task comes to its outputs, whoever runs it: yields an `Attempt` to be made, or seconds to be waited.

    An attempt's outputs are sent in, its error is thrown in. An element of a map (`element` is what is recorded as its inputs) is
    quiet: listeners are told of failures only, and successes are written some at a time. With `failed`, the first attempt has
    been made.
    """
    name = task.name
    quiet, noted = element is not None, inputs if element is None else element

    recalled = run.recall(path, name, noted)
    if recalled is not None:
        if not quiet:
            run.tell(NodeEvent(path, name, "succeeded", cached=True, message="kept from the run that is resumed"))
        return recalled
    key = prefix = ""
    if policy.cache_version is not None:
        key = cache_key(name, policy.cache_version, task.python_interface.typed, inputs, policy.ignored)
        prefix = run.cache.data_prefix(key)
        hit = None if settings().local.cache_overwrite else run.cache.get(key)
        if hit is not None:
            run.node_started(path, name, 0, noted)
            run.node_succeeded(path, hit, cached=True)
            if not quiet:
                run.tell(NodeEvent(path, name, "succeeded", cached=True))
            return hit
    deck = run.deck_of(path) if task.enable_deck else None
    number = 0
    while True:
        run.node_started(path, name, number, noted)
        if not quiet:
            run.tell(NodeEvent(path, name, "running", number))
        began = clock() if failed is None else failed.began
        try:
            if failed is not None:
                raise failed.error
            outputs = yield Attempt(number, prefix)
        except (asyncio.CancelledError, Interrupted):
            raise
        except BaseException as error:
            took, failed = clock() - began, None
            if number < policy.retries and may_retry(error):
                pause = pause_before(error, number)
                run.tell(NodeEvent(path, name, "retrying", number, took, message=f"{error} (again in {pause:g} s)"))
                yield pause
                number += 1
                continue
            Failure.attach(error, path, name, inputs, number)
            run.node_failed(path, explain(error), deck=deck)
            run.tell(NodeEvent(path, name, "failed", number, took, message=str(error)))
            raise
        if key:
            run.cache.put(key, name, outputs)
        run.node_succeeded(path, outputs, deck=deck, later=quiet)
        if not quiet:
            run.tell(NodeEvent(path, name, "succeeded", number, clock() - began))
        return outputs


def once(
    run: Run,
    path: str,
    task: PythonTask[Any],
    inputs: Mapping[str, Literal],
    attempt: Attempt,
    arguments: dict[str, Any] | None = None,
) -> Outputs:
    """Make one attempt in the thread that calls; `arguments` are the inputs as values, where they have been converted."""
    ctx = run.context(path, task, attempt.number, attempt.prefix)
    try:
        return _literals(dispatch(task, inputs, ctx=ctx, arguments=arguments))
    except SystemExit as error:  # it ends the task, not whoever runs it
        raise TaskExit(task.name, error.code) from error
    finally:
        run.collect(path, task.name, ctx.params.decks)


def _literals(made: Any) -> Outputs:
    """What a task gave, as literals by name."""
    return made if isinstance(made, dict) else dict(made.literals)


def in_thread(task: PythonTask[Any], policy: Policy) -> bool:
    """Whether a task may run by `run_in_thread`: it is plain code, and need not be ended from outside."""
    return not task.is_async and policy.timeout is None


def run_in_thread(
    run: Run,
    path: str,
    task: PythonTask[Any],
    inputs: Mapping[str, Literal],
    policy: Policy,
    element: Mapping[str, Literal] | None = None,
    failed: Failed | None = None,
) -> Outputs:
    """Run a task to its end and record it, in the thread that calls; `element` and `failed` are as for `attempts`."""
    story = attempts(run, path, task, inputs, policy, element, failed)
    try:
        request = next(story)
        while True:
            if isinstance(request, float):
                _sleep(request)
                request = next(story)
                continue
            try:
                outputs = once(run, path, task, inputs, request)
            except BaseException as error:  # the story says what becomes of it
                request = story.throw(error)
            else:
                request = story.send(outputs)
    except StopIteration as end:
        found: Outputs = end.value
        return found


def _sleep(seconds: float) -> None:
    """Sleep in short naps, between which the thread can be interrupted."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.05))


async def run_on_loop(
    run: Run,
    path: str,
    task: PythonTask[Any],
    inputs: Mapping[str, Literal],
    policy: Policy,
    attempt: Callable[[Attempt], Awaitable[Outputs]] | None = None,
    element: Mapping[str, Literal] | None = None,
) -> Outputs:
    """Run a task to its end and record it, from the event loop: async tasks, and those with a time limit.

    Args:
        run: The run.
        path: The node.
        task: The task.
        inputs: Its inputs.
        policy: How it is run.
        attempt: Makes an attempt where that is not simply to run the task; its time is limited here.
        element: As for `attempts`.
    """
    story = attempts(run, path, task, inputs, policy, element)
    try:
        request = next(story)
        while True:
            if isinstance(request, float):
                await asyncio.sleep(request)
                request = next(story)
                continue
            try:
                if attempt is None:
                    outputs = await _once_on_loop(run, path, task, inputs, policy, request)
                else:
                    outputs = await limited(task.name, policy.timeout, attempt(request))
            except BaseException as error:  # the story says what becomes of it
                request = story.throw(error)
            else:
                request = story.send(outputs)
    except StopIteration as end:
        found: Outputs = end.value
        return found


async def _once_on_loop(
    run: Run, path: str, task: PythonTask[Any], inputs: Mapping[str, Literal], policy: Policy, attempt: Attempt
) -> Outputs:
    try:
        if not task.is_async:
            made: Outputs = await run.workers_for(task).run(
                lambda: once(run, path, task, inputs, attempt), policy.timeout
            )
            return made
        ctx = run.context(path, task, attempt.number, attempt.prefix)
        try:
            async with run.slots:
                return _literals(await limited(task.name, policy.timeout, adispatch(task, inputs, ctx=ctx)))
        except SystemExit as error:  # it would end the event loop
            raise TaskExit(task.name, error.code) from error
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            raise TaskCancelled(task.name) from error
        finally:
            run.collect(path, task.name, ctx.params.decks)
    except TimeIsUp:
        raise TaskTimeout(task.name, policy.timeout or 0) from None


def _is_cancelled() -> bool:
    """Whether it is the engine that wants the current task to end."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


async def limited(name: str, seconds: float | None, work: Awaitable[T]) -> T:
    """Wait for something, but not longer than it may take.

    Raises:
        TaskTimeout: the time was up. A `TimeoutError` of the work itself is left as it is.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise TaskTimeout(name, seconds or 0) from None
