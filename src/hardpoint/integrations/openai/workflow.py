"""`create_batch`: upload, batch and download as one workflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hardpoint.integrations.openai.files import (
    BatchResult,
    DownloadJSONFilesTask,
    OpenAIFileConfig,
    UploadJSONLFileTask,
)
from hardpoint.integrations.openai.task import BatchEndpointTask
from hardpoint.tasks.resources import Resources
from hardpoint.tasks.secret import Secret
from hardpoint.types.file import JSONLFile
from hardpoint.types.iterator import JSON
from hardpoint.workflows.imperative import ImperativeWorkflow

__all__ = ["create_batch"]


def create_batch(
    name: str,
    secret: Secret,
    openai_organization: str | None = None,
    config: Mapping[str, Any] | None = None,
    is_json_iterator: bool = True,
    file_upload_mem: str = "700Mi",
    file_download_mem: str = "700Mi",
    *,
    openai_project: str | None = None,
    base_url: str | None = None,
    accept_partial: bool = False,
    container_image: str | None = None,
) -> ImperativeWorkflow:
    """A workflow from requests, ``jsonl_in``, to their answers, ``batch_output``, a `BatchResult`.

    Args:
        name: What it is for; unique, since the names of the workflow and its tasks are made of it.
        secret: Where the API key is kept for the upload and the download. The batch itself has the connectors'.
        openai_organization: The organization that is charged; None: that of the key.
        config: As for `BatchEndpointTask`.
        is_json_iterator: Whether the input is an ``Iterator[JSON]``; otherwise it is a ``JSONLFile``.
        file_upload_mem: Memory of the upload's container.
        file_download_mem: Memory of the download's container.
        openai_project: The project that is charged; None: that of the key.
        base_url: As for `BatchEndpointTask`.
        accept_partial: Likewise.
        container_image: The image of the upload and the download.
    """
    short = name.replace(".", "")
    files = OpenAIFileConfig(secret, openai_organization, openai_project, base_url)
    upload = UploadJSONLFileTask(f"openai-file-upload-{short}", files, container_image)
    batch = BatchEndpointTask(
        f"openai-batch-{short}",
        config or {},
        openai_organization,
        openai_project=openai_project,
        base_url=base_url,
        accept_partial=accept_partial,
    )
    download = DownloadJSONFilesTask(f"openai-download-files-{short}", files, container_image)

    made = ImperativeWorkflow(f"openai-batch-{short}")
    requests = made.add_workflow_input("jsonl_in", Iterator[JSON] if is_json_iterator else JSONLFile)
    uploaded = made.add_task(upload, jsonl_in=requests)
    finished = made.add_task(batch, input_file_id=uploaded.result)
    downloaded = made.add_task(download, batch_endpoint_result=finished.result)
    for node, mem in ((uploaded, file_upload_mem), (downloaded, file_download_mem)):
        node.with_overrides(requests=Resources(mem=mem), limits=Resources(mem=mem))
    made.add_workflow_output("batch_output", downloaded.result, BatchResult)
    return made
