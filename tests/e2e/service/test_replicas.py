"""Replicas that share a journal in PostgreSQL: whichever is asked, a node has one job."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from flyteidl.admin.agent_pb2 import CreateTaskRequest

from hardpoint.connectors import Phase
from tests.e2e.service import messages
from tests.e2e.service.conftest import Service
from tests.unit.connectors.vendor import Fault, Vendor, running_vendor
from tests.unit.connectors.vendor import template as vendor_template


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with running_vendor() as running:
        yield running


@pytest.fixture
def replicas(start: Callable[..., Service], postgres_url: str) -> Iterator[list[Service]]:
    started = [start("--journal", postgres_url, modules=("vendors",)) for _ in range(2)]
    yield started
    for service in started:
        service.end(signal.SIGKILL)


def request(vendor: Vendor, task_type: str, execution: str = "f1", attempt: int = 0) -> CreateTaskRequest:
    return CreateTaskRequest(
        template=vendor_template(vendor, task_type),
        output_prefix=f"/nowhere/{attempt}",
        task_execution_metadata=messages.owner(execution, attempt),
    )


def kill(service: Service) -> None:
    """End it at once; until it has been waited for, its process counts as alive."""
    service.process.kill()
    service.process.wait()


def made(vendor: Vendor) -> None:
    """Wait until the vendor has done what nobody waits for any more."""
    until = time.monotonic() + 30
    while not vendor.jobs and time.monotonic() < until:
        time.sleep(0.02)


def settled(service: Service, meta: bytes, task_type: str) -> Any:
    """The state of a job once it is no longer being created."""
    until = time.monotonic() + 60
    while True:
        resource = service.v1.GetTask(messages.get(meta, task_type)).resource
        if resource.phase != Phase.QUEUED or time.monotonic() > until:
            return resource
        time.sleep(0.1)


def test_both_are_asked_at_once(replicas: list[Service], vendor: Vendor) -> None:
    vendor.fail("POST", Fault(seconds=0.5))
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(replica.v1.CreateTask, request(vendor, "vendor_finding")) for replica in replicas * 4]
        metas = {future.result().resource_meta for future in asked}
    assert len(metas) == 1
    assert len(vendor.jobs) == 1
    [meta] = metas
    assert settled(replicas[1], meta, "vendor_finding").phase == Phase.RUNNING
    replicas[1].v1.DeleteTask(messages.delete(meta, "vendor_finding"))
    assert not vendor.running


@pytest.mark.parametrize("task_type", ["vendor_finding", "vendor_idempotent"])
def test_one_is_killed_while_it_creates(replicas: list[Service], vendor: Vendor, task_type: str) -> None:
    """The vendor has made the job, and nobody heard of it."""
    vendor.unique = "same"
    vendor.fail("POST", Fault(seconds=1.5))
    first, second = replicas
    asked = first.v1.CreateTask.future(request(vendor, task_type))
    until = time.monotonic() + 30
    while not vendor.calls["POST"] and time.monotonic() < until:
        time.sleep(0.02)
    kill(first)
    assert isinstance(asked.exception(), grpc.RpcError)
    made(vendor)

    # The engine counts a failed attempt and asks anew, here of the other replica.
    meta = second.v1.CreateTask(request(vendor, task_type, attempt=1), timeout=60).resource_meta
    assert settled(second, meta, task_type).phase == Phase.RUNNING
    assert len(vendor.jobs) == 1


def test_what_one_was_creating_the_other_finds(replicas: list[Service], vendor: Vendor) -> None:
    """The engine has metadata that stands for a job whose creation was under way."""
    vendor.fail("POST", Fault(seconds=2))
    first, second = replicas
    meta = first.v1.CreateTask(request(vendor, "vendor_finding"), timeout=1).resource_meta
    assert b"hardpoint_key" in meta
    assert second.v1.GetTask(messages.get(meta, "vendor_finding")).resource.phase == Phase.QUEUED
    kill(first)
    made(vendor)
    assert settled(second, meta, "vendor_finding").phase == Phase.RUNNING
    assert len(vendor.jobs) == 1
    second.v1.DeleteTask(messages.delete(meta, "vendor_finding"))
    assert not vendor.running


def test_a_job_of_one_is_ended_by_the_other(replicas: list[Service], vendor: Vendor) -> None:
    first, second = replicas
    meta = first.v1.CreateTask(request(vendor, "vendor_batching")).resource_meta
    assert settled(second, meta, "vendor_batching").phase == Phase.RUNNING
    second.v1.DeleteTask(messages.delete(meta, "vendor_batching"))
    assert [job.state for job in vendor.jobs.values()] == ["KILLED"]
