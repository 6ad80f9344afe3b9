"""`ContainerTask`: a task that is a command in an image of the user's."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flyteidl.core.tasks_pb2 import Container, DataLoadingConfig, K8sPod
from flyteidl.core.tasks_pb2 import IOStrategy as _IOStrategy

from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.image import image_for, resolve_image
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.metadata import TaskMetadata
from hardpoint.tasks.pod import PodTemplate, PrimaryContainer, build_pod
from hardpoint.tasks.python_function_task import fill_container
from hardpoint.tasks.resources import Resources, resource_spec
from hardpoint.tasks.secret import Secret, security_context

if TYPE_CHECKING:
    from hardpoint.tasks.image_spec import ImageSpec
    from hardpoint.tasks.serialization import SerializationSettings

__all__ = ["ContainerTask"]


class ContainerTask(PythonTask[None]):
    """A task that runs any command in any image; inputs and outputs are carried by files.

    Locally the command is run with Docker.

    Args:
        name: Its name.
        image: An image reference, perhaps with ``{{.image.<name>}}`` in it, or an `ImageSpec`.
        command: The command; ``{{.inputs.x}}`` stands for the value of input ``x``.
        inputs: Name -> type.
        metadata: Caching, retries and the like.
        arguments: Arguments of the command, or of the image's entry point.
        outputs: Name -> type.
        requests: What the task is guaranteed.
        limits: What it may use at most.
        input_data_dir: Where the container finds its inputs, a file each.
        output_data_dir: Where it leaves its outputs, a file each.
        metadata_format: In which format all inputs are written to one file beside them.
        io_strategy: How inputs are downloaded and outputs uploaded.
        secret_requests: Secrets that it wants.
        pod_template: The pod in which it runs.
        pod_template_name: A pod template of the cluster.
        local_logs: Whether a local run shows what the container prints.
        resources: Requests and limits at once.
        environment: Environment variables of the container.
        kwargs: As for `PythonTask`.
    """

    class MetadataFormat(enum.Enum):
        """In which format inputs are written to one file."""

        JSON = DataLoadingConfig.JSON
        YAML = DataLoadingConfig.YAML
        PROTO = DataLoadingConfig.PROTO

    class IOStrategy(enum.Enum):
        """When data is moved."""

        DOWNLOAD_EAGER = ("download_mode", _IOStrategy.DOWNLOAD_EAGER)
        DOWNLOAD_STREAM = ("download_mode", _IOStrategy.DOWNLOAD_STREAM)
        DO_NOT_DOWNLOAD = ("download_mode", _IOStrategy.DO_NOT_DOWNLOAD)
        UPLOAD_EAGER = ("upload_mode", _IOStrategy.UPLOAD_EAGER)
        UPLOAD_ON_EXIT = ("upload_mode", _IOStrategy.UPLOAD_ON_EXIT)
        DO_NOT_UPLOAD = ("upload_mode", _IOStrategy.DO_NOT_UPLOAD)

    def __init__(
        self,
        name: str,
        image: str | ImageSpec,
        command: Sequence[str],
        inputs: Mapping[str, Any] | None = None,
        metadata: TaskMetadata | None = None,
        arguments: Sequence[str] | None = None,
        outputs: Mapping[str, Any] | None = None,
        requests: Resources | None = None,
        limits: Resources | None = None,
        input_data_dir: str | None = None,
        output_data_dir: str | None = None,
        metadata_format: MetadataFormat = MetadataFormat.JSON,
        io_strategy: IOStrategy | Iterable[IOStrategy] | None = None,
        secret_requests: Iterable[Secret] | None = None,
        pod_template: PodTemplate | None = None,
        pod_template_name: str | None = None,
        local_logs: bool = False,
        resources: Resources | None = None,
        environment: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        metadata = metadata or TaskMetadata()
        if pod_template_name is not None:
            metadata = replace(metadata, pod_template_name=pod_template_name)
        super().__init__(
            task_type="raw-container",
            name=name,
            interface=Interface(inputs, outputs),
            metadata=metadata,
            environment=environment,
            security_ctx=security_context(secret_requests),
            **kwargs,
        )
        self.image = image
        self.command = list(command)
        self.arguments = list(arguments or ())
        self.resources = resource_spec(requests, limits, resources)
        self.secret_requests = list(secret_requests or ())
        self.input_data_dir, self.output_data_dir = input_data_dir, output_data_dir
        self.metadata_format = metadata_format
        self.io_strategy = [io_strategy] if isinstance(io_strategy, self.IOStrategy) else list(io_strategy or ())
        self.pod_template = pod_template
        self.local_logs = local_logs

    def execute(self, **kwargs: Any) -> Any:
        """Run the command with Docker.

        Raises:
            UserError: there is no Docker here, or the command ended with another status than 0.
        """
        from hardpoint.tasks.container_run import run_container

        return run_container(self, kwargs)

    def get_image(self, settings: SerializationSettings) -> str:
        """The reference of the container's image."""
        return image_for(self.image, settings)

    def _data_config(self) -> DataLoadingConfig:
        config = DataLoadingConfig(
            enabled=True,
            input_path=self.input_data_dir or "",
            output_path=self.output_data_dir or "",
            format=self.metadata_format.value,
        )
        for strategy in self.io_strategy:
            setattr(config.io_strategy, *strategy.value)
        return config

    def get_container(self, settings: SerializationSettings) -> Container | None:
        if self.pod_template is not None:
            return None
        container = Container(command=self.command, args=self.arguments, data_config=self._data_config())
        return fill_container(container, self.get_image(settings), self.environment, self.resources, settings)

    def get_k8s_pod(self, settings: SerializationSettings) -> K8sPod | None:
        if self.pod_template is None:
            return None
        primary = PrimaryContainer(
            image=self.get_image(settings),
            command=self.command,
            args=self.arguments or None,
            env={**(settings.env or {}), **self.environment},
            resources=self.resources or settings.default_resources or self.resources,
        )
        return build_pod(
            self.pod_template, primary, lambda image: resolve_image(image, settings.image_config), self._data_config()
        )

    def get_config(self, settings: SerializationSettings) -> dict[str, str]:
        return {} if self.pod_template is None else self.pod_template.config()
