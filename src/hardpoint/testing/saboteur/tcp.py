"""The saboteur of services of any protocol over TCP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hardpoint.testing.saboteur.faults import Answer, Fault, Request
from hardpoint.testing.saboteur.proxy import Broken, Saboteur, reset

__all__ = ["TcpSaboteur"]


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
        while not self.closed.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            client.settimeout(None)
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                upstream = socket.create_connection((str(self.target.hostname), int(self.target.port or 0)))
            except OSError:
                reset(client)
                return
            with upstream:
                with self.lock:
                    self.connections |= {client, upstream}
                back = threading.Thread(target=self._pass, args=(upstream, client, client, True), daemon=True)
                back.start()
                self._pass(client, upstream, client, False)
                back.join()
                with self.lock:
                    self.connections -= {client, upstream}

    def _pass(self, source: socket.socket, target: socket.socket, client: socket.socket, after: bool) -> None:
        """Pass bytes on until one side ends."""
        try:
            while data := source.recv(65536):
                request = Request("ANSWER" if after else "SEND", body=data)
                if not after:
                    self.heard(request)
                self.suffer(self.take(request, after))
                target.sendall(data)
        except (Broken, OSError):
            reset(client)
        for side in (source, target):  # neither waits for the other
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
