"""Calls of a connector's methods: asynchronous ones on the loop, plain ones in threads of the connector's own.

The threads are daemons, so that a vendor's call that hangs does not keep a stopped process alive, and they go when nothing has
asked for them for a while.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from hardpoint.connectors.contract import ConnectorBase, accepted_names
from hardpoint.errors import HardpointError, TransientError
from hardpoint.settings import settings

__all__ = [
    "BlockedLoopError",
    "CallTimeoutError",
    "Threads",
    "call",
    "done_within",
    "guard_loop",
    "pool_size",
    "time_left",
]

_IDLE = 30.0


class CallTimeoutError(TransientError, TimeoutError):
    """A connector did not answer in time. What it was asked to do may have happened."""

    code = "SYSTEM:CallTimeout"

    def __init__(self, connector: str, method: str, seconds: float) -> None:
        super().__init__(
            f"{connector} did not answer {method} within {seconds:g} s.", connector=connector, method=method
        )


class BlockedLoopError(HardpointError):
    """An asynchronous method of a connector kept the event loop from everything else."""

    code = "SYSTEM:BlockedLoop"

    def __init__(self, method: str, seconds: float) -> None:
        super().__init__(
            f"{method} blocked the event loop for {seconds:.2f} s.",
            remedy="Await what waits, or write the method with def: it then runs in the connector's own threads.",
            method=method,
            seconds=seconds,
        )


class Threads:
    """Threads that run functions, at most `limit` at once; further ones wait their turn.

    Args:
        name: What the threads are called.
        limit: How many there are at most.
        idle: Seconds after which one that has nothing to do ends.
    """

    def __init__(self, name: str, limit: int, idle: float = _IDLE) -> None:
        self.name, self.limit, self.idle = name, limit, idle
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = Lock()
        self._threads = 0
        self._asked = 0

    async def run(self, function: Callable[[], Any]) -> Any:
        """What the function returns, run in a thread in a copy of the caller's context."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Any] = loop.create_future()
        context = copy_context()

        def settle(result: Any, error: BaseException | None) -> None:
            if waiter.done():
                return
            if error is None:
                waiter.set_result(result)
            else:
                waiter.set_exception(error)

        def work() -> None:
            if waiter.cancelled():
                return
            result: Any = None
            error: BaseException | None = None
            try:
                result = context.run(function)
            except StopIteration as stop:  # a Future cannot carry it
                error = HardpointError(f"The call raised StopIteration({stop.value!r}).")
            except BaseException as raised:  # it goes to whoever waits
                error = raised
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, error)

        self._submit(work)
        return await waiter

    def _submit(self, work: Callable[[], None]) -> None:
        with self._lock:
            self._asked += 1
            grow = self._asked > self._threads and self._threads < self.limit
            if grow:
                self._threads += 1
        self._queue.put(work)
        if grow:
            Thread(target=self._serve, name=self.name, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                work = self._queue.get(timeout=self.idle)
            except Empty:
                with self._lock:
                    if self._asked < self._threads:  # what was asked for may be on its way into the queue
                        self._threads -= 1
                        return
                continue
            try:
                work()
            finally:
                with self._lock:
                    self._asked -= 1


def pool_size(connector: ConnectorBase) -> int:
    """How many of its methods a connector runs at once: what is configured, else what it says."""
    return settings().connectors.pool_size or connector.pool_size


def _threads_of(connector: ConnectorBase) -> Threads:
    # Kept on the connector, so that they go with it.
    made: Threads | None = vars(connector).get("_threads")
    if made is None:
        made = vars(connector)["_threads"] = Threads(connector.name, pool_size(connector))
    return made


@dataclass(frozen=True, slots=True)
class _Method:
    """What is known of a connector's method, found out once."""

    function: Any
    title: str
    names: frozenset[str] | None
    """Of the arguments that it takes; None: all."""
    kind: str

    @classmethod
    def of(cls, function: Any, title: str) -> _Method:
        names = accepted_names(function)
        if inspect.iscoroutinefunction(function):
            return cls(function, title, names, "coroutine")
        return cls(function, title, names, "stream" if inspect.isasyncgenfunction(function) else "plain")


def _method(connector: ConnectorBase, name: str) -> _Method:
    function = getattr(connector, name)
    known: dict[str, _Method] = vars(connector).setdefault("_methods", {})
    found = known.get(name)
    if found is None or found.function != function:
        found = known[name] = _Method.of(function, f"{type(connector).__qualname__}.{name}")
    return found


async def call(
    connector: ConnectorBase, method: str, *positional: Any, deadline: float | None = None, **arguments: Any
) -> Any:
    """What a method of a connector returns.

    Args:
        connector: The connector.
        method: The method's name.
        positional: What it gets by position, whatever it calls it.
        deadline: Seconds that it has. A plain method that takes longer goes on in its thread, unheard.
        arguments: What it gets by keyword, as far as it names it.

    Raises:
        CallTimeoutError: it did not answer in time.
        Exception: whatever it raised.
    """
    known = _method(connector, method)
    if known.names is not None:
        arguments = {name: value for name, value in arguments.items() if name in known.names}
    receives = connector.receives
    if receives is not None:
        positional = tuple(map(receives, positional))
        arguments = {name: receives(value) for name, value in arguments.items()}
    if deadline is None or known.kind == "stream":
        return await _answer(connector, known, positional, arguments)
    timer = asyncio.timeout(deadline)
    token = _until.set(time.monotonic() + deadline)
    try:
        async with timer:
            return await _answer(connector, known, positional, arguments)
    except TimeoutError as error:
        if timer.expired():
            raise CallTimeoutError(connector.name, method, deadline) from error
        raise
    finally:
        _until.reset(token)


_until: ContextVar[float | None] = ContextVar("hardpoint_call_until", default=None)


def time_left() -> float | None:
    """Within a connector's method: the seconds after which nobody waits for its answer any more; None: somebody always does."""
    until = _until.get()
    return None if until is None else max(0.0, until - time.monotonic())


async def _answer(
    connector: ConnectorBase, method: _Method, positional: tuple[Any, ...], arguments: dict[str, Any]
) -> Any:
    if method.kind == "coroutine":
        return await _guarded(method.function(*positional, **arguments), method.title)
    if method.kind == "stream":
        return method.function(*positional, **arguments)
    result = await _threads_of(connector).run(partial(method.function, *positional, **arguments))
    return await _guarded(result, method.title) if inspect.iscoroutine(result) else result


async def done_within(seconds: float | None, future: asyncio.Future[Any]) -> bool:
    """Whether a future is done, waited for at most so long, or until it is done; it goes on in any case."""
    if not future.done():
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()

        def wake(_: object = None) -> None:
            if not waiter.done():
                waiter.set_result(None)

        future.add_done_callback(wake)
        timer = None if seconds is None else loop.call_later(seconds, wake)
        try:
            await waiter
        finally:
            future.remove_done_callback(wake)
            if timer is not None:
                timer.cancel()
    return future.done()


# -- the guard ---------------------------------------------------------------------------------------------------------

_limit: ContextVar[float | None] = ContextVar("hardpoint_loop_guard", default=None)


@contextmanager
def guard_loop(seconds: float = 0.25) -> Iterator[None]:
    """Within the block, a connector's asynchronous method that blocks the loop this long raises `BlockedLoopError`."""
    token = _limit.set(seconds)
    try:
        yield
    finally:
        _limit.reset(token)


async def _guarded(coroutine: Coroutine[Any, Any, Any], name: str) -> Any:
    limit = _limit.get()
    return await coroutine if limit is None else await _Timed(coroutine, name, limit)


class _Timed:
    """An awaitable that times each step of a coroutine, from one wait to the next."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], name: str, limit: float) -> None:
        self.coroutine, self.name, self.limit = coroutine, name, limit

    def __await__(self) -> Generator[Any, Any, Any]:
        def step(advance: Callable[[], Any]) -> Any:
            began = time.monotonic()
            try:
                return advance()
            finally:
                took = time.monotonic() - began
                if took > self.limit:
                    self.coroutine.close()
                    raise BlockedLoopError(self.name, took)

        try:
            waits_for = step(lambda: self.coroutine.send(None))
            while True:
                try:
                    sent = yield waits_for
                except BaseException as error:  # it is the coroutine's to handle
                    thrown = error
                    waits_for = step(lambda: self.coroutine.throw(thrown))  # noqa: B023 - it is called at once
                else:
                    waits_for = step(lambda: self.coroutine.send(sent))  # noqa: B023
        except StopIteration as end:
            return end.value
