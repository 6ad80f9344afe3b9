"""What a caller is told when a connector fails: what failed, where, the service's own words, and what mends it."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from hardpoint.connectors.phases import ErrorKind, kind_of_error
from hardpoint.errors import HardpointError, PermanentError, TransientError, UserError
from hardpoint.secrets import redact_uri

__all__ = ["LONGEST", "JobExistsError", "JobInDoubtError", "cut", "explain", "is_transient", "patience", "words"]

logger = logging.getLogger(__name__)

LONGEST = 4000
"""Bytes of a message. gRPC carries it in a header, of which servers and proxies allow 8 KiB in all."""


_MOST_PATIENCE = 300.0
"""Seconds for which a service is left alone because it asks for that; it is then asked whether it still wants to be."""


class JobExistsError(PermanentError):
    """The service has a job with this key already. Whoever asked for it adopts that job.

    Args:
        message: The service's words.
        meta: The job's metadata, if the service told enough; otherwise it is looked up by the key.
    """

    code = "SYSTEM:JobExists"

    def __init__(self, message: str = "", *, meta: Any = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.meta = meta


class JobInDoubtError(UserError):
    """Nobody can say whether a job exists: its service was asked for it and has not answered, and it cannot look jobs up.

    Args:
        connector: The connector's name.
        key: The job's key.
    """

    code = "USER:JobInDoubt"

    def __init__(self, connector: str, key: str) -> None:
        super().__init__(
            f"{connector} was asked for the job {key} before and has not answered, and it cannot look jobs up: there may be "
            "one already.",
            remedy=f"See there whether it exists. To have it created after all: hardpoint jobs cancel {key}, and start the "
            "task again.",
            connector=connector,
            key=key,
        )


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later, so that nothing is known about the job."""
    return isinstance(error, TransientError | TimeoutError | ConnectionError)


def patience(error: BaseException) -> float | None:
    """For how many seconds the service wants to be left alone, within reason; None if it does not say."""
    asked = getattr(error, "retry_after", None)
    return min(float(asked), _MOST_PATIENCE) if asked else None


def words(error: BaseException) -> str:
    """What an error says, without secrets and without its remedy."""
    said = error.message if isinstance(error, HardpointError) else str(error)
    return redact_uri(said or type(error).__name__).strip()


def cut(text: str, longest: int) -> str:
    """The text in at most so many bytes; the middle goes, since services say what they mean first or last."""
    data = text.encode()
    if len(data) <= longest:
        return text
    half = (longest - 5) // 2
    return f"{data[:half].decode(errors='ignore')} ... {data[-half:].decode(errors='ignore')}"


def explain(error: BaseException, doing: str, *, where: str) -> tuple[ErrorKind, str]:
    """What becomes of an error, and the text for the caller: less than 4 KiB, without a traceback.

    An error that nobody foresaw goes to the log with its traceback, under an id that the text names.

    Args:
        error: What was raised.
        doing: What failed, as in ``create a job of query_v0``.
        where: Who failed, usually the connector's name.
    """
    kind = kind_of_error(error)
    remedy = error.remedy if isinstance(error, HardpointError) and error.remedy else kind.advice
    said = words(error)
    if kind.status == "INTERNAL":
        number = secrets.token_hex(4)
        logger.error("%s could not %s (id %s)", where, doing, number, exc_info=error)
        said = f"{type(error).__name__}: {said} (id {number})"
    tail = f"\n  -> {cut(redact_uri(remedy), LONGEST // 4)}"
    head = cut(f"{where} could not {doing}: {said}", LONGEST - len(tail.encode()))
    return kind, head + tail
