"""Keeps the processes of one service: starts them, replaces those that die, ends them, and serves the sum of their metrics."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace

from prometheus_client.multiprocess import mark_process_dead

from hardpoint.connectors.service.exposition import serve_metrics, sum_of
from hardpoint.connectors.service.options import ServiceOptions
from hardpoint.errors import UserError

__all__ = ["Supervisor"]

logger = logging.getLogger(__name__)

_YOUNG = 5.0
"""Seconds; a process that dies before is started anew after a pause, which grows."""
_LONGEST = 10.0


@dataclass
class _Slot:
    """A place for one process."""

    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    deaths: int = 0
    not_before: float = 0.0


class Supervisor:
    """Runs `options.workers` processes on one port.

    Args:
        options: How.
        command: What starts a process that reads its options, a line of JSON, from standard input, and ends when that does.
    """

    def __init__(self, options: ServiceOptions, command: list[str]) -> None:
        self._command = command
        self._slots = [_Slot() for _ in range(options.workers)]
        self._signals: list[int] = []
        self._folder = tempfile.mkdtemp(prefix="hardpoint-metrics-")
        self._held = _hold(options)
        metrics = options.prometheus_port
        if metrics is not None:
            metrics = serve_metrics(sum_of(self._folder), options.host, metrics)
        self._limit = options.timeout
        self._drain = options.drain_timeout
        self._options = replace(options, port=self._held.getsockname()[1], prometheus_port=metrics, timeout=None)

    def run(self) -> int:
        """Until a signal, or the time that the options give: the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda told, frame: self._signals.append(told))
        end = None if self._limit is None else time.monotonic() + self._limit
        try:
            while not self._signals and (end is None or time.monotonic() < end):
                status = self._tend()
                if status:
                    return status
                time.sleep(0.05)
            return self._stop()
        finally:
            for slot in self._slots:
                if slot.process is not None and slot.process.poll() is None:
                    slot.process.kill()
                    slot.process.wait()
            self._held.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _tend(self) -> int:
        """See to the processes; the status with which to give up, if the first of all could not start."""
        now = time.monotonic()
        for number, slot in enumerate(self._slots):
            if slot.process is not None and (status := slot.process.poll()) is not None:
                if number == 0 and not slot.deaths and status in (1, 2, 3):
                    return status  # it has said why; what hinders it may have hindered others before
                self._buried(slot, status, now)
            if slot.process is None and now >= slot.not_before:
                self._start(slot, is_first=number == 0 and not slot.deaths)
        return 0

    def _start(self, slot: _Slot, *, is_first: bool) -> None:
        slot.began = time.monotonic()
        slot.process = subprocess.Popen(
            [*self._command, *(["--announce"] if is_first else [])],
            stdin=subprocess.PIPE,
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": self._folder},
            start_new_session=True,  # Ctrl-C is for the supervisor, which tells the others once
        )
        assert slot.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its end is noticed anyway
            slot.process.stdin.write(self._options.to_json().encode() + b"\n")
            slot.process.stdin.flush()

    def _buried(self, slot: _Slot, status: int, now: float) -> None:
        assert slot.process is not None
        slot.deaths = slot.deaths + 1 if now - slot.began < _YOUNG else 1
        pause = 0.0 if now - slot.began >= _YOUNG else min(0.1 * 2**slot.deaths, _LONGEST)
        slot.not_before = now + pause
        logger.warning(
            "The process %d has died (%s), and is replaced in %.1f s.", slot.process.pid, _words(status), pause
        )
        self._dismiss(slot)

    def _dismiss(self, slot: _Slot) -> None:
        assert slot.process is not None
        if slot.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                slot.process.stdin.close()
        mark_process_dead(slot.process.pid, self._folder)  # type: ignore[no-untyped-call]
        slot.process = None

    def _stop(self) -> int:
        """End all processes as gently as they allow; a second signal ends them at once."""
        logger.info("The service ends.")
        self._tell(signal.SIGTERM)
        heard, until = len(self._signals), time.monotonic() + self._drain + 10
        while any(slot.process is not None and slot.process.poll() is None for slot in self._slots):
            if len(self._signals) > max(heard, 1) or time.monotonic() > until:
                return 130
            time.sleep(0.05)
        return 0

    def _tell(self, number: int) -> None:
        for slot in self._slots:
            if slot.process is not None and slot.process.poll() is None:
                slot.process.send_signal(number)


def _hold(options: ServiceOptions) -> socket.socket:
    """A socket that keeps the port for the processes, of which each binds it too. Nobody connects to what does not listen."""
    host = options.host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        held = socket.socket(family, kind, protocol)
        if family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except OSError as error:
        raise UserError(
            f"The service cannot listen on {options.address}: {error.strerror}",
            remedy="Name another --host or --port, or end what listens there.",
        ) from error
    return held


def _words(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"
