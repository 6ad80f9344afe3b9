"""Kept names: what connectors use beside their base classes."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from hardpoint.connectors.connection import get_connector_secret
from hardpoint.connectors.phases import convert_to_flyte_phase
from hardpoint.extend.backend.base_connector import is_terminal_phase, render_task_template

__all__ = [
    "convert_to_flyte_phase",
    "get_agent_secret",
    "get_connector_secret",
    "is_terminal_phase",
    "mirror_async_methods",
    "render_task_template",
]

get_agent_secret = get_connector_secret


def mirror_async_methods(func: Callable[..., Any], **kwargs: Any) -> Awaitable[Any]:
    """What a function returns, to be awaited; a plain one runs in a thread."""
    if inspect.iscoroutinefunction(func):
        coroutine: Awaitable[Any] = func(**kwargs)
        return coroutine
    return asyncio.get_running_loop().run_in_executor(None, partial(func, **kwargs))
