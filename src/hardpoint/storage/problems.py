"""What went wrong at a store, in terms of what the caller should do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NoReturn

from hardpoint.errors import HardpointError, PermanentError, StorageAccessError, StorageNotFoundError, TransientError
from hardpoint.secrets import redact_uri
from hardpoint.storage.options import canonical
from hardpoint.storage.uris import is_remote, protocol

__all__ = ["problem", "reraise"]

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
_CERTIFICATE = frozenset({"CertificateError", "ClientConnectorCertificateError", "SSLCertVerificationError"})
_NO_ANSWER = 0
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


def _names(error: BaseException) -> set[str]:
    return {cls.__name__ for cls in type(error).__mro__}


def _status(error: BaseException) -> int | None:
    """The HTTP status with which the store answered; `_NO_ANSWER` if the network failed; None if neither is known."""
    for link in _chain(error):
        response = getattr(link, "response", None)
        if isinstance(response, dict):  # botocore
            return _number(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
        for name in ("status", "status_code", "code"):  # aiohttp, azure-core, gcsfs
            if (number := _number(getattr(link, name, None))) is not None:
                return number
        names = _names(link)
        if names & _NETWORK and not names & _CERTIFICATE:
            return _NO_ANSWER
    return None


def _number(status: object) -> int | None:
    return int(status) if isinstance(status, int) or (isinstance(status, str) and status.isdecimal()) else None


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
    # The web's client calls everything a missing file, a broken connection too; the status says more.
    if status in (404, 410) or (status is None and isinstance(error, FileNotFoundError | NotADirectoryError)):
        where = None if doing != "write" else "To write there, its bucket or container has to exist."
        return StorageNotFoundError(shown, remedy=where if is_remote(uri) else None)
    if protocol(uri) == "file" or (isinstance(error, OSError) and error.filename is not None):
        return error  # of a local disk: the system's own words name the path and the reason
    text = f"Could not {doing} {shown}: {type(error).__name__}: {redact_uri(str(error))}"
    unknown = any(_names(link) & _CREDENTIALS for link in _chain(error))
    if isinstance(error, PermissionError) or status in (401, 403) or unknown:
        return StorageAccessError(text, remedy=_REMEDIES.get(canonical(protocol(uri))), uri=shown)
    if status in (_NO_ANSWER, 408, 425, 429) or (status or 0) >= 500:
        return TransientError(text, retry_after=_retry_after(error), uri=shown)
    return PermanentError(text, uri=shown)


def reraise(error: Exception, named: BaseException) -> NoReturn:
    """Raise `named` in place of `error`, which is its cause unless its own words would give a key away."""
    if named is error:
        raise error
    raise named from (error if redact_uri(str(error)) == str(error) else None)
