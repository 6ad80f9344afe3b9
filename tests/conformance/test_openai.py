"""OpenAI's connectors and tasks pass the suites."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hardpoint import Secret
from hardpoint.integrations.openai import (
    BatchEndpointConnector,
    BatchEndpointTask,
    BatchResult,
    ChatGPTConnector,
    ChatGPTTask,
    DownloadJSONFilesTask,
    OpenAIFileConfig,
    UploadJSONLFileTask,
)
from hardpoint.integrations.openai.problems import NoSuchObjectError, RequestRefusedError
from hardpoint.integrations.openai.states import PHASES
from hardpoint.testing import ConnectorConformance, ShimConformance, SyncConnectorConformance, upstream
from hardpoint.types.file import JSONLFile
from tests.integrations.openai.server import WORDS, FakeOpenAI, requests, running_openai

KEY = Secret(group="openai", key="key")


@pytest.fixture
def vendor() -> Iterator[FakeOpenAI]:
    with running_openai() as service:
        service.store(requests("m", "m"))
        yield service


class TestBatch(ConnectorConformance):
    secrets = ("FLYTE_OPENAI_API_KEY",)
    states = PHASES
    failure_says = WORDS
    values = {"input_file_id": "file-0"}
    gaps = [
        upstream(
            "create_is_idempotent",
            raises=NotImplementedError,
            reason="OpenAI creates a batch each time that it is asked; one that is there is found by its metadata.",
        )
    ]

    def connector(self, url: str) -> BatchEndpointConnector:
        return BatchEndpointConnector()

    def task(self) -> BatchEndpointTask:
        return BatchEndpointTask("conformance.batch", {}, base_url=self.url)

    def check_outputs(self, values: Mapping[str, Any]) -> None:
        assert values["result"]["request_counts"] == {"total": 2, "completed": 2, "failed": 0}


class TestChat(SyncConnectorConformance):
    secrets = ("FLYTE_OPENAI_API_KEY",)
    values = {"message": "hello"}

    def connector(self, url: str) -> ChatGPTConnector:
        return ChatGPTConnector(patience=2)

    def task(self) -> ChatGPTTask:
        return ChatGPTTask("conformance.chat", {"model": "m"}, base_url=self.url, request_timeout=1.5)

    def check_outputs(self, values: Mapping[str, Any]) -> None:
        assert values == {"o0": "HELLO"}


class TestUpload(ShimConformance):
    secrets = (KEY,)

    @pytest.fixture(autouse=True)
    def _service(self, vendor: FakeOpenAI, tmp_path: Path) -> None:
        self.service, self.url = vendor, vendor.url
        (tmp_path / "empty.jsonl").touch()
        (tmp_path / "full.jsonl").write_bytes(requests("m"))
        self.inputs = {"jsonl_in": JSONLFile(str(tmp_path / "full.jsonl"))}
        self.failing = [({"jsonl_in": str(tmp_path / "empty.jsonl")}, RequestRefusedError)]

    def make_task(self) -> UploadJSONLFileTask:
        return UploadJSONLFileTask("conformance.upload", OpenAIFileConfig(KEY, base_url=self.url), "image:1")

    @staticmethod
    def equal(one: str, other: str) -> bool:
        return one.startswith("file-") and other.startswith("file-")


class TestDownload(ShimConformance):
    secrets = (KEY,)
    failing = [({"batch_endpoint_result": {"output_file_id": "file-404"}}, NoSuchObjectError)]

    @pytest.fixture(autouse=True)
    def _service(self, vendor: FakeOpenAI) -> None:
        self.url = vendor.url
        self.inputs = {"batch_endpoint_result": {"id": "batch_1", "output_file_id": vendor.store(b'{"a": 1}\n')}}

    def make_task(self) -> DownloadJSONFilesTask:
        return DownloadJSONFilesTask("conformance.download", OpenAIFileConfig(KEY, base_url=self.url), "image:1")

    @staticmethod
    def equal(one: BatchResult, other: BatchResult) -> bool:
        return one.error_file is other.error_file is None and content(one) == content(other) == b'{"a": 1}\n'


def content(result: BatchResult) -> bytes:
    assert result.output_file is not None
    with result.output_file.open("rb") as stream:
        data: bytes = stream.read()
        return data
