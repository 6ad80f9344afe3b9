"""Names that a package exports but imports only when they are first asked for (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["Ref", "attach"]


class Ref:
    """A thing named by a string, ``"package.module:attribute"``, that is imported on first use."""

    __slots__ = ("_value", "path")
    _value: Any

    def __init__(self, path: str, package: str | None = None) -> None:
        if path.startswith("."):
            if package is None:
                raise ValueError(f"{path!r} is relative, but no package was given to resolve it against")
            path = package + path
        if ":" not in path:
            raise ValueError(f"{path!r} should have the form 'package.module:attribute'")
        self.path = path

    @property
    def module(self) -> str:
        return self.path.partition(":")[0]

    @property
    def name(self) -> str:
        """The attribute's (qualified) name, for example ``DuckDBQuery``."""
        return self.path.partition(":")[2]

    def load(self) -> Any:
        """Import the module if need be and return the thing itself."""
        try:
            return self._value
        except AttributeError:
            value: Any = import_module(self.module)
            for part in self.name.split("."):
                value = getattr(value, part)
            self._value = value
            return value

    def __repr__(self) -> str:
        return f"Ref({self.path!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)


def attach(
    package: str,
    names: Mapping[str, str],
    before_load: Callable[[], None] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` for a package whose names live in other modules.

    Args:
        package: The package's ``__name__``.
        names: Exported name to ``"module:attribute"`` (a leading dot: relative to the package).
            ``"module:"`` exports the module itself.
        before_load: Called before the first import, to check requirements.
    """
    refs = {name: (path if not path.startswith(".") else package + path) for name, path in names.items()}

    def getattr_(name: str) -> Any:
        path = refs.get(name)
        if path is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if before_load is not None:
            before_load()
        module, _, attribute = path.partition(":")
        value = Ref(path).load() if attribute else import_module(module)
        setattr(sys.modules[package], name, value)
        return value

    def dir_() -> list[str]:
        return sorted({*vars(sys.modules[package]), *refs})

    return getattr_, dir_, sorted(refs)
