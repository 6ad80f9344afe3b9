"""What the control plane is told about a task beside its interface: caching, retries, time limit, documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar

from hardpoint import idl
from hardpoint.errors import FlyteValidationException

if TYPE_CHECKING:
    from flyteidl.core.tasks_pb2 import TaskMetadata as TaskMetadataMessage

    from hardpoint.tasks.image_spec import ImageSpec
    from hardpoint.tasks.pod import PodTemplate

__all__ = [
    "Cache",
    "CachePolicy",
    "Description",
    "Documentation",
    "SourceCode",
    "TaskMetadata",
    "VersionParameters",
    "sdk_version",
]

P = ParamSpec("P")
R = TypeVar("R")


@lru_cache(maxsize=1)
def sdk_version() -> str:
    """The version of this package."""
    from importlib.metadata import version

    return version("hardpoint")


@dataclass
class VersionParameters(Generic[P, R]):
    """What a cache policy may look at.

    Args:
        func: The task's function.
        container_image: Its image, as it was declared.
        pod_template: Its pod template.
        pod_template_name: The name of its pod template.
    """

    func: Callable[P, R]
    container_image: str | ImageSpec | None = None
    pod_template: PodTemplate | None = None
    pod_template_name: str | None = None


class CachePolicy(Protocol):
    """Derives a piece of a cache version from a task."""

    def get_version(self, salt: str, params: VersionParameters[Any, Any]) -> str:
        """A text that changes whenever earlier results must not be used any more."""
        ...


@dataclass
class Cache:
    """How results of a task are kept and found again.

    Args:
        version: Results are shared by tasks of one name and version. If empty, the policies derive it.
        serialize: Whether of several runs with equal inputs only one works, and the others wait for its result.
        ignored_inputs: Names of inputs that do not matter.
        salt: Handed to the policies.
        policies: What the version is derived from if none is given.
    """

    version: str | None = None
    serialize: bool = False
    ignored_inputs: tuple[str, ...] | str = ()
    salt: str = ""
    policies: Sequence[CachePolicy] | CachePolicy | None = None

    def __post_init__(self) -> None:
        if isinstance(self.ignored_inputs, str):
            self.ignored_inputs = (self.ignored_inputs,)
        else:
            self.ignored_inputs = tuple(self.ignored_inputs)
        if self.policies is not None and not isinstance(self.policies, Sequence):
            self.policies = [self.policies]

    def get_ignored_inputs(self) -> tuple[str, ...]:
        return tuple(self.ignored_inputs)

    def get_version(self, params: VersionParameters[Any, Any]) -> str:
        """The version, derived if need be.

        Raises:
            FlyteValidationException: there is neither a version nor a policy.
        """
        if self.version is not None:
            return self.version
        policies = self.policies
        if not policies:
            raise FlyteValidationException(
                "If version is not defined then at least one cache policy needs to be set",
                remedy='Write cache=Cache(version="1"), and raise the version when the task gives other results.',
            )
        assert isinstance(policies, Sequence)
        import hashlib

        text = "".join(policy.get_version(self.salt, params) for policy in policies)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class TaskMetadata:
    """What the control plane and the local engine need to know of a task to run it.

    Args:
        cache: Whether results are kept and found again; needs `cache_version`.
        cache_serialize: Whether of several runs with equal inputs only one works.
        cache_version: Results are shared under this version.
        cache_ignore_input_vars: Inputs that do not matter to the cache.
        interruptible: Whether the task may run on machines that can be taken away; None leaves it to the workflow.
        deprecated: Why the task should not be used any more, if so.
        retries: Further attempts after a recoverable failure.
        timeout: Longest run time of one attempt: seconds, or a timedelta. None: no limit.
        pod_template_name: A pod template of the cluster.
        is_eager: Whether the task is an eager workflow.
        labels: Labels of the Kubernetes object.
        annotations: Annotations of the Kubernetes object.
    """

    cache: bool = False
    cache_serialize: bool = False
    cache_version: str = ""
    cache_ignore_input_vars: Sequence[str] = ()
    interruptible: bool | None = None
    deprecated: str = ""
    retries: int = 0
    timeout: timedelta | int | None = None
    pod_template_name: str | None = None
    generates_deck: bool = False
    is_eager: bool = False
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.timeout, int) and not isinstance(self.timeout, bool):
            object.__setattr__(self, "timeout", timedelta(seconds=self.timeout))
        elif self.timeout is not None and not isinstance(self.timeout, timedelta):
            raise FlyteValidationException(
                "timeout should be duration represented as either a datetime.timedelta or int seconds, "
                f"not {self.timeout!r}."
            )
        if self.retries < 0:
            raise FlyteValidationException(f"retries should be 0 or more, not {self.retries}.")
        if self.cache and not self.cache_version:
            raise FlyteValidationException("Caching is enabled (cache=True) but cache_version is not set.")
        if self.cache_serialize and not self.cache:
            raise FlyteValidationException(
                "Cache serialize is enabled (cache_serialize=True) but cache is not enabled."
            )
        if self.cache_ignore_input_vars and not self.cache:
            raise FlyteValidationException(
                f"Cache ignore input vars are specified (cache_ignore_input_vars={self.cache_ignore_input_vars}) "
                "but cache is not enabled."
            )

    def fill(self, message: TaskMetadataMessage, *, generates_deck: bool) -> None:
        """Write it to a template's metadata."""
        message.discoverable = self.cache
        message.runtime.type = idl.RuntimeMetadata.FLYTE_SDK
        message.runtime.version = sdk_version()
        message.runtime.flavor = "python"
        if self.timeout:
            assert isinstance(self.timeout, timedelta)
            message.timeout.FromTimedelta(self.timeout)
        message.retries.retries = self.retries
        message.discovery_version = self.cache_version
        message.deprecated_error_message = self.deprecated
        if self.interruptible is not None:
            message.interruptible = self.interruptible
        message.cache_serializable = self.cache_serialize
        message.pod_template_name = self.pod_template_name or ""
        message.cache_ignore_input_vars.extend(self.cache_ignore_input_vars)
        message.is_eager = self.is_eager
        message.generates_deck.value = generates_deck or self.generates_deck
        message.metadata.SetInParent()
        message.metadata.labels.update(self.labels or {})
        message.metadata.annotations.update(self.annotations or {})


@dataclass
class Description:
    """A long description: its text, or where it is.

    Args:
        value: The text.
        uri: Where it is, if it is not here.
        icon_link: Address of a picture.
    """

    value: str | None = None
    uri: str | None = None
    icon_link: str | None = None


@dataclass
class SourceCode:
    """Where the source of a task or workflow is.

    Args:
        link: Address of it.
    """

    link: str | None = None


@dataclass
class Documentation:
    """What the console shows about a task or workflow.

    Args:
        short_description: One line.
        long_description: More.
        source_code: Where the source is.
        tags: By which it is found.
    """

    short_description: str | None = None
    long_description: Description | None = None
    source_code: SourceCode | None = None
    tags: tuple[str, ...] = ()

    def proto(self) -> Any:
        """The `DescriptionEntity` message, without an id."""
        from flyteidl.admin.description_entity_pb2 import DESCRIPTION_FORMAT_RST, DescriptionEntity

        message = DescriptionEntity()
        message.short_description = self.short_description or ""
        if self.long_description is not None:
            long = self.long_description
            if long.uri is not None and long.value is None:
                message.long_description.uri = long.uri
            else:
                message.long_description.value = long.value or ""
            message.long_description.format = DESCRIPTION_FORMAT_RST
            message.long_description.icon_link = long.icon_link or ""
        if self.source_code is not None:
            message.source_code.link = self.source_code.link or ""
        message.tags.extend(self.tags)
        return message
