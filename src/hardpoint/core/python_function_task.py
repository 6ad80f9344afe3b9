"""Names that users know from `flytekit.core.python_function_task`."""

from hardpoint.tasks.python_function_task import AsyncPythonFunctionTask, PythonFunctionTask, PythonInstanceTask

__all__ = ["AsyncPythonFunctionTask", "PythonFunctionTask", "PythonInstanceTask"]
