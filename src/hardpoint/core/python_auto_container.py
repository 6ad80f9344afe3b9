"""Names that users know from `flytekit.core.python_auto_container`."""

from hardpoint.tasks.python_function_task import PythonAutoContainerTask

__all__ = ["PythonAutoContainerTask"]
