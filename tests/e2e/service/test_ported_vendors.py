"""Connectors and tasks that were written for Flytekit run as they are, once `flytekit` has been replaced by `hardpoint`: in the
service, asked by a backend, and in local runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyteidl2.connector import connector_pb2 as v2
from flyteidl2.core import tasks_pb2 as tasks2

from hardpoint import idl
from hardpoint.connectors import Phase
from hardpoint.idl import TaskTemplate
from tests.e2e.service import messages
from tests.e2e.service.conftest import MODULES, ROOT, Service, running
from tests.e2e.service.vendors_of_ported import Float, Platform, Vendor, Warehouse, serving

SECRETS = {
    "_FSEC_PORTED_PRIVATE_KEY": "key",
    "_FSEC_PLATFORM_ORGANIZATION": "org",
    "_FSEC_PLATFORM_TOKEN": "token-of-the-platform",
    "_FSEC_MMC_ADDRESS": "cloud.example",
    "_FSEC_MMC_USERNAME": "me",
    "_FSEC_MMC_PASSWORD": "sesame",
}


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Vendor]:
    with serving(Warehouse()) as vendor:
        yield vendor


@pytest.fixture(scope="module")
def platform() -> Iterator[Vendor]:
    with serving(Platform()) as vendor:
        yield vendor


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Float:
    return Float(tmp_path_factory.mktemp("float"))


@pytest.fixture(scope="module")
def environment(warehouse: Vendor, platform: Vendor, client: Float) -> dict[str, str]:
    return {**SECRETS, "WAREHOUSE_URL": warehouse.url, "PLATFORM_URL": platform.url, "PATH": client.path}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Service]:
    journal = str(tmp_path_factory.mktemp("j") / "jobs.sqlite")
    modules = ("ported_snowflake", "ported_perian", "ported_mmcloud")
    with running("--journal", journal, modules=modules, **environment) as started:
        yield started


def run(module: str, *words: str, **environment: str) -> str:
    """What a script says that calls a task locally."""
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
    ran = subprocess.run(
        [sys.executable, "-W", "error", f"{module}.py", *words],
        cwd=MODULES,
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def end(service: Service, task_type: str, meta: bytes, polls: int = 10) -> list[Any]:
    """What the service says of a job, asked until it has ended."""
    told = []
    for _ in range(polls):
        told.append(service.v1.GetTask(messages.get(meta, task_type)).resource)
        if Phase(told[-1].phase).is_terminal:
            return told
        time.sleep(1.2)  # it asks its vendor once a second at most
    pytest.fail(f"The job has not ended: {told}")


def fill(template: TaskTemplate, inputs: dict[str, int], outputs: dict[str, int] | None = None) -> None:
    """Write an interface of simple types."""
    for name, kind in inputs.items():
        template.interface.inputs.variables[name].type.simple = kind  # type: ignore[assignment]
    for name, kind in (outputs or {}).items():
        template.interface.outputs.variables[name].type.simple = kind  # type: ignore[assignment]


def test_an_answer_at_once_in_a_local_run() -> None:
    assert run("ported") == "7"


# -- a warehouse -------------------------------------------------------------------------------------------------------

LOGIN = {"user": "me", "account": "org-account", "database": "db", "schema": "public", "warehouse": "compute"}


def query(execution: str, statement: str, *, has_output: bool = True) -> Any:
    request = messages.create("ported_warehouse", execution=execution, **LOGIN)
    request.template.sql.statement = statement
    fill(request.template, {"least": 1, "carrier": 3})
    if has_output:
        request.template.interface.outputs.variables["results"].type.structured_dataset_type.SetInParent()
    request.inputs.CopyFrom(idl.literal_map({"least": idl.integer(3), "carrier": idl.string("UA")}))
    return request


def test_a_query(service: Service, warehouse: Vendor) -> None:
    meta = service.v1.CreateTask(query("w1", "SELECT 1 WHERE n > %(least)s")).resource_meta
    asked = warehouse.bodies("POST", "/queries")[-1]
    assert asked["params"] == {"least": 3, "carrier": "UA"}
    assert asked["statement"] == "SELECT 1 WHERE n > %(least)s"
    assert asked["login"] == LOGIN | {"private_key": "key"}
    first, *_, last = end(service, "ported_warehouse", meta)
    assert (first.phase, last.phase) == (Phase.RUNNING, Phase.SUCCEEDED)
    [link] = last.log_links
    assert link.name == "Query Details"
    dataset = last.outputs.literals["results"].scalar.structured_dataset
    assert dataset.uri.startswith("snowflake://me:org-account/q")
    service.v1.DeleteTask(messages.delete(meta, "ported_warehouse"))
    assert (
        warehouse.bodies("POST", "/statements")[-1]["statement"]
        == f"SELECT SYSTEM$CANCEL_QUERY('{dataset.uri.rpartition('/')[2]}')"
    )


def test_a_query_without_inputs_and_outputs(service: Service, warehouse: Vendor) -> None:
    request = query("w2", "DELETE FROM t", has_output=False)
    request.inputs.Clear()
    meta = service.v1.CreateTask(request).resource_meta
    assert warehouse.bodies("POST", "/queries")[-1]["params"] is None
    assert not end(service, "ported_warehouse", meta)[-1].outputs.literals


def test_a_query_that_fails(service: Service) -> None:
    meta = service.v1.CreateTask(query("w3", "SELECT * FROM broken")).resource_meta
    last = end(service, "ported_warehouse", meta)[-1]
    assert last.phase == Phase.FAILED
    assert "Object 'BROKEN' does not exist" in last.message
    assert [link.name for link in last.log_links] == ["Query Details"]


def test_a_query_for_flyte_2(service: Service, warehouse: Vendor) -> None:
    template = tasks2.TaskTemplate(type="ported_warehouse", config=LOGIN, sql=tasks2.Sql(statement="SELECT 2"))
    request = v2.CreateTaskRequest(template=template, output_prefix="/nowhere")
    request.task_execution_metadata.task_execution_id.node_execution_id.node_id = "a0"
    meta = service.v2.CreateTask(request).resource_meta
    asked = warehouse.bodies("POST", "/queries")[-1]
    assert (asked["statement"], asked["params"]) == ("SELECT 2", None)
    category = v2.TaskCategory(name="ported_warehouse")
    answer = service.v2.GetTask(v2.GetTaskRequest(resource_meta=meta, task_category=category))
    assert answer.resource.phase == Phase.RUNNING
    service.v2.DeleteTask(v2.DeleteTaskRequest(resource_meta=meta, task_category=category))


def test_a_query_in_a_local_run(warehouse: Vendor, environment: dict[str, str]) -> None:
    assert run("ported_snowflake", **environment).startswith("snowflake://me:org-account/q")
    asked = warehouse.bodies("POST", "/queries")[-1]
    assert asked["params"] == {"least": 3, "carrier": "UA"}
    assert asked["statement"].startswith("SELECT * FROM flights WHERE delay > %(least)s")


# -- a platform for containers -----------------------------------------------------------------------------------------


def test_a_container(service: Service, platform: Vendor) -> None:
    request = messages.create("ported_platform", execution="p1")
    request.template.custom.update({"cores": 2, "memory": "8", "country_code": "DE", "environment": {"A": "b"}})
    request.template.container.image = "registry.example/img:1"
    request.template.container.args.extend(["sh", "-c", 'echo "$A" is here'])
    meta = service.v1.CreateTask(request).resource_meta
    _, _, body, headers = platform.asked[-1]
    assert body["requirements"] == {"cores": 2, "ram": 8, "location": "DE"}
    assert (body["image"], body["tag"], body["env"]) == ("registry.example/img", "1", {"A": "b"})
    assert body["config"]["cores"] == 2
    assert body["output_prefix"] == "/nowhere/p1/0"
    assert (headers["X-Auth-Org"], headers["Authorization"]) == ("org", "Bearer token-of-the-platform")
    last = end(service, "ported_platform", meta)[-1]
    assert (last.phase, last.message) == (Phase.SUCCEEDED, "b is here\n")
    service.v1.DeleteTask(messages.delete(meta, "ported_platform"))
    assert platform.jobs["p0"]["status"] == "Cancelled"


def test_a_command_without_a_container(service: Service, platform: Vendor) -> None:
    request = messages.create("ported_platform", execution="p2")
    request.template.custom.update(
        {"accelerator_type": "A100", "image": "busybox:1", "command": ["echo", "{{.inputs.n}}"]}
    )
    fill(request.template, {"n": 1})
    request.inputs.CopyFrom(idl.literal_map({"n": idl.integer(7)}))
    meta = service.v1.CreateTask(request).resource_meta
    assert platform.asked[-1][2]["requirements"] == {"accelerator": "A100"}
    assert end(service, "ported_platform", meta)[-1].message == "7\n"


def test_a_refusal(service: Service) -> None:
    request = messages.create("ported_platform", execution="p3")
    request.template.custom.update({"cores": 1000, "image": "busybox:1", "command": ["true"]})
    with pytest.raises(grpc.RpcError) as caught:
        service.v1.CreateTask(request)
    assert 'Failed to ask the platform: "There are no machines of so many cores."' in caught.value.details()


def test_a_function_in_a_local_run(platform: Vendor, environment: dict[str, str], s3_bucket: str) -> None:
    told = run("ported_perian", "function", **environment, HARDPOINT_LOCAL_RAW_OUTPUT_PREFIX=s3_bucket)
    assert told == "moin Jo moin Jo"
    [job] = [job for job in platform.jobs.values() if job["image"] == "platform/img"]
    assert job["config"] == {"cores": 2, "memory": 8, "country_code": "DE", "environment": {"GREETING": "moin"}}
    assert job["output_prefix"].startswith(s3_bucket)


def test_a_function_in_a_local_run_that_has_nowhere_to_write(environment: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match="please provide --raw-output-data-prefix with a remote path"):
        run("ported_perian", "function", **environment)


def test_a_command_in_a_local_run(platform: Vendor, environment: dict[str, str]) -> None:
    assert run("ported_perian", "container", **environment) == "None"
    [job] = [job for job in platform.jobs.values() if job["image"] == "busybox" and job["tag"] == "1.36"]
    assert job["logs"] == "Jo 2\n"


# -- a command line client ---------------------------------------------------------------------------------------------


def test_a_client(service: Service, client: Float) -> None:
    request = messages.create("ported_float", execution="f1")
    request.template.custom.update(
        {"submit_extra": "--migratePolicy '[enable=true]'", "resources": ["2", "4", "4", None]}
    )
    request.template.id.name = "flights.count"
    request.template.container.image = "float/img:1"
    request.template.container.args.extend(["sh", "-c", 'test "$A" = "b c"'])
    request.template.container.env.add(key="A", value="b c")
    meta = service.v1.CreateTask(request).resource_meta
    submitted = client.asked("submit")[-1]
    assert submitted[:-1] == [
        *("submit", "--force", "--format", "json", "--cpu", "2:4", "--mem", "4", "--image", "float/img:1"),
        *("--env", "A=b c", "--migratePolicy", "[enable=true]", "--job"),
    ]
    assert [resource.phase for resource in end(service, "ported_float", meta)][-1] == Phase.SUCCEEDED
    service.v1.DeleteTask(messages.delete(meta, "ported_float"))
    assert client.asked("cancel") == [["cancel", "--force", "--job", "f0"]]


def test_a_client_in_a_local_run(client: Float, environment: dict[str, str], tmp_path: Path) -> None:
    assert run("ported_mmcloud", **environment, HARDPOINT_LOCAL_RAW_OUTPUT_PREFIX=str(tmp_path)) == "8"
    submitted = client.asked("submit")[-1]
    assert submitted[submitted.index("--cpu") + 1] == "2:4"
    assert "STEP=5" in submitted
