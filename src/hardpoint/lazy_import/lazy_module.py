"""Modules that are imported when they are first used."""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

__all__ = ["is_imported", "lazy_module"]


def is_imported(module_name: str) -> bool:
    """Whether a module has been imported already."""
    return isinstance(sys.modules.get(module_name), ModuleType)


class _Absent(ModuleType):
    """A module that is not installed; whoever uses it is told so."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):  # asked by tools that look at all modules
            raise AttributeError(name)
        raise ImportError(f"Module {self.__name__} is not installed.", name=self.__name__)


def lazy_module(fullname: str) -> ModuleType:
    """A module by its name, imported when one of its attributes is first used.

    Raises:
        ImportError: it is not installed; only when it is used.
    """
    known = sys.modules.get(fullname)
    if known is not None:
        return known
    try:
        spec = importlib.util.find_spec(fullname)
    except ModuleNotFoundError:  # a package that it would be in
        spec = None
    if spec is None or spec.loader is None:
        return _Absent(fullname)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[fullname] = module
    parent, _, name = fullname.rpartition(".")
    if parent:
        setattr(sys.modules[parent], name, module)
    spec.loader.exec_module(module)
    return module
