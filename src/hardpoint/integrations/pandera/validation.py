"""Validation itself: what fits goes on, and what does not becomes an error, a warning, or less."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from pandera.errors import SchemaError, SchemaErrors

from hardpoint.integration import public_path
from hardpoint.integrations.pandera.config import ValidationConfig
from hardpoint.integrations.pandera.errors import FrameValidationError

__all__ = ["KNOWN", "WARNED", "Outcome", "rows_of", "validate"]

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

WARNED = _Known()
"""What the log says already that it does not fit, whatever the execution: what is written is mostly read again at once."""


def validate(frame: Any, schema: Any, config: ValidationConfig) -> Outcome:
    """Validate a frame of any library that Pandera knows.

    Of a lazy frame only the schema is checked, unless Pandera's own ``PANDERA_VALIDATION_DEPTH`` says otherwise.
    """
    outcome = _attempt(frame, schema, config)
    if outcome.error is None or config.on_error != "drop":
        return outcome
    if _is_pandas(frame) and schema.index is None and not frame.index.is_unique:
        # A label would stand for several rows, of which others may fit.
        found = _drop(frame.reset_index(drop=True), schema, config)
        found.frame.index = frame.index.take(found.frame.index)
        return replace(found, error=outcome.error) if found.dropped else outcome
    return _drop(frame, schema, config, outcome)


def _attempt(frame: Any, schema: Any, config: ValidationConfig) -> Outcome:
    try:
        checked = _checked(frame, schema, config)
    except SchemaErrors as cause:
        return Outcome(frame, FrameValidationError(cause, rows_of(frame), config.max_failure_cases))
    return Outcome(checked, passed=not config.is_partial and rows_of(frame) is not None)


def _drop(frame: Any, schema: Any, config: ValidationConfig, tried: Outcome | None = None) -> Outcome:
    """What is left without the rows that do not fit; if that does not fit either, the frame with its error."""
    tried = tried or _attempt(frame, schema, config)
    less = None if tried.error is None else _without(frame, tried.error)
    if less is None:
        return tried
    again = _attempt(less, schema, config)
    if again.error is not None:
        return replace(again, frame=frame)
    return replace(again, error=tried.error, dropped=len(frame) - len(less))


def _checked(frame: Any, schema: Any, config: ValidationConfig) -> Any:
    rows, sample = rows_of(frame), config.sample
    if sample is not None and rows is not None:
        sample = min(sample, rows)
    try:
        return schema.validate(frame, head=config.head, sample=sample, random_state=config.random_state, lazy=True)
    except SchemaError as error:  # some checks are not collected
        raise SchemaErrors(schema, [error], frame) from error


def rows_of(frame: Any) -> int | None:
    """The number of rows; None for a lazy frame, whose rows nobody has counted."""
    return len(frame) if hasattr(frame, "__len__") else None


def _without(frame: Any, error: FrameValidationError) -> Any:
    """The frame without the rows that failed; None where the failure is not one of rows."""
    if any(failure.kind != "DATA" for failure in error.failures) or rows_of(frame) is None:
        return None
    failed = list(error.failure_cases["index"])
    if any(row is None or row != row for row in failed):
        return None
    if _is_pandas(frame):
        return frame[~frame.index.isin(failed)]
    import polars as pl

    return frame.filter(~pl.int_range(pl.len()).is_in(failed))


def _is_pandas(frame: Any) -> bool:
    return any("pandas.DataFrame" in public_path(cls) for cls in type(frame).__mro__)
