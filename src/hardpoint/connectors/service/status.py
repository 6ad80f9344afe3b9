"""The one place where an error becomes a gRPC status."""

from __future__ import annotations

import grpc
from google.protobuf.message import DecodeError

from hardpoint.connectors.errors import explain
from hardpoint.connectors.phases import kind_of_error
from hardpoint.connectors.registry import FlyteConnectorNotFound
from hardpoint.connectors.resource import MetaError
from hardpoint.errors import UserError

__all__ = ["HTTP_STATUS", "Refused", "RequestError", "UnauthenticatedError", "refused"]


class RequestError(UserError):
    """A request is not what the protocol says."""

    code = "USER:BadRequest"


class UnauthenticatedError(UserError):
    """A caller did not bring the token."""

    code = "USER:Unauthenticated"


class Refused(Exception):
    """A call that is answered with a status other than OK.

    Attributes:
        status: The status.
        text: Its details: less than 4 KiB, without a traceback or secrets.
    """

    def __init__(self, status: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


# Errors of the service itself; for all others the table `hardpoint.connectors.phases.ERRORS` decides.
_OWN: dict[type[BaseException], grpc.StatusCode] = {
    FlyteConnectorNotFound: grpc.StatusCode.NOT_FOUND,
    MetaError: grpc.StatusCode.INVALID_ARGUMENT,
    RequestError: grpc.StatusCode.INVALID_ARGUMENT,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
}

# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: "400",
    grpc.StatusCode.FAILED_PRECONDITION: "400",
    grpc.StatusCode.UNAUTHENTICATED: "401",
    grpc.StatusCode.PERMISSION_DENIED: "403",
    grpc.StatusCode.NOT_FOUND: "404",
    grpc.StatusCode.INTERNAL: "500",
    grpc.StatusCode.UNIMPLEMENTED: "501",
    grpc.StatusCode.UNAVAILABLE: "503",
}


def refused(error: Exception, doing: str, *, where: str) -> Refused:
    """What the caller is told of an error.

    Args:
        error: What was raised.
        doing: What failed, as in ``create a job of query_v0``.
        where: Who failed, usually the connector's name.
    """
    if isinstance(error, Refused):
        return error
    if isinstance(error, DecodeError):
        error = RequestError(f"The request is no message of this call: {error}", remedy="Send what the protocol says.")
    status = _OWN.get(type(error)) or grpc.StatusCode[kind_of_error(error).status]
    return Refused(status, explain(error, doing, where=where)[1])
