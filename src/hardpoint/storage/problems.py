"""What went wrong at a store, in terms of what the caller should do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hardpoint.errors import HardpointError, PermanentError, StorageAccessError, StorageNotFoundError, TransientError
from hardpoint.secrets import redact, redact_uri
from hardpoint.storage.options import canonical
from hardpoint.storage.uris import is_remote, protocol

__all__ = ["problem"]

_CREDENTIALS = frozenset(
    {
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "TokenRetrievalError",
        "SSOTokenLoadError",
        "UnauthorizedSSOTokenError",
        "DefaultCredentialsError",
        "RefreshError",
        "ClientAuthenticationError",
        "CredentialUnavailableError",
    }
)
# By these names the clients of stores (botocore, aiohttp, azure-core, requests) say that the network failed.
_NETWORK = frozenset(
    {
        "ClientConnectionError",
        "ClientPayloadError",
        "ConnectionClosedError",
        "ConnectionError",
        "EndpointConnectionError",
        "HTTPClientError",
        "IncompleteReadError",
        "ServiceRequestError",
        "ServiceResponseError",
        "ResponseStreamingError",
        "TimeoutError",
        "TransportError",
    }
)
_REMEDIES = {
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role, or [storage] of hardpoint.toml.",
    "gs": "Run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS.",
    "abfs": "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or log in by az login.",
}


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _names(error: BaseException) -> Iterator[str]:
    for link in _chain(error):
        for cls in type(link).__mro__:
            yield cls.__name__


def _status(error: BaseException) -> int | None:
    """The HTTP status with which the store answered, if it did."""
    for link in _chain(error):
        response = getattr(link, "response", None)
        metadata = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
        for status in (metadata.get("HTTPStatusCode"), getattr(link, "status", None), getattr(link, "code", None)):
            if isinstance(status, int):
                return status
        status = getattr(link, "status_code", None)
        if isinstance(status, int):
            return status
    return None


def _retry_after(error: BaseException) -> float | None:
    for link in _chain(error):
        headers = getattr(link, "headers", None)
        text = headers.get("Retry-After") if isinstance(headers, Mapping) else None
        if isinstance(text, str) and text.isdecimal():
            return float(text)
    return None


def problem(error: BaseException, uri: str, doing: str) -> BaseException:
    """The error to raise for `error`, which occurred while `doing` (for example ``"read"``) something at `uri`."""
    if isinstance(error, HardpointError) or not isinstance(error, Exception):
        return error
    shown = redact_uri(uri)
    status = _status(error)
    if isinstance(error, FileNotFoundError | NotADirectoryError) or status == 404:
        where = None if doing != "write" else "To write there, its bucket or container has to exist."
        return StorageNotFoundError(shown, remedy=where if is_remote(uri) else None)
    if protocol(uri) == "file":
        return error  # the system's own words name the path and the reason
    names = set(_names(error))
    text = f"Could not {doing} {shown}: {type(error).__name__}: {redact(str(error))}"
    if isinstance(error, PermissionError) or status in (401, 403) or names & _CREDENTIALS:
        return StorageAccessError(text, remedy=_REMEDIES.get(canonical(protocol(uri))), uri=shown)
    if status in (408, 425, 429) or (status or 0) >= 500 or (status is None and names & _NETWORK):
        return TransientError(text, retry_after=_retry_after(error), uri=shown)
    return PermanentError(text, uri=shown)
