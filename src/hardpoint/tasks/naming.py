"""How functions, and objects in variables, are named so that a container can find them again."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any

from hardpoint.errors import FlyteValidationException

__all__ = ["Tracked", "function_name", "is_importable", "module_name", "refuse_nested", "variable_of"]


@lru_cache(maxsize=4096)
def _name_from_file(path: str) -> str:
    """The module's name as its file has it: the folders above it, as long as they are packages."""
    folder, leaf = os.path.split(os.path.abspath(path))
    parts = [os.path.splitext(leaf)[0]]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, name = os.path.split(folder)
        parts.insert(0, name)
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def module_name(name: str) -> str:
    """The name under which a module can be imported in a container.

    A script's is that of its file. A module that was imported from inside its package gets the package's name in front.
    """
    module = sys.modules.get(name)
    if name == "__main__":
        spec = getattr(module, "__spec__", None)
        if spec is not None:  # python -m package.module
            return str(spec.name)
        file = getattr(module, "__file__", None)
        return _name_from_file(file) if file else name
    file = getattr(module, "__file__", None)
    if not file:
        return name
    by_file = _name_from_file(file)
    return by_file if by_file.endswith(f".{name}") else name


def function_name(fn: Callable[..., Any]) -> tuple[str, str]:
    """The module and the name of a function."""
    return module_name(fn.__module__), getattr(fn, "__name__", type(fn).__name__)


def is_importable(fn: Callable[..., Any]) -> bool:
    """Whether a function is reachable as an attribute of its module."""
    return "<" not in getattr(fn, "__qualname__", "")


def refuse_nested(fn: Callable[..., Any]) -> None:
    """Raise for a function that a container could not find again; in test modules it is allowed.

    Raises:
        FlyteValidationException: it is defined inside another function, or is a lambda.
    """
    if is_importable(fn):
        return
    leaf = fn.__module__.rpartition(".")[2]
    if leaf.startswith("test_") or leaf.endswith("_test"):
        return
    raise FlyteValidationException(
        "TaskFunction cannot be a nested/inner or local function. "
        f"{fn.__module__}.{fn.__qualname__} must be reachable at its module's top level, where the container finds it.",
        remedy="Move it there. If a decorator hides it, let the decorator use functools.wraps.",
    )


def variable_of(value: Any, module: ModuleType) -> str | None:
    """The name of the module's variable that holds this very object."""
    for name, held in list(vars(module).items()):
        if held is value:
            return name
    return None


class Tracked:
    """Something that is found again by the variable of the module in which it was made."""

    instantiated_in: str = ""
    """Name of the module whose top-level code made the object."""

    def _track(self) -> None:
        frame = sys._getframe(1)
        while frame is not None and frame.f_code.co_name != "<module>":
            if frame.f_back is None:
                break
            frame = frame.f_back
        self.instantiated_in = frame.f_globals.get("__name__", "")

    @property
    def lhs(self) -> str:
        """The name of the variable that holds it.

        Raises:
            FlyteValidationException: no variable of the module does.
        """
        module = sys.modules.get(self.instantiated_in)
        name = variable_of(self, module) if module is not None else None
        if name is None:
            raise FlyteValidationException(
                f"{self!r} is in no variable of module {self.instantiated_in or '?'}, where a container could find it.",
                remedy="Assign it to a variable at the top level of the module that makes it.",
            )
        return name

    @property
    def location(self) -> str:
        """``module.variable``."""
        return f"{module_name(self.instantiated_in)}.{self.lhs}"
