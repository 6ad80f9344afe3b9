"""`Environment`: defaults that several tasks share. `Echo`: a task that gives its inputs back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from hardpoint._lazy import Ref
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.task import task

__all__ = ["Echo", "Environment"]

_DYNAMIC = Ref("hardpoint.workflows.dynamic:dynamic")


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Both, the changes winning; dicts are merged in turn."""
    merged = dict(base)
    for name, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merge(merged[name], value) if both else value
    return merged


class Environment:
    """Arguments of `@task` that several tasks share.

    ``env = Environment(container_image="...", retries=2)``, then ``@env`` or ``@env.task(retries=3)`` or ``@env.dynamic``.

    Args:
        overrides: Arguments of `@task`.
    """

    def __init__(self, **overrides: Any) -> None:
        self.overrides = overrides

    def update(self, **overrides: Any) -> None:
        """Change this environment."""
        self.overrides = _merge(self.overrides, overrides)

    def extend(self, **overrides: Any) -> Environment:
        """A changed copy."""
        return Environment(**_merge(self.overrides, overrides))

    def show(self) -> None:
        """Print the arguments."""
        for name, value in self.overrides.items():
            sys.stdout.write(f"{name}: {value!r}\n")

    def _decorated(
        self, decorator: Callable[..., Any], function: Callable[..., Any] | None, more: dict[str, Any]
    ) -> Any:
        options = _merge(self.overrides, more)
        return decorator(**options) if function is None else decorator(**options)(function)

    def task(self, _task_function: Callable[..., Any] | None = None, **overrides: Any) -> Any:
        """`@task` with these defaults."""
        return self._decorated(task, _task_function, overrides)

    def dynamic(self, _task_function: Callable[..., Any] | None = None, **overrides: Any) -> Any:
        """`@dynamic` with these defaults."""
        return self._decorated(_DYNAMIC.load(), _task_function, overrides)

    __call__ = task


class Echo(PythonTask[None]):
    """A task that the control plane runs itself: its outputs are its inputs.

    Args:
        name: Its name.
        inputs: Name -> type.
        kwargs: As for `PythonTask`.
    """

    def __init__(self, name: str, inputs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        interface = Interface(inputs)
        outputs = {f"o{index}": t for index, t in enumerate(interface.inputs.values())}
        super().__init__(task_type="echo", name=name, interface=Interface(inputs, outputs), **kwargs)

    def execute(self, **kwargs: Any) -> Any:
        """The inputs."""
        values = tuple(kwargs.values())
        return values[0] if len(values) == 1 else values or None
