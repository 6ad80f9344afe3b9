"""A connector that drives a command line client and its task, as they are written for Flytekit; `flytekit` was replaced by
`hardpoint`."""

import asyncio
import json
import shlex
from asyncio.subprocess import PIPE
from collections.abc import Callable
from dataclasses import dataclass
from shlex import split
from subprocess import CalledProcessError
from tempfile import NamedTemporaryFile
from typing import Any, Optional, Union

from flyteidl.core.execution_pb2 import TaskExecution

from hardpoint import FlyteContextManager, PythonFunctionTask, Resources, current_context, task
from hardpoint.configuration import SerializationSettings
from hardpoint.extend import TaskPlugins
from hardpoint.extend.backend.base_agent import (
    AgentRegistry,
    AsyncAgentBase,
    AsyncAgentExecutorMixin,
    Resource,
    ResourceMeta,
)
from hardpoint.image_spec.image_spec import ImageSpec
from hardpoint.loggers import logger
from hardpoint.models.literals import LiteralMap
from hardpoint.models.task import TaskTemplate

TASK_TYPE = "ported_float"


@dataclass
class FloatConfig:
    submit_extra: str = ""


class FloatTask(AsyncAgentExecutorMixin, PythonFunctionTask):
    def __init__(
        self,
        task_config: Optional[FloatConfig],
        task_function: Callable,
        container_image: Optional[Union[str, ImageSpec]] = None,
        requests: Optional[Resources] = None,
        limits: Optional[Resources] = None,
        **kwargs,
    ):
        super().__init__(
            task_config=task_config or FloatConfig(),
            task_type=TASK_TYPE,
            task_function=task_function,
            container_image=container_image,
            **kwargs,
        )
        most = limits.cpu if limits else None
        least = requests.cpu if requests else None
        self._resources = [str(least or most or 1), "1", str(most) if most else None, None]

    def execute(self, **kwargs) -> Any:
        ctx = FlyteContextManager.current_context()
        if ctx.execution_state and ctx.execution_state.is_local_execution():
            return AsyncAgentExecutorMixin.execute(self, **kwargs)
        return PythonFunctionTask.execute(self, **kwargs)

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        return {"submit_extra": self.task_config.submit_extra, "resources": self._resources}


TaskPlugins.register_pythontask_plugin(FloatConfig, FloatTask)


async def async_check_output(*args, **kwargs):
    process = await asyncio.create_subprocess_exec(*args, stdout=PIPE, stderr=PIPE, **kwargs)
    stdout, stderr = await process.communicate()
    if process.returncode != 0:
        logger.error("Failed with exit code %s: %s", process.returncode, stderr.decode())
        raise CalledProcessError(process.returncode, args, output=stdout, stderr=stderr)
    return stdout


@dataclass
class FloatMetadata(ResourceMeta):
    job_id: str


class FloatConnector(AsyncAgentBase):
    name = "Ported Float Connector"

    def __init__(self):
        super().__init__(task_type_name=TASK_TYPE, metadata_type=FloatMetadata)
        self._response_format = ["--format", "json"]

    async def async_login(self):
        secrets = current_context().secrets
        await async_check_output(
            "float",
            "login",
            "--address",
            secrets.get("mmc_address"),
            "--username",
            secrets.get("mmc_username"),
            "--password",
            secrets.get("mmc_password"),
        )

    async def create(
        self,
        task_template: TaskTemplate,
        inputs: Optional[LiteralMap] = None,
        **kwargs,
    ) -> FloatMetadata:
        submit_command = ["float", "submit", "--force", *self._response_format]
        container = task_template.container

        min_cpu, min_mem, max_cpu, max_mem = task_template.custom["resources"]
        submit_command.extend(["--cpu", f"{min_cpu}:{max_cpu}" if max_cpu else f"{min_cpu}"])
        submit_command.extend(["--mem", f"{min_mem}:{max_mem}" if max_mem else f"{min_mem}"])
        submit_command.extend(["--image", container.image])
        for key, value in (container.env or {}).items():
            submit_command.extend(["--env", f"{key}={value}"])
        submit_extra = task_template.custom["submit_extra"]
        submit_command.extend(split(submit_extra))

        args = task_template.container.args
        script_lines = ["#!/bin/bash\n", f"{shlex.join(args)}\n"]

        task_id = task_template.id
        try:
            with NamedTemporaryFile("w") as job_file:
                job_file.writelines(script_lines)
                job_file.flush()
                logger.info("Submitting %s with project %s", task_id.name, task_id.project)
                submit_command.extend(["--job", job_file.name])
                await self.async_login()
                submit_response = await async_check_output(*submit_command)
                job_id = json.loads(submit_response.decode())["id"]
        except (KeyError, ValueError):
            logger.exception("Failed to read the reply")
            raise
        return FloatMetadata(job_id=job_id)

    async def get(self, resource_meta: FloatMetadata, **kwargs) -> Resource:
        show_command = ["float", "show", *self._response_format, "--job", resource_meta.job_id]
        await self.async_login()
        show_response = await async_check_output(*show_command)
        status = json.loads(show_response.decode())["status"]
        phase = {
            "Executing": TaskExecution.RUNNING,
            "Completed": TaskExecution.SUCCEEDED,
            "Cancelled": TaskExecution.FAILED,
            "FailToExecute": TaskExecution.FAILED,
        }[status]
        return Resource(phase=phase)

    async def delete(self, resource_meta: FloatMetadata, **kwargs):
        await self.async_login()
        await async_check_output("float", "cancel", "--force", "--job", resource_meta.job_id)


AgentRegistry.register(FloatConnector())


@task(
    task_config=FloatConfig(submit_extra="--migratePolicy '[enable=true]'"),
    container_image="float/img:1",
    requests=Resources(cpu="2", mem="4Gi"),
    limits=Resources(cpu="4"),
    environment={"STEP": "5"},
)
def advance(n: int) -> int:
    import os

    return n + int(os.environ["STEP"])


if __name__ == "__main__":
    print(advance(n=3))
