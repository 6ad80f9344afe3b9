"""The tasks for files, and the workflow of all three."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardpoint import JSON, Resources, Secret, idl, task, workflow
from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteValidationException, TransientError, UserError
from hardpoint.integrations.openai import (
    BatchResult,
    DownloadJSONFilesTask,
    OpenAIFileConfig,
    OpenAIFileDefaultImages,
    UploadJSONLFileTask,
    create_batch,
)
from hardpoint.storage import FileAccess
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.testing import CANARY
from hardpoint.types.file import JSONLFile
from tests.integrations.openai.server import FakeOpenAI, requests

SETTINGS = SerializationSettings(ImageConfig.auto(img_name="app:1"), project="p", domain="d", version="v")
KEY = Secret(group="openai", key="key", mount_requirement=Secret.MountType.ENV_VAR)
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FSEC_OPENAI_KEY", CANARY)


def test_the_templates_are_those_of_the_reference() -> None:
    config = OpenAIFileConfig(KEY, "org")
    upload = UploadJSONLFileTask("upload", config).template(SETTINGS)
    download = DownloadJSONFilesTask("download", config, "mine:1").template(SETTINGS)
    assert (upload.type, download.type) == ("openai-batch-upload-file", "openai-batch-download-files")
    for template in (upload, download):
        assert idl.native(template.custom) == {
            "openai_organization": "org",
            "secret_arg": {"group": "openai", "key": "key", "group_version": None, "mount_requirement": 1},
        }
        (request,) = template.container.resources.requests
        assert request.value == "700Mi"
        (secret,) = template.security_context.secrets
        assert (secret.group, secret.key) == ("openai", "key")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert upload.container.image == f"cr.flyte.org/flyteorg/flytekit:py{version}-openai-batch-latest"
    assert upload.container.image == OpenAIFileDefaultImages.default_image()
    assert download.container.image == "mine:1"
    assert upload.interface.inputs.variables["jsonl_in"].type.blob.format == "jsonl"
    assert upload.interface.outputs.variables["result"].type.simple == idl.SimpleType.STRING


def test_what_differs_from_the_default_is_in_the_template() -> None:
    config = OpenAIFileConfig(KEY, openai_project="proj", base_url="https://llm.example/v1", expires_after=3600)
    template = UploadJSONLFileTask("upload", config, requests=Resources(mem="1Gi")).template(SETTINGS)
    custom = idl.native(template.custom)
    assert (
        custom.items()
        >= {
            "openai_project": "proj",
            "base_url": "https://llm.example/v1",
            "expires_after": 3600,
        }.items()
    )
    assert template.container.resources.requests[0].value == "1Gi"
    with pytest.raises(FlyteValidationException, match="no URL"):
        OpenAIFileConfig(KEY, base_url="llm.example")


def test_a_file_is_uploaded_as_it_is(service: FakeOpenAI, tmp_path: Path) -> None:
    data = requests("m", "m")
    (tmp_path / "rows.txt").write_bytes(data)
    upload = UploadJSONLFileTask("files.upload", OpenAIFileConfig(KEY, "org-1", expires_after=7200))
    id = upload(jsonl_in=str(tmp_path / "rows.txt"))
    stored = service.files[id]
    assert (stored.data, stored.name, stored.purpose, stored.expires_after) == (data, "rows.txt.jsonl", "batch", 7200)
    assert service.asked[0].headers["openai-organization"] == "org-1"


def test_a_file_in_a_store_is_uploaded_without_a_copy(service: FakeOpenAI, s3_bucket: str, tmp_path: Path) -> None:
    files = FileAccess(s3_bucket, str(tmp_path / "sandbox"))
    files.put_raw_data(requests("m"), "in", "rows.jsonl")
    with FlyteContextManager.use(files=files):
        id = UploadJSONLFileTask("files.remote", OpenAIFileConfig(KEY))(jsonl_in=f"{s3_bucket}/in/rows.jsonl")
    assert (service.files[id].data, service.files[id].name) == (requests("m"), "rows.jsonl")
    assert not [path for path in (tmp_path / "sandbox").rglob("*") if path.is_file()]


def test_an_upload_is_tried_again_from_its_beginning(service: FakeOpenAI, tmp_path: Path) -> None:
    data = b"{}\n" * 30_000
    (tmp_path / "rows.jsonl").write_bytes(data)
    service.refuse("/files", 503, "Try again.", retry_after_ms="10")
    id = UploadJSONLFileTask("files.again", OpenAIFileConfig(KEY))(jsonl_in=str(tmp_path / "rows.jsonl"))
    assert service.files[id].data == data


def test_openais_limit_is_told_before_the_upload_ends(service: FakeOpenAI, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b"{}\n" * 50_001)
    with pytest.raises(UserError, match="more than 50,000 requests or 200 MB") as caught:
        UploadJSONLFileTask("files.full", OpenAIFileConfig(KEY))(jsonl_in=str(tmp_path / "rows.jsonl"))
    assert "Split" in str(caught.value.remedy)
    assert service.files == {}
    other = OpenAIFileConfig(KEY, base_url=service.url)  # another server has limits of its own
    assert UploadJSONLFileTask("files.other", other)(jsonl_in=str(tmp_path / "rows.jsonl")) in service.files


def test_files_are_downloaded_to_the_store(service: FakeOpenAI, tmp_path: Path) -> None:
    big = b'{"a": "' + b"x" * 3_000_000 + b'"}\n'
    batch = {
        "output_file_id": service.store(big, purpose="batch_output"),
        "error_file_id": service.store(b'{"b": 2}\n', purpose="batch_output"),
    }
    with FlyteContextManager.use(files=FileAccess(str(tmp_path / "raw"))):
        result = DownloadJSONFilesTask("files.download", OpenAIFileConfig(KEY))(batch_endpoint_result=batch)
        assert isinstance(result, BatchResult)
        assert result.output_file is not None
        assert Path(result.output_file).read_bytes() == big
        assert Path(result.output_file).name == "output_file.jsonl"
        assert result.error_file is not None
        assert Path(result.error_file).read_bytes() == b'{"b": 2}\n'


@pytest.mark.parametrize("batch", [{}, {"output_file_id": None, "error_file_id": None}])
def test_a_batch_without_files_has_none(service: FakeOpenAI, batch: dict[str, None]) -> None:
    download = DownloadJSONFilesTask("files.none", OpenAIFileConfig(KEY))
    assert download(batch_endpoint_result=batch) == BatchResult(None, None)


def test_a_download_that_breaks_off_leaves_nothing(service: FakeOpenAI, tmp_path: Path) -> None:
    id = service.store(b'{"a": 1}\n' * 1000, purpose="batch_output")
    service.cut.add(id)
    with FlyteContextManager.use(files=FileAccess(str(tmp_path / "raw"))), pytest.raises(TransientError, match=id):
        DownloadJSONFilesTask("files.cut", OpenAIFileConfig(KEY))(batch_endpoint_result={"output_file_id": id})
    assert not list(tmp_path.rglob("output_file.jsonl"))


# -- all three ---------------------------------------------------------------------------------------------------------

batch_of_rows = create_batch("tests.rows", KEY, config={"metadata": {"of": "rows"}}, file_upload_mem="1Gi")
batch_of_file = create_batch("tests.file", KEY, is_json_iterator=False)


@task
def rows(models: list[str]) -> Iterator[JSON]:
    yield from map(json.loads, requests(*models).splitlines())


@task
def answers(result: BatchResult) -> list[str]:
    found = []
    for file in (result.output_file, result.error_file):
        if file is not None:
            with file.open() as stream:
                found += [json.loads(line)["response"]["body"] for line in stream]
    return [b["error"]["message"] if "error" in b else b["choices"][0]["message"]["content"] for b in found]


@workflow
def ask(models: list[str]) -> list[str]:
    return answers(result=batch_of_rows(jsonl_in=rows(models=models)))


def test_the_workflow_is_that_of_the_reference() -> None:
    assert batch_of_rows.name == "openai-batch-testsrows"
    graph = batch_of_rows.compile()
    upload, batch, download = graph.nodes
    assert [node.entity.name for node in graph.nodes] == [
        "openai-file-upload-testsrows",
        "openai-batch-testsrows",
        "openai-download-files-testsrows",
    ]
    for node, mem in ((upload, "1Gi"), (download, "700Mi")):
        resources = node.proto(SETTINGS).task_node.overrides.resources
        assert ([r.value for r in resources.requests], [r.value for r in resources.limits]) == ([mem], [mem])
    assert not batch.proto(SETTINGS).task_node.overrides.HasField("resources")
    assert list(batch_of_rows.interface.inputs) == ["jsonl_in"]
    assert batch_of_rows.interface.outputs == {"batch_output": BatchResult}
    assert batch_of_file.interface.inputs == {"jsonl_in": JSONLFile}


def test_rows_become_answers(service: FakeOpenAI) -> None:
    assert ask(models=["m", "none", "m"]) == [
        "HELLO 0",
        "HELLO 2",
        "The model `none` does not exist or you do not have access to it.",
    ]
    (batch,) = service.batches.values()
    assert batch["metadata"]["of"] == "rows"


def test_a_file_becomes_answers(service: FakeOpenAI, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(requests("m"))
    result = batch_of_file(jsonl_in=str(tmp_path / "rows.jsonl"))
    assert result.output_file is not None
    assert result.error_file is None


def run(service: FakeOpenAI, *arguments: str) -> subprocess.Popen[str]:
    example = str(ROOT / "examples" / "openai_example.py")
    command = list(arguments) or [example, "translations", "--sentences", '["Good morning", "Good night"]']
    return subprocess.Popen(
        [sys.executable, "-m", "hardpoint.cli.main", "run", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENAI_BASE_URL": service.url},
    )


def test_the_example(service: FakeOpenAI) -> None:
    out, err = run(service).communicate(timeout=120)
    assert "Translate to French. GOOD MORNING" in out, err
    example = str(ROOT / "examples" / "openai_example.py")
    out, err = run(service, example, "ask", "--message", "hello").communicate(timeout=120)
    assert "HELLO" in out, err


def test_a_run_that_is_killed_finds_its_batch_again(service: FakeOpenAI) -> None:
    service.auto = False
    with run(service) as process:
        limit = time.monotonic() + 60
        while not any(asked.path.startswith("/v1/batches/batch_") for asked in list(service.asked)):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < limit
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    service.auto = True
    out, err = run(service, "--resume", "latest").communicate(timeout=120)
    assert "GOOD MORNING" in out, err
    assert len(service.created()) == 1
