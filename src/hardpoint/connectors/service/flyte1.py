"""The services of Flyte 1: ``flyteidl.service``.

https://github.com/flyteorg/flyte/blob/master/flyteidl/protos/flyteidl/service/agent.proto
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from flyteidl.admin.agent_pb2 import (
    AgentError,
    CreateTaskRequest,
    CreateTaskResponse,
    DeleteTaskRequest,
    ExecuteTaskSyncRequest,
    ExecuteTaskSyncResponse,
    ExecuteTaskSyncResponseHeader,
    GetAgentRequest,
    GetAgentResponse,
    GetTaskLogsRequest,
    GetTaskMetricsRequest,
    GetTaskRequest,
    GetTaskResponse,
    ListAgentsRequest,
    ListAgentsResponse,
    State,
)
from flyteidl.admin.agent_pb2 import Resource as ResourceMessage
from flyteidl.service import agent_pb2

from hardpoint.connectors.local import JobFailedError, JobInterruptedError
from hardpoint.connectors.phases import Phase
from hardpoint.connectors.service.calls import Calls
from hardpoint.connectors.service.dispatch import Handler
from hardpoint.connectors.service.rpc import Rpc
from hardpoint.connectors.service.status import RequestError
from hardpoint.idl import LiteralMap

__all__ = ["SERVICES", "handlers"]

# The descriptors are what reflection shows.
_OWN = agent_pb2.DESCRIPTOR.services_by_name
_ASYNC, _SYNC, _METADATA = SERVICES = tuple(
    _OWN[name].full_name for name in ("AsyncAgentService", "SyncAgentService", "AgentMetadataService")
)

# Engines that know no phases read the state, whose default is a failure.
_STATES = {
    Phase.QUEUED: State.PENDING,
    Phase.INITIALIZING: State.PENDING,
    Phase.WAITING_FOR_RESOURCES: State.PENDING,
    Phase.RUNNING: State.RUNNING,
    Phase.SUCCEEDED: State.SUCCEEDED,
    Phase.ABORTED: State.PERMANENT_FAILURE,
    Phase.FAILED: State.PERMANENT_FAILURE,
    Phase.RETRYABLE_FAILED: State.RETRYABLE_FAILURE,
}
_ERRORS = {
    Phase.ABORTED: AgentError(code=JobFailedError.code, kind=AgentError.NON_RECOVERABLE),
    Phase.FAILED: AgentError(code=JobFailedError.code, kind=AgentError.NON_RECOVERABLE),
    Phase.RETRYABLE_FAILED: AgentError(code=JobInterruptedError.code, kind=AgentError.RECOVERABLE),
}


def _old(message: ResourceMessage) -> ResourceMessage:
    """The message with the fields that only Flyte 1 has."""
    phase = Phase(message.phase)
    message.state = _STATES[phase]
    error = _ERRORS.get(phase)
    if error is not None:
        message.agent_error.CopyFrom(error)
    return message


def _state(message: ResourceMessage) -> bytes:
    """The answer that tells how a job stands."""
    return GetTaskResponse(resource=_old(message)).SerializeToString()


def handlers(calls: Calls) -> dict[str, Handler]:
    """What answers each method, by its full name."""

    async def create(rpc: Rpc, data: bytes) -> bytes:
        meta = await calls.create(rpc, CreateTaskRequest.FromString(data), None)
        return CreateTaskResponse(resource_meta=meta).SerializeToString()

    async def get(rpc: Rpc, data: bytes) -> bytes:
        return await calls.get(rpc, GetTaskRequest.FromString(data), None, _state)

    async def delete(rpc: Rpc, data: bytes) -> bytes:
        await calls.delete(rpc, DeleteTaskRequest.FromString(data), None)
        return b""

    async def metrics(rpc: Rpc, data: bytes) -> bytes:
        return (await calls.metrics_of(rpc, GetTaskMetricsRequest.FromString(data))).SerializeToString()

    async def logs(rpc: Rpc, data: bytes) -> AsyncIterator[bytes]:
        async for part in calls.logs(rpc, GetTaskLogsRequest.FromString(data)):
            yield part.SerializeToString()

    async def execute(rpc: Rpc, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        header, inputs = None, LiteralMap()
        async for data in requests:
            request = ExecuteTaskSyncRequest.FromString(data)
            if header is None:
                if not request.HasField("header"):
                    raise RequestError("The first message of the call has no header.")
                header = request.header
            else:
                inputs = request.inputs
                break
        if header is None:
            raise RequestError("The call has no message.", remedy="Send a header, then the inputs.")
        resource = _old(await calls.execute(rpc, header, inputs))
        yield ExecuteTaskSyncResponse(header=ExecuteTaskSyncResponseHeader(resource=resource)).SerializeToString()

    async def get_agent(rpc: Rpc, data: bytes) -> bytes:
        return GetAgentResponse(agent=calls.agent(GetAgentRequest.FromString(data).name)).SerializeToString()

    async def list_agents(rpc: Rpc, data: bytes) -> bytes:
        ListAgentsRequest.FromString(data)
        return ListAgentsResponse(agents=calls.agents()).SerializeToString()

    return {
        f"/{_ASYNC}/CreateTask": Handler(unary=create),
        f"/{_ASYNC}/GetTask": Handler(unary=get),
        f"/{_ASYNC}/DeleteTask": Handler(unary=delete),
        f"/{_ASYNC}/GetTaskMetrics": Handler(unary=metrics),
        f"/{_ASYNC}/GetTaskLogs": Handler(stream=logs),
        f"/{_SYNC}/ExecuteTaskSync": Handler(duplex=execute),
        f"/{_METADATA}/GetAgent": Handler(unary=get_agent),
        f"/{_METADATA}/ListAgents": Handler(unary=list_agents),
    }
