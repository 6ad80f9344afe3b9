"""Ends of jobs: what is not wanted any more is told to end until its service says that it has."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any

from hardpoint.connectors.asking import JobLimits, end_job, find_job
from hardpoint.connectors.clerk import Clerk
from hardpoint.connectors.connection import Connection, use_connection
from hardpoint.connectors.contract import AsyncConnectorBase
from hardpoint.connectors.errors import words
from hardpoint.connectors.holders import new_holder, retire_holder
from hardpoint.connectors.journal import Entry, Note, Wish
from hardpoint.connectors.leases import Leases
from hardpoint.connectors.phases import Phase
from hardpoint.connectors.registry import ConnectorRegistry
from hardpoint.connectors.watch import interval
from hardpoint.errors import TransientError
from hardpoint.idl import TaskTemplate

__all__ = ["Endings"]

logger = logging.getLogger(__name__)

_SELDOM = 300.0
"""Seconds between two times that a job which goes on is told to end, at most; each pause is twice the one before."""
_TENDING = 15.0
"""Seconds between two looks at which jobs of others are to end."""
_LEFT_TO_IT = 0.1
"""A part of the time after which a job is told again to end, for which whoever was told so first is left to it."""


class Endings:
    """Ends the jobs of an event loop, and sees to it that they do end.

    Args:
        clerk: Who keeps the journal.
        leases: Of the nodes that somebody settles.
        limits: How long things may take.
        underway: Keys of the jobs that are being created here; whoever creates one ends it if it is not wanted any more.
        has_ended: Whether a job's service says that it has ended.
        forget: Stops following a job for those who ask for it.
        shared: Whether to see as well to what other processes, which may be gone, were to end.
    """

    def __init__(
        self,
        clerk: Clerk,
        leases: Leases,
        limits: JobLimits,
        underway: Collection[str],
        has_ended: Callable[[AsyncConnectorBase[Any], bytes, Connection], Awaitable[bool]],
        forget: Callable[[AsyncConnectorBase[Any], bytes], None],
        *,
        shared: bool,
    ) -> None:
        self.clerk, self.journal, self.leases, self.limits = clerk, clerk.journal, leases, limits
        self.underway, self.has_ended, self.forget, self.shared = underway, has_ended, forget, shared
        self._following: dict[tuple[int, bytes], asyncio.Task[None]] = {}
        self._tending: asyncio.Task[None] | None = None

    def brought(self, entries: list[Entry]) -> Connection:
        """The connection of a job's task, as far as the journal knows."""
        template = TaskTemplate.FromString(entries[0].template) if entries else None
        return Connection.of(template, shared=self.shared)

    async def cancel(
        self, connector: AsyncConnectorBase[Any], meta: bytes, deadline: float | None, connection: Connection | None
    ) -> None:
        """End a job; arguments and errors are those of `Jobs.cancel`."""
        connector.metadata_type.decode(meta)
        category = str(connector.task_category)
        if connection is None:
            connection = self.brought(await self.clerk.do(self.journal.of_meta, category, meta))
        await self.clerk.write(Wish(category, meta))
        try:
            with use_connection(connection):
                await self._end(connector, meta, deadline)
        finally:
            self.see_off(connector, meta, connection)

    async def cancel_key(
        self, connector: AsyncConnectorBase[Any], key: str, deadline: float | None, connection: Connection | None
    ) -> None:
        """End the job with a key; arguments and errors are those of `Jobs.cancel_key`."""
        # Whoever is creating it finds this when it has been created, and ends it.
        await self.clerk.do(self.journal.unwant, key)
        until = time.monotonic() + (self.limits.call if deadline is None else deadline)
        pause, holder = 0.05, new_holder()
        try:
            while True:
                entry = await self.clerk.do(self.journal.get, key)
                if entry is None or (entry.ended and entry.meta is None):
                    return
                if entry.meta is not None:
                    await self.cancel(connector, entry.meta, deadline, connection)
                    return
                if key in self.underway:
                    return
                if await self.leases.try_to_take(entry.node_key, holder):
                    break
                if time.monotonic() > until:
                    raise TransientError(
                        f"The job {key} is being created by somebody else, who has not said yet what came of it.",
                        remedy="Cancel it again; whoever finds it ends it.",
                    )
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, 1.0)
            try:
                await self._cancel_unknown(connector, key, connection)
            finally:
                await self.leases.give_back(entry.node_key, holder)
        finally:
            retire_holder(holder)

    async def _cancel_unknown(
        self, connector: AsyncConnectorBase[Any], key: str, connection: Connection | None
    ) -> None:
        """End the job with a key, of which it is not known whether it exists, while nobody else settles that."""
        entry = await self.clerk.do(self.journal.get, key)
        assert entry is not None
        brought = connection or self.brought([entry])
        meta = entry.meta
        if meta is None:
            with use_connection(brought):
                template = TaskTemplate.FromString(entry.template)
                meta = await find_job(connector, key, template, self.limits.call)
            if meta is None:
                await self.clerk.do(self.journal.end, key, Phase.ABORTED, "cancelled")
                return
            await self.clerk.do(self.journal.record, key, meta)
        await self.cancel(connector, meta, None, brought)

    async def dispose(self, connector: AsyncConnectorBase[Any], meta: bytes, connection: Connection) -> None:
        """End a job that nobody wants; if it cannot be ended now, later."""
        try:
            with use_connection(connection):
                await self._end(connector, meta, None)
        except Exception as error:
            logger.warning("A job that is not wanted could not be ended yet: %s", words(error))
        self.see_off(connector, meta, connection)

    async def _end(self, connector: AsyncConnectorBase[Any], meta: bytes, deadline: float | None) -> None:
        self.forget(connector, meta)
        await end_job(connector, meta, deadline or self.limits.call)

    # -- seeing to it --------------------------------------------------------------------------------------------------

    def see_off(self, connector: AsyncConnectorBase[Any], meta: bytes, connection: Connection) -> None:
        """Follow a job that is to end, in the background, until it has."""
        wanted = (id(connector), meta)
        if wanted not in self._following:
            task = asyncio.get_running_loop().create_task(self._until_ended(connector, meta, connection))
            self._following[wanted] = task
            task.add_done_callback(lambda _: self._following.pop(wanted, None))

    async def _until_ended(self, connector: AsyncConnectorBase[Any], meta: bytes, connection: Connection) -> None:
        if not connector.capabilities.cancels:  # nobody can do more
            await self.clerk.write(Note(str(connector.task_category), meta, Phase.ABORTED, "cancelled"))
            return
        began = told = time.monotonic()
        again = self.limits.again
        while True:
            try:
                if await self.has_ended(connector, meta, connection):
                    return
            except Exception as error:
                logger.warning("%s cannot say whether a job has ended: %s", connector.name, words(error))
            if time.monotonic() - told > again:
                told, again = time.monotonic(), min(again * 2, _SELDOM)
                logger.warning("A job of %s was told to end and goes on; it is told again", connector.name)
                try:
                    with use_connection(connection):
                        await self._end(connector, meta, None)
                except Exception as error:
                    logger.warning("A job of %s could not be ended yet: %s", connector.name, words(error))
            await asyncio.sleep(interval(time.monotonic() - began))

    def tend(self) -> None:
        """Begin to see to what other processes were to end."""
        if self.shared and self._tending is None:
            self._tending = asyncio.get_running_loop().create_task(self._tend())

    async def _tend(self) -> None:
        idle = self.limits.again * _LEFT_TO_IT
        while True:
            try:
                left = await self.clerk.do(partial(self.journal.find, ended=False, unwanted=True, idle=idle))
            except Exception as error:
                logger.warning("It could not be looked up which jobs are to end: %s", words(error))
                left = []
            for entry in left:
                await self._tend_to(entry)
            await asyncio.sleep(_TENDING)

    async def _tend_to(self, entry: Entry) -> None:
        name, _, version = entry.connector.rpartition("_v")
        try:
            connector = ConnectorRegistry.get_connector(name, int(version))
            if not isinstance(connector, AsyncConnectorBase):
                return
            if entry.meta is not None:
                self.see_off(connector, entry.meta, self.brought([entry]))
            elif entry.key not in self.underway:
                await self.cancel_key(connector, entry.key, 0.0, None)
        except Exception as error:  # the next time may do
            logger.info("The job %s, which is to end, could not be ended: %s", entry.key, words(error))
