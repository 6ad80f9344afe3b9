"""The command in a process of its own, as people run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hardpoint.testing import CANARY
from tests.unit.testing.lake import FakeLake, running_lake

ROOT = Path(__file__).parents[3]
WORKFLOWS = Path(__file__).parent / "workflows"


@dataclass
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(scope="session")
def command() -> Callable[..., list[str]]:
    """Words after the program's name, to a command line."""
    return lambda *words: [str(Path(sys.executable).with_name("hardpoint")), *words]


@pytest.fixture
def environment(state_dir: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of the commands of one test; what they keep is the test's own."""
    return {
        **os.environ,
        "HARDPOINT_LOCAL_STATE_DIR": str(state_dir),
        "MARKS": str(tmp_path / "marks"),
        "COLUMNS": "100",
    }


@pytest.fixture
def hardpoint(command: Callable[..., list[str]], environment: dict[str, str]) -> Callable[..., Ended]:
    """Run the command in the folder of the workflows and wait for it."""

    def run(*words: str, cwd: Path = WORKFLOWS, stdin: str = "", **variables: str) -> Ended:
        done = subprocess.run(
            command(*words),
            cwd=cwd,
            env={**environment, **variables},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def start(command: Callable[..., list[str]], environment: dict[str, str]) -> Callable[..., subprocess.Popen[str]]:
    """Start the command in the folder of the workflows and do not wait."""

    def popen(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command(*words), cwd=WORKFLOWS, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return popen


def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What the condition says once it says something."""
    limit = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < limit, "It did not happen."
        time.sleep(0.05)
    return found


@pytest.fixture
def lake() -> Iterator[FakeLake]:
    with running_lake() as running:
        yield running


@pytest.fixture
def lake_environment(environment: dict[str, str], lake: FakeLake) -> dict[str, str]:
    """The environment of commands that reach the lake."""
    paths = [str(ROOT), environment.get("PYTHONPATH", "")]
    environment.update(
        {
            "LAKE_URL": lake.url,
            "_FSEC_LAKE_TOKEN": CANARY,
            "NO_COLOR": "1",
            "PYTHONPATH": ":".join(filter(None, paths)),
        }
    )
    return environment
