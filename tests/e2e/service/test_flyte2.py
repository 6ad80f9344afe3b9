"""The protocol of Flyte 2, over the same port."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from flyteidl2.connector import connector_pb2 as v2
from flyteidl2.core.literals_pb2 import Literal, Primitive, Scalar
from flyteidl2.core.security_pb2 import Connection
from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.task.common_pb2 import Inputs, NamedLiteral
from google.protobuf.struct_pb2 import Struct

from hardpoint.connectors import Phase
from tests.e2e.service.conftest import CANARY, Service
from tests.e2e.service.test_flyte1 import META, meta_of, refusal

TOKEN = "canary-of-the-task-91"


def category(name: str = "jobs", version: int = 0) -> Any:
    return v2.TaskCategory(name=name, version=version)


def test_a_job_is_created_asked_for_and_ended(service: Service) -> None:
    request = v2.CreateTaskRequest(template=TaskTemplate(type="jobs", config={"name": "two"}), output_prefix="/nowhere")
    request.task_execution_metadata.task_execution_id.node_execution_id.node_id = "a0"
    meta = service.v2.CreateTask(request).resource_meta
    assert json.loads(meta)["name"] == "two"
    resource = service.v2.GetTask(v2.GetTaskRequest(resource_meta=meta, task_category=category())).resource
    assert resource.phase == Phase.SUCCEEDED
    outputs = {named.name: named.value for named in resource.outputs.literals}
    assert outputs["n"].scalar.primitive.integer == 3
    assert resource.log_links[0].name == "Console"
    assert resource.custom_info["cost"] == 1.5
    service.v2.DeleteTask(v2.DeleteTaskRequest(resource_meta=meta, task_category=category()))


def test_inputs_arrive_and_work_at_once_is_done_as_a_job(service: Service) -> None:
    one = Literal(scalar=Scalar(primitive=Primitive(integer=1)))
    inputs = Inputs(literals=[NamedLiteral(name="b", value=one), NamedLiteral(name="a", value=one)])
    request = v2.CreateTaskRequest(template=TaskTemplate(type="now"), inputs=inputs)
    meta = service.v2.CreateTask(request).resource_meta
    resource = service.v2.GetTask(v2.GetTaskRequest(resource_meta=meta, task_category=category("now"))).resource
    assert resource.phase == Phase.SUCCEEDED
    assert {named.name: named.value.scalar.primitive for named in resource.outputs.literals}[
        "given"
    ].string_value == "a,b"


def test_failures_are_in_the_message(service: Service) -> None:
    request = v2.GetTaskRequest(resource_meta=meta_of("phase:FAILED"), task_category=category())
    resource = service.v2.GetTask(request).resource
    assert (resource.phase, resource.message) == (Phase.FAILED, "It is FAILED.")


def test_a_tasks_own_connection(service: Service) -> None:
    """Its secrets come along with each call; they are in no answer and no log."""
    brought = Connection(secrets={"token": TOKEN}, configs={"region": "eu"})
    request = v2.CreateTaskRequest(template=TaskTemplate(type="silent"), connection=brought)
    meta = service.v2.CreateTask(request).resource_meta
    assert json.loads(meta)["name"] == f"{len(TOKEN)} eu True"
    asked = v2.GetTaskRequest(resource_meta=meta, task_category=category("silent"), connection=brought)
    assert service.v2.GetTask(asked).resource.message == "*** eu"
    service.v2.DeleteTask(
        v2.DeleteTaskRequest(resource_meta=meta, task_category=category("silent"), connection=brought)
    )
    assert TOKEN not in service.text
    assert TOKEN not in service.metrics()


def test_a_task_may_not_ask_for_the_services_own_secrets(service: Service) -> None:
    custom = Struct()
    custom.update({"secrets": {"token": "canary"}})
    request = v2.CreateTaskRequest(template=TaskTemplate(type="silent", custom=custom))
    code, details = refusal(lambda: service.v2.CreateTask(request))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "connectors.task_secrets" in details
    assert CANARY not in details


def test_logs_stream(service: Service) -> None:
    request = v2.GetTaskLogsRequest(resource_meta=META, task_category=category(), lines=2)
    *bodies, end = service.v2.GetTaskLogs(request)
    assert [line.message for part in bodies for line in part.body.lines] == ["line 0\n", "line 1\n"]
    assert end.header.token == "2"


def test_metrics_of_a_job(service: Service) -> None:
    request = v2.GetTaskMetricsRequest(resource_meta=META, task_category=category(), queries=["cpu"])
    assert [result.metric for result in service.v2.GetTaskMetrics(request).results] == ["cpu"]


def test_connectors_are_listed(service: Service) -> None:
    found = {c.name: c for c in service.v2_metadata.ListConnectors(v2.ListConnectorsRequest()).connectors}
    assert [(c.name, c.version) for c in found["Now"].supported_task_categories] == [("now", 0)]
    asked = service.v2_metadata.GetConnector(v2.GetConnectorRequest(name="Now")).connector
    assert asked == found["Now"]


@pytest.mark.parametrize("name", ["nope", ""])
def test_what_is_not_served_is_not_found(service: Service, name: str) -> None:
    for call in (
        lambda: service.v2.CreateTask(v2.CreateTaskRequest(template=TaskTemplate(type=name))),
        lambda: service.v2.GetTask(v2.GetTaskRequest(resource_meta=META, task_category=category(name))),
        lambda: service.v2.DeleteTask(v2.DeleteTaskRequest(resource_meta=META, task_category=category(name))),
        lambda: list(service.v2.GetTaskLogs(v2.GetTaskLogsRequest(resource_meta=META, task_category=category(name)))),
        lambda: service.v2.GetTaskMetrics(v2.GetTaskMetricsRequest(resource_meta=META, task_category=category(name))),
        lambda: service.v2_metadata.GetConnector(v2.GetConnectorRequest(name=name)),
    ):
        assert refusal(call)[0] is grpc.StatusCode.NOT_FOUND
