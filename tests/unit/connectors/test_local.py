"""Tasks of connectors in local runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core.tasks_pb2 import Container

from hardpoint import map_task, task, workflow
from hardpoint.connectors import ConnectorRegistry, Phase
from hardpoint.connectors.journal import open_journal
from hardpoint.connectors.local import JobFailedError, JobInterruptedError, render_task_template
from hardpoint.connectors.registry import FlyteConnectorNotFound
from hardpoint.engine import NodeEvent, RunOptions, execute
from hardpoint.errors import FlyteValidationException, UserError
from hardpoint.idl import TaskTemplate
from tests.unit.connectors.local_tasks import (
    CONNECTORS,
    AdderTask,
    Row,
    VendorFunction,
    VendorTask,
    register,
    successor,
)
from tests.unit.connectors.vendor import Fault, Vendor


@pytest.fixture(autouse=True)
def connectors() -> Iterator[None]:
    register()
    yield
    for made in CONNECTORS:
        ConnectorRegistry.unregister(made().task_category)


def test_a_job_is_run_to_its_end(vendor: Vendor) -> None:
    vendor.polls = 1
    assert VendorTask("vendor.quiet", vendor.endpoint)(n=1) is None
    assert vendor.jobs["j0"].state == "DONE"


def test_outputs_are_converted_by_their_declared_types(vendor: Vendor) -> None:
    vendor.polls = 0
    assert VendorTask("vendor.rows", vendor.endpoint, {"rows": list[Row] | None})(n=1) == [Row(1), Row(2)]


def test_a_workflow_runs_jobs_side_by_side(vendor: Vendor) -> None:
    vendor.polls = 1
    first, second = (VendorTask(f"vendor.wf{i}", vendor.endpoint, {"rows": list[Row]}) for i in range(2))

    @workflow
    def wf(n: int) -> tuple[list[Row], list[Row]]:
        return first(n=n), second(n=n)

    result = execute(wf, {"n": 1})
    assert list(result.outputs.values()) == [[Row(1), Row(2)]] * 2
    assert {job.tags["hardpoint-execution"] for job in vendor.jobs.values()} == {result.id}


def test_who_waits_for_jobs_keeps_nobody_from_working(vendor: Vendor) -> None:
    job = VendorTask("vendor.many", vendor.endpoint)
    function = VendorFunction(vendor.endpoint, successor, container_image="img:1")

    @task
    def finish() -> int:
        while len(vendor.jobs) < 70:  # all are there at once, and yet there is a thread for this
            time.sleep(0.01)
        for made in vendor.jobs.values():
            made.state = "DONE"
        return len(vendor.jobs)

    @workflow
    def wf(ns: list[int]) -> int:
        for _ in range(40):
            job(n=0)
        map_task(function)(n=ns)
        return finish()

    assert execute(wf, {"ns": list(range(30))}).outputs == {"o0": 70}


def test_what_hinders_a_creation_is_told(vendor: Vendor) -> None:
    vendor.polls = 0
    vendor.fail("POST", *[Fault(status=503)] * 3)
    job = VendorTask("vendor.hindered", vendor.endpoint)
    told: list[str] = []

    class Listening:
        def node(self, event: NodeEvent) -> None:
            if event.state == "waiting":
                told.append(event.message)

    @workflow
    def wf() -> None:
        job(n=0)

    execute(wf, {}, RunOptions(listener=Listening()))
    assert told[0] == "queued: The job is being created. The vendor is sorry."
    assert len(vendor.jobs) == 1


def test_jobs_are_bounded_by_what_the_run_may_do_at_once(vendor: Vendor) -> None:
    vendor.polls = 1
    function = VendorFunction(vendor.endpoint, successor, container_image="img:1")

    @workflow
    def wf(ns: list[int]) -> list[int]:
        return map_task(function)(n=ns)

    assert execute(wf, {"ns": [0, 1, 2, 3, 4, 5]}, RunOptions(max_parallelism=2)).outputs == {"o0": [1, 2, 3, 4, 5, 6]}
    assert (len(vendor.jobs), vendor.most) == (6, 2)


@pytest.mark.parametrize(("state", "error"), [("BROKEN", JobFailedError), ("KILLED", JobFailedError)])
def test_a_job_that_fails_fails_its_task(vendor: Vendor, state: str, error: type[Exception]) -> None:
    vendor.fail("POST", Fault(state=state))
    with pytest.raises(error, match=f"Failed to run the task vendor.failing with error: {state}"):
        VendorTask("vendor.failing", vendor.endpoint)(n=1)


def test_a_job_that_may_be_retried_ends_the_attempt(vendor: Vendor) -> None:
    vendor.fail("POST", Fault(state="LOST_NODE"))
    with pytest.raises(JobInterruptedError, match="LOST_NODE"):
        VendorTask("vendor.retryable", vendor.endpoint)(n=1)


def test_the_next_attempt_has_a_job_of_its_own(vendor: Vendor) -> None:
    vendor.polls = 0
    vendor.fail("POST", Fault(state="LOST_NODE"))
    VendorTask("vendor.retried", vendor.endpoint, retries=1)(n=1)
    assert [job.state for job in vendor.jobs.values()] == ["LOST_NODE", "DONE"]
    assert [job.tags["hardpoint-attempt"] for job in vendor.jobs.values()] == ["0", "1"]


def test_a_task_whose_time_is_up_ends_its_job(vendor: Vendor) -> None:
    with pytest.raises(TimeoutError):
        VendorTask("vendor.slow", vendor.endpoint, timeout=2)(n=1)
    assert vendor.jobs["j0"].state == "KILLED"


def test_a_task_whose_time_is_up_ends_its_job_also_while_it_is_created(vendor: Vendor) -> None:
    vendor.fail("POST", Fault(late=3))
    with pytest.raises(TimeoutError):
        VendorTask("vendor.late", vendor.endpoint, timeout=1)(n=1)
    assert vendor.jobs["j0"].state == "KILLED"


def test_an_image_of_the_environment_is_the_default(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor.polls = 0
    with pytest.raises(FlyteValidationException, match="FLYTE_INTERNAL_IMAGE"):
        VendorFunction(vendor.endpoint, successor)(n=2)
    monkeypatch.setenv("FLYTE_INTERNAL_IMAGE", "img:2")
    assert VendorFunction(vendor.endpoint, successor)(n=2) == 3


def test_a_functions_inputs_are_written_and_its_outputs_read(vendor: Vendor) -> None:
    vendor.polls = 0
    assert VendorFunction(vendor.endpoint, successor, container_image="img:1")(n=2) == 3


def test_what_a_control_plane_would_fill_in(tmp_path: Path) -> None:
    words = ["--x", "{{.input}}", "{{.outputPrefix}}", "{{.rawOutputDataPrefix}}", "{{.prevCheckpointPrefix}}"]
    template = TaskTemplate(container=Container(args=words))
    assert list(render_task_template(template, "s3://b").container.args) == [
        "--x",
        "s3://b/inputs.pb",
        "s3://b",
        "s3://b/raw_output",
        "s3://b/prev_checkpoint",
    ]


def test_a_connector_that_answers_at_once() -> None:
    assert AdderTask("adder.plain")(n=3) == [Row(3)]


def test_a_connector_that_answers_with_a_failure() -> None:
    with pytest.raises(JobFailedError, match=r"Failed to run the task adder\.fails with error: I do not add nothing\."):
        AdderTask("adder.fails")(n=0)


def test_a_connectors_error_keeps_its_kind_and_is_told_with_the_task() -> None:
    with pytest.raises(UserError, match="Unlucky") as caught:
        AdderTask("adder.raises")(n=13)
    assert "Failed to run the task adder.raises with error: Unlucky." in caught.value.__notes__


def test_a_task_type_without_a_connector_is_told() -> None:
    task = AdderTask("adder.none")
    task.task_type = "non-exist-type"
    with pytest.raises(FlyteConnectorNotFound, match="Cannot find connector for task category: non-exist-type_v0"):
        task(n=1)


def test_the_wrong_mixin_is_told(vendor: Vendor) -> None:
    task: Any = AdderTask("adder.wrong")
    task.task_type = "vendor_finding"
    with pytest.raises(FlyteValidationException, match="AsyncConnectorExecutorMixin in its stead"):
        task(n=1)
    task = VendorTask("vendor.wrong", vendor.endpoint)
    task.task_type = "adder"
    with pytest.raises(FlyteValidationException, match="SyncConnectorExecutorMixin in its stead"):
        task(n=1)


SCRIPT = """
import sys
import pyarrow as pa
from hardpoint import FlyteFile, task, workflow
from hardpoint.engine import RunOptions, execute
from tests.unit.connectors.local_tasks import Row, VendorFunction, VendorTask, register, successor

register()
_, endpoint, resume, what = sys.argv
number = VendorTask("vendor.resumed", endpoint, {"rows": list[Row]})
of_frame = VendorTask("vendor.of_frame", endpoint, {"rows": list[Row]}, {"n": int, "table": pa.Table})

def counted(n: int, file: FlyteFile, table: pa.Table) -> int:
    raise AssertionError("This runs elsewhere.")

function = VendorFunction(endpoint, counted, container_image="img:1")

@task
def made() -> pa.Table:
    return pa.table({"a": [1]})

@task
def written() -> FlyteFile:
    path = f"{sys.path[0]}/file.txt"
    with open(path, "w") as stream:
        stream.write("text")
    return FlyteFile(path)

@workflow
def numbers(n: int) -> list[Row]:
    return number(n=n)

@workflow
def frames(n: int) -> list[Row]:
    return of_frame(n=n, table=made())

@workflow
def functions(n: int) -> int:
    return function(n=n, file=written(), table=made())

options = RunOptions(run_id="fixed", resume=resume or None)
print(execute(globals()[what], {"n": 1}, options).outputs, flush=True)
"""


def run_script(vendor: Vendor, folder: Path, resume: str, what: str = "numbers") -> subprocess.Popen[str]:
    (folder / "script.py").write_text(SCRIPT)
    root = str(Path(__file__).parents[3])
    return subprocess.Popen(
        [sys.executable, str(folder / "script.py"), vendor.endpoint, resume, what],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )


@pytest.mark.parametrize("when", ["creating", "running"])
def test_a_run_that_is_resumed_finds_its_job_again(vendor: Vendor, tmp_path: Path, when: str) -> None:
    vendor.fail("POST", Fault(seconds=0.3 if when == "creating" else 0))
    with run_script(vendor, tmp_path, "") as process:
        while not vendor.calls["POST" if when == "creating" else "GET"]:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    while not vendor.jobs:
        time.sleep(0.01)
    vendor.jobs["j0"].state = "DONE"
    with run_script(vendor, tmp_path, "fixed") as process:
        out, _ = process.communicate(timeout=60)
    assert out.strip() == "{'o0': [Row(n=1), Row(n=2)]}"
    assert len(vendor.jobs) == 1


@pytest.mark.parametrize(("what", "said"), [("frames", "[Row(n=1), Row(n=2)]"), ("functions", "2")])
def test_data_that_is_stored_anew_makes_no_other_job(vendor: Vendor, tmp_path: Path, what: str, said: str) -> None:
    with run_script(vendor, tmp_path, "", what) as process:
        while not vendor.calls["GET"]:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    vendor.jobs["j0"].state = "DONE"
    with run_script(vendor, tmp_path, "fixed", what) as process:
        out, _ = process.communicate(timeout=60)
    assert out.strip() == f"{{'o0': {said}}}"
    assert len(vendor.jobs) == 1


def test_a_run_that_is_resumed_replaces_a_job_that_failed(vendor: Vendor) -> None:
    vendor.polls = 0
    vendor.fail("POST", Fault(state="BROKEN"))
    task = VendorTask("vendor.again", vendor.endpoint)

    @workflow
    def wf(n: int) -> None:
        task(n=n)

    with pytest.raises(JobFailedError):
        execute(wf, {"n": 1}, RunOptions(run_id="again"))
    execute(wf, {"n": 1}, RunOptions(resume="again"))
    assert [job.state for job in vendor.jobs.values()] == ["BROKEN", "DONE"]
    journal = open_journal()
    entries = [journal.get(job.token) for job in vendor.jobs.values()]
    assert [entry.phase for entry in entries if entry] == [Phase.FAILED, Phase.SUCCEEDED]
    journal.close()


INTERRUPTED = """
import sys
from tests.unit.connectors.local_tasks import VendorTask, register

register()
VendorTask("vendor.interrupted", sys.argv[1])(n=1)
"""


@pytest.mark.parametrize("when", ["creating", "running"])
def test_a_task_that_was_called_by_itself_and_is_interrupted_ends_its_job(vendor: Vendor, when: str) -> None:
    vendor.fail("POST", Fault(late=2 if when == "creating" else 0))
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, vendor.endpoint], cwd=root, stderr=subprocess.PIPE, text=True
    ) as process:
        while not (vendor.jobs if when == "creating" else vendor.calls["GET"]):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in err
    assert vendor.jobs["j0"].state == "KILLED"


def test_a_run_that_is_stopped_leaves_its_job_alone(vendor: Vendor, tmp_path: Path) -> None:
    with run_script(vendor, tmp_path, "") as process:
        while not vendor.calls["GET"]:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert vendor.jobs["j0"].state == "RUNNING"
