"""What jobs and connectors are given in these tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from tests.services.sshd import SSHD

ROOT = Path(__file__).parents[3]


def ssh_config_of(server: SSHD) -> dict[str, Any]:
    """How a login host is reached."""
    return {"host": "127.0.0.1", "port": server.port, "username": server.user, "known_hosts": server.known_hosts}


def python_environment() -> dict[str, str]:
    """Variables with which a job runs this project's own interpreter, with the tests' modules."""
    folder = os.path.dirname(sys.executable)
    return {"PATH": os.pathsep.join((folder, "/usr/bin", "/bin")), "PYTHONPATH": str(ROOT)}
