"""The services of Flyte 2: ``flyteidl2.connector``.

Their messages are those of Flyte 1 byte for byte, as far as both have a field; so they are read as these, but for the connection,
which only Flyte 2 sends.

https://github.com/flyteorg/flyte/blob/v2/flyteidl2/connector/connector.proto
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from flyteidl.admin import agent_pb2 as v1
from flyteidl2.connector import connector_pb2 as v2
from flyteidl2.connector import service_pb2
from flyteidl2.core.security_pb2 import Connection as ConnectionMessage

from hardpoint.connectors.connection import Connection
from hardpoint.connectors.service.calls import Calls
from hardpoint.connectors.service.dispatch import Handler
from hardpoint.connectors.service.rpc import Rpc
from hardpoint.idl import TaskTemplate

__all__ = ["SERVICES", "handlers"]

# The descriptors are what reflection shows.
_OWN = service_pb2.DESCRIPTOR.services_by_name
_CONNECTOR, _METADATA = SERVICES = tuple(
    _OWN[name].full_name for name in ("AsyncConnectorService", "ConnectorMetadataService")
)


@lru_cache(1024)
def _sent(data: bytes) -> Connection:
    """The connection in a message. A job's is the same in each of its calls."""
    message = ConnectionMessage.FromString(data)
    made = Connection.of(None, secrets=dict(message.secrets), shared=True)
    return replace(made, configs=dict(message.configs))


def _connection(request: Any, template: TaskTemplate | None = None) -> Connection | None:
    """What a request brings; None if it brings nothing, so that what the task's template says holds."""
    if not request.HasField("connection"):
        return None
    sent = _sent(request.connection.SerializeToString(deterministic=True))
    if template is None:
        return sent
    named = Connection.of(template, shared=True)
    return replace(named, secrets=sent.secrets, configs={**named.configs, **sent.configs})


def _state(message: v1.Resource) -> bytes:
    """The answer that tells how a job stands."""
    return v1.GetTaskResponse(resource=message).SerializeToString()


def handlers(calls: Calls) -> dict[str, Handler]:
    """What answers each method, by its full name."""

    async def create(rpc: Rpc, data: bytes) -> bytes:
        request = v1.CreateTaskRequest.FromString(data)
        connection = _connection(v2.CreateTaskRequest.FromString(data), request.template)
        meta = await calls.create(rpc, request, connection)
        return v2.CreateTaskResponse(resource_meta=meta).SerializeToString()

    async def get(rpc: Rpc, data: bytes) -> bytes:
        request = v1.GetTaskRequest.FromString(data)
        return await calls.get(rpc, request, _connection(v2.GetTaskRequest.FromString(data)), _state)

    async def delete(rpc: Rpc, data: bytes) -> bytes:
        request = v1.DeleteTaskRequest.FromString(data)
        await calls.delete(rpc, request, _connection(v2.DeleteTaskRequest.FromString(data)))
        return b""

    async def metrics(rpc: Rpc, data: bytes) -> bytes:
        return (await calls.metrics_of(rpc, v1.GetTaskMetricsRequest.FromString(data))).SerializeToString()

    async def logs(rpc: Rpc, data: bytes) -> AsyncIterator[bytes]:
        async for part in calls.logs(rpc, v1.GetTaskLogsRequest.FromString(data)):
            yield part.SerializeToString()

    async def get_connector(rpc: Rpc, data: bytes) -> bytes:
        agent = calls.agent(v2.GetConnectorRequest.FromString(data).name)
        return v2.GetConnectorResponse(connector=_connector(agent)).SerializeToString()

    async def list_connectors(rpc: Rpc, data: bytes) -> bytes:
        v2.ListConnectorsRequest.FromString(data)
        return v2.ListConnectorsResponse(connectors=map(_connector, calls.agents())).SerializeToString()

    return {
        f"/{_CONNECTOR}/CreateTask": Handler(unary=create),
        f"/{_CONNECTOR}/GetTask": Handler(unary=get),
        f"/{_CONNECTOR}/DeleteTask": Handler(unary=delete),
        f"/{_CONNECTOR}/GetTaskMetrics": Handler(unary=metrics),
        f"/{_CONNECTOR}/GetTaskLogs": Handler(stream=logs),
        f"/{_METADATA}/GetConnector": Handler(unary=get_connector),
        f"/{_METADATA}/ListConnectors": Handler(unary=list_connectors),
    }


def _connector(agent: v1.Agent) -> v2.Connector:
    """A connector as Flyte 2 lists it, to which all of them start jobs."""
    made = v2.Connector(name=agent.name)
    for category in agent.supported_task_categories:
        made.supported_task_categories.add(name=category.name, version=category.version)
    return made
