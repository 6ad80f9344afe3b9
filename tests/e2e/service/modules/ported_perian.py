"""A connector for a platform of container jobs and its two tasks, as they are written for Flytekit; `flytekit` was replaced
by `hardpoint`."""

import json
import os
import shlex
import sys
import urllib.error
import urllib.request
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Optional, Union

from flyteidl.core.execution_pb2 import TaskExecution
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from hardpoint import FlyteContextManager, current_context, kwtypes, task
from hardpoint.configuration import SerializationSettings
from hardpoint.core.base_task import PythonTask
from hardpoint.core.interface import Interface
from hardpoint.core.python_function_task import PythonFunctionTask
from hardpoint.core.type_engine import TypeEngine
from hardpoint.exceptions.base import FlyteException
from hardpoint.exceptions.user import FlyteUserException
from hardpoint.extend import TaskPlugins
from hardpoint.extend.backend.base_connector import (
    AsyncConnectorBase,
    AsyncConnectorExecutorMixin,
    ConnectorRegistry,
    Resource,
    ResourceMeta,
)
from hardpoint.image_spec import ImageSpec
from hardpoint.loggers import logger
from hardpoint.models.literals import LiteralMap
from hardpoint.models.task import TaskTemplate

TASK_TYPE = "ported_platform"


@dataclass
class PlatformConfig:
    cores: Optional[int] = None
    memory: Optional[int] = None
    accelerator_type: Optional[str] = None
    country_code: Optional[str] = None


def get_custom_task_config(task_config: PlatformConfig) -> dict[str, Any]:
    config = {k: v for k, v in asdict(task_config).items() if v is not None}
    if "country_code" in config:
        if len(config["country_code"]) != 2:
            raise FlyteUserException("Invalid country code. Please provide a valid two-letter country code.")
        config["country_code"] = config["country_code"].upper()
    s = Struct()
    s.update(config)
    return json_format.MessageToDict(s)


class PlatformTask(AsyncConnectorExecutorMixin, PythonFunctionTask):
    def __init__(
        self,
        task_config: Optional[PlatformConfig],
        task_function: Callable,
        container_image: Optional[Union[str, ImageSpec]] = None,
        **kwargs,
    ):
        super().__init__(
            task_config=task_config or PlatformConfig(),
            task_type=TASK_TYPE,
            task_function=task_function,
            container_image=container_image,
            **kwargs,
        )

    def execute(self, **kwargs) -> Any:
        ctx = FlyteContextManager.current_context()
        if not ctx.file_access.is_remote(ctx.file_access.raw_output_prefix):
            raise ValueError("To submit a job locally, please provide --raw-output-data-prefix with a remote path.")
        if ctx.execution_state and ctx.execution_state.is_local_execution():
            try:
                return AsyncConnectorExecutorMixin.execute(self, **kwargs)
            except Exception as e:
                logger.error("Failed to run the task: %s", e)
                raise
        return PythonFunctionTask.execute(self, **kwargs)

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        config = get_custom_task_config(self.task_config)
        if self.environment:
            config["environment"] = self.environment
        return config


class PlatformContainerTask(AsyncConnectorExecutorMixin, PythonTask[PlatformConfig]):
    def __init__(
        self,
        name: str,
        task_config: PlatformConfig,
        image: str,
        command: list[str],
        inputs: Optional[OrderedDict[str, type]] = None,
        **kwargs,
    ):
        if "outputs" in kwargs or "output_data_dir" in kwargs:
            raise ValueError("PlatformContainerTask does not support 'outputs' or 'output_data_dir'")
        super().__init__(
            task_type=TASK_TYPE,
            name=name,
            task_config=task_config,
            interface=Interface(inputs=inputs or {}),
            **kwargs,
        )
        self._image = image
        self._command = command

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        config = get_custom_task_config(self.task_config)
        config["image"] = self._image
        config["command"] = self._command
        return config


TaskPlugins.register_pythontask_plugin(PlatformConfig, PlatformTask)


@dataclass
class PlatformMetadata(ResourceMeta):
    job_id: str


class PlatformConnector(AsyncConnectorBase):
    name = "Ported Platform Connector"

    def __init__(self):
        super().__init__(task_type_name=TASK_TYPE, metadata_type=PlatformMetadata)

    async def create(
        self,
        task_template: TaskTemplate,
        output_prefix: str,
        inputs: Optional[LiteralMap] = None,
        **kwargs,
    ) -> PlatformMetadata:
        literal_types = task_template.interface.inputs
        params = (
            TypeEngine.literal_map_to_kwargs(FlyteContextManager.current_context(), inputs, literal_types=literal_types)
            if inputs.literals
            else {}
        )
        job = self._build_create_job_request(task_template, params, output_prefix)
        return PlatformMetadata(job_id=self._ask("POST", "/jobs", job)["id"])

    async def get(self, resource_meta: PlatformMetadata, **kwargs) -> Resource:
        job = self._ask("GET", f"/jobs/{resource_meta.job_id}")
        phase_map = {
            "Queued": TaskExecution.QUEUED,
            "Running": TaskExecution.RUNNING,
            "Done": TaskExecution.SUCCEEDED,
            "ServerError": TaskExecution.FAILED,
            "UserError": TaskExecution.FAILED,
            "Cancelled": TaskExecution.ABORTED,
        }
        if job["status"] not in phase_map:
            raise FlyteException("Undefined job status")
        return Resource(phase=phase_map[job["status"]], message=job["logs"])

    async def delete(self, resource_meta: PlatformMetadata, **kwargs):
        self._ask("DELETE", f"/jobs/{resource_meta.job_id}")

    def _build_create_job_request(self, task_template: TaskTemplate, params: dict, output_prefix: str) -> dict:
        config = task_template.custom
        requirements = {}
        if config.get("cores"):
            requirements["cores"] = int(config["cores"])
        if config.get("memory"):
            requirements["ram"] = int(config["memory"])
        if "accelerator_type" in config:
            requirements["accelerator"] = config["accelerator_type"]
        if config.get("country_code"):
            requirements["location"] = config["country_code"]

        if task_template.container is not None:
            image = task_template.container.image
            command = shlex.join(task_template.container.args)
        else:
            image = config["image"]
            command = " ".join(
                str(params[part[10:-2]]) if part.startswith("{{.inputs.") else part for part in config["command"]
            )
        name, tag = image.rsplit(":", 1)
        return {
            "image": name,
            "tag": tag,
            "command": command,
            "requirements": requirements,
            "env": config.get("environment", {}),
            "output_prefix": output_prefix,
            "config": json.loads(json.dumps(config)),
        }

    def _ask(self, method: str, path: str, body: Optional[dict] = None) -> dict:
        request = urllib.request.Request(
            os.environ["PLATFORM_URL"] + path,
            json.dumps(body).encode() if body else None,
            headers=self._build_headers(),
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as e:
            raise FlyteException(f"Failed to ask the platform: {e.read().decode()}") from e

    def _build_headers(self) -> dict:
        org = current_context().secrets.get("platform_organization")
        token = current_context().secrets.get("platform_token")
        if not org or not token:
            raise FlyteUserException("platform_organization and platform_token must be provided in the secrets")
        return {"X-AUTH-ORG": org, "Authorization": f"Bearer {token}"}


ConnectorRegistry.register(PlatformConnector())


@task(
    task_config=PlatformConfig(cores=2, memory=8, country_code="de"),
    container_image="platform/img:1",
    environment={"GREETING": "moin"},
)
def greet(name: str, times: int) -> str:
    return " ".join([os.environ["GREETING"], name] * times)


echo = PlatformContainerTask(
    name="ported.echo",
    task_config=PlatformConfig(accelerator_type="A100"),
    image="busybox:1.36",
    command=["echo", "{{.inputs.name}}", "{{.inputs.times}}"],
    inputs=kwtypes(name=str, times=int),
)

if __name__ == "__main__":
    print((greet if sys.argv[1] == "function" else echo)(name="Jo", times=2))
