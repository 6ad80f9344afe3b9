"""Libraries that a renderer needs and the package does not."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hardpoint.errors import MissingDependencyError

__all__ = ["library"]


def library(module: str, *, wants: str, renderer: object, extra: str | None = "deck") -> Any:
    """Import a module on behalf of a renderer.

    Args:
        module: Its import name.
        wants: The requirement that brings it, for example ``"plotly>=6"``.
        renderer: The renderer, which the error names.
        extra: The extra of this package that installs it; None if none does.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # it is there, but something of its own is missing
        raise MissingDependencyError(type(renderer).__qualname__, wants, extra) from error
