"""`PodTemplate`: a task's pod as Kubernetes describes it, and how a task's container is merged into it."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib import import_module
from typing import Any

from flyteidl.core.tasks_pb2 import DataLoadingConfig, K8sPod

from hardpoint import idl
from hardpoint.errors import FlyteValidationException, MissingDependencyError
from hardpoint.tasks.resources import ResourceSpec, pod_resources

__all__ = [
    "PodTemplate",
    "PrimaryContainer",
    "build_pod",
    "kubernetes_client",
    "plain_kubernetes",
]


def kubernetes_client() -> Any:
    """The module ``kubernetes.client``.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        return import_module("kubernetes.client")
    except ImportError as error:
        raise MissingDependencyError("A pod template", "kubernetes", "pod") from error


def plain_kubernetes(value: Any) -> Any:
    """An object of the Kubernetes client as JSON data, under the names of the API; plain data stays what it is."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {key: plain_kubernetes(v) for key, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [plain_kubernetes(v) for v in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    names: Mapping[str, str] | None = getattr(value, "attribute_map", None)
    if names is None:
        raise FlyteValidationException(
            f"A pod template holds a {type(value).__qualname__}, which is no object of Kubernetes.",
            remedy="Use objects of kubernetes.client, or dicts as a YAML manifest has them.",
        )
    found = ((key, getattr(value, attribute, None)) for attribute, key in names.items())
    return {key: plain_kubernetes(v) for key, v in found if v is not None}


@dataclass(eq=False)
class PodTemplate:
    """The pod in which a task runs.

    Args:
        pod_spec: A `V1PodSpec` of the Kubernetes client, or the same as a dict; empty if None.
        primary_container_name: The container that runs the task; added if the pod has none of that name.
        labels: Labels of the pod.
        annotations: Annotations of the pod.

    Raises:
        FlyteValidationException: the primary container has no name.
    """

    pod_spec: Any = None
    primary_container_name: str = "primary"
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None

    def __post_init__(self) -> None:
        if not self.primary_container_name:
            raise FlyteValidationException("A primary container name cannot be undefined")

    def spec(self) -> dict[str, Any]:
        """The pod as new JSON data."""
        spec = copy.deepcopy(plain_kubernetes(self.pod_spec if self.pod_spec is not None else {}))
        if not isinstance(spec, dict):
            raise FlyteValidationException(
                f"pod_spec should be a V1PodSpec or a dict, not {type(self.pod_spec).__qualname__}."
            )
        return spec

    def config(self) -> dict[str, str]:
        """What the backend finds in a template's `config`: the name of the task's own container."""
        return {"primary_container_name": self.primary_container_name}

    def version_hash(self) -> str:
        """A text that is equal for templates of equal content."""
        content = {
            "pod_spec": self.spec(),
            "primary_container_name": self.primary_container_name,
            "labels": self.labels,
            "annotations": self.annotations,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PodTemplate) and other.version_hash() == self.version_hash()

    def __hash__(self) -> int:
        return hash(self.version_hash())


@dataclass
class PrimaryContainer:
    """What a task says of its container; None leaves the template's word.

    Args:
        image: For a container whose template names none.
        command: Replaces the template's.
        args: Replaces the template's.
        env: Comes before the template's.
        resources: Replace the template's if there are any.
    """

    image: str
    command: Sequence[str] | None = None
    args: Sequence[str] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    resources: ResourceSpec = field(default_factory=ResourceSpec)


def build_pod(
    template: PodTemplate,
    primary: PrimaryContainer,
    resolve: Callable[[str], str],
    data_config: DataLoadingConfig | None = None,
) -> K8sPod:
    """The pod of a task.

    Args:
        template: The pod; it is not changed.
        primary: The task's own container.
        resolve: Gives the reference of an image that the template names.
        data_config: How inputs and outputs are carried, for raw containers.
    """
    spec = template.spec()
    containers: list[dict[str, Any]] = spec.setdefault("containers", [])
    if not any(container.get("name") == template.primary_container_name for container in containers):
        containers.append({"name": template.primary_container_name})
    for container in containers:
        if container.get("image"):
            container["image"] = resolve(container["image"])
        if container.get("name") == template.primary_container_name:
            _merge(container, primary)
    message = K8sPod(data_config=data_config)
    message.metadata.SetInParent()
    message.metadata.labels.update(template.labels or {})
    message.metadata.annotations.update(template.annotations or {})
    message.pod_spec.CopyFrom(idl.struct(spec))
    return message


def _merge(container: dict[str, Any], primary: PrimaryContainer) -> None:
    container.setdefault("image", primary.image)
    for key, words in (("command", primary.command), ("args", primary.args)):
        if words is not None:
            container[key] = list(words)
    env = [{"name": name, "value": value} for name, value in primary.env.items()]
    if env or container.get("env"):
        container["env"] = [*env, *container.get("env", ())]
    if primary.resources:
        container["resources"] = {
            "requests": pod_resources(primary.resources.requests),
            "limits": pod_resources(primary.resources.limits),
        }
