"""Health, and reflection."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from tests.e2e.service import messages
from tests.e2e.service.conftest import Service
from tests.e2e.service.test_flyte1 import refusal

SERVICES = (
    "flyteidl.service.AsyncAgentService",
    "flyteidl.service.SyncAgentService",
    "flyteidl.service.AgentMetadataService",
    "flyteidl2.connector.AsyncConnectorService",
    "flyteidl2.connector.ConnectorMetadataService",
    "grpc.health.v1.Health",
)


@pytest.mark.parametrize("name", ["", *SERVICES, "jobs_v0", "plain_v2", "now_v0"])
def test_what_serves_says_so(service: Service, name: str) -> None:
    assert service.health.Check(HealthCheckRequest(service=name)).status == HealthCheckResponse.SERVING


def test_what_is_not_known(service: Service) -> None:
    code, _ = refusal(lambda: service.health.Check(HealthCheckRequest(service="plain_v1")))
    assert code is grpc.StatusCode.NOT_FOUND
    watch = service.health.Watch(HealthCheckRequest(service="plain_v1"))
    assert next(watch).status == HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()


def test_a_broken_integration_is_reported_and_harms_nobody_else(start: Callable[..., Service]) -> None:
    service = start(modules=("served", "broken"))
    assert service.said(
        r"not served  lake: Lake needs lakeq>=3, but it is not installed\.\n  -> pip install 'lakehouse\[lake\]'"
    )
    assert service.said("not served  marsh: ModuleNotFoundError")
    for name in ("lake_v0", "marsh_v0"):
        assert service.health.Check(HealthCheckRequest(service=name)).status == HealthCheckResponse.NOT_SERVING
    assert service.health.Check(HealthCheckRequest(service="jobs_v0")).status == HealthCheckResponse.SERVING
    code, details = refusal(lambda: service.v1.CreateTask(messages.create("lake")))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "pip install 'lakehouse[lake]'" in details


def test_watchers_are_told_of_the_end(start: Callable[..., Service]) -> None:
    service = start()
    held = service.v1.CreateTask.future(messages.create(execution="held", sleep="1.5"))
    watches = [service.health.Watch(HealthCheckRequest(service=name)) for name in ("", "jobs_v0", "")]
    assert [next(watch).status for watch in watches] == [HealthCheckResponse.SERVING] * 3
    service.process.send_signal(signal.SIGTERM)
    assert [next(watch).status for watch in watches] == [HealthCheckResponse.NOT_SERVING] * 3
    assert held.result().resource_meta
    assert service.process.wait(30) == 0


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection(service: Service, version: str) -> None:
    ask = service.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )
    requests = [
        ServerReflectionRequest(list_services=""),
        ServerReflectionRequest(file_containing_symbol="flyteidl.service.AsyncAgentService"),
        ServerReflectionRequest(file_containing_symbol="flyteidl2.connector.AsyncConnectorService"),
        ServerReflectionRequest(file_containing_symbol="no.such.Thing"),
    ]
    listed, one, two, none = list(ask(iter(requests)))
    names: list[Any] = [found.name for found in listed.list_services_response.service]
    assert set(SERVICES) < set(names)
    assert len(names) == len(set(names)) == len(SERVICES) + 1
    assert one.file_descriptor_response.file_descriptor_proto
    assert two.file_descriptor_response.file_descriptor_proto
    assert none.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
