"""What a connector is: the methods that it writes, and what it promises beyond them."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from flyteidl.admin.agent_pb2 import GetTaskLogsResponse, GetTaskMetricsResponse, TaskExecutionMetadata

from hardpoint.connectors.resource import ResourceMeta
from hardpoint.errors import FlyteValidationException
from hardpoint.idl import LiteralMap, TaskTemplate

__all__ = ["AsyncConnectorBase", "Capabilities", "ConnectorBase", "SyncConnectorBase", "TaskCategory", "accepted_names"]

M = TypeVar("M", bound=ResourceMeta)


@dataclass(frozen=True)
class TaskCategory:
    """A task type and its version: what a connector is responsible for."""

    name: str
    version: int = 0

    def __str__(self) -> str:
        return f"{self.name}_v{self.version}"


@dataclass(frozen=True)
class Capabilities:
    """What a connector promises beyond create, get and delete. The core asks these, and never for a name.

    Attributes:
        idempotent_create: A second create with the same key gives the job of the first; the service sees to it.
        finds_by_key: It writes `find`.
        batches_polls: It writes `get_many`.
        cancels: Delete ends the job; otherwise it can only be left alone.
        estimates: It can say beforehand what a job will cost.
        logs: It writes `get_logs`.
        metrics: It writes `get_metrics`.
        lists_owned: It writes `find_owned`.
        poll_batch: Jobs that one `get_many` may be asked for.
        poll_rate: Calls of `get` and `get_many` in a second, at most. A service that asks for patience gets it whatever this
            says: see ``retry_after`` of `TransientError`.
    """

    idempotent_create: bool = False
    finds_by_key: bool = False
    batches_polls: bool = False
    cancels: bool = True
    estimates: bool = False
    logs: bool = False
    metrics: bool = False
    lists_owned: bool = False
    poll_batch: int = 100
    poll_rate: float = 1000.0


class ConnectorBase(ABC):  # noqa: B024 - what is abstract differs between its two kinds
    """What all connectors have in common.

    Methods may be plain or asynchronous. Asynchronous ones run on the event loop and must not block it; plain ones run in the
    connector's own pool of threads. All are called by keyword, and a method that does not name an argument is not given it.

    Args:
        task_type_name: The task type; default: the class's `task_type_name`.
        task_type_version: Its version.
    """

    name: ClassVar[str] = "Base Connector"
    task_type_name: str = ""
    task_type_version: int = 0
    capabilities: ClassVar[Capabilities] = Capabilities()
    pool_size: ClassVar[int] = 64
    """Threads for plain methods."""
    receives: Callable[[Any], Any] | None = None
    """What makes of each argument what its methods are called with; None: they get the messages as they are."""

    def __init__(self, task_type_name: str | None = None, task_type_version: int | None = None, **kwargs: Any) -> None:
        if task_type_name is not None:
            self.task_type_name = task_type_name
        if task_type_version is not None:
            self.task_type_version = task_type_version
        if not self.task_type_name:
            raise FlyteValidationException(
                f"The connector {type(self).__qualname__} has no task type.", remedy='Write task_type_name = "my_type".'
            )

    @property
    def task_category(self) -> TaskCategory:
        """What it is responsible for."""
        return TaskCategory(self.task_type_name, self.task_type_version)

    @cached_property
    def is_sync(self) -> bool:
        """Whether it answers at once."""
        return isinstance(self, SyncConnectorBase)


class SyncConnectorBase(ConnectorBase):
    """A connector whose work is done within one call, in seconds."""

    name = "Base Sync Connector"

    @abstractmethod
    def do(
        self, task_template: TaskTemplate, output_prefix: str, inputs: LiteralMap | None = None, **kwargs: Any
    ) -> Any:
        """Do the work: a `Resource` whose phase is terminal, or an awaitable of one.

        Args:
            task_template: The task.
            output_prefix: Where outputs may be written.
            inputs: Its inputs.
            kwargs: ``task_execution_metadata``, and what later releases add.
        """


class AsyncConnectorBase(ConnectorBase, Generic[M]):
    """A connector that starts jobs elsewhere and follows them.

    Args:
        metadata_type: The class of its jobs' metadata; default: the class's `metadata_type`.
        kwargs: As for `ConnectorBase`.
    """

    name = "Base Async Connector"
    metadata_type: type[Any] = ResourceMeta

    def __init__(self, metadata_type: type[M] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if metadata_type is not None:
            self.metadata_type = metadata_type

    @abstractmethod
    def create(
        self,
        task_template: TaskTemplate,
        output_prefix: str,
        inputs: LiteralMap | None = None,
        task_execution_metadata: TaskExecutionMetadata | None = None,
        **kwargs: Any,
    ) -> Any:
        """Start a job: its metadata, or an awaitable of it.

        Args:
            task_template: The task.
            output_prefix: Where the job's outputs belong.
            inputs: Its inputs.
            task_execution_metadata: Who it is for; None in a local run.
            kwargs: ``idempotency_key``, a str that is the same whenever the same attempt of the same node asks; the owner's
                ``tags``, a dict; and what later releases add.

        Raises:
            UserError: the task cannot be run as it is.
            TransientError: the service cannot be reached. Whether a job was started is then unknown, and it is looked for.
            PermanentError: the service refuses.
        """

    @abstractmethod
    def get(self, resource_meta: M, **kwargs: Any) -> Any:
        """How a job stands: a `Resource`, or an awaitable of one.

        Raises:
            TransientError: the service cannot say just now; the last known state goes on to hold.
            JobGoneError: the job does not exist any more, and that is certain.
        """

    @abstractmethod
    def delete(self, resource_meta: M, **kwargs: Any) -> Any:
        """End a job. One that has ended, or is gone, is as it should be: no error."""

    def find(self, idempotency_key: str, task_template: TaskTemplate, **kwargs: Any) -> Any:
        """The metadata of the job that was created with this key, None if there is none; or an awaitable of it."""
        raise NotImplementedError(f"{self.name} cannot look jobs up by key.")

    def find_owned(self, task_template: TaskTemplate | None = None, **kwargs: Any) -> Any:
        """The jobs that bear owner tags and have not ended, from the service's own listing; or an awaitable of them.

        Args:
            task_template: A task of the connector, which may say where to look; None: where tasks that say nothing run.

        Returns:
            Pairs of a job's metadata and the tags with which it was created; ``hardpoint-key`` is among them.
        """
        raise NotImplementedError(f"{self.name} cannot list jobs by their tags.")

    def get_many(self, metas: Sequence[M], **kwargs: Any) -> Any:
        """How several jobs stand, in their order, from one call of the service: `Resource`s, or an awaitable of them."""
        raise NotImplementedError(f"{self.name} asks for one job at a time.")

    def get_metrics(self, resource_meta: M, **kwargs: Any) -> GetTaskMetricsResponse | Any:
        """What a job has used."""
        raise NotImplementedError(f"{self.name} has no metrics.")

    def get_logs(
        self, resource_meta: M, **kwargs: Any
    ) -> GetTaskLogsResponse | AsyncIterator[GetTaskLogsResponse] | Any:
        """What a job has logged."""
        raise NotImplementedError(f"{self.name} has no logs.")

    def estimate(self, task_template: TaskTemplate, inputs: LiteralMap | None = None, **kwargs: Any) -> Any:
        """What a job would cost, in the service's own terms, before it is created."""
        raise NotImplementedError(f"{self.name} cannot estimate.")


def accepted_names(method: Any) -> frozenset[str] | None:
    """The arguments that a method names; None if it takes any keyword.

    Connectors that were written for the reference, or for an earlier release, go on to work when arguments are added.
    """
    parameters = inspect.signature(method).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters)
