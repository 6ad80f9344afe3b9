"""The service in processes of its own, as a backend meets it: over a real port, with the stubs that protoc makes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyteidl.service.agent_pb2_grpc import AgentMetadataServiceStub, AsyncAgentServiceStub, SyncAgentServiceStub
from flyteidl2.connector.service_pb2_grpc import AsyncConnectorServiceStub, ConnectorMetadataServiceStub
from grpc_health.v1.health_pb2_grpc import HealthStub

from tests.services.share import START_SECONDS

ROOT = Path(__file__).parents[3]
MODULES = Path(__file__).parent / "modules"
CANARY = "canary-4f1d7a"
"""A credential of the service, which nothing that leaves it may show."""


@dataclass
class Service:
    """A running service.

    Attributes:
        process: Its process; of several, the one that keeps them.
        lines: What it has said, on both streams.
    """

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    port: int = 0
    metrics_port: int = 0

    @property
    def text(self) -> str:
        return "".join(self.lines)

    @cached_property
    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(f"127.0.0.1:{self.port}", [("grpc.max_receive_message_length", -1)])

    @cached_property
    def v1(self) -> Any:
        return AsyncAgentServiceStub(self.channel)

    @cached_property
    def v1_sync(self) -> Any:
        return SyncAgentServiceStub(self.channel)

    @cached_property
    def v1_metadata(self) -> Any:
        return AgentMetadataServiceStub(self.channel)

    @cached_property
    def v2(self) -> Any:
        return AsyncConnectorServiceStub(self.channel)

    @cached_property
    def v2_metadata(self) -> Any:
        return ConnectorMetadataServiceStub(self.channel)

    @cached_property
    def health(self) -> Any:
        return HealthStub(self.channel)

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def said(self, words: str, seconds: float = START_SECONDS) -> re.Match[str]:
        """Wait until it has said something."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = re.search(words, self.text)
            if found:
                return found
            if self.process.poll() is not None:
                time.sleep(0.2)  # for the last lines
                found = re.search(words, self.text)
                if found:
                    return found
                break
            time.sleep(0.02)
        pytest.fail(f"The service did not say {words!r}:\n{self.text}")

    def end(self, number: int = signal.SIGTERM, seconds: float = 60) -> int:
        """Tell it to end, and wait: its status."""
        if "channel" in vars(self):
            self.channel.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)


@contextmanager
def running(
    *words: str, modules: tuple[str, ...] = ("served",), wait: bool = True, **environment: str
) -> Iterator[Service]:
    """Start the service, with everything on free ports; kill it at the end of the block."""
    command = [sys.executable, "-m", "hardpoint.cli.main", "serve", "connector", "--host", "127.0.0.1", "--port", "0"]
    if not any(word.startswith("--prometheus") for word in words):
        command += ["--prometheus-port", "0"]
    command += [*(word for module in modules for word in ("--modules", module)), *words]
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
    process = subprocess.Popen(
        command,
        cwd=MODULES,
        env={**os.environ, "PYTHONPATH": path, "_FSEC_CANARY": CANARY, "NO_COLOR": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    service = Service(process)
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: service.lines.extend(process.stdout), daemon=True)  # type: ignore[arg-type]
    reader.start()
    try:
        if wait:
            service.port = int(service.said(r"Listening on port (\d+)")[1])
            metrics = re.search(r"Metrics are on port (\d+)", service.text)
            service.metrics_port = int(metrics[1]) if metrics else 0
        yield service
    finally:
        if "channel" in vars(service):
            service.channel.close()
        if process.poll() is None:
            # Those of several processes notice that their keeper is gone.
            process.kill()
        process.wait()
        reader.join(30)
        process.stdout.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Start services with a journal of this test's own; they end with it."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def begin(*words: str, **more: Any) -> Service:
            if "--journal" not in words:
                words = (*words, "--journal", str(tmp_path / "jobs.sqlite"))
            return stack.enter_context(running(*words, **more))

        yield begin


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for the tests of a module."""
    with running("--journal", str(tmp_path_factory.mktemp("journal") / "jobs.sqlite")) as started:
        yield started
