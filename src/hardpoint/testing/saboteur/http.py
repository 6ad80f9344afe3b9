"""The saboteur of HTTP services."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hardpoint.testing.saboteur.faults import Answer, Request
from hardpoint.testing.saboteur.proxy import Broken, Saboteur, reset

__all__ = ["HttpSaboteur"]

_HOP_BY_HOP = frozenset(
    ("connection", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)
"""https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1, and what was dealt with before the request is passed on."""


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
                with saboteur.lock:
                    saboteur.connections.add(self.connection)
                try:
                    super().handle()
                except (Broken, OSError, http.client.HTTPException):
                    reset(self.connection)
                finally:
                    with saboteur.lock:
                        saboteur.connections.discard(self.connection)

            def finish(self) -> None:
                with suppress(OSError):  # what has been broken cannot be flushed
                    super().finish()

            def work(self) -> None:
                saboteur.serve(self)

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

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        request = Request(handler.command, handler.path, dict(handler.headers.items()), _body(handler))
        self.heard(request)
        fault = self.take(request, after=False)
        if isinstance(fault, Answer):
            _send(handler, fault.status, fault.headers.items(), fault.body)
            return
        self.suffer(fault)
        upstream = http.client.HTTPConnection(str(self.target.hostname), self.target.port or 80, timeout=60)
        try:
            response = self._ask(upstream, handler, request)
            length = response.headers.get("Content-Length")
            body = response.read() if length is not None or request.method == "HEAD" else None
            self.suffer(self.take(request, after=True))
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
