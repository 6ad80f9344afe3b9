"""Names that users know from `flytekit.core.utils`."""

from __future__ import annotations

import time
from contextlib import ContextDecorator
from typing import Any, Self

from hardpoint.loggers import logger
from hardpoint.tasks.class_decorator import ClassDecorator

__all__ = ["ClassDecorator", "timeit"]


class timeit(ContextDecorator):
    """Logs how long a block, or a call of a function, takes.

    Args:
        name: What it is called.
    """

    def __init__(self, name: str = "") -> None:
        self.name, self._began = name, 0.0

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def __exit__(self, *error: Any) -> None:
        logger.info("%s took %.3f s.", self.name, time.perf_counter() - self._began)
