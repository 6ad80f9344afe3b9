"""`buf curl`: a gRPC client that is not of grpc's own making, and learns messages by reflection."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.share import missing

VERSION = "1.75.0"


def program() -> Path:
    """Where it is; installed with npm, outside of this repository, when it is first asked for."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "hardpoint-tests")
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"buf-{VERSION}"
    found = folder / "node_modules" / ".bin" / "buf"
    with open(cache / "buf.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            npm = shutil.which("npm") or missing("npm", "npm nodejs")
            words = ["--ignore-scripts", "--no-audit", "--no-fund", f"@bufbuild/buf@{VERSION}"]
            subprocess.run(
                [npm, "install", "--prefix", str(folder), *words], check=True, capture_output=True, timeout=300
            )
    return found


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
        self._program, self._url = program(), f"http://127.0.0.1:{port}"

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
