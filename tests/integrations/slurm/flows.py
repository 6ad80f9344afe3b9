"""Functions that nodes of the cluster run: they import this module."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from hardpoint import current_context, task, workflow
from hardpoint.errors import FlyteRecoverableException
from hardpoint.integrations.slurm import SlurmFunctionConfig
from hardpoint.types.file import FlyteFile
from tests.integrations.slurm.surroundings import python_environment

# The tests write into these; what they say is read when a template is made.
SSH: dict[str, Any] = {"host": "127.0.0.1"}
CONFIG = SlurmFunctionConfig(SSH, {}, "#!/bin/sh\necho before\n{task.fn}\nstatus=$?\necho after\nexit $status\n")
OPTIONS: dict[str, Any] = {
    "task_config": CONFIG,
    "environment": {**python_environment(), "GREETING": 'it\'s $HOME; "so"'},
}


@task(**OPTIONS)
def total(numbers: list[int], start: int) -> int:
    print("adding", numbers)
    return sum(numbers, start)


@task(**OPTIONS)
def surroundings() -> dict[str, str]:
    return {
        "greeting": os.environ["GREETING"],
        "job": os.environ["SLURM_JOB_NAME"],
        "mode": str(current_context().execution_id.name),
    }


@task(**OPTIONS)
def written(text: str) -> FlyteFile:
    path = Path("written.txt")
    path.write_text(text)
    return FlyteFile(str(path))


@task(**OPTIONS)
def broken(n: int) -> int:
    raise ValueError(f"{n} is not to my taste")


@task(**OPTIONS)
def passing(n: int) -> int:
    raise FlyteRecoverableException(f"{n} may do next time")


@task(**OPTIONS)
def successor(n: int) -> int:
    return n + 1


@task(**OPTIONS)
def silent() -> None:
    print("nothing to tell")


@task(**OPTIONS)
def waits(path: str) -> str:
    deadline = time.monotonic() + 60
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return Path(path).read_text()


@task
def double(n: int) -> int:
    return 2 * n


@workflow
def both(n: int) -> int:
    return double(n=total(numbers=[n, double(n=n)], start=1))


@workflow
def waiting(path: str) -> str:
    return waits(path=path)
