"""What a container tells of a failure: ``error.pb``.

Wire facts: flyteidl/core/errors.proto, `ErrorDocument`. Only what is recoverable is tried again; the origin says whose
fault it was.
"""

from __future__ import annotations

import traceback
from datetime import UTC, datetime

from flyteidl.core.errors_pb2 import ContainerError, ErrorDocument
from flyteidl.core.execution_pb2 import ExecutionError

from hardpoint.errors import HardpointError, TransientError, UserError
from hardpoint.secrets import redact_uri

__all__ = ["error_document"]

_LONGEST = 100_000
"""Characters of a message; the control plane reads it whole."""


def error_document(error: BaseException, *, is_users: bool, worker: str = "") -> ErrorDocument:
    """The document that tells of an error, with its traceback.

    Args:
        error: What was raised.
        is_users: Whether it came from the user's code: from the task itself, or when it was imported.
        worker: The name of this worker, where several run one task.
    """
    if isinstance(error, HardpointError):
        code, recoverable = error.code, isinstance(error, TransientError)
    elif is_users:
        code, recoverable = UserError.code, False
    else:  # of the surroundings: the network, the disk, the memory
        code, recoverable = HardpointError.code, True
    users = is_users or code.startswith("USER")
    message = ContainerError(
        code=code,
        message=_cut(redact_uri("".join(traceback.format_exception(error)))),
        kind=ContainerError.RECOVERABLE if recoverable else ContainerError.NON_RECOVERABLE,
        origin=ExecutionError.USER if users else ExecutionError.SYSTEM,
        worker=worker,
    )
    message.timestamp.FromDatetime(datetime.now(UTC))
    return ErrorDocument(error=message)


def _cut(text: str) -> str:
    """The beginning and, above all, the end of a long text: there an error says what it is."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 4]}\n...\n{text[-_LONGEST * 3 // 4 :]}"
