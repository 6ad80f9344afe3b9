"""The clerk: reads and writes the journal for an event loop, in one thread, and writes for all who wait at once.

A write to the disk takes about as long for a hundred as for one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from hardpoint.connectors.journal import Journal, Write
from hardpoint.connectors.pool import Threads
from hardpoint.errors import TransientError

__all__ = ["Clerk"]

T = TypeVar("T")

_MOST = 128
"""Writes in one transaction."""
_SPACING = 0.004
"""Seconds from one transaction to the next, at least: in a crowd, more then share one."""


class Clerk:
    """Serves the tasks of one event loop.

    Args:
        journal: The journal.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._threads = Threads("hardpoint-journal", 1)
        self._waiting: list[tuple[Write, asyncio.Future[Any]]] = []
        self._work: asyncio.Task[None] | None = None
        self._next = 0.0

    async def do(self, method: Callable[..., T], *arguments: Any) -> T:
        """What a method of the journal returns."""
        done: T = await self._threads.run(partial(method, *arguments))
        return done

    def write(self, write: Write) -> asyncio.Future[Any]:
        """The outcome of a write, once it is on the disk."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((write, outcome))
        if self._work is None:
            self._work = loop.create_task(self._write_all())
        return outcome

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                wait = self._next - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                self._next = time.monotonic() + _SPACING
                batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                await self._write_batch(batch)
        finally:
            self._work = None

    async def _write_batch(self, batch: list[tuple[Write, asyncio.Future[Any]]]) -> None:
        try:
            outcomes = await self.do(self.journal.write, [write for write, _ in batch])
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, TransientError):
                for one in batch:  # what the database refuses of one is not refused of all
                    await self._write_batch([one])
                return
            for _, outcome in batch:
                if not outcome.done():
                    outcome.set_exception(error)
            return
        for (_, outcome), done in zip(batch, outcomes, strict=True):
            if not outcome.done():
                outcome.set_result(done)
