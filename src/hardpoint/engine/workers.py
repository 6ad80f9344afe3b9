"""Threads in which task functions run: bounded in number, dying with the process, and interruptible.

`concurrent.futures` is not used because its threads are joined at exit, so that one hanging task would keep a stopped process
alive, and because nothing in it can end a function that runs.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Any

__all__ = ["Interrupted", "Job", "Workers"]


class Interrupted(BaseException):
    """Raised inside a task's thread to end it: its time is up, or the run was stopped.

    Not an `Exception`, so that user code that catches everything does not swallow it, while its ``finally`` blocks run.
    """


class Job:
    """One function on its way through a worker.

    Args:
        function: What to run. What it returns is lost, and it should not raise: it tells its outcome by itself.
        context: The context variables that it sees.
    """

    __slots__ = ("_done", "_lock", "_thread", "context", "function")

    def __init__(self, function: Callable[[], None], context: Context) -> None:
        self.function, self.context = function, context
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._done = False

    def run(self) -> None:
        """Run the function, in the worker's thread."""
        with self._lock:
            if self._done:
                return
            self._thread = threading.get_ident()
        try:
            self.context.run(self.function)
        except Interrupted:
            return  # it came after the function had told its outcome
        finally:
            self._thread, self._done = None, True

    @property
    def running(self) -> bool:
        return self._thread is not None

    def interrupt(self) -> bool:
        """Raise `Interrupted` in the thread at its next Python instruction; False if it had not started, and now never will."""
        with self._lock:
            thread = self._thread
            if thread is None:
                self._done = True
                return False
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Interrupted))
            return True


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

    def submit(self, function: Callable[[], None], context: Context | None = None) -> Job:
        """Run a function as soon as a thread is free."""
        job = Job(function, context or copy_context())
        with self._lock:
            self._busy += 1
            grow = self._busy > self._threads and self._threads < self.limit
            if grow:
                self._threads += 1
                number = self._threads
        self._queue.put(job)
        if grow:
            threading.Thread(target=self._work, name=f"hardpoint-worker-{number}", daemon=True).start()
        return job

    def _work(self) -> None:
        while True:
            try:
                job = self._queue.get()
                if job is None:
                    return
                job.run()
            except Interrupted:
                continue  # it was meant for a job that has ended
            finally:
                with self._lock:
                    self._busy -= 1

    async def run(self, function: Callable[[], Any], limit: float | None = None, grace: float = 5.0) -> Any:
        """Run a function in a thread, in a copy of the caller's context, and wait for it.

        Args:
            function: What to run.
            limit: Seconds after which it is interrupted; None for no limit.
            grace: Seconds that an interrupted function has to clean up; then it is left behind.

        Raises:
            TimeoutError: the time was up.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Any] = loop.create_future()

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
                result = function()
            except BaseException as raised:  # it goes to whoever waits
                error = raised
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, error)

        job = self.submit(work)
        try:
            if limit is None:
                return await waiter
            done, _ = await asyncio.wait({waiter}, timeout=limit)
            if not done and job.interrupt():
                await asyncio.wait({waiter}, timeout=grace)
            if waiter.done() and not isinstance(waiter.exception(), Interrupted):
                return waiter.result()
            raise TimeoutError
        except asyncio.CancelledError:
            if job.interrupt():
                await asyncio.wait({waiter}, timeout=grace)
            raise
        finally:
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # seen, so that it is not reported as never retrieved

    def close(self) -> None:
        """Let the threads go when they are done; does not wait."""
        with self._lock:
            threads, self._busy = self._threads, self._busy + self._threads
        for _ in range(threads):
            self._queue.put(None)
