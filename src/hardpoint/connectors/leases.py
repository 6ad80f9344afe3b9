"""Leases of nodes: who settles what job a node has, for as long as that takes."""

from __future__ import annotations

import asyncio
import logging
import time

from hardpoint.connectors.clerk import Clerk
from hardpoint.connectors.errors import words
from hardpoint.connectors.holders import told_alive

__all__ = ["Leases"]

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


class Leases:
    """The leases of an event loop's creations. All of them are kept together, in one write.

    Args:
        clerk: Who writes.
        seconds: How long a lease lasts that is not kept.
    """

    def __init__(self, clerk: Clerk, seconds: float) -> None:
        self.clerk, self.seconds = clerk, seconds
        self._until: dict[tuple[str, str], float] = {}
        self._keeper: asyncio.Task[None] | None = None

    def keep(self, node_key: str, holder: str, since: float) -> None:
        """Keep a lease that was taken no earlier than at `since`, of `time.monotonic`."""
        self._until[node_key, holder] = since + self.seconds
        told_alive(holder, since + self.seconds)
        if self._keeper is None:
            self._keeper = asyncio.get_running_loop().create_task(self._keep_all())

    async def take(self, node_key: str, holder: str) -> None:
        """Take a lease, once it is free."""
        pause = _FIRST_PAUSE
        while not await self.try_to_take(node_key, holder):
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def try_to_take(self, node_key: str, holder: str) -> bool:
        """Take a lease if it is free, or keep one longer; False if somebody else has it."""
        began = time.monotonic()
        taken = await self.clerk.do(self.clerk.journal.acquire, node_key, holder, self.seconds)
        if taken:
            self.keep(node_key, holder, began)
        return taken

    async def is_ours(self, node_key: str, holder: str) -> bool:
        """Whether nobody else can have taken over, for some seconds to come."""
        if self._until.get((node_key, holder), 0.0) - time.monotonic() > self.seconds / 2:
            return True
        return await self.try_to_take(node_key, holder)

    def was_given_back(self, node_key: str, holder: str) -> None:
        """Stop keeping a lease that is given back already."""
        self._until.pop((node_key, holder), None)

    async def give_back(self, node_key: str, holder: str) -> None:
        """Give a lease back, if it is still kept."""
        if self._until.pop((node_key, holder), None) is None:
            return
        try:
            await self.clerk.do(self.clerk.journal.release, node_key, holder)
        except Exception as error:  # it runs out by itself
            logger.warning("A lease could not be given back: %s", words(error))

    async def _keep_all(self) -> None:
        while self._until:
            await asyncio.sleep(self.seconds / 3)
            leases, began = list(self._until), time.monotonic()
            if not leases:
                break
            try:
                held = await self.clerk.do(self.clerk.journal.renew, leases, self.seconds)
            except Exception as error:  # the next time may do
                logger.warning("Leases could not be kept: %s", words(error))
                continue
            for lease in leases:
                if lease in self._until and lease[1] in held:
                    self._until[lease] = began + self.seconds
                    told_alive(lease[1], began + self.seconds)
        self._keeper = None
