"""Health: of the server, of each of its services by full name, and of each connector by its task category.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from hardpoint.connectors.service.dispatch import Handler
from hardpoint.connectors.service.rpc import Rpc
from hardpoint.connectors.service.status import Refused

__all__ = ["SERVICE", "Health"]

SERVICE = "grpc.health.v1.Health"

_SERVING = HealthCheckResponse(status=HealthCheckResponse.SERVING).SerializeToString()
_NOT_SERVING = HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING).SerializeToString()
_NOT_KNOWN = HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN).SerializeToString()


class Health:
    """What is served, until it is not.

    Args:
        serving: Names of what is served; the server itself, named by nothing, is among it anyway.
        broken: Names of what should be, and cannot be.
    """

    def __init__(self, serving: Iterable[str], broken: Iterable[str] = ()) -> None:
        self._said: dict[str, bytes] = dict.fromkeys(("", SERVICE, *serving), _SERVING) | dict.fromkeys(
            broken, _NOT_SERVING
        )
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Nothing is served from now on."""
        self._said = dict.fromkeys(self._said, _NOT_SERVING)
        self._ended.set()

    def handlers(self) -> dict[str, Handler]:
        """What answers each method, by its full name."""
        return {f"/{SERVICE}/Check": Handler(unary=self._check), f"/{SERVICE}/Watch": Handler(stream=self._watch)}

    async def _check(self, rpc: Rpc, data: bytes) -> bytes:
        service: str = HealthCheckRequest.FromString(data).service
        said = self._said.get(service)
        if said is None:
            raise Refused(grpc.StatusCode.NOT_FOUND, "There is no service or task category of this name here.")
        return said

    async def _watch(self, rpc: Rpc, data: bytes) -> AsyncIterator[bytes]:
        service = HealthCheckRequest.FromString(data).service
        first = self._said.get(service, _NOT_KNOWN)
        yield first
        await self._ended.wait()  # which may have come while the first was on its way
        last = self._said.get(service, _NOT_KNOWN)
        if last != first:
            yield last
