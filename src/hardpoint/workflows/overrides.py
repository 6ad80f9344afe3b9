"""What may differ between an entity and one of its nodes."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from hardpoint.errors import FlyteAssertion, FlyteValidationException
from hardpoint.tasks.metadata import Cache
from hardpoint.tasks.resources import (
    Resources,
    ResourceSpec,
    construct_extended_resources,
    fill_resources,
    resource_spec,
)
from hardpoint.workflows.naming import dns_name
from hardpoint.workflows.promise import Promise, VoidPromise

if TYPE_CHECKING:
    from flyteidl.core.workflow_pb2 import TaskNodeOverrides

    from hardpoint.tasks.accelerators import BaseAccelerator
    from hardpoint.tasks.image_spec import ImageSpec
    from hardpoint.tasks.pod import PodTemplate
    from hardpoint.tasks.serialization import SerializationSettings
    from hardpoint.workflows.graph import Node

__all__ = ["Overrides", "apply"]

_log = logging.getLogger(__name__)
_UNSET: Any = object()


class Overrides(msgspec.Struct, frozen=True):
    """What a node changes in the template of its task; None: as the task has it."""

    requests: Resources | None = None
    limits: Resources | None = None
    accelerator: BaseAccelerator | None = None
    shared_memory: bool | str | None = None
    container_image: str | ImageSpec | None = None
    pod_template: PodTemplate | None = None

    def fill(self, message: TaskNodeOverrides, task: Any, settings: SerializationSettings) -> None:
        """Write them to the message; `task` is what runs, for the container that a pod template is merged with."""
        message.SetInParent()
        if self.requests is not None or self.limits is not None:
            fill_resources(ResourceSpec(self.requests or Resources(), self.limits or Resources()), message.resources)
        extended = construct_extended_resources(accelerator=self.accelerator, shared_memory=self.shared_memory)
        if extended is not None:
            message.extended_resources.CopyFrom(extended)
        if self.container_image is not None:
            from hardpoint.tasks.image import resolve_image

            message.container_image = resolve_image(self.container_image, settings.image_config)
        if self.pod_template is not None:
            changed = copy.copy(task)
            changed.pod_template = self.pod_template
            message.pod_template.CopyFrom(changed.get_k8s_pod(settings))
            message.pod_template.primary_container_name = self.pod_template.primary_container_name


def apply(
    node: Node,
    *,
    node_name: str | None = None,
    aliases: Mapping[str, str] | None = None,
    requests: Resources | None = None,
    limits: Resources | None = None,
    resources: Resources | None = None,
    timeout: int | timedelta | None = _UNSET,
    retries: int | None = None,
    interruptible: bool | None = None,
    name: str | None = None,
    task_config: Any = None,
    container_image: str | ImageSpec | None = None,
    accelerator: BaseAccelerator | None = None,
    cache: bool | Cache | None = None,
    shared_memory: bool | str | None = None,
    pod_template: PodTemplate | None = None,
    cache_version: str | None = None,
    cache_serialize: bool | None = None,
) -> None:
    """Change how one node is run. What is not given stays as it is, also what an earlier call has changed.

    Args:
        node: The node. For a map task, `timeout`, `retries`, `cache`, ... are those of each element.
        node_name: Its id; made into a DNS label.
        aliases: Output name -> further name.
        requests: Least resources.
        limits: Most resources.
        resources: Both in one; an amount may be a pair of request and limit.
        timeout: Time for one attempt, in seconds if it is an int; None for no limit.
        retries: Further attempts.
        interruptible: Whether it may run on machines that can be taken away.
        name: Name for people.
        task_config: Another config of the task's plugin, of the same class.
        container_image: Another image.
        accelerator: Another kind of accelerator.
        cache: Whether results are kept; a `Cache` with a version, or a bool.
        shared_memory: True, or the size.
        pod_template: Another pod template.
        cache_version: Version of cache entries. Deprecated: use `Cache`.
        cache_serialize: Whether equal runs wait for each other. Deprecated: use `Cache`.

    Raises:
        FlyteAssertion: a value is a promise, or not of the type that it should be.
        FlyteValidationException: values that cannot go together.
    """
    given = {key: value for key, value in locals().items() if key != "node"}
    for key, value in given.items():
        for part in vars(value).values() if isinstance(value, Resources) else (value,):
            if isinstance(part, Promise | VoidPromise):
                raise FlyteAssertion(
                    f"Cannot override {key} with a promise: it has to be known when the workflow is registered."
                )
    if node_name is not None:
        node.own_id = dns_name(node_name)
    if aliases is not None:
        if not isinstance(aliases, Mapping):
            raise FlyteAssertion("Aliases should be specified as dict[str, str]")
        node.aliases.update(aliases)
    for side, amounts in (("requests", requests), ("limits", limits), ("resources", resources)):
        if amounts is not None and not isinstance(amounts, Resources):
            raise FlyteAssertion(f"{side} should be specified as hardpoint.Resources, not {amounts!r}")
    if resources is not None:
        spec = resource_spec(requests, limits, resources)
        requests, limits = spec.requests, spec.limits
    elif requests is not None and limits is None and node.overrides.limits is None:
        _log.warning("Node %s overrides requests but no limits: requests are clamped to the task's limits.", node.id)
    changed = {key: value for key, value in locals().items() if key in _FIELDS and value is not None}
    node.overrides = msgspec.structs.replace(node.overrides, **changed)
    if task_config is not None:
        node.entity = _reconfigured(node.entity, task_config)
    _change_metadata(node, name, timeout, retries, interruptible)
    _change_cache(node, cache, cache_version, cache_serialize)


_FIELDS = frozenset(Overrides.__struct_fields__)
NAMES = tuple(apply.__kwdefaults__ or ())
"""What can be overridden."""


def _reconfigured(task: Any, config: Any) -> Any:
    """A copy of a task with another config, under a name of its own: one name has one template."""
    current = getattr(task, "task_config", None)
    if current is None or not isinstance(config, type(current)):
        raise FlyteValidationException(
            f"can't change the type of the task config: {task.name} has {type(current).__name__}, "
            f"and {type(config).__name__} was given."
        )
    import hashlib

    text = re.sub(r" at 0x[0-9a-f]+", "", repr(config))
    changed = copy.copy(task)
    changed.task_config = config
    changed.name = f"{task.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return changed


def _change_metadata(
    node: Node, name: str | None, timeout: int | timedelta | None, retries: int | None, interruptible: bool | None
) -> None:
    metadata = node.sub_metadata or node.metadata
    if name is not None:
        metadata.name = name
    if timeout is not _UNSET:
        if isinstance(timeout, int) and not isinstance(timeout, bool):
            timeout = timedelta(seconds=timeout)
        if timeout is not None and not isinstance(timeout, timedelta):
            raise FlyteValidationException(
                "timeout should be duration represented as either a datetime.timedelta or int seconds, "
                f"not {timeout!r}."
            )
        metadata.timeout = timeout or timedelta()
    if retries is not None:
        metadata.retries = retries
    if interruptible is not None:
        metadata.interruptible = interruptible


def _change_cache(node: Node, cache: bool | Cache | None, version: str | None, serialize: bool | None) -> None:
    metadata = node.sub_metadata or node.metadata
    if isinstance(cache, Cache):
        if version is not None or serialize is not None:
            raise FlyteValidationException(
                "cache_serialize and cache_version are deprecated and do not go together with a Cache.",
                remedy="Give both to Cache(version=..., serialize=...).",
            )
        version, serialize, cache = cache.version, cache.serialize, True
    if cache and version is None and metadata.cache_version is None:
        raise FlyteValidationException(
            "must specify cache version when overriding", remedy='Write cache=Cache(version="...").'
        )
    for key, value in (("cacheable", cache), ("cache_version", version), ("cache_serializable", serialize)):
        if value is not None:
            setattr(metadata, key, value)
