"""`ImperativeWorkflow`: a workflow that is put together by calls, one node after the other."""

from __future__ import annotations

from typing import Any

from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteAssertion, FlyteValidationException
from hardpoint.idl import BindingData
from hardpoint.tasks.interface import Interface
from hardpoint.workflows.binding import bind
from hardpoint.workflows.compilation import Compilation
from hardpoint.workflows.condition import ConditionalSection
from hardpoint.workflows.graph import INPUTS, Graph, Node, promised
from hardpoint.workflows.promise import Promise, type_of
from hardpoint.workflows.workflow import WorkflowBase, WorkflowFailurePolicy

__all__ = ["ImperativeWorkflow", "Workflow"]

FAILURE_NODE_ID = "efn"
"""Reserved for the node that handles the failure."""


class ImperativeWorkflow(WorkflowBase):
    """A workflow to which inputs, nodes and outputs are added.

    Args:
        name: Full name.
        failure_policy: What becomes of the other nodes when one fails.
        interruptible: Whether nodes may run on machines that can be taken away.
    """

    def __init__(
        self, name: str, failure_policy: WorkflowFailurePolicy | None = None, interruptible: bool = False
    ) -> None:
        super().__init__(name, Interface(), failure_policy=failure_policy, interruptible=interruptible)
        self._compilation = Compilation(name)
        self._inputs: dict[str, Promise] = {}
        self._outputs: dict[str, BindingData] = {}
        self._failure: Node | None = None

    @property
    def inputs(self) -> dict[str, Promise]:
        """The promises of the inputs."""
        return dict(self._inputs)

    def add_workflow_input(self, input_name: str, python_type: Any) -> Promise:
        """Add an input and return its promise.

        Raises:
            FlyteValidationException: there is one of that name.
        """
        if input_name in self._inputs:
            raise FlyteValidationException(f"Input {input_name} has already been specified for wf {self.name}.")
        self._interface = self._interface.with_inputs({input_name: python_type})
        self._inputs[input_name] = Promise(None, input_name, python_type, self._compilation)
        return self._inputs[input_name]

    def add_entity(self, entity: Any, **kwargs: Any) -> Node:
        """Add a node that calls a task, a workflow or a launch plan with these inputs, all of which must be bound.

        Inside the `then` of a conditional it makes the node of that case.

        Raises:
            FlyteValidationException: a workflow is being compiled.
            FlyteAssertion: the inputs do not fit.
        """
        self._refuse_nesting()
        return self._compilation.node(entity, (), kwargs)

    add_task = add_launch_plan = add_subwf = add_entity

    def create_conditional(self, name: str) -> ConditionalSection:
        """Begin a choice, whose cases are made with `add_entity`: ``c.if_(p > 3).then(wf.add_entity(t, a=p))...``."""
        self._refuse_nesting()
        return ConditionalSection(name, self._compilation)

    def add_workflow_output(self, output_name: str, p: Any, python_type: Any = None) -> None:
        """Add an output.

        Args:
            output_name: Its name.
            p: A promise, or a list or dict of promises and values.
            python_type: Its type; needed for a list or dict.

        Raises:
            FlyteValidationException: there is one of that name, or the type is missing.
        """
        self._refuse_nesting()
        if output_name in self._outputs:
            raise FlyteValidationException(f"Output {output_name} already exists in workflow {self.name}")
        if python_type is None:
            if not isinstance(p, Promise):
                raise FlyteValidationException(
                    "If specifying a list or dict of Promises, you must specify the python_type type for "
                    f"{output_name} starting with the container type (e.g. List[int])"
                )
            python_type = type_of(p)
        self._outputs[output_name] = bind(p, python_type, self._compilation)
        self._interface = self._interface.with_outputs({output_name: python_type})

    def add_on_failure_handler(self, entity: Any) -> Node:
        """Let `entity` be called with the workflow's inputs when the workflow has failed.

        Raises:
            FlyteFailureNodeInputMismatchException: it does not take the inputs that the workflow has so far.
        """
        self._refuse_nesting()
        self.on_failure = entity
        self._failure = self._failure_node(self._compilation, self._inputs, entity, FAILURE_NODE_ID)
        return self._failure

    def ready(self) -> bool:
        """Whether there is a node, and every input is used."""
        graph = Graph(self._compilation.nodes, self._outputs)
        bindings = [b for node in graph.walk() for b in node.bindings.values()] + list(self._outputs.values())
        used = {promise.var for binding in bindings for promise in promised(binding) if promise.node_id == INPUTS}
        return bool(self._compilation.nodes) and used >= self._inputs.keys()

    def compile(self) -> Graph:
        """The graph of what has been added so far.

        Raises:
            FlyteValidationException: a node has the id that is reserved for the failure handler.
        """
        for node in self._compilation.nodes:
            if node.own_id == FAILURE_NODE_ID:
                raise ReservedName(f"The id {FAILURE_NODE_ID!r} in {self.name} is reserved for the failure handler.")
        return self._compilation.finish(dict(self._outputs), self._failure)

    def _refuse_nesting(self) -> None:
        if FlyteContextManager.current_context().compilation is not None:
            raise AlreadyCompiling("Can't already be compiling", remedy="Build the workflow outside of others.")


class AlreadyCompiling(FlyteAssertion, RuntimeError):
    """An imperative workflow was built inside another one."""


class ReservedName(FlyteValidationException, ValueError):
    """A node has a name that is reserved."""


Workflow = ImperativeWorkflow
