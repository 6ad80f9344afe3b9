"""Names that users know from `flytekit.models.core.identifier`."""

from flyteidl.core.identifier_pb2 import ResourceType

from hardpoint.models.messages import (
    Identifier,
    NodeExecutionIdentifier,
    TaskExecutionIdentifier,
    WorkflowExecutionIdentifier,
)

__all__ = [
    "Identifier",
    "NodeExecutionIdentifier",
    "ResourceType",
    "TaskExecutionIdentifier",
    "WorkflowExecutionIdentifier",
]
