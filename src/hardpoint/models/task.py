"""Names that users know from `flytekit.models.task`."""

from hardpoint.models.messages import (
    Container,
    K8sObjectMetadata,
    K8sPod,
    Resources,
    RetryStrategy,
    RuntimeMetadata,
    Sql,
    TaskExecutionMetadata,
    TaskMetadata,
    TaskTemplate,
)

__all__ = [
    "Container",
    "K8sObjectMetadata",
    "K8sPod",
    "Resources",
    "RetryStrategy",
    "RuntimeMetadata",
    "Sql",
    "TaskExecutionMetadata",
    "TaskMetadata",
    "TaskTemplate",
]
