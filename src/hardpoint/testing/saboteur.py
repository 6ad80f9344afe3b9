"""The saboteur: stands between a connector and the service that it talks to, and does what networks and services do on bad days.

`HttpSaboteur` reads requests and answers; `TcpSaboteur` passes on bytes of any protocol, and can do what needs no knowledge of it.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

__all__ = [
    "Answer",
    "Fault",
    "Held",
    "HttpSaboteur",
    "Lost",
    "Request",
    "Reset",
    "Saboteur",
    "Slow",
    "TcpSaboteur",
    "sabotage",
]

_HOP_BY_HOP = frozenset(
    ("connection", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)
"""https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1, and what was dealt with before the request is passed on."""


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


@dataclass(eq=False)
class _Rule:
    fault: Fault
    match: Callable[[Request], bool]
    skip: int
    times: int | None


class _Break(Exception):
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
        self._target: SplitResult = urlsplit(url)
        if self._target.hostname is None or self._target.port is None:
            raise ValueError(f"{url!r} should name a host and a port.")
        self.requests: list[Request] = []
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._closed = threading.Event()

    @property
    @abstractmethod
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""

    @property
    def url(self) -> str:
        user, at, _ = self._target.netloc.rpartition("@")
        return self._target._replace(netloc=f"{user}{at}127.0.0.1:{self.port}").geturl()

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
        with self._lock:
            self._rules.append(_Rule(fault, match, skip, times))

    def heal(self) -> None:
        """Spoil nothing any more; what is held goes on."""
        with self._lock:
            rules, self._rules = self._rules, []
        for rule in rules:
            if isinstance(rule.fault, Held):
                rule.fault.release()

    def close(self) -> None:
        """Break all connections and listen no more."""
        self._closed.set()
        self.heal()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _heard(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)

    def _take(self, request: Request, after: bool) -> Fault | None:
        """The fault that befalls a request now."""
        with self._lock:
            rules = [rule for rule in self._rules if rule.fault.after is after]
        for rule in rules:
            if not rule.match(request):  # it may ask the service, so the lock is free
                continue
            with self._lock:
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

    def _suffer(self, fault: Fault | None) -> None:
        """Wait as the fault says, or break the connection."""
        if isinstance(fault, Reset | Lost):
            raise _Break
        if isinstance(fault, Slow):
            self._closed.wait(fault.seconds)
        if isinstance(fault, Held):
            fault.reached.set()
            while not (fault.released.wait(0.05) or self._closed.is_set()):
                pass
            if fault.dropped:
                raise _Break
        if self._closed.is_set():
            raise _Break


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):  # it may be gone
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)


# -- HTTP --------------------------------------------------------------------------------------------------------------


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


class HttpSaboteur(Saboteur):
    """A saboteur of an HTTP service."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        saboteur = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                with saboteur._lock:
                    saboteur._connections.add(self.connection)
                try:
                    super().handle()
                except (_Break, OSError, http.client.HTTPException):
                    _reset(self.connection)
                finally:
                    with saboteur._lock:
                        saboteur._connections.discard(self.connection)

            def finish(self) -> None:
                with suppress(OSError):  # what has been broken cannot be flushed
                    super().finish()

            def work(self) -> None:
                saboteur._serve(self)

            do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = work

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    def close(self) -> None:
        super().close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        request = Request(handler.command, handler.path, dict(handler.headers.items()), _body(handler))
        self._heard(request)
        fault = self._take(request, after=False)
        if isinstance(fault, Answer):
            _send(handler, fault.status, fault.headers.items(), fault.body)
            return
        self._suffer(fault)
        upstream = http.client.HTTPConnection(str(self._target.hostname), self._target.port or 80, timeout=60)
        try:
            response = self._ask(upstream, handler, request)
            length = response.headers.get("Content-Length")
            body = response.read() if length is not None or request.method == "HEAD" else None
            self._suffer(self._take(request, after=True))
            headers = [(name, value) for name, value in response.headers.items() if name.lower() not in _HOP_BY_HOP]
            if body is not None or response.status in (204, 304):
                _send(handler, response.status, headers, body or b"")
            else:
                _stream(handler, response, headers)
        finally:
            upstream.close()

    @staticmethod
    def _ask(
        upstream: http.client.HTTPConnection, handler: BaseHTTPRequestHandler, request: Request
    ) -> http.client.HTTPResponse:
        upstream.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in handler.headers.items():
            if name.lower() not in _HOP_BY_HOP | {"content-length"}:
                upstream.putheader(name, value)
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            upstream.putheader("Content-Length", str(len(request.body)))
        upstream.endheaders(request.body or None)
        return upstream.getresponse()


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if "chunked" not in handler.headers.get("Transfer-Encoding", "").lower():
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    chunks: list[bytes] = []
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        chunks.append(handler.rfile.read(size))
        handler.rfile.readline()
    while handler.rfile.readline().strip():  # trailers
        pass
    return b"".join(chunks)


def _send(handler: BaseHTTPRequestHandler, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    handler.send_response_only(status)
    told = list(headers)
    for name, value in told:
        handler.send_header(name, value)
    if status not in (204, 304) and not any(name.lower() == "content-length" for name, _ in told):
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


def _stream(
    handler: BaseHTTPRequestHandler, response: http.client.HTTPResponse, headers: Iterable[tuple[str, str]]
) -> None:
    handler.send_response_only(response.status)
    for name, value in headers:
        handler.send_header(name, value)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while data := response.read1(65536):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
    handler.wfile.write(b"0\r\n\r\n")


# -- anything else -----------------------------------------------------------------------------------------------------


class TcpSaboteur(Saboteur):
    """A saboteur of a service of any protocol. What is sent in one piece counts as a request.

    It cannot make up an answer: `Answer` raises NotImplementedError.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.settimeout(0.05)
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def fail(
        self,
        fault: Fault,
        match: Callable[[Request], bool] = lambda request: True,
        *,
        skip: int = 0,
        times: int | None = 1,
    ) -> None:
        if isinstance(fault, Answer):
            raise NotImplementedError("An answer can be made up only where the protocol is HTTP.")
        super().fail(fault, match, skip=skip, times=times)

    def close(self) -> None:
        super().close()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            client.settimeout(None)
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                upstream = socket.create_connection((str(self._target.hostname), int(self._target.port or 0)))
            except OSError:
                _reset(client)
                return
            with upstream:
                with self._lock:
                    self._connections |= {client, upstream}
                back = threading.Thread(target=self._pass, args=(upstream, client, client, True), daemon=True)
                back.start()
                self._pass(client, upstream, client, False)
                back.join()
                with self._lock:
                    self._connections -= {client, upstream}

    def _pass(self, source: socket.socket, target: socket.socket, client: socket.socket, after: bool) -> None:
        """Pass bytes on until one side ends."""
        try:
            while data := source.recv(65536):
                request = Request("ANSWER" if after else "SEND", body=data)
                if not after:
                    self._heard(request)
                self._suffer(self._take(request, after))
                target.sendall(data)
        except (_Break, OSError):
            _reset(client)
        for side in (source, target):  # neither waits for the other
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


def sabotage(url: str) -> Saboteur:
    """A saboteur of the service at a URL: of HTTP if it begins with ``http://``, else of TCP."""
    return HttpSaboteur(url) if url.startswith("http://") else TcpSaboteur(url)
