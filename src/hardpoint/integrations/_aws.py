"""What the integrations of AWS services share: clients, regions, errors, and inputs as plain data.

It imports boto3 only when a client is made. Clients are kept for each service, region and credential; they make one attempt at a
time, since who calls a connector knows better than an SDK what may be tried again.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec

from hardpoint import idl
from hardpoint.connectors.connection import connection
from hardpoint.errors import HardpointError, PermanentError, TransientError, UserError
from hardpoint.idl import Literal
from hardpoint.secrets import redact, remember

__all__ = [
    "AWSAccessError",
    "AWSError",
    "client",
    "console",
    "endpoint_of",
    "explained",
    "has_own_credentials",
    "plain",
    "region_of",
]

_CONNECT_SECONDS, _READ_SECONDS = 5.0, 25.0
_CONNECTIONS = 64
"""As many as a connector has threads."""


class AWSError(UserError):
    """AWS refuses the request as it is."""

    code = "USER:AWS"
    service: str
    operation: str
    aws_code: str
    """What AWS calls the error; empty if it was not asked."""


class AWSAccessError(PermanentError, PermissionError):
    """AWS refuses these credentials, or there are none."""

    code = "SYSTEM:AWSAccess"
    service: str
    operation: str
    aws_code: str


# -- clients -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Credentials:
    """Keys of a task's own connection; None in `key` for what AWS's own chain finds."""

    key: str | None = None
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


def region_of(*candidates: str | None) -> str:
    """The region: the first candidate that is one, else that of the task's connection, else that of this process.

    Raises:
        UserError: there is none.
    """
    for region in (*candidates, connection().config("region")):
        if region:
            return region
    import botocore.session

    found: str | None = botocore.session.get_session().get_config_variable("region")
    found = os.environ.get("AWS_REGION") or found
    if not found:
        raise UserError(
            "There is no AWS region.", remedy="Give the task a region, or set AWS_REGION where the connector runs."
        )
    return found


def _credentials() -> _Credentials:
    own = connection()
    if "aws_secret_access_key" not in own.secrets and "aws_secret_access_key" not in own.names:
        return _Credentials()
    has_token = "aws_session_token" in own.secrets or "aws_session_token" in own.names
    return _Credentials(
        own.secret("aws_access_key_id"),
        own.secret("aws_secret_access_key"),
        own.secret("aws_session_token") if has_token else None,
    )


def has_own_credentials() -> bool:
    """Whether the task that is served brings credentials of its own."""
    return _credentials().key is not None


def client(service: str, region: str, timeout: float = _READ_SECONDS) -> Any:
    """The boto3 client of a service; the same one for the same region and credentials. It may be used by many threads.

    Args:
        service: As boto3 calls it.
        region: The region.
        timeout: Seconds for which the service may say nothing.

    Raises:
        UserError: boto3 knows no such service, or the region is none.
    """
    # The variables that boto3 reads: a process that changes them, as one does that rotates keys, gets new clients.
    variables = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
    return _client(service, region, timeout, _credentials(), variables)


_making = threading.Lock()


@lru_cache(maxsize=64)
def _client(
    service: str, region: str, timeout: float, credentials: _Credentials, variables: tuple[tuple[str, str], ...]
) -> Any:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import InvalidRegionError, UnknownServiceError

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=timeout,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=_CONNECTIONS,
        user_agent_extra="hardpoint",
    )
    with _making, explained(service, "anything"):  # sessions are not safe for threads
        session = boto3.session.Session(credentials.key, credentials.secret, credentials.token, region_name=region)
        try:
            made = session.client(service, config=config)
        except (UnknownServiceError, InvalidRegionError) as error:
            raise UserError(str(error).strip().partition(" Valid")[0]) from error
        found = session.get_credentials()
        if found is not None:
            frozen = found.get_frozen_credentials()
            for value in filter(None, (frozen.secret_key, frozen.token)):
                remember(value)  # so that it is kept out of logs and messages
    return made


def endpoint_of(made: Any) -> str:
    """The host that a client speaks to."""
    return urlsplit(made.meta.endpoint_url).hostname or ""


def console(region: str) -> str:
    """The address of AWS's console in a region, without a slash at its end."""
    if region.startswith("cn-"):
        return f"https://{region}.console.amazonaws.cn"
    if region.startswith("us-gov-"):
        return f"https://{region}.console.amazonaws-us-gov.com"
    return f"https://{region}.console.aws.amazon.com"


# -- errors ------------------------------------------------------------------------------------------------------------

# https://docs.aws.amazon.com/awssupport/latest/user/throttling.html and each service's page "Common Errors"
_BUSY = frozenset(
    (
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    )
)
_AWAY = frozenset(
    (
        "InternalDependencyException",
        "InternalFailure",
        "InternalServerException",
        "ModelNotReadyException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    )
)
_REFUSED = frozenset(
    (
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    )
)
_CHECK = "Check the AWS credentials of whoever calls it, and that they are allowed {what}."


@contextmanager
def explained(service: str, operation: str) -> Iterator[None]:
    """Turns botocore's errors into ours.

    Args:
        service: As boto3 calls it, for example ``athena``.
        operation: As the API calls it, for example ``StartQueryExecution``.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        # The cause is left out: what it says is in the message, with secrets taken out.
        raise _refusal(service, operation, error.response) from None
    except BotoCoreError as error:
        raise _trouble(service, operation, error) from None


def _refusal(service: str, operation: str, response: Mapping[str, Any]) -> HardpointError:
    code = str(response.get("Error", {}).get("Code", ""))
    words = redact(str(response.get("Error", {}).get("Message", ""))).strip()
    http = response.get("ResponseMetadata", {})
    status = int(http.get("HTTPStatusCode", 0))
    facts: dict[str, Any] = {"service": service, "operation": operation, "aws_code": code}
    said = f"{service} refused {operation}: {code}{': ' if words else ''}{words}"
    if code in _BUSY or status == 429:
        return TransientError(said, retry_after=_seconds(http.get("HTTPHeaders", {}).get("retry-after")), **facts)
    if code in _AWAY or status >= 500:
        return TransientError(said, **facts)
    if code in _REFUSED or status in (401, 403):
        return AWSAccessError(said, remedy=_CHECK.format(what=f"{service}:{operation}"), **facts)
    return AWSError(said, **facts)


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:  # a date, which no AWS service sends
        return None


def _trouble(service: str, operation: str, error: Exception) -> HardpointError:
    from botocore import exceptions as botocore

    facts: dict[str, Any] = {"service": service, "operation": operation, "aws_code": ""}
    said = f"{service} was not asked for {operation}: {redact(str(error)).strip()}"
    match error:
        case botocore.HTTPClientError() | botocore.ConnectionError() | botocore.ResponseStreamingError():
            return TransientError(f"{service} did not answer {operation}: {redact(str(error)).strip()}", **facts)
        case botocore.ParamValidationError() | botocore.UnknownParameterError():
            return AWSError(said, **facts)
        case (
            botocore.NoCredentialsError()
            | botocore.PartialCredentialsError()
            | botocore.CredentialRetrievalError()
            | botocore.NoAuthTokenError()
            | botocore.TokenRetrievalError()
            | botocore.SSOError()
            | botocore.ProfileNotFound()
        ):
            return AWSAccessError(said, remedy=_CHECK.format(what=f"{service}:{operation}"), **facts)
    return PermanentError(said, **facts)


# -- inputs ------------------------------------------------------------------------------------------------------------


def plain(literal: Literal) -> Any:
    """A literal's value as the reference writes it into templates.

    Numbers, truth values and text are themselves; a datetime is ISO text, a duration seconds, a file or a dataset its URI, an
    attribute-bearing value JSON text; collections and maps hold the same.
    """
    kind = literal.WhichOneof("value")
    if kind == "collection":
        return [plain(item) for item in literal.collection.literals]
    if kind == "map":
        return {name: plain(item) for name, item in literal.map.literals.items()}
    scalar = literal.scalar
    match scalar.WhichOneof("value"):
        case "primitive":
            return _primitive(scalar.primitive)
        case "union":
            return plain(scalar.union.value)
        case "blob" | "schema" | "structured_dataset" as named:
            return getattr(scalar, named).uri
        case "generic":
            return idl.native(scalar.generic)
        case "binary":
            return json.dumps(msgspec.msgpack.decode(scalar.binary.value))
    return None


def _primitive(primitive: Any) -> Any:
    kind = primitive.WhichOneof("value")
    if kind == "datetime":
        return primitive.datetime.ToDatetime(tzinfo=UTC).isoformat()
    if kind == "duration":
        return primitive.duration.ToTimedelta().total_seconds()
    return None if kind is None else getattr(primitive, kind)
