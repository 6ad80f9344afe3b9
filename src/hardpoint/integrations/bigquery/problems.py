"""BigQuery's errors as ours: by what the caller should do, in BigQuery's words, with a remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hardpoint.connectors.phases import Phase
from hardpoint.errors import HardpointError, PermanentError, TransientError, UserError
from hardpoint.integrations.bigquery.states import failure_phase
from hardpoint.secrets import redact_uri

__all__ = ["explained", "reason_text", "remedy_for"]

_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_CREDENTIALS = "Check the secret google_application_credentials, or run: gcloud auth application-default login"
_REMEDIES = {
    "accessDenied": "Grant the account roles/bigquery.jobUser on the project, and roles/bigquery.dataViewer on the data.",
    "billingNotEnabled": "Enable billing for the project.",
    "bytesBilledLimitExceeded": "Let the query read less, or raise maximum_bytes_billed in its QueryJobConfig.",
    "duplicate": "Name another table, or set write_disposition to WRITE_TRUNCATE or WRITE_APPEND.",
    "invalidQuery": "Correct the query.",
    "notFound": "Check the names of project, dataset and table, and the location.",
    "quotaExceeded": "Wait, or ask for a higher quota: https://cloud.google.com/bigquery/quotas",
    "resourcesExceeded": "Let the query do less at once: fewer rows in a sort, a join or an aggregation.",
    "responseTooLarge": "Name a destination table in the QueryJobConfig.",
}


def remedy_for(reason: str) -> str | None:
    """What mends a failure of this kind."""
    return _REMEDIES.get(reason)


def reason_text(error: Mapping[str, Any]) -> str:
    """An ``ErrorProto`` for people: reason, message, place."""
    place = f" (at {error['location']})" if error.get("location") else ""
    return redact_uri(f"{error.get('reason') or 'error'}: {error.get('message') or 'no message'}{place}")


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Within the block, errors of Google's libraries become ours.

    Args:
        doing: What is done, as in ``start the query``.

    Raises:
        UserError: the request is wrong.
        TransientError: BigQuery is not available, or cannot be reached.
        PermanentError: it refuses the credentials.
    """
    try:
        yield
    except HardpointError:
        raise
    except Exception as error:
        ours = _ours(error, doing)
        if ours is None:
            raise
        # A cause is shown as it is, so one that holds a secret is left out.
        raise ours from (error if redact_uri(str(error)) == str(error) else None)


def _ours(error: Exception, doing: str) -> HardpointError | None:
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    if isinstance(error, api.GoogleAPICallError):
        return _of_answer(error, doing)
    said = redact_uri(f"BigQuery could not {doing}: {error}")
    if isinstance(error, auth.TransportError | api.RetryError | RequestException | HTTPError | OSError):
        return TransientError(said)
    if isinstance(error, auth.GoogleAuthError):
        return TransientError(said) if error.retryable else PermanentError(said, remedy=_CREDENTIALS)
    return None


def _of_answer(error: Any, doing: str) -> HardpointError:
    """Of an answer with a status that is none of success; gRPC's have HTTP's numbers here too."""
    first = next((item for item in error.errors or () if isinstance(item, Mapping)), {})
    reason = str(first.get("reason") or "")
    said = redact_uri(f"BigQuery could not {doing}: {first.get('message') or error.message}")
    facts = {"status": error.code, "reason": reason}
    if error.code == 401:
        return PermanentError(said, remedy=_CREDENTIALS, **facts)
    if error.code in _AGAIN or reason == "quotaExceeded" or failure_phase(reason) is Phase.RETRYABLE_FAILED:
        return TransientError(said, retry_after=_retry_after(error), **facts)
    if error.code == 403:
        return PermanentError(said, remedy=remedy_for(reason) or _REMEDIES["accessDenied"], **facts)
    remedy = remedy_for(reason) or (_REMEDIES["notFound"] if error.code == 404 else None)
    return UserError(said, remedy=remedy, **facts)


def _retry_after(error: Any) -> float | None:
    given = getattr(error.response, "headers", None) or {}
    try:
        return float(given["Retry-After"])
    except (KeyError, ValueError):  # it may be a date, which nobody sends here
        return None
