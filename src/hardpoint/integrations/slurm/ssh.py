"""Programs and files on login hosts: one connection for each login, kept while it is used, and made anew when it is lost."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import secrets
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from hardpoint.integrations.slurm.login import Login
from hardpoint.integrations.slurm.problems import Ran, SlurmUnavailableError, translated

if TYPE_CHECKING:
    from asyncssh import SFTPClient, SSHClientConnection

__all__ = ["Host", "Hosts", "new_mark"]

T = TypeVar("T")

_CONNECT = 20.0
_PROGRAM = 25.0
_IDLE = 300.0
"""Seconds for: a connection; a program, if nothing else is said; an unused connection, after which it is closed."""
_CHANNELS = 8
"""Programs at once; sshd allows 10 for each connection. https://man.openbsd.org/sshd_config#MaxSessions"""
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before each further question to a server that takes no more programs: those that have ended count for a moment yet."""


def new_mark() -> str:
    """A line that nobody else has."""
    return f"HARDPOINT_{secrets.token_hex(16)}"


class Host:
    """What one login does at its host. All methods run on the loop of `Hosts`."""

    def __init__(self, login: Login, idle: float) -> None:
        self.login, self._idle_seconds = login, idle
        self._attempt: asyncio.Task[SSHClientConnection] | None = None
        self._channels = asyncio.Semaphore(_CHANNELS)
        self._connection: SSHClientConnection | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._users: Counter[SSHClientConnection] = Counter()

    @property
    def is_wanted(self) -> bool:
        """Whether it has a connection, or somebody waits for one."""
        return self._connection is not None or bool(self._users) or self._attempt is not None

    def _translated(self) -> contextlib.AbstractContextManager[None]:
        config = self.login.config
        return translated(config.host, config.port or 22, config.username or "")

    async def run(self, program: str, seconds: float = _PROGRAM) -> Ran:
        """What a program of the shell does.

        The shell reads it whole before it runs any of it, so that of a program whose end got lost nothing is done. No part of it
        is on a command line, where others could read it and the login shell would have its own ideas about quotes.

        Args:
            program: Lines of a POSIX shell. It has no input.
            seconds: How long it may take.

        Raises:
            HardpointError: the host cannot be reached, or refuses.
        """
        mark = new_mark()  # after what the login shell says by itself
        whole = f"hardpoint() {{\necho {mark}\n{program}\n}}\nhardpoint </dev/null\n".encode()

        async def work(connection: SSHClientConnection) -> Ran:
            done = await connection.run("/bin/sh", input=whole, encoding=None)
            if done.exit_status is None:  # what it has printed may be a part of what it would have
                raise SlurmUnavailableError(
                    f"The connection to {self.login.config.host} was lost while a program ran there.",
                    host=self.login.config.host,
                )
            out, err = done.stdout or b"", done.stderr or b""
            assert isinstance(out, bytes)  # no encoding was asked for
            assert isinstance(err, bytes)
            return Ran(out.partition(f"{mark}\n".encode())[2], err.decode(errors="replace"), done.exit_status)

        return await self._use(work, seconds)

    async def move(self, work: Callable[[SFTPClient], Awaitable[T]], seconds: float | None = None) -> T:
        """What `work` gives, which moves files.

        Args:
            work: It is given an SFTP client.
            seconds: How long it may take; None: as long as the connection lives.
        """

        async def with_client(connection: SSHClientConnection) -> T:
            async with connection.start_sftp_client() as client:
                return await work(client)

        return await self._use(with_client, seconds)

    async def _use(self, work: Callable[[SSHClientConnection], Awaitable[T]], seconds: float | None) -> T:
        import asyncssh

        with self._translated():
            await (
                self._connected()
            )  # before it waits for its turn: whom a dead host keeps waiting need not wait in a row
            async with self._channels:
                for pause in _PAUSES:
                    connection = await self._connected()
                    try:
                        return await self._on(connection, work, seconds)
                    except asyncssh.ChannelOpenError:
                        # Nothing has been done: the connection was lost while nobody looked, or is full.
                        if not connection.is_closed():
                            await asyncio.sleep(pause)
                self._retire(connection)
                return await self._on(await self._connect(), work, seconds)

    async def _on(
        self,
        connection: SSHClientConnection,
        work: Callable[[SSHClientConnection], Awaitable[T]],
        seconds: float | None,
    ) -> T:
        """What `work` gives, which uses a connection."""
        self._users[connection] += 1
        if self._idle is not None:
            self._idle.cancel()
        try:
            return await asyncio.wait_for(work(connection), seconds)
        except TimeoutError:
            self._retire(connection)  # it may be dead without anybody having said so
            raise
        finally:
            self._users[connection] -= 1
            if not self._users[connection]:
                del self._users[connection]
                if connection is not self._connection:
                    connection.abort()
            if not self._users:
                self._idle = asyncio.get_running_loop().call_later(self._idle_seconds, self.close)

    async def _connected(self) -> SSHClientConnection:
        """The connection that all share; those who wait for it share the attempt as well, and its failure."""
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        if self._attempt is None:
            self._attempt = asyncio.get_running_loop().create_task(self._connect())
            self._attempt.add_done_callback(self._keep)
        return await asyncio.shield(self._attempt)

    def _keep(self, attempt: asyncio.Task[SSHClientConnection]) -> None:
        self._attempt = None
        if not attempt.cancelled() and attempt.exception() is None:
            self._connection = attempt.result()

    async def _connect(self) -> SSHClientConnection:
        import asyncssh

        # What it reads from files, and ciphers, takes a while, but nobody else's loop waits for it.
        return await asyncssh.connect(
            self.login.config.host,
            connect_timeout=_CONNECT,
            login_timeout=_CONNECT,
            keepalive_interval=15,
            keepalive_count_max=3,
            **self.login.options(),
        )

    def _retire(self, connection: SSHClientConnection) -> None:
        """Give a connection to nobody any more. Whoever uses it goes on; the last one closes it."""
        if self._connection is connection:
            self._connection = None
        if connection not in self._users:
            connection.abort()

    def close(self) -> None:
        """Close the connections; the next program makes another."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        for connection in {*self._users, *([self._connection] if self._connection is not None else ())}:
            connection.abort()
        self._connection = None


class Hosts:
    """The hosts of all logins, on an event loop in a thread of its own: connections outlive the loops of those who use them.

    Args:
        idle: Seconds after its last use that a connection is kept.
    """

    def __init__(self, idle: float = _IDLE) -> None:
        self._lock, self._idle = threading.Lock(), idle
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hosts: dict[Login, Host] = {}

    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop, started when it is first needed."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="hardpoint-ssh", daemon=True).start()
                atexit.register(self.close)
            return self._loop

    def call(self, login: Login, work: Callable[[Host], Coroutine[Any, Any, T]]) -> T:
        """What `work` gives for the host of a login; the calling thread waits."""

        async def on_loop() -> T:
            host = self._hosts.get(login)
            if host is None:
                self._hosts = {known: each for known, each in self._hosts.items() if each.is_wanted}
                host = self._hosts[login] = Host(login, self._idle)
            return await work(host)

        return asyncio.run_coroutine_threadsafe(on_loop(), self.loop()).result()

    def run(self, login: Login, program: str, seconds: float = _PROGRAM) -> Ran:
        """As `Host.run`, for the host of a login."""
        return self.call(login, lambda host: host.run(program, seconds))

    def close(self) -> None:
        """Close all connections; they are made again when they are needed."""

        async def on_loop() -> None:
            for host in self._hosts.values():
                host.close()

        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(on_loop(), self.loop()).result(2)
