"""Workflows that leave marks of what ran, wait, fail, and ask."""

import os
import subprocess
import sys
import time
from datetime import timedelta

from hardpoint import UserError, approve, map_task, task, workflow
from hardpoint.errors import MissingDependencyError


def mark(word: str) -> None:
    with open(os.environ["MARKS"], "a") as stream:
        stream.write(f"{word}\n")


@task
def first(n: int) -> int:
    mark("first")
    return n + 1


@task
def patient(n: int) -> int:
    """Waits until somebody has left a file."""
    mark("patient")
    while not os.path.exists(os.environ["MARKS"] + ".go"):
        time.sleep(0.02)
    return n * 10


@workflow
def waiting(n: int = 1) -> int:
    return patient(n=first(n=n))


@task
def fragile(n: int, words: list[str]) -> int:
    if not os.path.exists(os.environ["MARKS"] + ".go"):
        raise ValueError(f"{n} is too much")
    return n


@workflow
def failing(n: int) -> int:
    return fragile(n=first(n=n), words=["a", "b", "c", "d"])


@task
def square(n: int) -> int:
    if n == 13:
        raise ValueError("an unlucky number")
    return n * n


@workflow
def squares(numbers: list[int]) -> list[int]:
    return map_task(square)(n=numbers)


@task
def unfit() -> None:
    raise UserError("The table has no column 'x'.", remedy="Name one of a, b.")


@task
def lacking() -> None:
    raise MissingDependencyError("Nothing", "nothing-at-all>=1", "nothing")


@task
def quits() -> None:
    sys.exit(4)


@task
def loud() -> str:
    """Prints, itself and by a child process."""
    print("printed by the task", flush=True)
    subprocess.run(["echo", "printed by a child"], check=True)
    return os.environ.get("GREETING", "no greeting")


@task(enable_deck=True)
def shown(n: int) -> int:
    return n


@workflow
def approved(n: int) -> int:
    return first(n=approve(first(n=n), "sure", timeout=timedelta(minutes=1)))


@task(cache=True, cache_version="1")
def cached(n: int) -> int:
    mark(f"cached {n}")
    return n
