"""The compiled form of a workflow: nodes, what feeds them, and the workflow's outputs. Plain data; others run it.

Values travel along *bindings* (`BindingData`). A promise in a binding names a node's output by the node's id; the
empty id stands for the inputs of the workflow itself. Ids are unique in a graph, also within branches.

Wire format: https://github.com/flyteorg/flyte/blob/master/flyteidl/protos/flyteidl/core/workflow.proto
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from hardpoint import idl
from hardpoint.errors import FlyteAssertion
from hardpoint.idl import BindingData, Identifier
from hardpoint.workflows.overrides import NAMES, Overrides, apply
from hardpoint.workflows.promise import Promise, node_of

if TYPE_CHECKING:
    from flyteidl.core.condition_pb2 import BooleanExpression
    from flyteidl.core.workflow_pb2 import Node as NodeMessage
    from flyteidl.core.workflow_pb2 import NodeMetadata as NodeMetadataMessage

    from hardpoint.tasks.serialization import SerializationSettings

__all__ = ["INPUTS", "Branch", "Graph", "Node", "NodeMetadata", "identifier", "promised"]

INPUTS = ""
"""The node id under which a binding names an input of the workflow itself."""


class NodeMetadata(msgspec.Struct):
    """How a node is to be run. None: as the entity or the platform has it.

    Attributes:
        name: Name for people.
        timeout: How long one attempt may take; zero is no limit.
        retries: Further attempts after a failure that may be retried.
        interruptible: Whether it may run on machines that can be taken away.
        cacheable: Whether results are looked up and stored in the cache, whatever the task says.
        cache_version: Version of the cache entries.
        cache_serializable: Whether runs with equal inputs wait for each other.
    """

    name: str
    timeout: timedelta | None = None
    retries: int = 0
    interruptible: bool | None = None
    cacheable: bool | None = None
    cache_version: str | None = None
    cache_serializable: bool | None = None

    def fill(self, message: NodeMetadataMessage) -> None:
        message.name = self.name
        if self.timeout:
            message.timeout.FromTimedelta(self.timeout)
        message.retries.retries = self.retries
        message.retries.SetInParent()
        for name in ("interruptible", "cacheable", "cache_version", "cache_serializable"):
            value = getattr(self, name)
            if value is not None:
                setattr(message, name, value)


class Node(msgspec.Struct, eq=False):
    """One step of a workflow.

    Attributes:
        own_id: Its id among its siblings. The nodes inside a branch are counted anew; on the wire they have this id.
        entity: What runs: a `PythonTask` (a `MapTask` among them), a `WorkflowBase`, a `LaunchPlan`, an `ArrayNode`, a
            reference entity, a `Branch` or a gate.
        bindings: Input name -> where its value comes from, sorted by name.
        upstream: Nodes that must succeed first although no data flows from them.
        metadata: How it is to be run.
        sub_metadata: How each element of a map task is to be run; None for other nodes.
        overrides: What differs from the task's own resources, image and the like.
        outputs: Output name -> promise.
        aliases: Further names of its outputs: output name -> alias.
        inside: The node of the branch that it is in, if any.
        key: The id by which bindings name it until the graph is finished; `own_id` may change until then.
    """

    own_id: str
    entity: Any
    bindings: dict[str, BindingData]
    metadata: NodeMetadata
    sub_metadata: NodeMetadata | None = None
    upstream: list[Node] = []
    overrides: Overrides = Overrides()
    outputs: dict[str, Promise] = {}
    aliases: dict[str, str] = {}
    inside: Node | None = None
    key: str = ""

    @property
    def id(self) -> str:
        """Unique in its graph. A node inside a branch is named as the control plane does: ``<branch>-<own id>``."""
        return f"{self.inside.id}-{self.own_id}" if self.inside is not None else self.own_id

    @property
    def upstream_ids(self) -> list[str]:
        """Ids of all nodes that must succeed before this one, sorted; a branch waits for all that its cases read."""
        ids = self._direct_upstream()
        if isinstance(self.entity, Branch):
            for node in self.entity.nodes:
                ids.update(node.upstream_ids)
        return sorted(ids)

    def _direct_upstream(self) -> set[str]:
        ids = {node.id for node in self.upstream}
        for binding in self.bindings.values():
            ids.update(promise.node_id for promise in promised(binding))
        return ids - {INPUTS}

    def runs_before(self, other: Any) -> None:
        """Make `other` (a node, or a promise of one) wait for this node."""
        target = node_of(other)
        if self not in target.upstream:
            target.upstream.append(self)

    def __rshift__(self, other: Any) -> Any:
        self.runs_before(other)
        return other

    def with_overrides(self, **changes: Any) -> Node:
        """Change how this node is run, and nothing else: neither the task nor its other nodes. Calls add up.

        Args:
            changes: See `hardpoint.workflows.overrides.apply`.
        """
        unknown = [name for name in changes if name not in NAMES]
        if unknown:
            raise FlyteAssertion(
                f"with_overrides() does not know {', '.join(unknown)}.", remedy=f"It takes {', '.join(NAMES)}."
            )
        apply(self, **changes)
        return self

    def proto(self, settings: SerializationSettings) -> NodeMessage:
        """The message of this node."""
        from flyteidl.core.workflow_pb2 import Node as NodeMessage

        message = NodeMessage(id=self.own_id)
        self.metadata.fill(message.metadata)
        for name in sorted(self.bindings):
            message.inputs.add(var=name).binding.CopyFrom(self.bindings[name])
        message.upstream_node_ids.extend(sorted(self._direct_upstream()))
        for var, alias in sorted(self.aliases.items()):
            message.output_aliases.add(var=var, alias=alias)
        fill = getattr(self.entity, "fill_node", None)
        if fill is not None:
            fill(message, self, settings)
        else:
            message.task_node.reference_id.CopyFrom(identifier(idl.TASK, self.entity.name, settings))
            self.overrides.fill(message.task_node.overrides, self.entity, settings)
        return message

    def __getattr__(self, name: str) -> Promise:
        outputs = self.outputs if not name.startswith("_") else {}
        if name in outputs:
            return outputs[name]
        raise AttributeError(f"The node has no output {name!r}; it has {sorted(outputs)}")


class Branch(msgspec.Struct, eq=False):
    """A choice between nodes: the first case whose condition holds runs, else `otherwise`, else it fails with `error`.

    The conditions name the inputs of the branch's own node. The nodes of the cases bind to the surrounding graph.

    Attributes:
        name: The name that was given to `conditional`.
        cases: Condition and what runs when it holds, in order.
        otherwise: What runs when no condition holds.
        error: The message to fail with when no condition holds.
        outputs: Names of the outputs that all cases have.
    """

    name: str
    cases: list[tuple[BooleanExpression, Node]]
    otherwise: Node | None = None
    error: str | None = None
    outputs: tuple[str, ...] = ()

    @property
    def nodes(self) -> list[Node]:
        """The nodes of all cases, in order."""
        return [node for _, node in self.cases] + ([self.otherwise] if self.otherwise else [])

    def fill_node(self, message: NodeMessage, node: Node, settings: SerializationSettings) -> None:
        block = message.branch_node.if_else
        for index, (condition, then) in enumerate(self.cases):
            case = block.case if index == 0 else block.other.add()
            case.condition.CopyFrom(condition)
            case.then_node.CopyFrom(then.proto(settings))
        if self.otherwise is not None:
            block.else_node.CopyFrom(self.otherwise.proto(settings))
        else:
            block.error.failed_node_id = self.name
            block.error.message = self.error or ""


class Graph(msgspec.Struct, eq=False):
    """What the body of a workflow (or of a dynamic task) came to.

    Attributes:
        nodes: In the order of their creation; never before a node whose data they read.
        outputs: Output name -> where its value comes from.
        failure_node: What runs after a failure; it is not among `nodes`.
    """

    nodes: list[Node]
    outputs: dict[str, BindingData]
    failure_node: Node | None = None

    def walk(self) -> Iterator[Node]:
        """All nodes: those inside branches, and the failure node, included."""
        pending = list(self.nodes) + ([self.failure_node] if self.failure_node else [])
        while pending:
            node = pending.pop(0)
            yield node
            if isinstance(node.entity, Branch):
                pending[:0] = node.entity.nodes


def promised(binding: BindingData) -> Iterator[idl.OutputReference]:
    """Every promise in a binding, however deep."""
    kind = binding.WhichOneof("value")
    if kind == "promise":
        yield binding.promise
    elif kind == "collection":
        for part in binding.collection.bindings:
            yield from promised(part)
    elif kind == "map":
        for name in sorted(binding.map.bindings):
            yield from promised(binding.map.bindings[name])


def identifier(resource_type: Any, name: str, settings: SerializationSettings) -> Identifier:
    """The id of an entity that is registered under `settings`."""
    return Identifier(
        resource_type=resource_type,
        project=settings.project or "",
        domain=settings.domain or "",
        name=name,
        version=settings.version or "",
    )
