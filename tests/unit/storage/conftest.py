"""The stores that every operation is tested on, and what they have in common."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from hardpoint.settings import StorageSettings
from hardpoint.storage import FileAccess
from tests.services.azurite import Azurite
from tests.services.s3 import S3
from tests.services.share import free_port, listens


def s3_settings(server: S3, **changes: object) -> StorageSettings:
    values: dict[str, object] = {
        "s3_endpoint": server.endpoint,
        "s3_access_key_id": "test",
        "s3_secret_access_key": "test",
        "s3_region": "us-east-1",
    }
    return StorageSettings(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def gcs() -> Iterator[str]:
    """The address of a server that speaks the JSON API of Google Cloud Storage."""
    port = free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1", "--port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, "--in-memory"], **quiet) as server:  # type: ignore[call-overload]
        deadline = time.monotonic() + 60
        while not listens(port) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
        server.terminate()


@dataclass
class Place:
    """Storage, and a URI in it below which nothing is yet."""

    files: FileAccess
    base: str


@pytest.fixture(params=["path", "file", "memory", "s3", "gs", "abfs"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    sandbox = str(tmp_path / "sandbox")
    match request.param:
        case "path":
            base, settings = str(tmp_path / "store"), StorageSettings()
        case "file":
            base, settings = f"file://{tmp_path}/store", StorageSettings()
        case "memory":
            base, settings = f"memory://{uuid4().hex}/store", StorageSettings()
        case "s3":
            server: S3 = request.getfixturevalue("s3")
            base = server.make_bucket(f"t{uuid4().hex[:12]}") + "/store"
            settings = s3_settings(server)
        case "abfs":
            azurite: Azurite = request.getfixturevalue("azurite")
            container = f"t{uuid4().hex[:12]}"
            base, settings = (
                f"abfs://{container}/store",
                StorageSettings(azure_connection_string=azurite.connection_string),
            )
            FileAccess(base, sandbox, settings).filesystem(base).mkdir(container)
        case _:
            address = request.getfixturevalue("gcs")
            bucket = f"t{uuid4().hex[:12]}"
            body = f'{{"name": "{bucket}"}}'.encode()
            made = urllib.request.Request(
                f"http://{address}/storage/v1/b?project=p", body, {"Content-Type": "application/json"}
            )
            urllib.request.urlopen(made, timeout=30).close()
            base, settings = f"gs://{bucket}/store", StorageSettings(gcs_endpoint=address, gcs_project="p")
    return Place(FileAccess(f"{base}/raw", sandbox, settings), base)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A local folder with files at several depths."""
    root = tmp_path / "tree"
    for name, content in CONTENT.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


CONTENT = {"a.txt": b"a", "empty": b"", "below/b.bin": bytes(range(256)) * 10, "below/deeper/ü c.txt": b"\xff\x00"}


def content_of(folder: Path | str) -> dict[str, bytes]:
    root = Path(folder)
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
