"""`buf curl`: a gRPC client that is not of grpc's own making, and learns messages by reflection."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import dataclass
from typing import Any

from tests.services.npm import program

VERSION = "1.75.0"


@dataclass(frozen=True)
class Answer:
    """What came of a call: its messages, or why there are none."""

    status: int
    messages: list[Any]
    error: Any

    @property
    def message(self) -> Any:
        [message] = self.messages
        return message


class Buf:
    """Calls the service on a port."""

    def __init__(self, port: int) -> None:
        self._program, self._url = program("@bufbuild/buf", VERSION, "buf"), f"http://127.0.0.1:{port}"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(self._program), "curl", "--http2-prior-knowledge", "--protocol", "grpc", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def call(self, method: str, *requests: Any) -> Answer:
        data = "".join(json.dumps(request) for request in requests or ({},))
        done = self.run(f"{self._url}/{method}", "-d", data)
        error = json.loads(done.stderr) if done.returncode and done.stderr.strip().startswith("{") else done.stderr
        return Answer(done.returncode, _documents(done.stdout), error)

    def methods(self) -> list[str]:
        return self.run(self._url, "--list-methods").stdout.split()


def _documents(text: str) -> list[Any]:
    decoder, found, start = json.JSONDecoder(), [], 0
    while text[start:].strip():
        start += len(text[start:]) - len(text[start:].lstrip())
        document, start = decoder.raw_decode(text, start)
        found.append(document)
    return found


def meta(data: str) -> Any:
    """A job's metadata as JSON, of its base64 in an answer."""
    return json.loads(base64.b64decode(data))
