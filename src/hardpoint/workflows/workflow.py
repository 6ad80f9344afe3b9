"""`@workflow`, and what all workflows have in common."""

from __future__ import annotations

import enum
import functools
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, overload

from hardpoint import idl
from hardpoint._lazy import Ref
from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteAssertion, FlyteValidationException
from hardpoint.tasks.interface import Interface, interface_of, is_optional
from hardpoint.tasks.metadata import Description, Documentation
from hardpoint.tasks.naming import function_name
from hardpoint.tasks.resolver import ClassStorageTaskResolver
from hardpoint.types.codec import describe_type

if TYPE_CHECKING:
    from flyteidl.core.workflow_pb2 import Node as NodeMessage

    from hardpoint.idl import WorkflowSpec, WorkflowTemplate
    from hardpoint.tasks.base import PythonTask
    from hardpoint.tasks.serialization import SerializationSettings
    from hardpoint.workflows.compilation import Compilation
    from hardpoint.workflows.graph import Graph, Node, NodeMetadata
    from hardpoint.workflows.options import Options
    from hardpoint.workflows.promise import Promise

__all__ = [
    "FlyteFailureNodeInputMismatchException",
    "PythonFunctionWorkflow",
    "WorkflowBase",
    "WorkflowFailurePolicy",
    "sub_workflows",
    "workflow",
]

_CALL = Ref("hardpoint.engine:call_workflow")


class WorkflowFailurePolicy(enum.IntEnum):
    """What becomes of the other nodes when one fails."""

    FAIL_IMMEDIATELY = 0
    """Those that run are aborted, and no other is started."""
    FAIL_AFTER_EXECUTABLE_NODES_COMPLETE = 1
    """All run that do not need the failed one."""


class FlyteFailureNodeInputMismatchException(FlyteAssertion):
    """The handler of a workflow's failure does not take the workflow's inputs."""

    def __init__(self, handler: Any, workflow: Any, reason: str) -> None:
        super().__init__(
            f"The failure handler {handler.name} does not fit the workflow {workflow.name}: {reason}.",
            remedy="Give it all inputs of the workflow, with the same types; any further input must be Optional.",
            handler=handler,
            workflow=workflow,
        )


class WorkflowBase:
    """A workflow: an interface, and a graph that it is compiled to when it is first needed.

    Args:
        name: Full name.
        interface: Inputs and outputs.
        failure_policy: What becomes of the other nodes when one fails.
        interruptible: Whether nodes may run on machines that can be taken away unless their task says otherwise.
        on_failure: A task or workflow that is called when the workflow has failed.
        docs: What the console shows; what it lacks is taken from the docstring.
        default_options: Labels and annotations of the default launch plan.
    """

    def __init__(
        self,
        name: str,
        interface: Interface,
        *,
        failure_policy: WorkflowFailurePolicy | None = None,
        interruptible: bool = False,
        on_failure: PythonTask[Any] | WorkflowBase | None = None,
        docs: Documentation | None = None,
        default_options: Options | None = None,
    ) -> None:
        if not isinstance(interruptible, bool):
            raise FlyteValidationException(f"Interruptible must be boolean, {interruptible!r} invalid")
        try:
            self.failure_policy = WorkflowFailurePolicy(failure_policy or 0)
        except ValueError as error:
            raise FlyteValidationException(f"Failure policy {failure_policy!r} not acceptable") from error
        self._workflow_name, self._interface = name, interface
        self.interruptible = interruptible
        self.on_failure = on_failure
        self.default_options = default_options
        self._docs = docs

    @property
    def name(self) -> str:
        return self._workflow_name

    @property
    def short_name(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def python_interface(self) -> Interface:
        """Inputs and outputs as Python types."""
        return self._interface

    @property
    def interface(self) -> Interface:
        """Inputs and outputs."""
        return self.python_interface

    @property
    def docs(self) -> Documentation | None:
        """What the console shows: what was given, and for the rest the docstring."""
        written = self.python_interface.docstring
        given = self._docs or Documentation()
        long = Description(value=written.long) if written.long else None
        docs = Documentation(
            short_description=given.short_description or written.short,
            long_description=given.long_description or long,
            source_code=given.source_code,
            tags=given.tags,
        )
        return None if docs == Documentation() else docs

    @property
    def nodes(self) -> list[Node]:
        """The nodes, in the order of their creation."""
        return self.compile().nodes

    @property
    def failure_node(self) -> Node | None:
        """The node that calls `on_failure`."""
        return self.compile().failure_node

    def compile(self) -> Graph:
        """The graph, made when it is first asked for."""
        raise NotImplementedError

    def node_metadata(self) -> NodeMetadata:
        """How a node that calls this workflow is run unless it is overridden."""
        from hardpoint.workflows.graph import NodeMetadata

        return NodeMetadata(self.short_name, interruptible=self.interruptible)

    def fill_node(self, message: NodeMessage, node: Node, settings: SerializationSettings) -> None:
        """Write to a node's message that it calls this workflow."""
        from hardpoint.workflows.graph import identifier

        message.workflow_node.sub_workflow_ref.CopyFrom(identifier(idl.WORKFLOW, self.name, settings))

    def template(self, settings: SerializationSettings) -> WorkflowTemplate:
        """The message that describes the workflow; equal for equal source and settings, in any process."""
        from hardpoint.workflows.graph import identifier

        graph = self.compile()
        message = idl.WorkflowTemplate(id=identifier(idl.WORKFLOW, self.name, settings), interface=self.interface.typed)
        message.metadata.CopyFrom(idl.WorkflowMetadata(on_failure=self.failure_policy.name))
        message.metadata_defaults.interruptible = self.interruptible
        message.nodes.extend(node.proto(settings) for node in graph.nodes)
        for name, binding in graph.outputs.items():
            message.outputs.add(var=name).binding.CopyFrom(binding)
        if graph.failure_node is not None:
            message.failure_node.CopyFrom(graph.failure_node.proto(settings))
        return message

    def spec(self, settings: SerializationSettings) -> WorkflowSpec:
        """What is registered: the template, and those of all workflows that it calls.

        Raises:
            FlyteValidationException: the workflow contains itself.
        """
        message = idl.WorkflowSpec(template=self.template(settings))
        inner = sorted(self.sub_workflows(), key=lambda workflow: workflow.name)
        message.sub_workflows.extend(workflow.template(settings) for workflow in inner)
        if self.docs is not None:
            message.description.CopyFrom(self.docs.proto())
        return message

    def sub_workflows(self) -> list[WorkflowBase]:
        """All workflows that this one calls, also those called by these; each once.

        Raises:
            FlyteValidationException: a workflow contains itself.
        """
        return sub_workflows(self.compile(), (self.name,))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A node where a workflow is being compiled; elsewhere, run it here and return its outputs."""
        compilation = FlyteContextManager.current_context().compilation
        if compilation is not None:
            return compilation.call(self, args, kwargs)
        return _CALL.load()(self, args, kwargs)

    def _failure_node(
        self, compilation: Compilation, inputs: Mapping[str, Promise], handler: Any, node_id: str
    ) -> Node:
        """The node that calls `handler` with the inputs of the workflow."""
        taken = getattr(handler, "python_interface", None)
        if taken is None:
            raise FlyteAssertion(
                f"{handler!r} cannot handle the failure of {self.name}: it is neither a task nor a workflow."
            )
        for name, t in self.python_interface.inputs.items():
            if name not in taken.inputs:
                raise FlyteFailureNodeInputMismatchException(handler, self, f"it has no input {name!r}")
            if taken.inputs[name] != t:
                raise FlyteFailureNodeInputMismatchException(
                    handler, self, f"{name!r} is {describe_type(t)} there and {describe_type(taken.inputs[name])} here"
                )
        for name in taken.inputs.keys() - inputs.keys():
            if not is_optional(taken.inputs[name]):
                raise FlyteFailureNodeInputMismatchException(handler, self, f"its input {name!r} is not Optional")
        frame: list[Node] = []
        compilation.open(frame)
        node = compilation.node(handler, (), inputs)
        compilation.close(frame)
        node.own_id = node_id
        return node

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {self.python_interface!r}>"


def sub_workflows(graph: Graph, callers: tuple[str, ...] = ()) -> list[WorkflowBase]:
    """All workflows that a graph calls, also those called by these; each once, callers before what they call.

    Raises:
        FlyteValidationException: a workflow contains itself.
    """
    found: dict[str, WorkflowBase] = {}
    for node in graph.walk():
        called = node.entity
        if not isinstance(called, WorkflowBase):
            continue
        if called.name in callers:
            circle = " -> ".join([*callers[callers.index(called.name) :], called.name])
            raise FlyteValidationException(
                f"The workflow {called.name} contains itself: {circle}.",
                remedy="Let a @dynamic make the call, or go through a launch plan.",
            )
        if called.name not in found:
            found[called.name] = called
            for inner in sub_workflows(called.compile(), (*callers, called.name)):
                found.setdefault(inner.name, inner)
    return list(found.values())


class PythonFunctionWorkflow(WorkflowBase, ClassStorageTaskResolver):
    """What `@workflow` makes of a function. It also resolves the tasks that are made inside the function's body."""

    def __init__(self, workflow_function: Callable[..., Any], *, pickle_untyped: bool = False, **settings: Any) -> None:
        module, function = function_name(workflow_function)
        WorkflowBase.__init__(self, f"{module}.{function}", interface_of(workflow_function, pickle_untyped), **settings)
        ClassStorageTaskResolver.__init__(self)
        self.function = workflow_function
        self._graph: Graph | None = None
        self._lock = threading.RLock()
        functools.update_wrapper(self, workflow_function)

    @property
    def name(self) -> str:  # type: ignore[override]
        return self._workflow_name

    def task_name(self, t: PythonTask[Any]) -> str:
        """The name of a task that is made inside the body."""
        return f"{self.name}.{t.name}"

    def compile(self) -> Graph:
        """The graph. The body runs once; if it fails, nothing is kept, and the next call runs it again.

        Raises:
            FlyteValidationException: what the body returns does not fit the declared outputs.
        """
        with self._lock:
            if self._graph is None:
                self.mapping.clear()
                self._graph = self._run_body()
            return self._graph

    def _run_body(self) -> Graph:
        from hardpoint.workflows.compilation import Compilation, bind_outputs

        compilation = Compilation(self.name, task_resolver=self)
        inputs = compilation.inputs(self.python_interface)
        with FlyteContextManager.use(compilation=compilation):
            result = self.function(**inputs)
            outputs = bind_outputs(self.name, self.python_interface, result, compilation)
            failure_node = None
            if self.on_failure is not None:
                failure_node = self._failure_node(compilation, inputs, self.on_failure, "fn0")
        return compilation.finish(outputs, failure_node)


@overload
def workflow(_workflow_function: Callable[..., Any]) -> PythonFunctionWorkflow: ...


@overload
def workflow(
    *,
    failure_policy: WorkflowFailurePolicy | None = ...,
    interruptible: bool = ...,
    on_failure: PythonTask[Any] | WorkflowBase | None = ...,
    docs: Documentation | None = ...,
    pickle_untyped: bool = ...,
    default_options: Options | None = ...,
) -> Callable[[Callable[..., Any]], PythonFunctionWorkflow]: ...


def workflow(
    _workflow_function: Callable[..., Any] | None = None,
    *,
    failure_policy: WorkflowFailurePolicy | None = None,
    interruptible: bool = False,
    on_failure: PythonTask[Any] | WorkflowBase | None = None,
    docs: Documentation | None = None,
    pickle_untyped: bool = False,
    default_options: Options | None = None,
) -> PythonFunctionWorkflow | Callable[[Callable[..., Any]], PythonFunctionWorkflow]:
    """Make a workflow of a function whose body calls tasks and other workflows.

    The body runs once, when the graph is first needed, with a promise for each input; calls in it become nodes.

    Args:
        failure_policy: What becomes of the other nodes when one fails; by default they are aborted.
        interruptible: Whether nodes may run on machines that can be taken away.
        on_failure: A task or workflow that is called with the inputs when the workflow has failed.
        docs: What the console shows; by default the docstring.
        pickle_untyped: Let arguments without annotation travel as pickles.
        default_options: Labels and annotations of the default launch plan.

    Raises:
        FlyteValidationException: the signature cannot be one of a workflow.
    """

    def make(fn: Callable[..., Any]) -> PythonFunctionWorkflow:
        return PythonFunctionWorkflow(
            fn,
            failure_policy=failure_policy,
            interruptible=interruptible,
            on_failure=on_failure,
            docs=docs,
            pickle_untyped=pickle_untyped,
            default_options=default_options,
        )

    return make(_workflow_function) if _workflow_function is not None else make
