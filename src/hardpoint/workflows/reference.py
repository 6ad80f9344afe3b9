"""References: tasks, workflows and launch plans that are registered already, by somebody else's code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from hardpoint import idl
from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteValidationException, UserError
from hardpoint.idl import Identifier
from hardpoint.tasks.interface import Interface, bind_arguments, interface_of
from hardpoint.workflows.graph import NodeMetadata
from hardpoint.workflows.naming import short_name

if TYPE_CHECKING:
    from flyteidl.core.workflow_pb2 import Node as NodeMessage

    from hardpoint.tasks.serialization import SerializationSettings
    from hardpoint.workflows.graph import Node

__all__ = [
    "LaunchPlanReference",
    "Reference",
    "ReferenceEntity",
    "ReferenceLaunchPlan",
    "ReferenceTask",
    "ReferenceWorkflow",
    "TaskReference",
    "WorkflowReference",
    "get_reference_entity",
    "reference_launch_plan",
    "reference_task",
    "reference_workflow",
]


class Reference(msgspec.Struct, frozen=True):
    """What names something that is registered.

    Args:
        project: Project of the control plane.
        domain: Domain of the control plane.
        name: Its name.
        version: Its version.
    """

    resource_type: ClassVar[Any]

    project: str
    domain: str
    name: str
    version: str

    @property
    def id(self) -> Identifier:
        """The identifier as a message."""
        return Identifier(resource_type=self.resource_type, **msgspec.structs.asdict(self))


class TaskReference(Reference, frozen=True):
    """What names a registered task."""

    resource_type = idl.TASK


class WorkflowReference(Reference, frozen=True):
    """What names a registered workflow."""

    resource_type = idl.WORKFLOW


class LaunchPlanReference(Reference, frozen=True):
    """What names a registered launch plan."""

    resource_type = idl.LAUNCH_PLAN


class ReferenceEntity:
    """What is named by its id, with the interface that it is expected to have. It is never registered.

    Args:
        project: Project of the control plane.
        domain: Domain of the control plane.
        name: Name of the entity.
        version: Version of the entity.
        inputs: Input name -> type, or -> (type, default).
        outputs: Output name -> type.

    Attributes:
        stand_in: A function that is called in its place when a workflow runs here; None: there is none.
    """

    resource_type: ClassVar[Any]

    def __init__(
        self,
        project: str,
        domain: str,
        name: str,
        version: str,
        inputs: Mapping[str, Any],
        outputs: Mapping[str, Any] | None = None,
        interface: Interface | None = None,
    ) -> None:
        self.id = Identifier(
            resource_type=self.resource_type, project=project, domain=domain, name=name, version=version
        )
        self.name = name
        self.python_interface = interface or Interface(inputs, outputs)
        self.stand_in: Callable[..., Any] | None = None

    @property
    def interface(self) -> Interface:
        return self.python_interface

    def node_metadata(self) -> NodeMetadata:
        return NodeMetadata(short_name(self.name))

    def fill_node(self, message: NodeMessage, node: Node, settings: SerializationSettings) -> None:
        raise NotImplementedError

    def execute(self, **inputs: Any) -> Any:
        """What the stand-in gives for these inputs.

        Raises:
            NotRunnableHere: there is none (also a NotImplementedError).
        """
        if self.stand_in is None:
            raise NotRunnableHere(self)
        return self.stand_in(**inputs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A node where a workflow is being compiled; elsewhere, what the stand-in gives."""
        compilation = FlyteContextManager.current_context().compilation
        if compilation is not None:
            return compilation.call(self, args, kwargs)
        return self.execute(**bind_arguments(self.name, self.python_interface, args, kwargs))

    def __repr__(self) -> str:
        ident = self.id
        return f"<{type(self).__name__} {ident.project}:{ident.domain}:{ident.name}:{ident.version}>"


class NotRunnableHere(UserError, NotImplementedError):
    """A reference was called where its code is not known."""

    def __init__(self, entity: ReferenceEntity) -> None:
        super().__init__(
            f"{entity!r} is only a reference: its code is not here, so it cannot be run locally.",
            remedy="Run it on the cluster, or give it a stand-in: reference.stand_in = lambda **inputs: ...",
        )


class ReferenceTask(ReferenceEntity):
    """A registered task."""

    resource_type = idl.TASK

    def fill_node(self, message: NodeMessage, node: Node, settings: SerializationSettings) -> None:
        message.task_node.reference_id.CopyFrom(self.id)


class ReferenceLaunchPlan(ReferenceEntity):
    """A registered launch plan."""

    resource_type = idl.LAUNCH_PLAN

    def fill_node(self, message: NodeMessage, node: Node, settings: SerializationSettings) -> None:
        message.workflow_node.launchplan_ref.CopyFrom(self.id)


class ReferenceWorkflow(ReferenceEntity):
    """A registered workflow. Its template is not here, so it can be executed, but not be part of another workflow."""

    resource_type = idl.WORKFLOW

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if FlyteContextManager.current_context().compilation is not None:
            raise MisplacedReference(
                f"{self!r} cannot be called inside a workflow: a workflow is registered together with the workflows "
                "that it contains, and the code of this one is not here.",
                remedy="Call its launch plan: reference_launch_plan(...).",
            )
        return super().__call__(*args, **kwargs)


class MisplacedReference(FlyteValidationException, ValueError):
    """A reference where none can be."""


def get_reference_entity(
    resource_type: int,
    project: str,
    domain: str,
    name: str,
    version: str,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
) -> ReferenceTask | ReferenceWorkflow | ReferenceLaunchPlan:
    """A reference to what an identifier names: ``get_reference_entity(ResourceType.TASK, ...)``.

    Raises:
        FlyteValidationException: the type is neither that of tasks nor that of workflows or launch plans (also a ValueError).
    """
    for kind in (ReferenceTask, ReferenceWorkflow, ReferenceLaunchPlan):
        if kind.resource_type == resource_type:
            return kind(project, domain, name, version, inputs, outputs)
    raise MisplacedReference(
        f"There is no reference to a resource of type {resource_type}: {name}.",
        remedy="Give ResourceType.TASK, ResourceType.WORKFLOW or ResourceType.LAUNCH_PLAN.",
    )


def _decorator(
    kind: type[Any], project: str, domain: str, name: str, version: str
) -> Callable[[Callable[..., Any]], Any]:
    def make(fn: Callable[..., Any]) -> Any:
        return kind(project, domain, name, version, {}, interface=interface_of(fn))

    return make


def reference_task(project: str, domain: str, name: str, version: str) -> Callable[[Callable[..., Any]], ReferenceTask]:
    """A registered task, with the interface of the decorated function. The function itself is never called."""
    return _decorator(ReferenceTask, project, domain, name, version)


def reference_workflow(
    project: str, domain: str, name: str, version: str
) -> Callable[[Callable[..., Any]], ReferenceWorkflow]:
    """A registered workflow, with the interface of the decorated function. The function itself is never called."""
    return _decorator(ReferenceWorkflow, project, domain, name, version)


def reference_launch_plan(
    project: str, domain: str, name: str, version: str
) -> Callable[[Callable[..., Any]], ReferenceLaunchPlan]:
    """A registered launch plan, with the interface of the decorated function. The function itself is never called."""
    return _decorator(ReferenceLaunchPlan, project, domain, name, version)
