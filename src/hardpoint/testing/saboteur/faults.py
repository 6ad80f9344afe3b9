"""What can go wrong between a connector and its service."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Answer", "Fault", "Held", "Lost", "Request", "Reset", "Slow"]


@dataclass(frozen=True)
class Request:
    """What was sent to the service.

    Attributes:
        method, path, headers, body: As they were sent. Of bytes that are no HTTP, the method is ``SEND`` and the path empty.
        at: When, by `time.monotonic`.
    """

    method: str
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    at: float = field(default_factory=time.monotonic)


class Fault:
    """What goes wrong with a request."""

    after: bool = False
    """Whether it goes wrong when the service has done what it was asked, instead of before."""


@dataclass(frozen=True)
class Answer(Fault):
    """The service is not asked; this is the answer. Only of HTTP."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def saying(cls, status: int, words: str, *, retry_after: float | None = None) -> Answer:
        """An answer with a JSON body that most clients find words in."""
        error = {"code": status, "message": words, "errors": [{"reason": "sabotage", "message": words}]}
        body = json.dumps({"error": error, "message": words}).encode()
        headers = {"Content-Type": "application/json"}
        if retry_after is not None:
            headers["Retry-After"] = f"{retry_after:g}"
        return cls(status, body, headers)


@dataclass(frozen=True)
class Reset(Fault):
    """The connection breaks; the service has not been asked."""


@dataclass(frozen=True)
class Lost(Fault):
    """The service has done what it was asked, and the connection breaks before its answer is there."""

    after: bool = field(default=True, init=False)


@dataclass(frozen=True)
class Slow(Fault):
    """Everything takes this many seconds longer."""

    seconds: float


@dataclass(eq=False)
class Held(Fault):
    """Nothing goes on until it is released.

    Args:
        after: Whether the service has been asked by then.
    """

    after: bool = False
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    dropped: bool = False

    def release(self) -> None:
        """Let it go on."""
        self.released.set()

    def drop(self) -> None:
        """Break the connection."""
        self.dropped = True
        self.released.set()
