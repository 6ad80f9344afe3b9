"""Tasks for containers, in a module, so that a process of its own can find them."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from hardpoint import ImageSpec, Secret, current_context, dynamic, map_task, task
from hardpoint.errors import FlyteRecoverableException
from hardpoint.tasks.dispatch import IgnoreOutputs
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.python_function_task import ExecutionBehavior
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.tasks.shim import PythonCustomizedContainerTask, ShimTaskExecutor
from hardpoint.types.file import FlyteFile


@task
def double(n: int) -> int:
    if n == 13:
        raise ValueError("Unlucky, says postgresql://me:hunter2@host/db.")
    if n == 14:
        raise FlyteRecoverableException("The next time may do.")
    if n == 15:
        sys.exit(3)
    if n == 16:
        raise ConnectionResetError("The user's own connection.")
    if n == 17:
        raise IgnoreOutputs
    if n == 18:
        raise ValueError("x" * 300_000 + " the end")
    return 2 * n


@task
async def later(n: int) -> int:
    await asyncio.sleep(0)
    if n == 13:
        raise asyncio.CancelledError
    return 2 * n


@task
def text_as_number() -> int:
    return "three"  # type: ignore[return-value]


@task
def long(n: int) -> tuple[str, str]:
    return "x" * n, "short"


@task
def silent() -> None: ...


@task(secret_requests=[Secret(group="g", key="k", env_var="OTHER_NAME")], enable_deck=True)
def surroundings(n: int) -> dict[str, str]:
    context = current_context()
    me = context.execution_id
    before = context.checkpoint.read()
    context.checkpoint.write(b"kept")
    return {
        "execution": str(me),
        "task": f"{me.task_name} {me.task_version} {me.attempt}",
        "raw": context.raw_output_prefix,
        "before": str(before),
        "secret": context.secrets.get("g", "k"),
        "cwd": os.getcwd(),
    }


@task
def written() -> FlyteFile:
    path = Path(current_context().working_directory) / "said.txt"
    path.write_text("hello")
    return FlyteFile(str(path))


@task
def waits() -> str:
    """Says where it is, and waits until it is ended."""
    print("waiting", flush=True)
    while True:
        time.sleep(0.05)


@dynamic
def twice(n: int) -> int:
    return n if n == 0 else double(n=double(n=n))


@task(execution_mode=ExecutionBehavior.EAGER)
async def eagerly(n: int) -> int:
    return await later(n=n)


@task(container_image=ImageSpec(name="i", registry="registry.example", runtime_packages=["/no/such/package"]))
def with_packages() -> int:
    return 1


class Doubler(ShimTaskExecutor[None]):
    """Works from a template alone."""

    def execute_from_model(self, tt: Any, **values: Any) -> int:
        return 10 // values["n"] * 2


class DoublerTask(PythonCustomizedContainerTask[None]):
    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        return {"by": 2}


shim = DoublerTask("shim", None, "registry.example/shim:1", Doubler, interface=Interface({"n": int}, {"o0": int}))
many = map_task(double)
