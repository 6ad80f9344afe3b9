"""`BatchEndpointTask` and its connector: what the conformance suite does not ask."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from hardpoint import idl
from hardpoint.connectors import JobGoneError, Phase, Resource
from hardpoint.connectors.connection import Connection, ForeignEndpointError, use_connection
from hardpoint.connectors.jobs import Jobs
from hardpoint.connectors.journal import open_journal
from hardpoint.connectors.local import JobFailedError
from hardpoint.errors import FlyteValidationException, PermanentError, TransientError, UserError
from hardpoint.idl import TaskTemplate
from hardpoint.integrations.openai import BatchEndpointConnector, BatchEndpointMetadata, BatchEndpointTask
from hardpoint.integrations.openai.problems import RequestRefusedError
from hardpoint.tasks.serialization import SerializationSettings
from tests.integrations.openai.server import WORDS, FakeOpenAI, requests

SETTINGS = SerializationSettings(project="p", domain="d", version="v")
CONNECTOR = BatchEndpointConnector()


def create(service: FakeOpenAI, config: dict[str, Any] | None = None, key: str = "hp-k", **more: Any) -> Any:
    task = BatchEndpointTask("batch.direct", config or {}, **more)
    template = TaskTemplate.FromString(task.template(SETTINGS).SerializeToString())
    file = service.store(requests("m", "none"))
    inputs = idl.literal_map({"input_file_id": idl.string(file)})
    return CONNECTOR.create(template, "", inputs, idempotency_key=key, tags={"hardpoint-node": "n0"})


def get(meta: BatchEndpointMetadata) -> Resource:
    return CONNECTOR.get(meta)


def test_the_template_is_that_of_the_reference() -> None:
    template = BatchEndpointTask("batch", {"completion_window": "24h"}, "org").template(SETTINGS)
    assert (template.type, template.task_type_version) == ("openai-batch", 0)
    assert idl.native(template.custom) == {"openai_organization": "org", "config": {"completion_window": "24h"}}
    assert list(template.interface.inputs.variables) == ["input_file_id"]
    assert template.interface.outputs.variables["result"].type.simple == idl.SimpleType.STRUCT


def test_metas_are_json_and_those_without_our_fields_are_read() -> None:
    meta = BatchEndpointMetadata("org", "batch_1")
    assert json.loads(meta.encode()) == {
        "openai_org": "org",
        "batch_id": "batch_1",
        "endpoint": "",
        "project": "",
        "accept_partial": False,
    }
    assert BatchEndpointMetadata.decode(b'{"openai_org": "org", "batch_id": "batch_1"}') == meta
    assert BatchEndpointMetadata.decode(b'{"openai_org": null, "batch_id": "batch_1"}').openai_org is None


def test_a_call_waits_for_the_batch(service: FakeOpenAI) -> None:
    file = service.store(requests("m", "m"))
    result = BatchEndpointTask("batch.called", {"metadata": {"mine": "1"}}, "org-1")(input_file_id=file)
    assert (result["status"], result["request_counts"]["completed"]) == ("completed", 2)
    asked = next(request for request in service.asked if request.path == "/v1/batches" and request.body)
    assert asked.headers["openai-organization"] == "org-1"
    key = asked.body["metadata"]["hardpoint-key"]
    assert key == asked.headers["idempotency-key"]
    assert asked.body == {
        "input_file_id": file,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {
            "mine": "1",
            "hardpoint-key": key,
            "hardpoint-project": "local",
            "hardpoint-domain": "local",
            **{k: v for k, v in asked.body["metadata"].items() if k in ("hardpoint-execution", "hardpoint-node")},
            "hardpoint-attempt": "0",
        },
    }


def test_the_users_pairs_of_metadata_come_first(service: FakeOpenAI) -> None:
    own = {f"k{n}": "v" for n in range(15)}
    create(service, {"metadata": own})
    (batch,) = service.batches.values()
    assert batch["metadata"] == {**own, "hardpoint-key": "hp-k"}
    with pytest.raises(FlyteValidationException, match="of which one is needed to find it again; the config has 16"):
        create(service, {"metadata": {**own, "k15": "v"}})
    assert len(service.batches) == 1


def test_settings_of_the_request_pass_through(service: FakeOpenAI) -> None:
    expiry = {"anchor": "created_at", "seconds": 7200}
    create(service, {"endpoint": "/v1/embeddings", "output_expires_after": expiry, "completion_window": None})
    body = service.asked[0].body
    assert (body["endpoint"], body["output_expires_after"], body["completion_window"]) == (
        "/v1/embeddings",
        {"anchor": "created_at", "seconds": 7200},
        "24h",
    )
    with pytest.raises(RequestRefusedError, match="Invalid endpoint"):
        create(service, {"endpoint": "/v1/nowhere"})


def test_a_task_without_a_file_is_told(service: FakeOpenAI) -> None:
    template = BatchEndpointTask("batch.no_file", {}).template(SETTINGS)
    with pytest.raises(UserError, match="no input_file_id"):
        CONNECTOR.create(template, "", idl.literal_map({}), idempotency_key="k")


def test_progress_is_told(service: FakeOpenAI) -> None:
    service.auto = False
    meta = create(service)
    service.say(meta.batch_id, "in_progress")
    service.batches[meta.batch_id]["request_counts"] = {"total": 9, "completed": 4, "failed": 1}
    resource = get(meta)
    assert (resource.phase, resource.outputs) == (Phase.RUNNING, None)
    assert resource.message == "in_progress: 4 of 9 requests done, 1 failed"
    assert resource.custom_info == {"request_counts": {"total": 9, "completed": 4, "failed": 1}}


def test_links_lead_to_openai_only_if_the_batch_is_there(service: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    meta = create(service)
    assert not get(meta).log_links
    from openai import OpenAI
    from openai.types import Batch

    batch = Batch.model_validate(service.batches[meta.batch_id])
    (link,) = (
        CONNECTOR._resource(batch, meta, OpenAI(api_key="k", base_url="https://eu.api.openai.com/v1")).log_links or ()
    )
    assert link.uri == f"https://platform.openai.com/batches/{meta.batch_id}"


def test_every_error_of_the_input_is_told_with_its_line(service: FakeOpenAI) -> None:
    service.auto = False
    meta = create(service)
    errors = [{"code": "c", "line": n, "message": f"Bad {n}.", "param": None} for n in range(1, 24)]
    service.batches[meta.batch_id].update(
        status="failed", errors={"object": "list", "data": [{"code": "empty_file", "message": None}, *errors]}
    )
    resource = get(meta)
    lines = (resource.message or "").splitlines()
    assert resource.phase is Phase.FAILED
    assert lines[:4] == ["failed: 0 of 0 requests done, 0 failed", "empty_file", "line 1: Bad 1.", "line 2: Bad 2."]
    assert lines[-1] == "... and 4 more errors"


def test_a_batch_of_which_every_request_failed_has_failed(service: FakeOpenAI) -> None:
    service.auto = False
    meta = create(service)
    service.files[service.batches[meta.batch_id]["input_file_id"]].data = requests("none", "none")
    service.end(meta.batch_id)
    resource = get(meta)
    assert resource.phase is Phase.FAILED
    assert "All 2 requests of the batch have failed. The first one: The model `none` does not exist" in str(
        resource.message
    )
    file = service.files[service.batches[meta.batch_id]["error_file_id"]]
    file.data = b'{"error": {"message": "Rate limit."}}\n'
    assert "The first one: Rate limit." in str(get(meta).message)
    file.data = b"nonsense\n"
    assert "The first one: nonsense" in str(get(meta).message)
    del service.files[file.id]
    assert get(meta).phase is Phase.FAILED
    service.batches[meta.batch_id]["error_file_id"] = None
    assert get(meta).message == "All 2 requests of the batch have failed."


def test_an_expired_batch_may_be_accepted(service: FakeOpenAI) -> None:
    service.auto = False
    strict, lenient = create(service), create(service, key="hp-l", accept_partial=True)
    for meta in (strict, lenient):
        service.end(meta.batch_id)
        service.say(meta.batch_id, "expired")
    refused, accepted = get(strict), get(lenient)
    assert (refused.phase, refused.outputs) == (Phase.FAILED, None)
    assert "What was done by then is in the files: answers file-" in str(refused.message)
    assert accepted.phase is Phase.SUCCEEDED
    assert isinstance(accepted.outputs, dict)
    assert accepted.outputs["result"]["status"] == "expired"
    service.batches[lenient.batch_id]["output_file_id"] = None
    assert get(lenient).phase is Phase.FAILED


def test_a_batch_that_was_cancelled_elsewhere_says_so(service: FakeOpenAI) -> None:
    file = service.store(requests("m"))
    service.refuse("/batches", 503, "Try again.", retry_after_ms="10")
    original = service._create

    def cancelled(body: dict[str, Any]) -> dict[str, Any]:
        return {**original(body), **service._cancel(service.batches[service.created()[-1]])}

    service._create = cancelled  # type: ignore[method-assign]
    with pytest.raises(JobFailedError, match="cancelled: 0 of 0 requests done"):
        BatchEndpointTask("batch.cancelled", {})(input_file_id=file)
    assert len(service.created()) == 1


def test_a_batch_is_found_by_its_key_on_any_page(service: FakeOpenAI) -> None:
    service.auto = False
    metas = [create(service, key=f"hp-{n}") for n in range(205)]
    template = BatchEndpointTask("batch.find", {}).template(SETTINGS)
    assert CONNECTOR.find("hp-3", template) == metas[3]
    assert CONNECTOR.find("hp-none", template) is None
    service.asked.clear()
    service.batches[metas[150].batch_id]["created_at"] = time.time() - 31 * 86400
    assert CONNECTOR.find("hp-3", template) is None
    assert len(service.asked) == 1  # OpenAI keeps nothing of what is older


def test_batches_that_run_are_listed_with_their_owners(service: FakeOpenAI) -> None:
    service.auto = False
    strange, ended, old, running = (create(service, key=f"hp-{n}") for n in range(4))
    service.say(strange.batch_id, "of_a_later_release")
    service.end(ended.batch_id)
    service.batches[create(service).batch_id]["metadata"] = None
    assert CONNECTOR.find_owned() == [
        (meta, {"hardpoint-node": "n0", "hardpoint-key": f"hp-{n}"})
        for n, meta in ((3, running), (2, old), (0, strange))
    ]
    service.batches[old.batch_id]["created_at"] -= 4 * 86400
    assert [meta for meta, _ in CONNECTOR.find_owned()] == [running]


def test_many_are_looked_for_as_far_as_pages_hold_them(service: FakeOpenAI) -> None:
    service.auto = False
    metas = [create(service, key=f"hp-{n}") for n in range(205)]
    service.asked.clear()
    assert len(CONNECTOR.get_many(metas)) == 205
    assert len(service.asked) == 3
    service.asked.clear()
    assert len(CONNECTOR.get_many([metas[204], metas[0], metas[1]])) == 3
    assert [request.path.rpartition("/")[2] for request in service.asked] == [
        "batches",
        "batches",
        metas[0].batch_id,
        metas[1].batch_id,
    ]


def test_those_of_other_organizations_are_asked_for_apart(service: FakeOpenAI) -> None:
    metas = [create(service, key=f"hp-{n}", openai_organization=f"org-{n % 2}") for n in range(4)]
    service.asked.clear()
    assert len(CONNECTOR.get_many(metas)) == 4
    assert sorted(request.headers["openai-organization"] for request in service.asked) == ["org-0", "org-1"]


def test_cancelling_what_has_ended_is_done(service: FakeOpenAI) -> None:
    service.auto = False
    meta = create(service)
    CONNECTOR.delete(meta)
    CONNECTOR.delete(meta)
    service.end(meta.batch_id)
    CONNECTOR.delete(meta)
    service.forget(meta.batch_id)
    CONNECTOR.delete(meta)
    with pytest.raises(JobGoneError, match="No batch found"):
        get(meta)


def test_a_conflict_of_another_kind_is_told(service: FakeOpenAI) -> None:
    service.auto = False
    meta = create(service)
    service.refuse("/cancel", 409, "The batch is locked.")
    with pytest.raises(TransientError, match="The batch is locked"):
        CONNECTOR.delete(meta)
    assert service.alive(meta.batch_id)


def test_a_404_that_is_not_the_apis_own_proves_nothing(service: FakeOpenAI) -> None:
    meta = create(service)
    meta.endpoint = f"{service.url}/elsewhere"
    with pytest.raises(UserError, match="Invalid URL") as caught:
        get(meta)
    assert not isinstance(caught.value, JobGoneError)


def test_the_services_key_goes_to_no_address_that_a_job_names(service: FakeOpenAI) -> None:
    meta = create(service, base_url=service.url)
    assert meta.endpoint == service.url
    with use_connection(Connection(shared=True)):
        for method in (CONNECTOR.get, CONNECTOR.delete):
            with pytest.raises(ForeignEndpointError):
                method(meta)


def test_a_refused_key_does_not_end_a_job(service: FakeOpenAI, tmp_path: Any) -> None:
    meta = create(service)
    service.keys = {"sk-renewed"}
    journal = open_journal(str(tmp_path / "jobs.sqlite"))
    try:
        resource = asyncio.run(Jobs(journal).state(CONNECTOR, meta.encode()))
    finally:
        journal.close()
    assert not resource.phase.is_terminal
    assert "Incorrect API key provided: ***" in str(resource.message)


def test_a_quota_that_is_used_up_fails_the_creation_at_once(service: FakeOpenAI) -> None:
    service.refuse("/batches", 429, "You exceeded your current quota.", code="insufficient_quota")
    with pytest.raises(PermanentError, match="quota"):
        BatchEndpointTask("batch.quota", {})(input_file_id=service.store(requests("m")))
    assert service.created() == []


def test_the_words_of_a_failure_reach_the_user(service: FakeOpenAI) -> None:
    service.auto = False
    meta = create(service)
    service.end(meta.batch_id, ok=False)
    assert f"line 1: {WORDS}" in str(get(meta).message)
