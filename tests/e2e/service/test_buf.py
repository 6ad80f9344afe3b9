"""Both protocols, by a client that is not of grpc's own making."""

from __future__ import annotations

import pytest

from tests.e2e.service.buf import Buf, meta
from tests.e2e.service.conftest import Service

V1, V2 = "flyteidl.service", "flyteidl2.connector"


@pytest.fixture(scope="module")
def buf(service: Service) -> Buf:
    return Buf(service.port)


def test_methods_are_found_by_reflection(buf: Buf) -> None:
    assert {
        f"{V1}.AsyncAgentService/GetTaskLogs",
        f"{V1}.SyncAgentService/ExecuteTaskSync",
        f"{V2}.AsyncConnectorService/CreateTask",
        "grpc.health.v1.Health/Check",
    } < set(buf.methods())


@pytest.mark.parametrize("service_name", [f"{V1}.AsyncAgentService", f"{V2}.AsyncConnectorService"])
def test_a_job(buf: Buf, service_name: str) -> None:
    created = buf.call(f"{service_name}/CreateTask", {"template": {"type": "jobs", "config": {"name": "b"}}}).message
    assert meta(created["resourceMeta"]) == {"name": "b", "get": "", "delete": ""}
    job = {"resourceMeta": created["resourceMeta"], "taskCategory": {"name": "jobs"}}
    resource = buf.call(f"{service_name}/GetTask", job).message["resource"]
    assert (resource["phase"], resource["message"]) == ("SUCCEEDED", "done")
    assert resource["logLinks"][0]["uri"] == "https://lake.example/1"
    *parts, end = buf.call(f"{service_name}/GetTaskLogs", job | {"lines": "2"}).messages
    assert [part["body"]["results"] for part in parts] == [["line 0\n"], ["line 1\n"]]
    assert end == {"header": {"token": "2"}}
    assert buf.call(f"{service_name}/DeleteTask", job).message == {}


def test_work_at_once(buf: Buf) -> None:
    header = {"header": {"template": {"type": "now"}}}
    answer = buf.call(f"{V1}.SyncAgentService/ExecuteTaskSync", header, {"inputs": {}}).message
    assert answer["header"]["resource"]["phase"] == "SUCCEEDED"


def test_connectors_are_listed(buf: Buf) -> None:
    agents = buf.call(f"{V1}.AgentMetadataService/ListAgents").message["agents"]
    connectors = buf.call(f"{V2}.ConnectorMetadataService/ListConnectors").message["connectors"]
    assert [agent["name"] for agent in agents] == [connector["name"] for connector in connectors]
    assert {"name": "Now", "isSync": True}.items() <= next(a for a in agents if a["name"] == "Now").items()


def test_errors(buf: Buf) -> None:
    answer = buf.call(f"{V2}.AsyncConnectorService/CreateTask", {"template": {"type": "nope"}})
    assert answer.error["code"] == "not_found"
    assert "nope_v0" in answer.error["message"]
    assert answer.status


def test_health(buf: Buf) -> None:
    assert buf.call("grpc.health.v1.Health/Check", {"service": "jobs_v0"}).message == {"status": "SERVING"}
