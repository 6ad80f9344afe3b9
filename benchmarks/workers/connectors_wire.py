"""Asks a gRPC server as much as it can answer, and costs little: requests onto HTTP/2 as bytes, of many callers at once.

https://www.rfc-editor.org/rfc/rfc9113 https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Iterator

__all__ = ["crowd"]

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_HEADER_TABLE_SIZE, _INITIAL_WINDOW_SIZE = 1, 4
_MOST = 2**31 - 1


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _headers(path: str) -> bytes:
    fields = (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    )
    return b"".join(
        bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in fields
    )


class _Connection:
    """One connection, and the callers that share it, each of whom has one request on its way."""

    def __init__(self, port: int, path: str, requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._headers, self._requests = _headers(path), requests
        self._next, self._received = 1, b""
        self._told: set[int] = set()
        self.answered = self.waiting = 0
        settings = struct.pack(">HIHI", _HEADER_TABLE_SIZE, 0, _INITIAL_WINDOW_SIZE, _MOST)
        self.socket.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(_SETTINGS, 0, 0, settings)
            + _frame(8, 0, 0, struct.pack(">I", _MOST - 65535))
        )

    def ask(self, count: int) -> None:
        """Send so many requests."""
        out = []
        for _ in range(count):
            message, stream = next(self._requests), self._next
            self._next += 2
            body = b"\0" + len(message).to_bytes(4, "big") + message
            out.append(_frame(_HEADERS, _END_HEADERS, stream, self._headers))
            out.append(_frame(_DATA, _END_STREAM, stream, body))
        self.waiting += count
        self.socket.sendall(b"".join(out))

    def receive(self) -> int:
        """How many of the answers that have come are whole; one without a message is an error."""
        data = self.socket.recv(1 << 16)
        if not data:
            raise SystemExit("The server has closed the connection.")
        if self._received:
            data = self._received + data
        start, length, ended = 0, len(data), 0
        while start + 9 <= length:
            end = start + 9 + (data[start] << 16 | data[start + 1] << 8 | data[start + 2])
            if end > length:
                break
            kind, flags = data[start + 3], data[start + 4]
            if kind == _DATA:
                self._told.add(int.from_bytes(data[start + 5 : start + 9], "big"))
            elif kind == _HEADERS:
                if flags & _END_STREAM:
                    stream = int.from_bytes(data[start + 5 : start + 9], "big")
                    if stream not in self._told:
                        raise SystemExit(f"The server has refused a call: {data[start + 9 : end]!r}")
                    self._told.discard(stream)
                    ended += 1
            elif kind in (_SETTINGS, _PING):
                if not flags & _ACK:
                    self.socket.sendall(_frame(kind, _ACK, 0, data[start + 9 : end] if kind == _PING else b""))
            elif kind in (_GOAWAY, _RST_STREAM):
                raise SystemExit(f"The server has given up: {data[start:end]!r}")
            start = end
        self._received = data[start:]
        self.answered += ended
        self.waiting -= ended
        return ended


def crowd(
    port: int, path: str, requests: Iterator[bytes], seconds: float, connections: int = 8, callers: int = 64
) -> tuple[int, float]:
    """How many requests were answered, and in how many seconds.

    Args:
        port: The server's.
        path: The method's full name.
        requests: The messages.
        seconds: For how long callers go on.
        connections: How many there are.
        callers: How many share them; each asks again when it is answered.
    """
    made = [_Connection(port, path, requests) for _ in range(connections)]
    with selectors.DefaultSelector() as selector:
        for one in made:
            selector.register(one.socket, selectors.EVENT_READ, one)
        began = time.perf_counter()
        until = began + seconds
        for one in made:
            one.ask(callers // connections)
        while any(one.waiting for one in made):
            for key, _ in selector.select(60):
                ended = key.data.receive()
                if ended and time.perf_counter() < until:
                    key.data.ask(ended)
        took = time.perf_counter() - began
    for one in made:
        one.socket.close()
    return sum(one.answered for one in made), took
