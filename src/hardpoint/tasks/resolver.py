"""Resolvers: how a container finds the task that it is to run.

A resolver's location and the loader arguments are part of registered templates.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hardpoint.errors import FlyteValidationException, UserError
from hardpoint.tasks.naming import Tracked, function_name, module_name, variable_of

if TYPE_CHECKING:
    from hardpoint.tasks.base import PythonTask
    from hardpoint.tasks.serialization import SerializationSettings

__all__ = [
    "ClassStorageTaskResolver",
    "DefaultTaskResolver",
    "TaskResolverMixin",
    "default_task_resolver",
    "load_object",
    "load_resolver",
]


def load_object(path: str) -> Any:
    """What ``module.name`` names; inner classes too.

    Raises:
        UserError: the module cannot be imported, or has no such name.
    """
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:end])
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
                continue
            raise
        for name in parts[end:]:
            if not hasattr(found, name):
                raise UserError(f"Module {module} has no {'.'.join(parts[end:])}.", path=path)
            found = getattr(found, name)
        return found
    raise UserError(
        f"{path} cannot be imported.", remedy="Check that the image holds the code that was registered.", path=path
    )


def load_resolver(location: str) -> TaskResolverMixin:
    """The resolver at a location; where that is a class, an instance of it."""
    found = load_object(location)
    made = found() if isinstance(found, type) else found
    if not isinstance(made, TaskResolverMixin):
        raise UserError(f"{location} is a {type(made).__name__}, not a task resolver.")
    return made


class TaskResolverMixin(Tracked):
    """Finds a task again from a few strings."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._track()

    def name(self) -> str:
        """A name for people."""
        return type(self).__name__

    def load_task(self, loader_args: list[str]) -> Any:
        """The task."""
        raise NotImplementedError

    def loader_args(self, settings: SerializationSettings, t: PythonTask[Any]) -> list[str]:
        """What `load_task` will need."""
        raise NotImplementedError

    def get_all_tasks(self) -> list[Any]:
        """The tasks that the resolver holds itself."""
        return []

    def task_name(self, t: PythonTask[Any]) -> str | None:
        """The task's name, if the resolver gives it one."""
        return None


class DefaultTaskResolver(TaskResolverMixin):
    """Imports the module and takes the task from it."""

    def name(self) -> str:
        return "DefaultTaskResolver"

    def loader_args(self, settings: SerializationSettings, t: PythonTask[Any]) -> list[str]:
        function = getattr(t, "task_function", None)
        if function is None:
            return ["task-module", module_name(t.instantiated_in), "task-name", t.lhs]
        module, name = function_name(function)
        # task(function), without the decorator's syntax: the module's attribute of that name is not the task.
        for holder in (function.__module__, t.instantiated_in):
            loaded = sys.modules.get(holder)
            if loaded is not None and vars(loaded).get(name) is not t:
                variable = variable_of(t, loaded)
                if variable is not None:
                    return ["task-module", module_name(holder), "task-name", variable]
        return ["task-module", module, "task-name", name]

    def load_task(self, loader_args: list[str]) -> Any:
        """The task.

        Raises:
            UserError: the module cannot be imported or has no such task.
        """
        from hardpoint.tasks.base import Task

        _, module, _, name = loader_args
        found = load_object(f"{module}.{name}")
        if not isinstance(found, Task):
            raise UserError(
                f"{module}.{name} is a {type(found).__name__}, not a task.",
                remedy="Assign the task to a variable of a module, and register it again.",
            )
        return found


default_task_resolver = DefaultTaskResolver()


class ClassStorageTaskResolver(TaskResolverMixin):
    """Holds its tasks and finds them by index; for tasks that are made while something else is built."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.mapping: list[Any] = []
        super().__init__(*args, **kwargs)

    def name(self) -> str:
        return "ClassStorageTaskResolver"

    def add(self, t: PythonTask[Any]) -> None:
        """Hold another task."""
        self.mapping.append(t)

    def get_all_tasks(self) -> list[Any]:
        return list(self.mapping)

    def loader_args(self, settings: SerializationSettings, t: PythonTask[Any]) -> list[str]:
        for index, held in enumerate(self.mapping):
            if held is t:
                return [str(index)]
        raise FlyteValidationException(f"no such task: {self!r} does not hold {t.name}")

    def load_task(self, loader_args: Sequence[str]) -> Any:
        """The task with the given index.

        Raises:
            FlyteValidationException: there is not exactly one argument, or no task has that index.
        """
        if len(loader_args) != 1 or not loader_args[0].isdigit():
            raise FlyteValidationException(f"This resolver takes one index, but was given {list(loader_args)}.")
        index = int(loader_args[0])
        if index >= len(self.mapping):
            raise FlyteValidationException(f"There is no task {index}; there are {len(self.mapping)}.")
        return self.mapping[index]


def _interactive(module: str) -> bool:
    return module == "__main__" and not hasattr(sys.modules.get("__main__"), "__file__")


def resolver_for(fn: Any) -> TaskResolverMixin:
    """The resolver for a function that names none: of a notebook's functions, that which reads pickles."""
    if _interactive(fn.__module__):
        from hardpoint.tasks.notebook import default_notebook_task_resolver

        return default_notebook_task_resolver
    return default_task_resolver
