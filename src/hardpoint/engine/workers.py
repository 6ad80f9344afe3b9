"""Threads in which task functions run: bounded in number, dying with the process, and interruptible.

`concurrent.futures` is not used because its threads are joined at exit, so that one hanging task would keep a stopped process
alive, and because nothing in it can end a function that runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Any

__all__ = ["Interrupted", "Job", "TimeIsUp", "Workers"]


class Interrupted(BaseException):
    """Raised inside a task's thread to end it: its time is up, or the run was stopped.

    Not an `Exception`, so that user code that catches everything does not swallow it, while its ``finally`` blocks run.
    """

    time_is_up = False


class OutOfTime(Interrupted):
    """The time of the task is up, so that nobody will ask for it again."""

    time_is_up = True


class TimeIsUp(Exception):
    """A function was not done in time. Not a `TimeoutError`, which the function itself may raise."""


class Job:
    """One function on its way through a worker.

    Args:
        function: What to run. What it returns is lost, and it should not raise: it tells its outcome by itself.
        context: The context variables that it sees.
    """

    __slots__ = ("_done", "_interrupted", "_left", "_lock", "_thread", "context", "function")

    def __init__(self, function: Callable[[], None], context: Context) -> None:
        self.function, self.context = function, context
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._done = self._interrupted = self._left = False

    def run(self) -> bool:
        """Run the function, in the worker's thread; False if it was left behind meanwhile."""
        try:
            try:
                if self._begin():
                    self.context.run(self.function)
            finally:
                self._end()
        except Interrupted:  # it came after the function had told its outcome; there is no second one
            self._end()
        return not self._left

    def _begin(self) -> bool:
        with self._lock:
            if not self._done:
                self._thread = threading.get_ident()
            return not self._done

    def _end(self) -> None:
        """From here on the thread is not interrupted; what it has not noticed yet is over when this returns."""
        with self._lock:
            if self._interrupted and self._thread is not None:
                _notice(self._thread)
            self._thread, self._done = None, True

    @property
    def running(self) -> bool:
        return self._thread is not None

    def interrupt(self, error: type[Interrupted] = Interrupted) -> bool:
        """Raise `Interrupted`, or a kind of it, in the thread at its next Python instruction.

        False if it had not started, and now never will.
        """
        with self._lock:
            if self._thread is None:
                self._done = True
                return False
            if not self._interrupted:
                self._interrupted = True
                _raise_in(self._thread, error)
            return True

    def leave(self) -> bool:
        """Wait no longer for a function that takes no notice of its interruption; False if it has ended."""
        with self._lock:
            if self._thread is None or self._left:
                return False
            self._left = True
            return True


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise an error in a thread at its next Python instruction, in place of one that is not raised yet."""
    import ctypes  # costly to load, and seldom needed

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


def _notice(thread: int) -> None:
    """Let this thread notice its interruption here, if it has not yet.

    To take it back would leave the interpreter's mark that there is one: all threads would look for it ever after, and beneath a
    profiler CPython 3.11 would look for nothing else.
    """
    try:
        _raise_in(thread, Interrupted)
        while True:
            pass
    except Interrupted:
        return


class Workers:
    """A pool that grows to `limit` threads and lets them go when it is closed.

    Args:
        limit: How many functions run at once.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._busy = 0
        self._started = 0

    def submit(self, function: Callable[[], None], context: Context | None = None) -> Job:
        """Run a function as soon as a thread is free."""
        job = Job(function, context or copy_context())
        with self._lock:
            self._busy += 1
        self._queue.put(job)
        self._grow()
        return job

    def leave(self, job: Job) -> None:
        """Give a job up that was interrupted in vain: its thread counts no more, so that others get their turn."""
        if job.leave():
            with self._lock:
                self._threads -= 1
                self._busy -= 1
            self._grow()

    def _grow(self) -> None:
        with self._lock:
            if self._busy <= self._threads or self._threads >= self.limit:
                return
            self._threads += 1
            self._started += 1
            number = self._started
        threading.Thread(target=self._work, name=f"hardpoint-worker-{number}", daemon=True).start()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            if not job.run():
                return
            with self._lock:
                self._busy -= 1

    async def run(self, function: Callable[[], Any], limit: float | None = None, grace: float = 5.0) -> Any:
        """Run a function in a thread, in a copy of the caller's context, and wait for it.

        Args:
            function: What to run.
            limit: Seconds after which it is interrupted, from when a thread was free; None for no limit.
            grace: Seconds that an interrupted function has to clean up; then it is left behind.

        Raises:
            TimeIsUp: the time was up.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Any] = loop.create_future()
        began = asyncio.Event()

        def settle(result: Any, error: BaseException | None) -> None:
            if waiter.done():
                return
            if error is None:
                waiter.set_result(result)
            elif isinstance(error, StopIteration):  # a Future cannot carry it
                waiter.set_exception(RuntimeError("the task raised StopIteration"))
            else:
                waiter.set_exception(error)

        def work() -> None:
            result, error = None, None
            try:
                if limit is not None:
                    loop.call_soon_threadsafe(began.set)
                result = function()
            except BaseException as raised:  # it goes to whoever waits
                error = raised
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, error)

        async def stop(error: type[Interrupted] = Interrupted) -> None:
            if job.interrupt(error):
                await asyncio.wait({waiter}, timeout=grace)
                if not waiter.done():
                    self.leave(job)
                    waiter.cancel()  # what comes of it later is nobody's

        job = self.submit(work)
        try:
            if limit is None:
                await asyncio.wait({waiter})  # not for itself: it would be cancelled together with who waits
                return waiter.result()
            await began.wait()
            done, _ = await asyncio.wait({waiter}, timeout=limit)
            if not done:
                await stop(OutOfTime)
            if not waiter.done() or waiter.cancelled() or isinstance(waiter.exception(), Interrupted):
                raise TimeIsUp
            return waiter.result()
        except asyncio.CancelledError:
            await stop()
            raise
        finally:
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # seen, so that it is not reported as never retrieved

    def close(self) -> None:
        """Let the threads go when they are done; does not wait."""
        with self._lock:
            threads = self._threads
        for _ in range(threads):
            self._queue.put(None)
