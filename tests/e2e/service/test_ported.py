"""Connectors that were written for Flytekit are served as they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flyteidl.admin.agent_pb2 import GetAgentRequest
from flyteidl.core.literals_pb2 import LiteralMap

from hardpoint import idl
from hardpoint.connectors import Phase
from tests.e2e.service import messages
from tests.e2e.service.conftest import Service, running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running("--journal", str(tmp_path_factory.mktemp("j") / "jobs.sqlite"), modules=("ported",)) as started:
        yield started


def test_plain_methods(service: Service) -> None:
    request = messages.create("ported", execution="f1")
    request.inputs.CopyFrom(LiteralMap(literals={"a": idl.integer(1)}))
    meta = service.v1.CreateTask(request).resource_meta
    # Byte for byte what the reference answers, so that either can follow the other's jobs.
    assert meta == b'{"job_id": "1", "output_path": "/nowhere/f1/0/out", "task_name": "flights.count"}'
    resource = service.v1.GetTask(messages.get(meta, "ported")).resource
    assert resource.phase == Phase.SUCCEEDED
    assert resource.outputs.literals["path"].scalar.primitive.string_value == "/nowhere/f1/0/out"
    service.v1.DeleteTask(messages.delete(meta, "ported"))


def test_asynchronous_methods_that_name_their_arguments(service: Service) -> None:
    request = messages.create("ported_async")
    request.template.custom["job"] = "q1"
    meta = service.v1.CreateTask(request).resource_meta
    assert meta == b'{"job_id": "q1", "output_path": "/nowhere//0", "task_name": "ported_async"}'
    assert service.v1.GetTask(messages.get(meta, "ported_async")).resource.message == "q1"
    service.v1.DeleteTask(messages.delete(meta, "ported_async"))


@pytest.mark.parametrize(("task_type", "version", "expected"), [("ported_sync", 0, 7), ("ported_async_sync", 3, 8)])
def test_at_once(service: Service, task_type: str, version: int, expected: int) -> None:
    requests = messages.sync(task_type)
    requests[0].header.template.task_type_version = version
    [answer] = list(service.v1_sync.ExecuteTaskSync(iter(requests)))
    assert answer.header.resource.outputs.literals["o0"].scalar.primitive.integer == expected


def test_connectors_of_one_name_are_one(service: Service) -> None:
    agent = service.v1_metadata.GetAgent(GetAgentRequest(name="Ported Sync Connector")).agent
    assert agent.is_sync
    assert sorted(agent.supported_task_types) == ["ported_async_sync", "ported_sync"]
