"""The protocol of Flyte 1, over a real port."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyteidl.admin.agent_pb2 import (
    AgentError,
    ExecuteTaskSyncRequest,
    GetAgentRequest,
    GetTaskMetricsRequest,
    GetTaskRequest,
    ListAgentsRequest,
    State,
    TaskCategory,
)
from flyteidl.core.literals_pb2 import LiteralMap

from hardpoint import idl
from hardpoint.connectors import Phase
from tests.e2e.service import messages
from tests.e2e.service.conftest import CANARY, Service

META = json.dumps({"name": "j", "get": "", "delete": ""}).encode()


def meta_of(get: str = "", delete: str = "") -> bytes:
    return json.dumps({"name": "j", "get": get, "delete": delete}).encode()


def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    details = caught.value.details()
    assert len(details.encode()) < 4096
    assert "Traceback" not in details
    assert CANARY not in details
    return caught.value.code(), details


def test_a_job_is_created_asked_for_and_ended(service: Service) -> None:
    meta = service.v1.CreateTask(messages.create(execution="f1", name="é")).resource_meta
    assert meta == b'{"name": "\\u00e9", "get": "", "delete": ""}'
    resource = service.v1.GetTask(messages.get(meta)).resource
    assert (resource.phase, resource.state, resource.message) == (Phase.SUCCEEDED, State.SUCCEEDED, "done")
    assert resource.outputs.literals["n"].scalar.primitive.integer == 3
    assert [i.scalar.primitive.string_value for i in resource.outputs.literals["words"].collection.literals] == [
        "a",
        "b",
    ]
    assert resource.log_links[0].uri == "https://lake.example/1"
    assert resource.custom_info["cost"] == 1.5
    assert not resource.HasField("agent_error")
    service.v1.DeleteTask(messages.delete(meta))
    service.v1.DeleteTask(messages.delete(meta))


def test_an_engine_that_knows_no_categories_names_the_type(service: Service) -> None:
    assert service.v1.GetTask(GetTaskRequest(task_type="jobs", resource_meta=META)).resource.phase == Phase.SUCCEEDED


def test_versions_of_a_type_are_told_apart(service: Service) -> None:
    request = messages.create("plain", 2, execution="v2")
    assert service.v1.CreateTask(request).resource_meta
    assert refusal(lambda: service.v1.CreateTask(messages.create("plain", 1)))[0] is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("phase", "state", "error"),
    [
        ("QUEUED", State.PENDING, None),
        ("INITIALIZING", State.PENDING, None),
        ("WAITING_FOR_RESOURCES", State.PENDING, None),
        ("RUNNING", State.RUNNING, None),
        ("ABORTED", State.PERMANENT_FAILURE, AgentError.NON_RECOVERABLE),
        ("FAILED", State.PERMANENT_FAILURE, AgentError.NON_RECOVERABLE),
        ("RETRYABLE_FAILED", State.RETRYABLE_FAILURE, AgentError.RECOVERABLE),
    ],
)
def test_phases_have_the_state_of_old_engines(service: Service, phase: str, state: int, error: int | None) -> None:
    resource = service.v1.GetTask(messages.get(meta_of(f"phase:{phase}"))).resource
    assert (resource.phase, resource.state) == (Phase[phase], state)
    assert resource.message == f"It is {phase}."
    assert resource.HasField("agent_error") == (error is not None)
    if error is not None:
        assert resource.agent_error.kind == error
        assert resource.agent_error.code.startswith("USER:Job")


def test_no_answer_lacks_a_phase(service: Service) -> None:
    resource = service.v1.GetTask(messages.get(meta_of("phase:UNDEFINED"))).resource
    assert resource.phase == Phase.QUEUED
    assert resource.state == State.PENDING


@pytest.mark.parametrize("error", ["transient", "surprise", "permission", "timeout"])
def test_not_knowing_is_not_failing(service: Service, error: str) -> None:
    resource = service.v1.GetTask(messages.get(meta_of(f"raise:{error}"))).resource
    assert resource.phase == Phase.QUEUED
    assert "The last known state" in resource.message


def test_a_job_that_is_gone_is_terminal(service: Service) -> None:
    resource = service.v1.GetTask(messages.get(meta_of("raise:gone"))).resource
    assert resource.phase == Phase.RETRYABLE_FAILED
    assert "There is no such job." in resource.message


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        ("user", grpc.StatusCode.INVALID_ARGUMENT, "The query has no FROM.\n  -> Write one."),
        ("transient", grpc.StatusCode.UNAVAILABLE, "The warehouse sleeps."),
        ("permanent", grpc.StatusCode.FAILED_PRECONDITION, "torn down"),
        ("timeout", grpc.StatusCode.UNAVAILABLE, "too slow"),
        ("connection", grpc.StatusCode.UNAVAILABLE, "reset"),
        ("permission", grpc.StatusCode.PERMISSION_DENIED, "not yours"),
        ("secret", grpc.StatusCode.FAILED_PRECONDITION, "There is no secret."),
        ("library", grpc.StatusCode.FAILED_PRECONDITION, "pip install 'hardpoint[lake]'"),
        ("surprise", grpc.StatusCode.INTERNAL, "KeyError"),
        ("long", grpc.StatusCode.INVALID_ARGUMENT, "ab ab"),
        ("leak", grpc.StatusCode.INVALID_ARGUMENT, "***"),
    ],
)
def test_errors_of_create(service: Service, error: str, status: grpc.StatusCode, said: str) -> None:
    code, details = refusal(lambda: service.v1.CreateTask(messages.create(execution=f"e-{error}", create=error)))
    assert code is status
    assert said in details
    assert "Jobs could not create a job of jobs_v0" in details
    assert "p" * 9 not in details


def test_an_unexpected_error_is_in_the_log_under_the_id_that_the_caller_is_told(service: Service) -> None:
    _, details = refusal(lambda: service.v1.CreateTask(messages.create(execution="e-log", create="surprise")))
    number = details.partition("(id ")[2][:8]
    assert f"(id {number})" in service.said(rf"could not create a job of jobs_v0 \(id {number}\)")[0]
    assert "Traceback" in service.text


def test_errors_of_delete(service: Service) -> None:
    code, details = refusal(lambda: service.v1.DeleteTask(messages.delete(meta_of(delete="transient"))))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "could not end a job of jobs_v0" in details
    service.v1.DeleteTask(messages.delete(meta_of(delete="gone")))


@pytest.mark.parametrize("data", [b"", b"xx", b"\xff\x00", b"{}", b"[]", b'{"name": 1}'])
def test_metadata_that_is_none_is_told(service: Service, data: bytes) -> None:
    for call in (
        lambda: service.v1.GetTask(messages.get(data)),
        lambda: service.v1.DeleteTask(messages.delete(data)),
        lambda: list(service.v1.GetTaskLogs(messages.logs(data))),
        lambda: service.v1.GetTaskMetrics(
            GetTaskMetricsRequest(task_category=TaskCategory(name="jobs"), resource_meta=data)
        ),
    ):
        assert refusal(call)[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_what_is_not_served_is_not_found_everywhere(service: Service) -> None:
    for call in (
        lambda: service.v1.CreateTask(messages.create("nope")),
        lambda: service.v1.GetTask(messages.get(META, "nope")),
        lambda: service.v1.GetTask(messages.get(META, "jobs", 7)),
        lambda: service.v1.DeleteTask(messages.delete(META, "nope")),
        lambda: list(service.v1.GetTaskLogs(messages.logs(META, "nope"))),
        lambda: service.v1.GetTaskMetrics(GetTaskMetricsRequest(task_type="nope", resource_meta=META)),
        lambda: list(service.v1_sync.ExecuteTaskSync(iter(messages.sync("nope")))),
        lambda: service.v1_metadata.GetAgent(GetAgentRequest(name="nope")),
    ):
        code, details = refusal(call)
        assert code is grpc.StatusCode.NOT_FOUND
        assert "nope" in details or "jobs_v7" in details


def test_no_secret_leaves_with_a_message(service: Service) -> None:
    resource = service.v1.GetTask(messages.get(meta_of("leak"))).resource
    assert resource.message == "using ***"
    assert CANARY not in service.text


def test_a_creation_that_takes_long_is_answered_in_time(service: Service) -> None:
    began = time.monotonic()
    meta = service.v1.CreateTask(messages.create(execution="slow", sleep="2"), timeout=1).resource_meta
    assert time.monotonic() - began < 1
    assert set(json.loads(meta)) == {"hardpoint_key"}
    resource = service.v1.GetTask(messages.get(meta)).resource
    assert resource.phase == Phase.QUEUED
    until = time.monotonic() + 30
    while resource.phase != Phase.SUCCEEDED and time.monotonic() < until:
        time.sleep(0.1)
        resource = service.v1.GetTask(messages.get(meta)).resource
    assert resource.phase == Phase.SUCCEEDED
    assert resource.outputs.literals["n"].scalar.primitive.integer == 3


def test_the_same_attempt_has_one_job(service: Service) -> None:
    first = service.v1.CreateTask(messages.create(execution="once", get="phase:RUNNING")).resource_meta
    assert service.v1.CreateTask(messages.create(execution="once", get="phase:RUNNING")).resource_meta == first


# -- logs and metrics --------------------------------------------------------------------------------------------------


def test_logs_stream(service: Service) -> None:
    meta = meta_of("slowly")
    began, arrived = time.monotonic(), []
    parts = []
    for part in service.v1.GetTaskLogs(messages.logs(meta, lines=3, token="4")):
        parts.append(part)
        arrived.append(time.monotonic() - began)
    assert [part.body.structured_lines[0].message for part in parts[:-1]] == ["line 4\n", "line 5\n", "line 6\n"]
    assert parts[-1].header.token == "7"
    assert arrived[2] - arrived[0] > 0.4  # the first was there while the last was not


@pytest.mark.parametrize(("version", "expected"), [(0, ["all of it"]), (2, ["one", "***"])])
def test_logs_of_plain_methods(service: Service, version: int, expected: list[str]) -> None:
    parts = list(service.v1.GetTaskLogs(messages.logs(META, "plain", version)))
    assert [line for part in parts for line in part.body.results] == expected
    assert parts[-1].WhichOneof("part") == "header"
    assert parts[-1].header.token == ""


def test_metrics_of_a_job(service: Service) -> None:
    request = GetTaskMetricsRequest(task_category=TaskCategory(name="jobs"), resource_meta=META, queries=["cpu", "gpu"])
    assert [result.metric for result in service.v1.GetTaskMetrics(request).results] == ["cpu", "gpu"]


def test_what_a_connector_does_not_offer(service: Service) -> None:
    for call in (
        lambda: list(service.v1.GetTaskLogs(messages.logs(META, "silent"))),
        lambda: service.v1.GetTaskMetrics(GetTaskMetricsRequest(task_type="silent", resource_meta=META)),
        lambda: list(service.v1_sync.ExecuteTaskSync(iter(messages.sync("jobs")))),
    ):
        assert refusal(call)[0] is grpc.StatusCode.UNIMPLEMENTED


# -- at once -----------------------------------------------------------------------------------------------------------


def test_a_connector_that_answers_at_once(service: Service) -> None:
    inputs = LiteralMap(literals={"b": idl.integer(1), "a": idl.integer(2)})
    [answer] = list(service.v1_sync.ExecuteTaskSync(iter(messages.sync(inputs=inputs))))
    resource = answer.header.resource
    assert (resource.phase, resource.state) == (Phase.SUCCEEDED, State.SUCCEEDED)
    assert resource.outputs.literals["o0"].scalar.primitive.integer == 1
    assert resource.outputs.literals["given"].scalar.primitive.string_value == "a,b"


def test_one_message_in_and_one_out_while_the_caller_still_sends(service: Service) -> None:
    """An engine may read before it has closed its side."""

    def requests() -> Any:
        yield from messages.sync()
        while not answered:
            time.sleep(0.01)

    answered: list[Any] = []
    answered.extend(service.v1_sync.ExecuteTaskSync(requests(), timeout=20))
    assert len(answered) == 1


def test_a_failure_at_once_says_of_which_kind_it_is(service: Service) -> None:
    [answer] = list(service.v1_sync.ExecuteTaskSync(iter(messages.sync(phase="FAILED"))))
    assert answer.header.resource.agent_error.code == "USER:JobFailed"
    [answer] = list(service.v1_sync.ExecuteTaskSync(iter(messages.sync(phase="RETRYABLE_FAILED"))))
    assert answer.header.resource.agent_error.kind == AgentError.RECOVERABLE


@pytest.mark.parametrize(
    ("config", "status", "said"),
    [
        (
            {"raise": "transient"},
            grpc.StatusCode.UNAVAILABLE,
            "Now could not run a task of now_v0: The warehouse sleeps.",
        ),
        ({"raise": "user"}, grpc.StatusCode.INVALID_ARGUMENT, "no FROM"),
        ({"raise": "surprise"}, grpc.StatusCode.INTERNAL, "KeyError"),
        ({"phase": "RUNNING"}, grpc.StatusCode.FAILED_PRECONDITION, "RUNNING, which is not an end"),
        ({"phase": "UNDEFINED"}, grpc.StatusCode.FAILED_PRECONDITION, "UNDEFINED, which is not an end"),
    ],
)
def test_errors_at_once(service: Service, config: dict[str, str], status: grpc.StatusCode, said: str) -> None:
    code, details = refusal(lambda: list(service.v1_sync.ExecuteTaskSync(iter(messages.sync(**config)))))
    assert code is status
    assert said in details


def test_a_slow_one_is_told_before_the_caller_gives_up(service: Service) -> None:
    code, details = refusal(lambda: list(service.v1_sync.ExecuteTaskSync(iter(messages.sync(sleep="3")), timeout=1)))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "Now did not answer do within" in details


@pytest.mark.parametrize("requests", [[], [ExecuteTaskSyncRequest()], [ExecuteTaskSyncRequest(inputs=LiteralMap())]])
def test_calls_that_are_none_are_told(service: Service, requests: list[Any]) -> None:
    code, _ = refusal(lambda: list(service.v1_sync.ExecuteTaskSync(iter(requests))))
    assert code is grpc.StatusCode.INVALID_ARGUMENT


def test_an_engine_that_takes_it_for_a_job(service: Service) -> None:
    """As engines do whose list of connectors is not complete just now."""
    request = messages.create("now", execution="taken")
    meta = service.v1.CreateTask(request).resource_meta
    resource = service.v1.GetTask(messages.get(meta, "now")).resource
    assert resource.phase == Phase.SUCCEEDED
    assert resource.outputs.literals["o0"].scalar.primitive.integer == 1
    assert service.v1.CreateTask(request).resource_meta == meta  # it is not done twice
    service.v1.DeleteTask(messages.delete(meta, "now"))


def test_large_outputs_go_where_jobs_write_theirs(service: Service, tmp_path: Path) -> None:
    [answer] = list(service.v1_sync.ExecuteTaskSync(iter(messages.sync(prefix=str(tmp_path / "s"), size="4000000"))))
    assert not answer.header.resource.HasField("outputs")
    written = LiteralMap.FromString((tmp_path / "s" / "outputs.pb").read_bytes())
    assert len(written.literals["o0"].scalar.primitive.string_value) == 4_000_000

    request = messages.create("now", size="100000")
    request.output_prefix = str(tmp_path / "j")
    meta = service.v1.CreateTask(request).resource_meta
    assert len(meta) < 1000
    assert not service.v1.GetTask(messages.get(meta, "now")).resource.HasField("outputs")
    assert (tmp_path / "j" / "outputs.pb").stat().st_size > 100_000

    large = messages.get(meta_of("large:4000000"), output_prefix=str(tmp_path / "g"))
    assert not service.v1.GetTask(large).resource.HasField("outputs")
    assert (tmp_path / "g" / "outputs.pb").stat().st_size > 4_000_000


# -- metadata ----------------------------------------------------------------------------------------------------------


def test_connectors_are_listed(service: Service) -> None:
    agents = {agent.name: agent for agent in service.v1_metadata.ListAgents(ListAgentsRequest()).agents}
    assert agents["Now"].is_sync
    assert not agents["Jobs"].is_sync
    assert list(agents["Jobs"].supported_task_types) == ["jobs"]
    assert [(c.name, c.version) for c in agents["Iterating"].supported_task_categories] == [("plain", 2)]
    assert service.v1_metadata.GetAgent(GetAgentRequest(name="Jobs")).agent == agents["Jobs"]
