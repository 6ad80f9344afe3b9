"""`ClassDecorator`: decorators of task functions that also say something in the task's template."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["ClassDecorator", "decorators_of", "is_async_function"]


class ClassDecorator:
    """A decorator as a class. It may stand bare (``@track``) or be called with options (``@track(project="p")``).

    Subclasses write `execute`, and `get_extra_config` if they have anything for the template. Several may be stacked:
    each runs, and each has its say, the outermost last.

    Args:
        task_function: The function; None while the options are given.
        kwargs: The options; a subclass hands its own on.
    """

    LINK_TYPE_KEY = "link_type"
    PORT_KEY = "port"

    def __init__(self, task_function: Callable[..., Any] | None = None, **kwargs: Any) -> None:
        self.task_function: Any = task_function
        self.decorator_kwargs = kwargs
        if task_function is not None:
            # Of the function's own attributes only what describes it is taken over. Were its whole __dict__ copied, as
            # functools does by default, then an inner decorator's attributes would replace those of this one.
            functools.update_wrapper(self, task_function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.task_function is None:
            return type(self)(args[0], **self.decorator_kwargs)
        return self.execute(*args, **kwargs)

    @property
    def is_async(self) -> bool:
        """Whether the function is a coroutine function; `execute` then has to return an awaitable."""
        return self.task_function is not None and is_async_function(self.task_function)

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, and do what is to be done around it."""
        raise NotImplementedError(f"{type(self).__name__} has no execute method.")

    def get_extra_config(self) -> dict[str, str]:
        """What is added to `config` of the task's template."""
        return {}


def decorators_of(fn: Any) -> Iterator[ClassDecorator]:
    """Every `ClassDecorator` around a function, innermost first."""
    found: list[ClassDecorator] = []
    while fn is not None:
        if isinstance(fn, ClassDecorator):
            found.append(fn)
            fn = fn.task_function
        else:
            fn = getattr(fn, "__wrapped__", None)
    return reversed(found)


def is_async_function(fn: Any) -> bool:
    """Whether calling a function gives an awaitable."""
    return fn.is_async if isinstance(fn, ClassDecorator) else inspect.iscoroutinefunction(fn)
