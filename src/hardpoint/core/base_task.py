"""Names that users know from `flytekit.core.base_task`."""

from hardpoint.tasks.base import PythonTask, Task
from hardpoint.tasks.dispatch import IgnoreOutputs
from hardpoint.tasks.metadata import TaskMetadata
from hardpoint.tasks.resolver import TaskResolverMixin
from hardpoint.types.columns import kwtypes

__all__ = ["IgnoreOutputs", "PythonTask", "Task", "TaskMetadata", "TaskResolverMixin", "kwtypes"]
