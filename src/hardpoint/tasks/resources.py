"""What a task asks of a machine: processors, memory, accelerators, scratch space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from hardpoint import idl
from hardpoint.errors import FlyteAssertion, FlyteValidationException

if TYPE_CHECKING:
    from flyteidl.core.tasks_pb2 import Resources as ResourcesMessage

    from hardpoint.idl import ExtendedResources
    from hardpoint.tasks.accelerators import BaseAccelerator

__all__ = [
    "ResourceSpec",
    "Resources",
    "construct_extended_resources",
    "fill_resources",
    "pod_resources",
    "pod_spec_from_resources",
    "resource_spec",
]

Quantity = str | int | float
GPU_RESOURCE_KEY = "nvidia.com/gpu"

# The order in which entries are written: the template's bytes depend on it.
_WIRE_ORDER = ("ephemeral_storage", "cpu", "gpu", "mem")
_WIRE_NAME = {"ephemeral_storage": "EPHEMERAL_STORAGE", "cpu": "CPU", "gpu": "GPU", "mem": "MEMORY"}


@dataclass(frozen=True)
class Resources:
    """Amounts, as Kubernetes writes them (``"500m"``, ``"2Gi"``) or as plain numbers.

    For `resources=` of a task, an amount may be a pair of request and limit.

    Args:
        cpu: Processors.
        mem: Memory, in bytes if it is a number.
        gpu: Accelerators.
        ephemeral_storage: Scratch space on the node's disk, in bytes if it is a number.

    Raises:
        FlyteAssertion: an amount is of another type.
        FlyteValidationException: a sequence does not have two elements.
    """

    cpu: Quantity | Sequence[Quantity] | None = None
    mem: str | int | Sequence[str | int] | None = None
    gpu: str | int | Sequence[str | int] | None = None
    ephemeral_storage: str | int | Sequence[str | int] | None = None

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if value is None:
                continue
            if isinstance(value, list | tuple):
                if len(value) != 2:
                    raise FlyteValidationException(f"{value} must be of length 2", resource=f.name)
                parts: Sequence[Any] = value
            else:
                parts = (value,)
            allowed = (str, int, float) if f.name == "cpu" else (str, int)
            if not all(isinstance(part, allowed) and not isinstance(part, bool) for part in parts):
                raise FlyteAssertion(f"{value} should be of type str, int or a list/tuple of str, int", resource=f.name)

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) is not None for f in fields(self))


@dataclass(frozen=True)
class ResourceSpec:
    """What a task is guaranteed, and what it may use at most."""

    requests: Resources = field(default_factory=Resources)
    limits: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        for side in (self.requests, self.limits):
            for name in _WIRE_ORDER:
                value = getattr(side, name)
                if isinstance(value, list | tuple):
                    raise FlyteValidationException(
                        f"{value} can not be a list or tuple", remedy="Pairs of request and limit belong in resources=."
                    )

    @classmethod
    def from_multiple_resource(cls, resource: Resources) -> ResourceSpec:
        """Both sides of amounts that may be pairs; a single amount is both request and limit."""
        low: dict[str, Any] = {}
        high: dict[str, Any] = {}
        for name in _WIRE_ORDER:
            value = getattr(resource, name)
            low[name], high[name] = value if isinstance(value, list | tuple) else (value, value)
        return cls(Resources(**low), Resources(**high))

    def __bool__(self) -> bool:
        return bool(self.requests) or bool(self.limits)


def resource_spec(
    requests: Resources | None = None, limits: Resources | None = None, resources: Resources | None = None
) -> ResourceSpec:
    """What a task's three arguments mean together.

    Raises:
        FlyteValidationException: `resources` is given together with one of the others, or a pair is where it cannot be.
    """
    if resources is None:
        return ResourceSpec(requests or Resources(), limits or Resources())
    if requests is not None or limits is not None:
        raise FlyteValidationException(
            "`resource` can not be used together with the `limits` or `requests`. Please only set `resource`."
        )
    return ResourceSpec.from_multiple_resource(resources)


def fill_resources(spec: ResourceSpec, message: ResourcesMessage) -> None:
    """Write both sides to a container's `Resources`; the message is present even if it is empty."""
    message.SetInParent()
    for side, entries in ((spec.requests, message.requests), (spec.limits, message.limits)):
        for name in _WIRE_ORDER:
            value = getattr(side, name)
            if value is not None:
                entries.add(name=_WIRE_NAME[name], value=str(value))


def pod_resources(side: Resources, gpu_key: str = GPU_RESOURCE_KEY) -> dict[str, str]:
    """One side under Kubernetes' names."""
    names = {"ephemeral_storage": "ephemeral-storage", "cpu": "cpu", "gpu": gpu_key, "mem": "memory"}
    return {names[name]: str(getattr(side, name)) for name in _WIRE_ORDER if getattr(side, name) is not None}


def pod_spec_from_resources(
    primary_container_name: str,
    requests: Resources | None = None,
    limits: Resources | None = None,
    k8s_gpu_resource_key: str = GPU_RESOURCE_KEY,
) -> Any:
    """A `V1PodSpec` with one container of these resources; a side that is not given copies the other.

    Raises:
        MissingDependencyError: the package ``kubernetes`` is not installed.
    """
    from hardpoint.tasks.pod import kubernetes_client

    client = kubernetes_client()
    spec = ResourceSpec(requests or limits or Resources(), limits or requests or Resources())
    wanted = client.V1ResourceRequirements(
        requests=pod_resources(spec.requests, k8s_gpu_resource_key),
        limits=pod_resources(spec.limits, k8s_gpu_resource_key),
    )
    return client.V1PodSpec(containers=[client.V1Container(name=primary_container_name, resources=wanted)])


def construct_extended_resources(
    *, accelerator: BaseAccelerator | None = None, shared_memory: bool | str | None = None
) -> ExtendedResources | None:
    """The `ExtendedResources` of a task; None if it asks for nothing.

    Args:
        accelerator: A kind of accelerator.
        shared_memory: True for a memory-backed ``/dev/shm``, or its size limit.
    """
    if accelerator is None and not shared_memory:
        return None
    message = idl.ExtendedResources()
    if accelerator is not None:
        message.gpu_accelerator.CopyFrom(accelerator.proto())
    if shared_memory:
        message.shared_memory.mount_path = "/dev/shm"
        message.shared_memory.mount_name = "flyte-shared-memory"
        if isinstance(shared_memory, str):
            message.shared_memory.size_limit = shared_memory
    return message
