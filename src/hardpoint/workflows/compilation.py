"""`Compilation`: what turns the calls in the body of a workflow into nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from hardpoint.errors import FlyteAssertion, FlyteValidationException, HardpointError
from hardpoint.idl import BindingData
from hardpoint.tasks.interface import Interface, bind_arguments
from hardpoint.workflows.binding import bind
from hardpoint.workflows.graph import INPUTS, Graph, Node, NodeMetadata, promised
from hardpoint.workflows.naming import short_name
from hardpoint.workflows.promise import Promise, VoidPromise, task_output

__all__ = ["Compilation", "bind_outputs", "metadata_of", "metadata_of_task"]

DANGLING = "A Conditional block (if-else) should always end with an `else_()` clause"


class Compilation:
    """The state of one compilation; it is what `FlyteContext.compilation` holds while a body runs.

    Args:
        name: Name of what is compiled, for messages.
        prefix: What the ids of nodes begin with; ``d`` in a dynamic task.
        task_resolver: Resolver of the tasks that are made inside the body.
    """

    def __init__(self, name: str, prefix: str = "", task_resolver: Any = None) -> None:
        self.name, self.prefix, self.task_resolver = name, prefix, task_resolver
        self.nodes: list[Node] = []
        self.unfinished: list[Any] = []
        """Conditionals whose chain has not ended, outermost first."""
        self._frames: list[list[Node]] = [self.nodes]
        self._keys: set[str] = set()

    # -- what the rest of the package calls ----------------------------------------------------------------------------

    def call(self, entity: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Make a node of a call and return the promises of its outputs.

        Raises:
            FlyteAssertion: the arguments do not fit the entity's interface.
            TypeTransformerFailedError: a value does not fit the type of its input.
        """
        node = self.node(entity, args, kwargs or {})
        return task_output(node, entity.name, self, entity.python_interface.output_tuple_name)

    def node(self, entity: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Node:
        """Make a node of a call and return it."""
        interface: Interface = entity.python_interface
        given = bind_arguments(entity.name, interface, args, kwargs)
        for name in interface.defaults.keys() - kwargs.keys() - set(list(interface.inputs)[: len(args)]):
            if isinstance(given[name], list | dict | set):
                raise FlyteAssertion(
                    f"Argument {name} for function {entity.name} is a mutable default argument, "
                    "which is a python anti-pattern and not supported in tasks",
                    remedy="Make the default None, or pass the value at the call.",
                )
        bindings: dict[str, BindingData] = {}
        for name in sorted(interface.inputs):
            with _saying(f"Failed to Bind variable '{name}' for function '{entity.name}':\n "):
                if isinstance(given[name], tuple):
                    raise FlyteAssertion(
                        f"Variable({name}) for function({entity.name}) cannot receive a multi-valued tuple "
                        f"{given[name]}. Check if the predecessor function returning more than one value?"
                    )
                bindings[name] = bind(given[name], interface.inputs[name], self)
        return self.add(entity, bindings, metadata_of(entity), interface.outputs)

    def add(
        self, entity: Any, bindings: dict[str, BindingData], metadata: NodeMetadata, outputs: Mapping[str, Any]
    ) -> Node:
        """Add a node whose inputs are bound already; `outputs` is output name -> Python type."""
        frame = self._frames[-1]
        name = f"{self.prefix}n{len(frame)}"
        key = name
        while key in self._keys:  # a node in another frame has this name, or an earlier one was given it
            key += "'"
        self._keys.add(key)
        node = Node(name, entity, bindings, metadata, key=key)
        if hasattr(entity, "sub_node_metadata"):
            node.sub_metadata = entity.sub_node_metadata()
        node.outputs = {name: Promise(node, name, t, self) for name, t in outputs.items()}
        frame.append(node)
        return node

    def inputs(self, interface: Interface) -> dict[str, Promise]:
        """Promises of the inputs of what is compiled."""
        return {name: Promise(None, name, t, self) for name, t in interface.inputs.items()}

    def open(self, frame: list[Node]) -> None:
        """Put nodes into `frame` until `close`."""
        self._frames.append(frame)

    def close(self, frame: list[Node]) -> None:
        """End what `open` began."""
        if self._frames[-1] is not frame:
            raise FlyteAssertion(DANGLING, remedy="End the inner conditional before the outer one goes on.")
        self._frames.pop()

    def finish(self, outputs: dict[str, BindingData], failure_node: Node | None = None) -> Graph:
        """The graph of all nodes.

        Raises:
            FlyteAssertion: a conditional has no end.
            FlyteValidationException: two nodes have the same id, or wait for each other, or for one that is elsewhere.
        """
        self.check_conditionals()
        graph = Graph(list(self.nodes), outputs, failure_node)
        every = list(graph.walk())
        renamed = {node.key: node.id for node in every if node.key != node.id}
        if renamed:
            for binding in [b for node in every for b in node.bindings.values()] + list(outputs.values()):
                for promise in promised(binding):
                    promise.node_id = renamed.get(promise.node_id, promise.node_id)
            for node in every:
                node.key = node.id
            self._keys = {node.key for node in every}
        seen: set[str] = {INPUTS}
        for node in every:
            if node.id in seen:
                raise FlyteValidationException(
                    f"Two nodes of {self.name} have the id {node.id!r}.",
                    remedy="Give them different names in with_overrides.",
                )
            seen.add(node.id)
        _check_order(self.name, graph)
        return graph

    def check_conditionals(self) -> None:
        """Raise unless every conditional has ended."""
        if self.unfinished:
            raise FlyteAssertion(f"{DANGLING} (the one named {self.unfinished[-1].name!r} does not).")


def _check_order(name: str, graph: Graph) -> None:
    """Raise unless every node comes after nodes of the same graph, and none after itself."""
    waits = {node.id: set(node.upstream_ids) for node in graph.nodes}
    read = {promise.node_id for binding in graph.outputs.values() for promise in promised(binding)} - {INPUTS}
    for reader, upstream in [*waits.items(), ("the outputs", read)]:
        unknown = sorted(upstream - waits.keys())
        if unknown:
            raise FlyteValidationException(
                f"In {name}, {reader} should come after {unknown[0]}, which is inside a branch or in another workflow.",
                remedy="Use what the whole conditional gives, or a node of the same workflow.",
            )
    followers: dict[str, list[str]] = {}
    for node_id, upstream in waits.items():
        for other in upstream:
            followers.setdefault(other, []).append(node_id)
    free = [node_id for node_id, upstream in waits.items() if not upstream]
    while free:
        done = free.pop()
        del waits[done]
        for node_id in followers.get(done, ()):
            waits[node_id].discard(done)
            if not waits[node_id]:
                free.append(node_id)
    if waits:
        raise FlyteValidationException(
            f"The nodes {', '.join(sorted(waits))} of {name} wait for each other.",
            remedy="Take out one of the orderings (a >> b) between them.",
        )


def metadata_of(entity: Any) -> NodeMetadata:
    """How a node of the entity is run unless it is overridden."""
    own = getattr(entity, "node_metadata", None)
    if own is not None:
        metadata: NodeMetadata = own()
        return metadata
    return metadata_of_task(entity, short_name(entity.name))


def metadata_of_task(task: Any, name: str = "") -> NodeMetadata:
    """How a node is run that runs a task; its name is the task's, unless it is given."""
    own = task.metadata
    timeout = timedelta(seconds=own.timeout) if isinstance(own.timeout, int) else own.timeout
    return NodeMetadata(name or task.name, timeout or None, own.retries, own.interruptible)


def bind_outputs(name: str, interface: Interface, result: Any, scope: Compilation) -> dict[str, BindingData]:
    """Bind what a body returned to the outputs that it declares.

    Raises:
        FlyteValidationException: it returned too few, too many, or something that does not fit.
    """
    scope.check_conditionals()
    outputs = interface.outputs
    if not outputs:
        if result is not None and not isinstance(result, VoidPromise):
            raise FlyteValidationException(
                f"Failed to bind output for function {name}: it returned {result!r}, but declares no outputs."
            )
        return {}
    if len(outputs) == 1:
        if isinstance(result, tuple):
            if not interface.output_tuple_name or len(result) != 1:
                raise FlyteValidationException(
                    f"Failed to bind output {next(iter(outputs))} for function {name}: it declares one output, "
                    f"but returned a tuple of {len(result)}.",
                    remedy="Return the value itself; a tuple only if the function returns a NamedTuple of one field.",
                )
            result = result[0]
        values = [result]
    else:
        if not isinstance(result, tuple):
            raise FlyteValidationException(
                f"Failed to bind outputs for function {name}: it declares {len(outputs)} outputs "
                f"({', '.join(outputs)}), but returned {result!r}."
            )
        if len(result) != len(outputs):
            raise FlyteValidationException(
                f"Length mismatch: {name} declares {len(outputs)} outputs ({', '.join(outputs)}), "
                f"but returned {len(result)}."
            )
        values = list(result)
    bound: dict[str, BindingData] = {}
    for (output, t), value in zip(outputs.items(), values, strict=True):
        try:
            bound[output] = bind(value, t, scope)
        except HardpointError as error:
            raise FlyteValidationException(
                f"Failed to bind output {output} for function {name}: {error.message}", remedy=error.remedy
            ) from error
    return bound


@contextmanager
def _saying(prefix: str) -> Iterator[None]:
    """Say where an error came from, and keep its type."""
    try:
        yield
    except HardpointError as error:
        error.message = prefix + error.message
        error.args = (error.message,)
        raise
