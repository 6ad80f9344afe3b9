"""For how long the API is asked: no longer than whoever asked waits, and again where it only was busy."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from hardpoint.connectors.pool import time_left
from hardpoint.errors import TransientError
from hardpoint.integrations.openai.problems import ask

if TYPE_CHECKING:
    import httpx2

__all__ = ["ask_patiently", "bounded"]

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0
_SHORTEST = 0.1
"""Seconds without which a request is not worth its while."""


def ask_patiently(call: Callable[..., T], doing: str, *, timeout: float, patience: float, **arguments: Any) -> T:
    """As `ask`, and again when the API was busy or has failed: after as long as it asks for, while there is time.

    Args:
        call: The method.
        doing: What is done.
        timeout: Seconds that one answer may take.
        patience: Seconds for which it is asked again, where nobody has set a deadline.
        arguments: What the method gets.

    Raises:
        TransientError: there is no time for another request.
        HardpointError: as `ask`.
    """
    left = time_left()
    until = time.monotonic() + (patience if left is None else left)
    pause, asked = _FIRST_PAUSE, 0
    while True:
        asked += 1
        wait = timeout if left is None else min(timeout, max(until - time.monotonic(), _SHORTEST))
        try:
            return ask(call, doing, timeout=wait, **arguments)
        except TransientError as error:
            if getattr(error, "status", None) is None:  # nobody knows whether it is at work
                raise
            rest = error.retry_after if error.retry_after is not None else pause * random.uniform(0.5, 1)
            if time.monotonic() + rest + _SHORTEST > until:
                if asked > 1:
                    error.add_note(f"It was asked {asked} times.")
                error.remedy = "Give the task retries, or ask less often."
                raise
        time.sleep(rest)
        pause = min(2 * pause, _LONGEST_PAUSE)


def bounded(response: httpx2.Response) -> None:
    """Let the body of an answer come to an end when nobody waits for it any more: servers may send a little at a time for ever."""
    import httpx2

    left = time_left()
    if left is None or not isinstance(response.stream, httpx2.SyncByteStream):
        return
    until, whole = time.monotonic() + left, response.stream

    class Bounded(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for part in whole:
                if time.monotonic() > until:
                    raise httpx2.ReadTimeout("The answer did not end in time.", request=response.request)
                yield part

        def close(self) -> None:
            whole.close()

    response.stream = Bounded()
