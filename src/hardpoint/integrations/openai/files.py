"""The files of batches: `UploadJSONLFileTask` and `DownloadJSONFilesTask`, run in ready-made containers."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hardpoint import idl
from hardpoint.context import current_context
from hardpoint.errors import UserError
from hardpoint.idl import TaskTemplate
from hardpoint.integrations.openai.account import Account, checked_url
from hardpoint.integrations.openai.problems import ask, explained
from hardpoint.storage.uris import file_name
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.resources import Resources
from hardpoint.tasks.secret import Secret
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.tasks.shim import PythonCustomizedContainerTask, ShimTaskExecutor
from hardpoint.types.file import JSONLFile

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = [
    "BatchResult",
    "DownloadJSONFilesExecutor",
    "DownloadJSONFilesTask",
    "OpenAIFileConfig",
    "OpenAIFileDefaultImages",
    "UploadJSONLFileExecutor",
    "UploadJSONLFileTask",
]

# https://platform.openai.com/docs/guides/batch#1-prepare-your-batch-file
_MOST_BYTES, _MOST_REQUESTS = 200_000_000, 50_000
_CHUNK = 1 << 20
_RETRIES = 2


class OpenAIFileDefaultImages:
    """The images in which such tasks run by default."""

    @staticmethod
    def default_image() -> str:
        """The image for the running Python, looked up when a template is made."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return f"cr.flyte.org/flyteorg/flytekit:py{version}-openai-batch-latest"


@dataclass(frozen=True)
class OpenAIFileConfig:
    """As whom files are uploaded and downloaded.

    Args:
        secret: Where the API key is kept.
        openai_organization: The organization; None: that of the key.
        openai_project: The project; None: that of the key.
        base_url: The URL of a server that speaks OpenAI's API; None: what ``OPENAI_BASE_URL`` says, else OpenAI.
        expires_after: Seconds after which an uploaded file is deleted, 3600 to 2592000; None: what the API does by itself.
    """

    secret: Secret
    openai_organization: str | None = None
    openai_project: str | None = None
    base_url: str | None = None
    expires_after: int | None = None

    def __post_init__(self) -> None:
        checked_url(self.base_url)

    def custom(self) -> dict[str, Any]:
        """It as a template's ``custom``: where the secret is found, not what it is."""
        account = Account(self.base_url or "", self.openai_organization or "", self.openai_project or "")
        custom = {
            **account.custom(),
            "secret_arg": {
                "group": self.secret.group,
                "key": self.secret.key,
                "group_version": self.secret.group_version,
                "mount_requirement": self.secret.mount_requirement.value,
            },
        }
        return custom if self.expires_after is None else {**custom, "expires_after": self.expires_after}


@dataclass
class BatchResult:
    """What a batch has left.

    Attributes:
        output_file: The answers, a line each; None if there is none.
        error_file: The requests that failed, a line each; None if there is none.
    """

    output_file: JSONLFile | None = None
    error_file: JSONLFile | None = None


class UploadJSONLFileExecutor(ShimTaskExecutor[OpenAIFileConfig]):
    """Sends the file to OpenAI as it is read from the store."""

    def execute_from_model(self, tt: TaskTemplate, **kwargs: Any) -> str:
        """The id of the uploaded file.

        Raises:
            UserError: the API does not accept it, or it exceeds OpenAI's limits.
        """
        custom = idl.native(tt.custom)
        client, file = _client(custom), kwargs["jsonl_in"]
        more: dict[str, Any] = {}
        if custom.get("expires_after"):
            more["expires_after"] = {"anchor": "created_at", "seconds": custom["expires_after"]}
        name = file_name(str(file.remote_source or file.path)) or "requests"
        with file.open("rb") as stream:
            content = stream if custom.get("base_url") else _Limited(stream)
            named = (name if name.endswith(".jsonl") else f"{name}.jsonl", content, "application/jsonl")
            return ask(client.files.create, "upload the file", file=named, purpose="batch", **more).id


class DownloadJSONFilesExecutor(ShimTaskExecutor[OpenAIFileConfig]):
    """Writes a batch's files to the store as they arrive."""

    def execute_from_model(self, tt: TaskTemplate, **kwargs: Any) -> BatchResult:
        """The files that the batch has."""
        client = _client(idl.native(tt.custom))
        batch = kwargs["batch_endpoint_result"]
        found = {name: batch.get(f"{name}_id") for name in ("output_file", "error_file")}
        return BatchResult(**{name: _downloaded(client, id, name) for name, id in found.items() if id})


def _client(custom: dict[str, Any]) -> OpenAI:
    secret = custom["secret_arg"]
    key = current_context().secrets.get(secret.get("group"), secret.get("key"), secret.get("group_version"))
    return Account.of(custom).client(key).with_options(max_retries=_RETRIES)


def _downloaded(client: OpenAI, file_id: str, name: str) -> JSONLFile:
    made = JSONLFile.new_remote_file(f"{name}.jsonl")
    with (
        explained(f"download the file {file_id}"),
        client.files.with_streaming_response.content(file_id) as answer,
        made.open("wb") as stream,
    ):
        for chunk in answer.iter_bytes(_CHUNK):
            stream.write(chunk)
    return made


class _Limited(io.BufferedIOBase):
    """A stream that fails as soon as it holds more than OpenAI takes, so that nobody waits for that to be found out."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._bytes = self._lines = 0

    def read(self, size: int | None = -1) -> bytes:
        data: bytes = self._stream.read(size)
        self._bytes += len(data)
        self._lines += data.count(b"\n")
        if self._bytes > _MOST_BYTES or self._lines > _MOST_REQUESTS:
            raise UserError(
                f"The file holds more than {_MOST_REQUESTS:,} requests or {_MOST_BYTES // 1_000_000} MB.",
                remedy="Split it, and run a batch for each part.",
            )
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        place: int = self._stream.seek(offset, whence)
        if place == 0:  # it is sent again
            self._bytes = self._lines = 0
        return place

    def tell(self) -> int:
        place: int = self._stream.tell()
        return place

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


class _FileTask(PythonCustomizedContainerTask[OpenAIFileConfig]):
    """What both tasks have in common."""

    _TASK_TYPE: ClassVar[str]
    _EXECUTOR: ClassVar[type[ShimTaskExecutor[OpenAIFileConfig]]]
    _INPUTS: ClassVar[Mapping[str, Any]]
    _OUTPUT: ClassVar[type]

    def __init__(
        self, name: str, task_config: OpenAIFileConfig, container_image: str | None = None, **kwargs: Any
    ) -> None:
        if "resources" not in kwargs:
            kwargs.setdefault("requests", Resources(mem="700Mi"))
        super().__init__(
            name=name,
            task_config=task_config,
            container_image=container_image,
            executor_type=self._EXECUTOR,
            task_type=self._TASK_TYPE,
            interface=Interface(self._INPUTS, {"result": self._OUTPUT}),
            secret_requests=[task_config.secret],
            **kwargs,
        )

    def get_image(self, settings: SerializationSettings) -> str:
        return super().get_image(settings) if self.container_image else OpenAIFileDefaultImages.default_image()

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        config: OpenAIFileConfig = self.task_config  # type: ignore[assignment]
        return config.custom()


class UploadJSONLFileTask(_FileTask):
    """Upload the requests of a batch: input ``jsonl_in``, output ``result``, the id of the file.

    Args:
        name: Name of the task.
        task_config: As whom it is uploaded.
        container_image: The image that holds the executor; None: `OpenAIFileDefaultImages`.
        kwargs: As for `PythonCustomizedContainerTask`.
    """

    _TASK_TYPE = "openai-batch-upload-file"
    _EXECUTOR = UploadJSONLFileExecutor
    _INPUTS: ClassVar[Mapping[str, Any]] = {"jsonl_in": JSONLFile}
    _OUTPUT = str


class DownloadJSONFilesTask(_FileTask):
    """Download the files of a batch: input ``batch_endpoint_result``, the batch as a dict; output ``result``, a `BatchResult`.

    Args:
        name: Name of the task.
        task_config: As whom they are downloaded.
        container_image: The image that holds the executor; None: `OpenAIFileDefaultImages`.
        kwargs: As for `PythonCustomizedContainerTask`.
    """

    _TASK_TYPE = "openai-batch-download-files"
    _EXECUTOR = DownloadJSONFilesExecutor
    _INPUTS: ClassVar[Mapping[str, Any]] = {"batch_endpoint_result": dict}
    _OUTPUT = BatchResult
