"""Names that users know from `flytekit.core.python_customized_container_task`."""

from hardpoint.tasks.shim import PythonCustomizedContainerTask, TaskTemplateResolver

__all__ = ["PythonCustomizedContainerTask", "TaskTemplateResolver"]
