"""Phases of external jobs, and the one table from kinds of errors to what a caller is told.

Phase numbers: flyteidl/core/execution.proto, `TaskExecution.Phase`.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from hardpoint.errors import (
    HardpointError,
    MissingDependencyError,
    PermanentError,
    SecretNotFoundError,
    TransientError,
    TypeTransformerFailedError,
    UserError,
)

__all__ = [
    "ERRORS",
    "ErrorKind",
    "JobGoneError",
    "Phase",
    "UnknownStateError",
    "convert_to_flyte_phase",
    "kind_of_error",
    "phase_of",
    "phase_or_running",
]

logger = logging.getLogger(__name__)


class Phase(enum.IntEnum):
    """How an external job stands."""

    UNDEFINED = 0
    QUEUED = 1
    RUNNING = 2
    SUCCEEDED = 3
    ABORTED = 4
    FAILED = 5
    INITIALIZING = 6
    WAITING_FOR_RESOURCES = 7
    RETRYABLE_FAILED = 8

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended; a new attempt is another job."""
        return self in _TERMINAL

    @property
    def is_failure(self) -> bool:
        return self in _FAILURES


_FAILURES = frozenset({Phase.ABORTED, Phase.FAILED, Phase.RETRYABLE_FAILED})
_TERMINAL = _FAILURES | {Phase.SUCCEEDED}


class UnknownStateError(PermanentError):
    """A service reported a state that its integration's table does not have.

    Args:
        state: What it said.
        integration: The integration.
        known: The states of its table.
    """

    code = "SYSTEM:UnknownState"

    def __init__(self, state: str, integration: str, known: Mapping[str, Phase]) -> None:
        super().__init__(
            f"{integration} reported the state {state!r}, which is not one of {', '.join(sorted(known))}.",
            remedy="Upgrade hardpoint; if that does not help, report the state.",
            state=state,
            integration=integration,
        )


class JobGoneError(PermanentError):
    """The service says for certain that a job does not exist any more."""

    code = "SYSTEM:JobGone"


def phase_of(state: str, table: Mapping[str, Phase], *, integration: str) -> Phase:
    """The phase of a service's state, by the integration's own table.

    Raises:
        UnknownStateError: the table does not have it.
    """
    try:
        return table[state]
    except KeyError:
        raise UnknownStateError(state, integration, table) from None


def phase_or_running(state: str, table: Mapping[str, Phase], *, integration: str) -> tuple[Phase, str]:
    """The phase of a service's state, and what there is to say of one that the integration's table does not have.

    A job that has a state is there, so an unknown one counts as running; the log says so once.
    """
    try:
        return phase_of(state, table, integration=integration), ""
    except UnknownStateError as error:
        _say_once(error.message)
        return Phase.RUNNING, error.message


@lru_cache(maxsize=256)
def _say_once(message: str) -> None:
    logger.warning("%s It counts as running.", message)


# The words that connectors written for the reference hand to `convert_to_flyte_phase`.
_WORDS = {
    **dict.fromkeys(("failed", "timeout", "timedout", "canceled", "cancelled", "skipped"), Phase.FAILED),
    "internal_error": Phase.RETRYABLE_FAILED,
    **dict.fromkeys(("done", "succeeded", "success", "completed"), Phase.SUCCEEDED),
    **dict.fromkeys(("running", "terminating"), Phase.RUNNING),
    "pending": Phase.INITIALIZING,
}


def convert_to_flyte_phase(state: str) -> Phase:
    """The phase of a common word for a job's state, in any case.

    Raises:
        UnrecognizedStateError: there is no phase for it (also a ValueError).
    """
    try:
        return _WORDS[state.lower()]
    except KeyError:
        raise UnrecognizedStateError(f"Unrecognized state: {state.lower()}") from None


class UnrecognizedStateError(UserError, ValueError):
    """A word that stands for no phase."""


@dataclass(frozen=True)
class ErrorKind:
    """What becomes of an error.

    Attributes:
        status: The gRPC status, by name.
        phase: The phase of a job that failed with it.
        advice: What a caller can do where the error itself says nothing.
    """

    status: str
    phase: Phase
    advice: str


# The first class that fits decides, so a subclass stands before its base.
ERRORS: tuple[tuple[type[BaseException], ErrorKind], ...] = (
    (PermissionError, ErrorKind("PERMISSION_DENIED", Phase.FAILED, "Check the credentials of the connector service.")),
    (
        SecretNotFoundError,
        ErrorKind("FAILED_PRECONDITION", Phase.FAILED, "Give the connector service this secret, and try again."),
    ),
    (
        MissingDependencyError,
        ErrorKind("FAILED_PRECONDITION", Phase.FAILED, "Install the library where the connector service runs."),
    ),
    (TypeTransformerFailedError, ErrorKind("INVALID_ARGUMENT", Phase.FAILED, "Correct the inputs of the task.")),
    (UserError, ErrorKind("INVALID_ARGUMENT", Phase.FAILED, "Correct the task or its inputs; a retry cannot help.")),
    (JobGoneError, ErrorKind("NOT_FOUND", Phase.RETRYABLE_FAILED, "Start the task again.")),
    (TransientError, ErrorKind("UNAVAILABLE", Phase.RETRYABLE_FAILED, "Try again later.")),
    (PermanentError, ErrorKind("FAILED_PRECONDITION", Phase.FAILED, "Ask whoever runs the service.")),
    (TimeoutError, ErrorKind("UNAVAILABLE", Phase.RETRYABLE_FAILED, "Try again later.")),
    (ConnectionError, ErrorKind("UNAVAILABLE", Phase.RETRYABLE_FAILED, "Try again later.")),
    (NotImplementedError, ErrorKind("UNIMPLEMENTED", Phase.FAILED, "This connector does not offer that.")),
    (HardpointError, ErrorKind("INTERNAL", Phase.FAILED, "Report it, with the id that the log names.")),
    (Exception, ErrorKind("INTERNAL", Phase.FAILED, "Report it, with the id that the log names.")),
)
"""From the class of an error to what becomes of it."""


def kind_of_error(error: BaseException) -> ErrorKind:
    """The row of `ERRORS` that an error belongs to."""
    for kind, told in ERRORS:
        if isinstance(error, kind):
            return told
    return ERRORS[-1][1]
