"""Whatever is sent, the service answers with a status that says something, and goes on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import grpc
from flyteidl.admin import agent_pb2 as v1
from flyteidl2.connector import connector_pb2 as v2
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest

from tests.e2e.service.conftest import Service
from tests.e2e.service.fuzzing import Fuzzer
from tests.e2e.service.http2 import Connection

COUNT = int(os.environ.get("FUZZ_MESSAGES", "100000"))
SEED = int(os.environ.get("FUZZ_SEED", "20261122"))

_V1, _V2 = "/flyteidl.service.", "/flyteidl2.connector."
METHODS: dict[str, Any] = {
    f"{_V1}AsyncAgentService/CreateTask": v1.CreateTaskRequest,
    f"{_V1}AsyncAgentService/GetTask": v1.GetTaskRequest,
    f"{_V1}AsyncAgentService/DeleteTask": v1.DeleteTaskRequest,
    f"{_V1}AsyncAgentService/GetTaskMetrics": v1.GetTaskMetricsRequest,
    f"{_V1}AgentMetadataService/GetAgent": v1.GetAgentRequest,
    f"{_V1}AgentMetadataService/ListAgents": v1.ListAgentsRequest,
    f"{_V2}AsyncConnectorService/CreateTask": v2.CreateTaskRequest,
    f"{_V2}AsyncConnectorService/GetTask": v2.GetTaskRequest,
    f"{_V2}AsyncConnectorService/DeleteTask": v2.DeleteTaskRequest,
    f"{_V2}AsyncConnectorService/GetTaskMetrics": v2.GetTaskMetricsRequest,
    f"{_V2}ConnectorMetadataService/GetConnector": v2.GetConnectorRequest,
    f"{_V2}ConnectorMetadataService/ListConnectors": v2.ListConnectorsRequest,
    "/grpc.health.v1.Health/Check": HealthCheckRequest,
    f"{_V1}AsyncAgentService/GetTaskLogs": v1.GetTaskLogsRequest,
    f"{_V2}AsyncConnectorService/GetTaskLogs": v2.GetTaskLogsRequest,
    f"{_V1}SyncAgentService/ExecuteTaskSync": v1.ExecuteTaskSyncRequest,
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": ServerReflectionRequest,
}
STREAMS = [name for name in METHODS if name.endswith(("ExecuteTaskSync", "ServerReflectionInfo"))]

EXPECTED = {
    status.value[0]
    for status in (
        grpc.StatusCode.OK,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.UNIMPLEMENTED,
    )
}


def messages(fuzzer: Fuzzer) -> Iterator[tuple[str, list[bytes]]]:
    """Methods and what is sent to them, without end: messages, mutilated ones, and bytes that are none."""
    valid = {name: [fuzzer.fill(kind()).SerializeToString() for _ in range(150)] for name, kind in METHODS.items()}
    names = list(valid)

    def message(name: str) -> bytes:
        data, chance = fuzzer.random.choice(valid[name]), fuzzer.random.random()
        return data if chance < 0.2 else fuzzer.mutilate(data) if chance < 0.85 else fuzzer.rubbish()

    while True:
        name = fuzzer.random.choice(names)
        count = fuzzer.random.randint(0, 3) if name in STREAMS else 1
        yield name, [message(name) for _ in range(count)]


def errors_of(service: Service) -> str:
    """What the service has logged of its errors."""
    service.end()
    _, found, rest = service.text.partition(" ERROR ")
    return found + rest[:3000]


def test_no_message_is_too_strange(start: Callable[..., Service]) -> None:
    service = start("--workers", "2", "--prometheus-port", "none")
    source = messages(Fuzzer(SEED))
    connections = [Connection(service.port) for _ in range(4)]
    for number in range(0, COUNT, 500):
        connections[number // 500 % 4].send(islice(source, 500))
    seen: Counter[int] = Counter()
    for connection in connections:
        connection.finish()
        seen += connection.statuses
    assert seen.total() == COUNT
    assert not set(seen) - EXPECTED, f"seed {SEED}: {seen}\n{errors_of(service)}"
    assert seen[0] > COUNT / 50
    assert seen[3] > COUNT / 10
    assert seen[5] > COUNT / 50
    assert "has died" not in service.text
    assert "Traceback" not in service.text
    assert service.health.Check(HealthCheckRequest()).status == HealthCheckResponse.SERVING
    assert service.end() == 0
