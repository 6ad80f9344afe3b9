"""Who asks for jobs, as a control plane says it."""

from __future__ import annotations

from flyteidl.admin.agent_pb2 import TaskExecutionMetadata


def metadata(execution: str = "f3a9", node: str = "n0", attempt: int = 0, **variables: str) -> TaskExecutionMetadata:
    message = TaskExecutionMetadata(environment_variables=variables)
    task = message.task_execution_id
    task.retry_attempt = attempt
    task.node_execution_id.node_id = node
    execution_id = task.node_execution_id.execution_id
    execution_id.project, execution_id.domain, execution_id.name = "flights", "production", execution
    return message
