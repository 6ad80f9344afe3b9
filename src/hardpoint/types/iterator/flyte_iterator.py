"""`FlyteIterator`: the elements of a collection, converted when they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from threading import Lock
from typing import Any, Self

from hardpoint.idl import Literal
from hardpoint.settings import settings
from hardpoint.types.codec import Codec
from hardpoint.types.containers import map_io

__all__ = ["AsyncFlyteIterator", "FlyteIterator"]


class FlyteIterator(Iterator[Any]):
    """The elements of a collection, each converted when it is reached; those that are moved come a few at a time.

    It knows its length, and ``iter`` of it begins anew. Threads may share it.

    Args:
        element: Codec of an element.
        literals: The elements.
    """

    def __init__(self, element: Codec, literals: Sequence[Literal]) -> None:
        self._element, self._literals = element, literals
        self._next = 0
        self._ready: list[Any] = []
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._literals)

    def __iter__(self) -> FlyteIterator:
        return FlyteIterator(self._element, self._literals)

    def __next__(self) -> Any:
        with self._lock:
            if not self._ready:
                batch = settings().types.max_concurrency if self._element.io else 1
                literals = self._literals[self._next : self._next + batch]
                if not literals:
                    raise StopIteration
                self._next += len(literals)
                values = map_io(self._element.read, literals) if self._element.io else [self._element.read(literals[0])]
                self._ready = values[::-1]
            return self._ready.pop()

    def __repr__(self) -> str:
        return f"<FlyteIterator over {len(self)} elements>"


class AsyncFlyteIterator(AsyncIterator[Any]):
    """An iterator whose steps may block, for ``async for``: each step is made in a thread."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source = source

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        item = await asyncio.to_thread(next, self._source, _END)
        if item is _END:
            raise StopAsyncIteration
        return item


_END = object()
