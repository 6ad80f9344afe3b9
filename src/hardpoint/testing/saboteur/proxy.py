"""What saboteurs of all protocols have in common: who is spoilt what, and how connections break."""

from __future__ import annotations

import socket
import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, urlsplit

from hardpoint.testing.saboteur.faults import Fault, Held, Lost, Request, Reset, Slow

__all__ = ["Broken", "Saboteur", "reset"]


@dataclass(eq=False)
class _Rule:
    fault: Fault
    match: Callable[[Request], bool]
    skip: int
    times: int | None


class Broken(Exception):
    """The connection is to be reset."""


class Saboteur(ABC):
    """A server that passes on what it is sent, apart from what it was told to spoil. Use it as a context manager.

    Args:
        url: Where the service is.

    Attributes:
        url: Where the service appears to be.
        requests: All that was sent, in order.
    """

    def __init__(self, url: str) -> None:
        self.target: SplitResult = urlsplit(url)
        if self.target.hostname is None or self.target.port is None:
            raise ValueError(f"{url!r} should name a host and a port.")
        self.requests: list[Request] = []
        self._rules: list[_Rule] = []
        self.lock = threading.Lock()
        self.connections: set[socket.socket] = set()
        self.closed = threading.Event()

    @property
    @abstractmethod
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""

    @property
    def url(self) -> str:
        user, at, _ = self.target.netloc.rpartition("@")
        return self.target._replace(netloc=f"{user}{at}127.0.0.1:{self.port}").geturl()

    def fail(
        self,
        fault: Fault,
        match: Callable[[Request], bool] = lambda request: True,
        *,
        skip: int = 0,
        times: int | None = 1,
    ) -> None:
        """Spoil the next requests.

        Args:
            fault: What goes wrong.
            match: Which requests are meant. It is asked when the fault would act: of one that acts after the service was asked,
                then, so that it can look at what the service has done.
            skip: How many of them are let through first.
            times: How many are spoilt; None: all, until `heal`.
        """
        with self.lock:
            self._rules.append(_Rule(fault, match, skip, times))

    def heal(self) -> None:
        """Spoil nothing any more; what is held goes on."""
        with self.lock:
            rules, self._rules = self._rules, []
        for rule in rules:
            if isinstance(rule.fault, Held):
                rule.fault.release()

    def close(self) -> None:
        """Break all connections and listen no more."""
        self.closed.set()
        self.heal()
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def heard(self, request: Request) -> None:
        with self.lock:
            self.requests.append(request)

    def take(self, request: Request, after: bool) -> Fault | None:
        """The fault that befalls a request now."""
        with self.lock:
            rules = [rule for rule in self._rules if rule.fault.after is after]
        for rule in rules:
            if not rule.match(request):  # it may ask the service, so the lock is free
                continue
            with self.lock:
                if rule not in self._rules:
                    continue
                if rule.skip:
                    rule.skip -= 1
                    continue
                if rule.times is not None:
                    rule.times -= 1
                    if not rule.times:
                        self._rules.remove(rule)
            return rule.fault
        return None

    def suffer(self, fault: Fault | None) -> None:
        """Wait as the fault says, or break the connection."""
        if isinstance(fault, Reset | Lost):
            raise Broken
        if isinstance(fault, Slow):
            self.closed.wait(fault.seconds)
        if isinstance(fault, Held):
            fault.reached.set()
            while not (fault.released.wait(0.05) or self.closed.is_set()):
                pass
            if fault.dropped:
                raise Broken
        if self.closed.is_set():
            raise Broken


def reset(connection: socket.socket) -> None:
    with suppress(OSError):  # it may be gone
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
