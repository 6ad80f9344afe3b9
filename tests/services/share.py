"""One server for all workers of a test session."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from hardpoint.settings import truthy

START_SECONDS = 60.0
"""A server that starts in a second alone takes this long on a machine that is busy with other tests."""

_keepers: list[subprocess.Popen[bytes]] = []  # to be dropped is to be warned about


@dataclass(frozen=True)
class Pool:
    """The folder of a session's servers, and the process that they must not outlive."""

    root: Path
    owner: int

    def get(self, name: str, start: Callable[[Path], Started]) -> dict[str, object]:
        """The facts of the server `name`, started by whichever worker asks first.

        Args:
            name: The server.
            start: Given a folder of its own, makes ready what the server needs and says how it is started.
        """
        record = self.root / f"{name}.json"
        with self._lock(name):
            if not record.exists():
                folder = self.root / name
                folder.mkdir(exist_ok=True)
                folder.chmod(0o755)
                self._start(start(folder), record, folder / "log")
            facts: dict[str, object] = json.loads(record.read_text())
            return facts

    def stop(self) -> None:
        """Stop all servers of the session and wait for their ends."""
        records = list(self.root.glob("*.json"))
        for record in records:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                os.kill(json.loads(record.read_text())["keeper"], signal.SIGTERM)
        deadline = time.monotonic() + 15
        while any(record.exists() for record in records) and time.monotonic() < deadline:
            time.sleep(0.02)

    @contextlib.contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        with open(self.root / f"{name}.lock", "w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _start(self, started: Started, record: Path, log: Path) -> None:
        command = [sys.executable, "-I", str(Path(__file__).with_name("keeper.py")), str(self.owner), str(record)]
        with log.open("wb") as output:
            keeper = subprocess.Popen(
                [*command, started.user, *started.command], stdout=output, stderr=subprocess.STDOUT, cwd=log.parent
            )
        _keepers.append(keeper)
        deadline = time.monotonic() + START_SECONDS
        while not started.ready():
            if keeper.poll() is not None or time.monotonic() > deadline:
                keeper.terminate()
                pytest.fail(f"{started.command[0]} did not start:\n{log.read_text()}")
            time.sleep(0.05)
        record.write_text(json.dumps({**started.facts, "keeper": keeper.pid}))


@dataclass(frozen=True)
class Started:
    """How a server is run.

    Attributes:
        command: The program, in the foreground.
        facts: What its users need to know.
        ready: Whether it answers by now.
        user: The user to run it as, if not the present one.
    """

    command: list[str]
    facts: dict[str, object]
    ready: Callable[[], bool]
    user: str = ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def missing(what: str, package: str) -> NoReturn:
    """Fail in CI, where every server has to be there; skip elsewhere and say what to install."""
    message = f"{what} is not installed; on Debian: apt-get install --no-install-recommends {package}"
    if truthy(os.environ.get("CI", "")):
        pytest.fail(message)
    pytest.skip(message)
