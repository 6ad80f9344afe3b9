"""Reflection: what a client that has no stubs asks the server about its methods and messages.

https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest

from hardpoint.connectors.service.dispatch import Handler
from hardpoint.connectors.service.rpc import Rpc

__all__ = ["SERVICES", "handlers"]

SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""Two names of one protocol: the messages are the same."""


def handlers(services: Iterable[str]) -> dict[str, Handler]:
    """What answers each method, by its full name."""
    # The name without "alpha" has no descriptor here, so that clients that list would ask for it in vain.
    servicer = reflection.aio.ReflectionServicer([*services, reflection.SERVICE_NAME])

    async def parsed(requests: AsyncIterator[bytes]) -> AsyncIterator[ServerReflectionRequest]:
        async for data in requests:
            yield ServerReflectionRequest.FromString(data)

    async def info(rpc: Rpc, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for answer in servicer.ServerReflectionInfo(parsed(requests), rpc.context):
            yield answer.SerializeToString()

    return {f"/{service}/ServerReflectionInfo": Handler(duplex=info) for service in SERVICES}
