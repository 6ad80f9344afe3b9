"""An S3 API server, in a process of its own so that it does not share the tests' interpreter lock."""

from __future__ import annotations

import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.services.share import Pool, Started, free_port, listens


@dataclass(frozen=True)
class S3:
    """A running server; any key is accepted.

    Attributes:
        endpoint: Its URL.
    """

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which Hardpoint, and any AWS client, finds the server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def make_bucket(self, name: str) -> str:
        """Make a bucket and return its URI; the name needs three characters or more."""
        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/{name}", method="PUT"), timeout=30).close()
        return f"s3://{name}"


def _start(folder: Path) -> Started:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    return Started(command, {"endpoint": f"http://127.0.0.1:{port}"}, ready=lambda: listens(port))


def s3_server(pool: Pool) -> S3:
    return S3(endpoint=str(pool.get("s3", _start)["endpoint"]))
