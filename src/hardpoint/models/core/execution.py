"""Names that users know from `flytekit.models.core.execution`."""

from flyteidl.core.execution_pb2 import TaskExecution, WorkflowExecution

from hardpoint.models.messages import TaskLog

__all__ = ["TaskExecutionPhase", "TaskLog", "WorkflowExecutionPhase"]

TaskExecutionPhase = TaskExecution.Phase
WorkflowExecutionPhase = WorkflowExecution.Phase
