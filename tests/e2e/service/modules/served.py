"""Connectors for the tests of the service. What they do is in the task's config."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from flyteidl.admin.agent_pb2 import (
    GetTaskLogsResponse,
    GetTaskLogsResponseBody,
    GetTaskLogsResponseHeader,
    GetTaskMetricsResponse,
    LogLine,
)
from flyteidl.core.metrics_pb2 import ExecutionMetricResult

from hardpoint import errors, idl
from hardpoint.connectors import (
    AsyncConnectorBase,
    Capabilities,
    ConnectorRegistry,
    Phase,
    Resource,
    ResourceMeta,
    SyncConnectorBase,
    log_link,
)
from hardpoint.connectors.connection import connection, get_connector_secret
from hardpoint.connectors.phases import JobGoneError
from hardpoint.idl import TaskTemplate

ERRORS: dict[str, Exception] = {
    "user": errors.UserError("The query has no FROM.", remedy="Write one."),
    "transient": errors.TransientError("The warehouse sleeps."),
    "permanent": errors.PermanentError("The warehouse was torn down."),
    "timeout": TimeoutError("too slow"),
    "connection": ConnectionError("reset"),
    "permission": PermissionError("not yours"),
    "gone": JobGoneError("There is no such job."),
    "secret": errors.SecretNotFoundError("There is no secret."),
    "library": errors.MissingDependencyError("Lake", "lakeq>=3", "lake"),
    "surprise": KeyError("x"),
    "long": errors.UserError("ab " * 10_000),
}


def raise_named(name: str) -> None:
    if name == "leak":
        raise errors.UserError(
            f"The token {get_connector_secret('canary')} was refused by https://u:{'p' * 9}@lake.example"
        )
    if name:
        raise ERRORS[name]


@dataclass
class JobMeta(ResourceMeta):
    name: str
    get: str = ""
    delete: str = ""


class Jobs(AsyncConnectorBase[JobMeta]):
    """Jobs that do as they are told."""

    name = "Jobs"
    task_type_name = "jobs"
    metadata_type = JobMeta
    capabilities = Capabilities(logs=True, metrics=True)

    async def create(
        self, task_template: TaskTemplate, output_prefix: str, inputs: Any = None, **kwargs: Any
    ) -> JobMeta:
        config = task_template.config
        await asyncio.sleep(float(config.get("sleep", "0")))
        if "program" in config:
            program = await asyncio.create_subprocess_exec(config["program"])
            if await program.wait():
                raise ChildProcessError(f"It ended with {program.returncode}.")
        raise_named(config.get("create", ""))
        return JobMeta(config.get("name", "j"), config.get("get", ""), config.get("delete", ""))

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Resource:
        what, _, detail = resource_meta.get.partition(":")
        if what == "raise":
            raise_named(detail)
        if what == "phase":
            return Resource(Phase[detail], message=f"It is {detail}.")
        if what == "leak":
            return Resource(Phase.RUNNING, message=f"using {get_connector_secret('canary')}")
        if what == "large":
            return Resource(Phase.SUCCEEDED, outputs=idl.LiteralMap(literals={"o0": idl.string("x" * int(detail))}))
        return Resource(
            Phase.SUCCEEDED,
            message="done",
            outputs={"n": 3, "words": ["a", "b"]},
            log_links=[log_link("Console", "https://lake.example/1")],
            custom_info={"cost": 1.5},
        )

    async def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None:
        raise_named(resource_meta.delete)

    async def get_logs(self, resource_meta: JobMeta, *, lines: int = 0, token: str = "", **kwargs: Any) -> Any:
        return _logs(resource_meta, lines, token)

    def get_metrics(self, resource_meta: JobMeta, *, queries: Any = (), **kwargs: Any) -> GetTaskMetricsResponse:
        return GetTaskMetricsResponse(results=[ExecutionMetricResult(metric=query) for query in queries])


async def _logs(meta: JobMeta, lines: int, token: str) -> AsyncIterator[GetTaskLogsResponse]:
    first = int(token) if token.isdecimal() else 0
    yield GetTaskLogsResponse(header=GetTaskLogsResponseHeader(token=str(first + lines)))
    for number in range(first, first + min(lines, 10)):
        line = LogLine(message=f"line {number}\n")
        yield GetTaskLogsResponse(body=GetTaskLogsResponseBody(results=[line.message], structured_lines=[line]))
        await asyncio.sleep(0.3 if meta.get == "slowly" else 0)


class Plain(Jobs):
    """The same in plain methods; its logs are one message."""

    name = "Plain"
    task_type_name = "plain"

    def create(self, task_template: TaskTemplate, **kwargs: Any) -> JobMeta:  # type: ignore[override]
        return JobMeta(task_template.config.get("name", "j"), task_template.config.get("get", ""))

    def get(self, resource_meta: JobMeta, **kwargs: Any) -> Resource:  # type: ignore[override]
        time.sleep(float(resource_meta.get or 0))
        return Resource(Phase.RUNNING)

    def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None: ...  # type: ignore[override]

    def get_logs(self, resource_meta: JobMeta, **kwargs: Any) -> GetTaskLogsResponse:  # type: ignore[override]
        return GetTaskLogsResponse(body=GetTaskLogsResponseBody(results=["all of it"]))


class Iterating(Plain):
    """Its logs come from a generator; its version is not 0."""

    name = "Iterating"
    task_type_name = "plain"
    task_type_version = 2

    def get_logs(self, resource_meta: JobMeta, **kwargs: Any) -> Iterator[GetTaskLogsResponse]:  # type: ignore[override]
        for text in ("one", get_connector_secret("canary")):
            yield GetTaskLogsResponse(body=GetTaskLogsResponseBody(results=[text]))


class Silent(AsyncConnectorBase[JobMeta]):
    """Neither logs nor metrics; what the task brings is in the name of its jobs."""

    name = "Silent"
    task_type_name = "silent"
    metadata_type = JobMeta

    async def create(self, task_template: TaskTemplate, **kwargs: Any) -> JobMeta:  # type: ignore[override]
        brought = connection()
        return JobMeta(f"{len(brought.secret('token'))} {brought.config('region', '-')} {brought.shared}")

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Resource:
        return Resource(Phase.RUNNING, message=f"{connection().secret('token')} {connection().config('region')}")

    async def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None: ...


class Now(SyncConnectorBase):
    """Answers at once."""

    name = "Now"
    task_type_name = "now"
    runs = 0

    def do(self, task_template: TaskTemplate, output_prefix: str, inputs: Any = None, **kwargs: Any) -> Resource:
        Now.runs += 1
        config = task_template.config
        time.sleep(float(config.get("sleep", "0")))
        raise_named(config.get("raise", ""))
        if "size" in config:
            return Resource(Phase.SUCCEEDED, outputs={"o0": "x" * int(config["size"])})
        phase = Phase[config.get("phase", "SUCCEEDED")]
        return Resource(phase, message=f"run {Now.runs}", outputs={"o0": 1, "given": ",".join(sorted(inputs.literals))})


class Rude(AsyncConnectorBase[JobMeta]):
    """Blocks the loop."""

    name = "Rude"
    task_type_name = "rude"
    metadata_type = JobMeta

    async def create(self, task_template: TaskTemplate, **kwargs: Any) -> JobMeta:  # type: ignore[override]
        time.sleep(0.6)
        return JobMeta("rude")

    async def get(self, resource_meta: JobMeta, **kwargs: Any) -> Resource:
        return Resource(Phase.RUNNING)

    async def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None: ...


for made in (Jobs(), Plain(), Iterating(), Silent(), Now(), Rude()):
    ConnectorRegistry.register(made)
