"""The call that is being answered: what logs and traces say of whatever is done for it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

__all__ = ["Rpc", "current"]


class Rpc:
    """One call. What is looked at rarely, as by a log record, is made when it is looked at.

    Attributes:
        method: Its full name.
        context: Of grpc; the request's metadata is there.
        task_type: The category of the task, once it is known.
        find_key: What makes out the job's idempotency key, for a call that knows it.
    """

    __slots__ = ("_began", "_id", "_key", "context", "find_key", "method", "task_type")

    def __init__(self, method: str, context: Any) -> None:
        self.method, self.context = method, context
        self.task_type = ""
        self.find_key: Callable[[], str] | None = None
        self._id = self._key = ""
        self._began = time.perf_counter()

    @property
    def age(self) -> float:
        """Seconds since it came."""
        return time.perf_counter() - self._began

    def metadata(self, name: str) -> str:
        """A value that the caller sent along; empty if there is none."""
        for key, value in self.context.invocation_metadata() or ():
            if key == name:
                return value if isinstance(value, str) else ""
        return ""

    @property
    def id(self) -> str:
        """The caller's ``x-request-id``, else one of our own."""
        if not self._id:
            self._id = self.metadata("x-request-id")[:64] or uuid.uuid4().hex[:12]
        return self._id

    @property
    def key(self) -> str:
        """The idempotency key of the job, if it is known."""
        if not self._key and self.find_key is not None:
            self._key = self.find_key()
        return self._key


current: ContextVar[Rpc | None] = ContextVar("hardpoint_rpc", default=None)
"""The call for which something is done; also by a task that goes on after it was answered."""
