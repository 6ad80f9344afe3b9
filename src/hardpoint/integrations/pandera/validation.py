"""Validation itself: what fits goes on, and what does not becomes an error, a warning, or less."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from pandera.errors import SchemaError, SchemaErrors

from hardpoint.integration import public_path
from hardpoint.integrations.pandera.config import ValidationConfig
from hardpoint.integrations.pandera.errors import FrameValidationError

__all__ = ["KNOWN", "Outcome", "rows_of", "validate"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What validation came to.

    Attributes:
        frame: What goes on: with coerced types where it fits, as it was where it does not.
        error: Why it does not fit; None if it does.
        dropped: Rows that were taken out.
        passed: Whether `frame` is known to fit, with all of its rows.
    """

    frame: Any
    error: FrameValidationError | None = None
    dropped: int = 0
    passed: bool = False


class _Known:
    """What has been validated in an execution, so that the next task of the same process need not do it again.

    Args:
        limit: Entries that are kept; the oldest go first.
    """

    def __init__(self, limit: int = 1024) -> None:
        self._limit, self._lock = limit, Lock()
        self._execution: Hashable = None
        self._entries: OrderedDict[Hashable, None] = OrderedDict()

    def add(self, execution: Hashable, uri: str, model: Any) -> None:
        """Remember that the data at a URI fits a model."""
        with self._lock:
            if execution != self._execution:
                self._execution = execution
                self._entries.clear()
            self._entries[uri, model] = None
            if len(self._entries) > self._limit:
                self._entries.popitem(last=False)

    def has(self, execution: Hashable, uri: str, model: Any) -> bool:
        """Whether the data at a URI fits a model; only what the same execution found counts."""
        with self._lock:
            return execution == self._execution and (uri, model) in self._entries

    def __len__(self) -> int:
        return len(self._entries)


KNOWN = _Known()


def validate(frame: Any, schema: Any, config: ValidationConfig) -> Outcome:
    """Validate a frame of any library that Pandera knows.

    Of a lazy frame only the schema is checked, unless Pandera's own ``PANDERA_VALIDATION_DEPTH`` says otherwise.
    """
    try:
        return Outcome(_checked(frame, schema, config), passed=not config.is_partial)
    except SchemaErrors as cause:
        error = FrameValidationError(cause, rows_of(frame), config.max_failure_cases)
    if config.on_error == "drop":
        less = _without(frame, schema, error)
        if less is not None:
            dropped = (rows_of(frame) or 0) - (rows_of(less) or 0)
            try:
                return Outcome(_checked(less, schema, config), error, dropped, passed=True)
            except SchemaErrors as cause:
                error = FrameValidationError(cause, rows_of(less), config.max_failure_cases)
    return Outcome(frame, error)


def _checked(frame: Any, schema: Any, config: ValidationConfig) -> Any:
    try:
        return schema.validate(
            frame, head=config.head, sample=config.sample, random_state=config.random_state, lazy=True
        )
    except SchemaError as error:  # some checks are not collected
        raise SchemaErrors(schema, [error], frame) from error


def rows_of(frame: Any) -> int | None:
    """The number of rows; None for a lazy frame, whose rows nobody has counted."""
    return len(frame) if hasattr(frame, "__len__") else None


def _without(frame: Any, schema: Any, error: FrameValidationError) -> Any:
    """The frame without the rows that failed; None where the failure is not one of rows."""
    if any(failure.kind != "DATA" for failure in error.failures) or rows_of(frame) is None:
        return None
    rows = error.failure_cases["index"]
    if any(row is None or row != row for row in rows):
        return None
    if "pandas.DataFrame" in (path for cls in type(frame).__mro__ for path in public_path(cls)):
        return frame[~frame.index.isin(list(rows))]
    import polars as pl

    kept = ~pl.int_range(pl.len()).is_in(list(rows))
    return frame.filter(kept)
