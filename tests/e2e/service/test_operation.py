"""Running a service: its metrics, its log, its processes, its end."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from flyteidl.admin.agent_pb2 import ExecuteTaskSyncResponse, ListAgentsRequest
from prometheus_client.parser import text_string_to_metric_families

from hardpoint.connectors import Phase
from tests.e2e.service import messages
from tests.e2e.service.conftest import CANARY, Service
from tests.e2e.service.test_flyte1 import META, meta_of, refusal


def samples(service: Service) -> dict[tuple[str, ...], float]:
    """By name and labels' values, in the order of the labels' names."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(service.metrics())
        for sample in family.samples
    }


# -- metrics -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [1, 2])
def test_metrics(start: Callable[..., Service], processes: int) -> None:
    service = start("--workers", str(processes))
    for number in range(4):
        channel = grpc.insecure_channel(f"127.0.0.1:{service.port}", [("grpc.use_local_subchannel_pool", 1)])
        with channel:
            stub = type(service.v1)(channel)
            meta = stub.CreateTask(messages.create(execution=f"m{number}")).resource_meta
            stub.GetTask(messages.get(meta))
    list(service.v1_sync.ExecuteTaskSync(iter(messages.sync())))
    service.v1.DeleteTask(messages.delete(META))
    refusal(lambda: service.v1.CreateTask(messages.create("nope")))
    refusal(lambda: service.v1.CreateTask(messages.create(execution="e", create="surprise")))
    found = samples(service)
    assert found["flyte_connector_requests_success_total", "create", "jobs"] == 4
    assert found["flyte_connector_requests_success_total", "get", "jobs"] == 4
    assert found["flyte_connector_requests_success_total", "delete", "jobs"] == 1
    assert found["flyte_connector_requests_success_total", "do", "now"] == 1
    assert found["flyte_connector_requests_failure_total", "404", "create", "unknown"] == 1
    assert found["flyte_connector_requests_failure_total", "500", "create", "jobs"] == 1
    assert found["flyte_connector_request_latency_seconds_count", "create", "jobs"] == 5
    assert found["flyte_connector_request_latency_seconds_sum", "create", "jobs"] > 0
    assert found["flyte_connector_input_literal_bytes_count", "jobs"] == 5
    assert found["hardpoint_vendor_calls_total", "create", "ok", "jobs"] == 4
    assert found["hardpoint_vendor_calls_total", "create", "internal", "jobs"] == 1
    assert found["hardpoint_vendor_call_latency_seconds_count", "do", "now"] == 1
    assert found[("hardpoint_creates_in_flight",)] == 0
    assert any(name[0] == "hardpoint_journal_latency_seconds_count" and value > 0 for name, value in found.items())


def test_no_metrics(start: Callable[..., Service]) -> None:
    assert "Metrics" not in start("--prometheus_port", "none").text


# -- programs that connectors start ------------------------------------------------------------------------------------


def test_programs_that_connectors_start_are_not_hurt(start: Callable[..., Service]) -> None:
    service = start()
    asked = [
        service.v1.CreateTask.future(messages.create(execution=f"p{number}", program="true")) for number in range(300)
    ]
    assert {call.exception() for call in asked} == {None}
    failed = service.v1.CreateTask.future(messages.create(execution="f", program="false"))
    assert "It ended with 1." in failed.exception().details()


# -- log ---------------------------------------------------------------------------------------------------------------


def test_a_log_in_json(start: Callable[..., Service]) -> None:
    service = start("--log-format", "json")
    metadata = (("x-request-id", "req-1"),)
    with pytest.raises(grpc.RpcError):
        service.v1.CreateTask(messages.create(execution="log", create="leak"), metadata=metadata)
    service.said("req-1")
    service.end()
    records = [json.loads(line) for line in service.text.splitlines() if line.startswith("{")]
    [record] = [r for r in records if r.get("request_id") == "req-1" and "INVALID_ARGUMENT" in r["message"]]
    assert record["task_type"] == "jobs_v0"
    assert record["key"].startswith("hp-log-n0-0-")
    assert record["level"] == "INFO"
    assert "***" in record["message"]
    assert CANARY not in service.text


def test_debugging(start: Callable[..., Service]) -> None:
    """Each call is logged, and a connector that blocks the loop is an error."""
    service = start("--debug")
    code, details = refusal(lambda: service.v1.CreateTask(messages.create("rude", execution="rude")))
    assert code is grpc.StatusCode.INTERNAL
    assert "blocked the event loop for 0.6" in details
    service.v1.GetTask(messages.get(META))
    assert service.said("AsyncAgentService/GetTask of jobs_v0 was answered in")
    assert "blocked" not in start().text


# -- processes ---------------------------------------------------------------------------------------------------------


def pids(port: int, count: int) -> set[int]:
    """Of those that answer, told by the port's connections: the processes behind as many channels as it takes."""
    found: set[int] = set()
    until = time.monotonic() + 30
    while len(found) < count and time.monotonic() < until:
        with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
            [answer] = channel.stream_stream(
                "/flyteidl.service.SyncAgentService/ExecuteTaskSync",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=ExecuteTaskSyncResponse.FromString,
            )(iter(messages.sync("pid")), timeout=20)
            found.add(int(answer.header.resource.message))
    return found


def test_several_processes(start: Callable[..., Service]) -> None:
    service = start("--workers", "2", modules=("served", "pids"))
    first = pids(service.port, 2)
    assert len(first) == 2
    victim = first.pop()
    os.kill(victim, signal.SIGKILL)
    service.said(f"The process {victim} has died .signal 9., and is replaced")
    until = time.monotonic() + 30
    while victim in (now := pids(service.port, 2)) or len(now) < 2:
        assert time.monotonic() < until
    assert now > first
    assert service.end() == 0


def test_processes_do_not_outlive_their_keeper(start: Callable[..., Service]) -> None:
    service = start("--workers", "2", modules=("served", "pids"))
    left = pids(service.port, 2)
    service.process.kill()
    service.process.wait()
    until = time.monotonic() + 30
    while any(is_alive(pid) for pid in left):
        assert time.monotonic() < until
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_that_cannot_start_ends_the_service(start: Callable[..., Service]) -> None:
    service = start("--workers", "2", modules=("no_such_module",), wait=False)
    assert service.process.wait(60) == 2
    assert service.said("The module no_such_module cannot be imported")


# -- the end -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "processes"), [(signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_calls_are_answered_before_the_end(start: Callable[..., Service], number: int, processes: int) -> None:
    service = start("--workers", str(processes))
    with ThreadPoolExecutor() as pool:
        create = pool.submit(service.v1.CreateTask, messages.create(execution="end", sleep="1.5"), timeout=20)
        sync = pool.submit(lambda: list(service.v1_sync.ExecuteTaskSync(iter(messages.sync(sleep="1.5")), timeout=20)))
        until = time.monotonic() + 20
        while samples(service).get(("hardpoint_creates_in_flight",), 0) < 1 and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.1)
        began = time.monotonic()
        service.process.send_signal(number)
        assert create.result().resource_meta
        assert len(sync.result()) == 1
    assert service.process.wait(30) == 0
    assert time.monotonic() - began < 10


def test_a_creation_that_nobody_waits_for_is_written_down_before_the_end(
    start: Callable[..., Service], tmp_path: Path
) -> None:
    service = start()
    meta = service.v1.CreateTask(messages.create(execution="bg", sleep="2", name="kept"), timeout=0.5).resource_meta
    key = json.loads(meta)["hardpoint_key"]
    assert service.end() == 0
    with sqlite3.connect(tmp_path / "jobs.sqlite") as journal:
        [(written,)] = journal.execute("select meta from jobs where key = ?", (key,)).fetchall()
    journal.close()
    assert json.loads(written)["name"] == "kept"


def test_what_takes_longer_than_the_drain_is_left(start: Callable[..., Service]) -> None:
    service = start("--drain-timeout", "0.5")
    meta = service.v1.CreateTask(messages.create(execution="left", sleep="60"), timeout=0.5).resource_meta
    assert service.end() == 0
    service.said(json.loads(meta)["hardpoint_key"])


def test_a_second_signal_means_now(start: Callable[..., Service]) -> None:
    service = start()
    service.v1.CreateTask(messages.create(execution="now", sleep="60"), timeout=0.5)
    service.process.send_signal(signal.SIGINT)
    service.said("takes no more calls")
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(10) == 130


@pytest.mark.parametrize("words", [(), ("--workers", "2")])
def test_an_end_by_itself(start: Callable[..., Service], words: tuple[str, ...]) -> None:
    service = start("--timeout", "1.5", "--worker", "3", *words)
    assert service.process.wait(30) == 0


def test_the_old_name(start: Callable[..., Service]) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "hardpoint.cli.main", "serve", "agent", "--port", "0", "--timeout", "0.1"]
    done = subprocess.run([*command, "--prometheus_port", "0"], capture_output=True, text=True, timeout=60, check=True)
    assert "Listening on port" in done.stdout


# -- restarts ----------------------------------------------------------------------------------------------------------


def test_jobs_outlive_the_service(start: Callable[..., Service], tmp_path: Path) -> None:
    first = start()
    meta = first.v1.CreateTask(messages.create(execution="restart", get="phase:RUNNING")).resource_meta
    first.process.kill()
    first.process.wait()
    second = start()
    assert second.v1.GetTask(messages.get(meta)).resource.phase == Phase.RUNNING
    again = messages.create(execution="restart", get="phase:RUNNING", attempt=1)
    assert second.v1.CreateTask(again).resource_meta == meta


def test_a_blocking_connector_holds_up_no_other(service: Service) -> None:
    """64 callers wait for threads of their own; the loop stays free."""
    plain = [messages.get(meta_of("0.5").replace(b'"j"', f'"{n}"'.encode()), "plain") for n in range(64)]
    with ThreadPoolExecutor(64) as pool:
        began = time.monotonic()
        waiting = [pool.submit(service.v1.GetTask, request) for request in plain]
        times = []
        for number in range(20):
            start = time.monotonic()
            service.v1_metadata.ListAgents(ListAgentsRequest())
            service.v1.GetTask(messages.get(meta_of(f"phase:{Phase(1 + number % 4).name}")))
            times.append(time.monotonic() - start)
        assert all(future.result().resource.phase == Phase.RUNNING for future in waiting)
        assert time.monotonic() - began < 20
    assert sorted(times)[10] < 0.25
