"""A gRPC client of a page, for speed and for what no library would send: bytes onto HTTP/2, statuses off it.

It asks the server not to compress headers by a table of earlier ones, so that a status is read where it stands.
https://www.rfc-editor.org/rfc/rfc9113 https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import re
import socket
import struct
from collections import Counter
from collections.abc import Iterable, Sequence

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW_SIZE = 1, 2, 4
_MOST = 2**31 - 1
_STATUS = re.compile(rb"grpc-status[\x01-\x02](\d+)")


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _header(name: str, value: str) -> bytes:
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


class Connection:
    """Sends requests, many at once, and counts the statuses of their answers.

    Attributes:
        statuses: By number; -1 for a stream that was reset without one.
    """

    def __init__(self, port: int) -> None:
        self.statuses: Counter[int] = Counter()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._authority = f"127.0.0.1:{port}"
        self._heads: dict[str, bytes] = {}
        self._open: set[int] = set()
        self._next, self._window, self._received = 1, 65535, b""
        settings = struct.pack(">HIHIHI", _HEADER_TABLE_SIZE, 0, _ENABLE_PUSH, 0, _INITIAL_WINDOW_SIZE, _MOST)
        self._socket.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(_SETTINGS, 0, 0, settings)
            + _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _MOST - 65535))
        )

    def send(self, requests: Iterable[tuple[str, Sequence[bytes]]], in_flight: int = 256) -> None:
        """Send each request: a method, and its messages. At most so many wait for their answers at once."""
        out = bytearray()
        for path, messages in requests:
            body = b"".join(struct.pack(">BI", 0, len(message)) + message for message in messages)
            self._window -= len(body)
            stream, self._next = self._next, self._next + 2
            self._open.add(stream)
            out += _frame(_HEADERS, _END_HEADERS, stream, self._head(path))
            out += _frame(_DATA, _END_STREAM, stream, body)
            if len(out) > 16384 or len(self._open) >= in_flight or self._window < 32768:
                self._socket.sendall(out)
                out.clear()
            while len(self._open) >= in_flight or self._window < 32768:
                self._receive()
        self._socket.sendall(out)

    def finish(self) -> None:
        """Wait for all answers."""
        while self._open:
            self._receive()
        self._socket.close()

    def _head(self, path: str) -> bytes:
        found = self._heads.get(path)
        if found is None:
            headers = (
                (":method", "POST"),
                (":scheme", "http"),
                (":path", path),
                (":authority", self._authority),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
            )
            found = self._heads[path] = b"".join(_header(name, value) for name, value in headers)
        return found

    def _receive(self) -> None:
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionError(f"The server closed the connection; {len(self._open)} answers are missing.")
        data, start = self._received + data, 0
        while start + 9 <= len(data):
            size = int.from_bytes(data[start : start + 3], "big")
            if start + 9 + size > len(data):
                break
            kind, flags, stream = struct.unpack(">BBI", data[start + 3 : start + 9])
            self._take(kind, flags, stream, data[start + 9 : start + 9 + size])
            start += 9 + size
        self._received = data[start:]

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _HEADERS and flags & _END_STREAM:
            found = _STATUS.search(payload)
            self._ended(stream, int(found[1]) if found else -1)
        elif kind == _RST_STREAM:
            self._ended(stream, -1)  # after a status it says nothing
        elif kind == _SETTINGS and not flags & _ACK:
            self._socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._socket.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind == _WINDOW_UPDATE and stream == 0:
            self._window += struct.unpack(">I", payload)[0]
        elif kind == _GOAWAY:
            raise ConnectionError(f"The server ends the connection: {payload!r}")

    def _ended(self, stream: int, status: int) -> None:
        if stream in self._open:
            self._open.discard(stream)
            self.statuses[status] += 1
