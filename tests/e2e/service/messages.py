"""Requests, as a backend fills them."""

from __future__ import annotations

from typing import Any

from flyteidl.admin.agent_pb2 import (
    CreateRequestHeader,
    CreateTaskRequest,
    DeleteTaskRequest,
    ExecuteTaskSyncRequest,
    GetTaskLogsRequest,
    GetTaskRequest,
    TaskCategory,
    TaskExecutionMetadata,
)
from flyteidl.core.literals_pb2 import LiteralMap
from flyteidl.core.tasks_pb2 import TaskTemplate


def template(task_type: str = "jobs", version: int = 0, **config: str) -> TaskTemplate:
    return TaskTemplate(type=task_type, task_type_version=version, config=config)


def owner(execution: str, attempt: int = 0) -> TaskExecutionMetadata:
    made = TaskExecutionMetadata()
    made.task_execution_id.retry_attempt = attempt
    node = made.task_execution_id.node_execution_id
    node.node_id = "n0"
    node.execution_id.project, node.execution_id.domain, node.execution_id.name = "flights", "production", execution
    made.task_execution_id.task_id.name = "flights.count"
    return made


def create(task_type: str = "jobs", version: int = 0, *, execution: str = "", attempt: int = 0, **config: str) -> Any:
    return CreateTaskRequest(
        template=template(task_type, version, **config),
        output_prefix=f"/nowhere/{execution}/{attempt}",
        task_execution_metadata=owner(execution, attempt) if execution else None,
    )


def get(meta: bytes, task_type: str = "jobs", version: int = 0, output_prefix: str = "") -> GetTaskRequest:
    return GetTaskRequest(
        resource_meta=meta,
        task_type=task_type,
        task_category=TaskCategory(name=task_type, version=version),
        output_prefix=output_prefix,
    )


def delete(meta: bytes, task_type: str = "jobs") -> DeleteTaskRequest:
    return DeleteTaskRequest(resource_meta=meta, task_category=TaskCategory(name=task_type))


def logs(meta: bytes, task_type: str = "jobs", version: int = 0, **more: Any) -> GetTaskLogsRequest:
    category = TaskCategory(name=task_type, version=version)
    return GetTaskLogsRequest(resource_meta=meta, task_category=category, **more)


def sync(task_type: str = "now", inputs: LiteralMap | None = None, prefix: str = "", **config: str) -> list[Any]:
    header = CreateRequestHeader(template=template(task_type, **config), output_prefix=prefix)
    return [ExecuteTaskSyncRequest(header=header), ExecuteTaskSyncRequest(inputs=inputs or LiteralMap())]
