"""Functions that run as jobs of AWS Batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from hardpoint.connectors.local import AsyncConnectorExecutorMixin
from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteValidationException, UserError
from hardpoint.tasks.python_function_task import PythonFunctionTask
from hardpoint.tasks.serialization import SerializationSettings

__all__ = ["SUBFOLDER", "AWSBatchConfig", "AWSBatchFunctionTask"]

TASK_TYPE = "aws-batch"
SUBFOLDER = "/0"
"""Where Flyte's own plugin looks for outputs: it runs a single job as an array of one."""

_PLATFORMS = ("EC2", "FARGATE")
_MOST_TAGS = 50
_HIGHEST_PRIORITY = 9999
_CHECKPOINTS = ("--checkpoint-path", "--prev-checkpoint")
_OF_THE_REFERENCE = ("parameters", "schedulingPriority", "platformCapabilities", "propagateTags", "tags")


@dataclass
class AWSBatchConfig:
    """How a function runs on AWS Batch. The first five are what Flyte's own plugin knows; the others are for the connector here.

    Raises:
        FlyteValidationException: a value is none that Batch takes.
    """

    parameters: dict[str, str] | None = None
    """Values for the placeholders of the job definition."""
    schedulingPriority: int | None = None
    """Which jobs come first in a queue with fair shares: from 0, the lowest, to 9999."""
    platformCapabilities: str = "EC2"
    """``EC2`` or ``FARGATE``."""
    propagateTags: bool | None = None
    """Whether the tags are also put on the tasks that Batch starts in Amazon ECS."""
    tags: dict[str, str] | None = None
    """Tags of the job; at most 50, some of which the connector uses."""
    checkpoints: bool = False
    """Whether the container is told where its checkpoints are. Older backends do not know what to tell it."""
    jobQueue: str | None = None
    """The queue, by name or ARN. With it a local run goes to Batch as well; without it, a local run calls the function here."""
    shareIdentifier: str | None = None
    """Whose share of a queue with fair shares the job counts for."""
    jobRoleArn: str | None = None
    """The role of the function, which has to read and write its data in S3."""
    executionRoleArn: str | None = None
    """The role that fetches the image; FARGATE needs one."""
    assignPublicIp: bool | None = None
    """Whether a FARGATE job gets a public address, by which it reaches registries and S3 from a public subnet."""
    region: str | None = None
    """The region; default: that of whoever submits the job."""

    def __post_init__(self) -> None:
        if self.platformCapabilities not in _PLATFORMS:
            raise FlyteValidationException(
                f"platformCapabilities should be EC2 or FARGATE, but is {self.platformCapabilities!r}."
            )
        priority = self.schedulingPriority
        if priority is not None and not (type(priority) is int and 0 <= priority <= _HIGHEST_PRIORITY):
            raise FlyteValidationException(
                f"schedulingPriority should be a whole number from 0 to {_HIGHEST_PRIORITY}, but is {priority!r}."
            )
        for name, texts in (("parameters", self.parameters), ("tags", self.tags)):
            _check_texts(name, texts)
        if len(self.tags or {}) > _MOST_TAGS:
            raise FlyteValidationException(
                f"Batch takes at most {_MOST_TAGS} tags, but there are {len(self.tags or {})}."
            )

    def to_dict(self) -> dict[str, Any]:
        """What travels in the template: the reference's keys, also those that are null, and others that are set."""
        keys = [f.name for f in fields(self) if f.name not in (*_OF_THE_REFERENCE, "checkpoints")]
        told = {name: getattr(self, name) for name in _OF_THE_REFERENCE}
        if self.schedulingPriority is not None:
            told["schedulingPriority"] = float(self.schedulingPriority)  # as it is after its travel
        return told | {name: getattr(self, name) for name in keys if getattr(self, name) is not None}


def _check_texts(name: str, texts: Mapping[Any, Any] | None) -> None:
    for key, value in (texts or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise FlyteValidationException(
                f"{name} of AWSBatchConfig should be text for text, but has {key!r}: {value!r}.",
                remedy="Write numbers in quotes.",
            )


class AWSBatchFunctionTask(AsyncConnectorExecutorMixin, PythonFunctionTask[AWSBatchConfig]):
    """A function that runs as a job of AWS Batch; ``@task(task_config=AWSBatchConfig(...))`` makes one.

    Args:
        task_config: How it runs.
        task_function: The function.
        kwargs: As for `PythonFunctionTask`.
    """

    def __init__(self, task_config: AWSBatchConfig | None, task_function: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(task_config or AWSBatchConfig(), task_function, task_type=TASK_TYPE, **kwargs)

    @property
    def _config(self) -> AWSBatchConfig:
        config: AWSBatchConfig = self.task_config  # type: ignore[assignment]
        return config

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        return self._config.to_dict()

    def get_config(self, settings: SerializationSettings) -> dict[str, str]:
        # From this, Flyte's own plugin makes the job definition.
        return {**super().get_config(settings), "platformCapabilities": self._config.platformCapabilities}

    def get_command(self, settings: SerializationSettings) -> list[str]:
        """The command of whoever runs the function, with outputs where Flyte's own plugin looks for them."""
        words = super().get_command(settings)
        command: list[str] = []
        skip = False
        for position, word in enumerate(words):
            if skip:
                skip = False
            elif word in _CHECKPOINTS and not self._config.checkpoints:
                skip = True
            elif position and words[position - 1] == "--output-prefix":
                command.append(f"{word}{SUBFOLDER}")
            else:
                command.append(word)
        return command

    def execute(self, **kwargs: Any) -> Any:
        """Call the function, or in a local run with a queue, have Batch run it.

        Raises:
            UserError: the queue was given, but the data is where a container cannot reach it.
        """
        context = FlyteContextManager.current_context()
        if self._config.jobQueue is None or not context.mode.is_local:
            return PythonFunctionTask.execute(self, **kwargs)
        prefix = context.file_access.get_random_remote_directory()
        if not context.file_access.is_remote(prefix):
            raise UserError(
                f"{self.name} is to run on AWS Batch, but its data would be at {prefix}, where no container can read it.",
                remedy="Set HARDPOINT_LOCAL_RAW_OUTPUT_PREFIX=s3://bucket/prefix, or leave jobQueue out to run it here.",
            )
        return super().execute(**kwargs)
