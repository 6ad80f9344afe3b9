"""`map_task`: one task, or one launch plan, for each element of a list."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

from hardpoint._lazy import Ref
from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteAssertion, FlyteValidationException
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.command import map_execute_command
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.naming import function_name
from hardpoint.tasks.python_function_task import (
    ExecutionBehavior,
    PythonAutoContainerTask,
    PythonFunctionTask,
    PythonInstanceTask,
)
from hardpoint.tasks.resolver import TaskResolverMixin, load_resolver
from hardpoint.workflows.compilation import metadata_of_task
from hardpoint.workflows.graph import NodeMetadata
from hardpoint.workflows.launch_plan import LaunchPlan
from hardpoint.workflows.reference import ReferenceLaunchPlan, ReferenceTask

if TYPE_CHECKING:
    from flyteidl.core.workflow_pb2 import ArrayNode as ArrayNodeMessage
    from flyteidl.core.workflow_pb2 import Node as NodeMessage

    from hardpoint.idl import Container, ExtendedResources, K8sPod, Literal, Sql
    from hardpoint.tasks.serialization import SerializationSettings
    from hardpoint.workflows.graph import Node

__all__ = ["ArrayNode", "MapTask", "MapTaskResolver", "map_task"]

_CALL_ARRAY = Ref("hardpoint.engine:call_task")


class Mapped:
    """What mapped tasks and mapped launch plans have in common: how many elements there are, and how many must succeed.

    Attributes:
        target: What runs for each element.
        bound_inputs: Inputs that every element gets whole.
        concurrency: How many run at the same time; 0: no bound; None: as the workflow has it.
        min_successes: How many must succeed; None: see `min_success_ratio`.
        min_success_ratio: Which part must succeed.
        run_all_sub_nodes: Go on with the other elements when too many have failed already.
    """

    name: str
    target: Any
    bound_inputs: frozenset[str]
    concurrency: int | None
    min_successes: int | None
    min_success_ratio: float | None
    run_all_sub_nodes: bool

    def _set_bounds(
        self, concurrency: int | None, min_successes: int | None, ratio: float | None, run_all_sub_nodes: bool
    ) -> None:
        if concurrency is not None and concurrency < 0:
            raise FlyteValidationException(f"concurrency should be 0 (no bound) or more, not {concurrency}.")
        if ratio is not None and not 0 <= ratio <= 1:
            raise FlyteValidationException(f"min_success_ratio should be between 0 and 1, not {ratio}.")
        self.concurrency, self.min_successes, self.min_success_ratio = concurrency, min_successes, ratio
        self.run_all_sub_nodes = run_all_sub_nodes

    def count(self, inputs: Mapping[str, Literal]) -> int:
        """The number of elements.

        Raises:
            FlyteAssertion: the lists are not equally long, or there is none.
        """
        lengths: dict[str, int] = {}
        for name in self.target.python_interface.inputs:
            if name in self.bound_inputs or name not in inputs:
                continue
            if inputs[name].WhichOneof("value") != "collection":
                raise FlyteAssertion(f"{self.name}: the input {name!r} is mapped over, but its value is not a list.")
            lengths[name] = len(inputs[name].collection.literals)
        if not lengths:
            raise FlyteAssertion(f"{self.name} has no list to map over: all its inputs are bound.")
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise FlyteAssertion(f"{self.name} is mapped over lists of different lengths: {told}.", lengths=lengths)
        return next(iter(lengths.values()))

    def element(self, inputs: Mapping[str, Literal], index: int) -> dict[str, Literal]:
        """What the target gets for one element: its part of each list, and bound inputs whole."""
        return {
            name: value if name in self.bound_inputs else value.collection.literals[index]
            for name, value in inputs.items()
        }

    def required_successes(self, count: int) -> int:
        """How many of `count` elements must succeed."""
        if self.min_successes is not None:
            return min(self.min_successes, count)
        # A ratio such as 0.7 is no exact number: 0.7 * 10 must be 7 and not 8.
        return math.ceil(round(count * (1.0 if self.min_success_ratio is None else self.min_success_ratio), 9))

    def _fill_array(self, message: ArrayNodeMessage) -> None:
        if self.concurrency is not None:
            message.parallelism = self.concurrency
        if self.min_successes is not None:
            message.min_successes = self.min_successes
        else:
            message.min_success_ratio = 1.0 if self.min_success_ratio is None else self.min_success_ratio
        message.bound_inputs.extend(sorted(self.bound_inputs))
        message.run_all_sub_nodes = self.run_all_sub_nodes


def _list_interface(one: Interface, bound: frozenset[str], ratio: float | None) -> Interface:
    """The interface over lists. Only where some elements may fail, their results are None."""
    inputs = {name: t if name in bound else list[t] for name, t in one.inputs.items()}  # type: ignore[valid-type]
    may_fail = ratio is not None and ratio != 1
    outputs = {
        name: list[Optional[t]] if may_fail else list[t]  # type: ignore[valid-type]  # noqa: UP045 - `t` may be a text
        for name, t in one.outputs.items()
    }
    if len(outputs) > 1:
        raise FlyteMapError("Only tasks with a single output are supported in map tasks.")
    return Interface(inputs, outputs, docstring=lambda: one.docstring)


class MapTask(Mapped, PythonTask[Any]):
    """A task that runs another one for each element of its lists; `map_task` makes them.

    Args:
        target: The task, or a `functools.partial` of it, whose arguments every element gets whole.
        concurrency: See `Mapped`.
        min_successes: See `Mapped`.
        min_success_ratio: See `Mapped`.
        run_all_sub_nodes: See `Mapped`.
        bound_inputs: Names of inputs that every element gets whole.
        bound_inputs_values: Such inputs with their values.
        kwargs: As for `PythonTask`.

    Raises:
        FlyteMapError: the target is not a plain task with at most one output (also a ValueError).
    """

    def __init__(
        self,
        target: Any,
        *,
        concurrency: int | None = None,
        min_successes: int | None = None,
        min_success_ratio: float | None = None,
        run_all_sub_nodes: bool = False,
        bound_inputs: set[str] | None = None,
        bound_inputs_values: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        given: dict[str, Any] = {}
        if isinstance(target, functools.partial):
            task: Any = target.func
            given = {**dict(zip(task.python_interface.inputs, target.args, strict=False)), **target.keywords}
            target = task
        plain = isinstance(target, PythonFunctionTask) and target.execution_mode is ExecutionBehavior.DEFAULT
        if not plain and not isinstance(target, PythonInstanceTask):
            raise FlyteMapError(
                "Only PythonFunctionTask with default execution mode (not @dynamic or @eager) and PythonInstanceTask "
                f"are supported in map tasks, but this is {target!r}."
            )
        if bound_inputs and bound_inputs_values and set(bound_inputs) != set(bound_inputs_values):
            raise FlyteMapError("bound_inputs and bound_inputs_values should have the same keys if both set")
        self.bound_values = {**given, **(bound_inputs_values or {})}
        self.bound_inputs = frozenset({*self.bound_values, *(bound_inputs or ())})
        unknown = self.bound_inputs - set(target.python_interface.inputs)
        if unknown:
            raise FlyteMapError(f"{target.name} has no input {', '.join(sorted(unknown))} that could be bound.")
        self.target = target
        self._set_bounds(concurrency, min_successes, min_success_ratio, run_all_sub_nodes)
        # Both are stored in registered templates, and so is what the digest is made of.
        text = f"{','.join(sorted(self.bound_inputs))}{concurrency}{min_successes}{min_success_ratio}"
        import hashlib

        digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        module, function = _module_and_name(target)
        kwargs.setdefault("metadata", target.metadata)
        kwargs.setdefault("security_ctx", target.security_context)
        kwargs.setdefault("enable_deck", target.enable_deck)
        kwargs.setdefault("deck_fields", target.deck_fields)
        super().__init__(
            task_type=target.task_type,
            name=f"{module}.map_{function}_{digest}-arraynode",
            interface=_list_interface(target.python_interface, self.bound_inputs, min_success_ratio),
            task_type_version=1,
            **kwargs,
        )
        self.pod_template = target.pod_template

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **{**self.bound_values, **kwargs})

    # -- as a node -----------------------------------------------------------------------------------------------------

    def node_metadata(self) -> NodeMetadata:
        return NodeMetadata(self.name)

    def sub_node_metadata(self) -> NodeMetadata:
        """How each element is run unless it is overridden."""
        return metadata_of_task(self)

    def fill_node(self, message: NodeMessage, node: Node, settings: SerializationSettings) -> None:
        from flyteidl.core.workflow_pb2 import ArrayNode as ArrayNodeMessage

        array = message.array_node
        array.node.id = self.name
        (node.sub_metadata or self.sub_node_metadata()).fill(array.node.metadata)
        array.node.inputs.extend(message.inputs)
        array.node.task_node.reference_id.CopyFrom(self.identifier(settings))
        node.overrides.fill(array.node.task_node.overrides, self, settings)
        self._fill_array(array)
        array.is_original_sub_node_interface.SetInParent()
        if type(self.target) not in (PythonFunctionTask, PythonInstanceTask):
            array.execution_mode = ArrayNodeMessage.FULL_STATE

    # -- as a template: the target's, with another command -------------------------------------------------------------

    def get_command(self, settings: SerializationSettings) -> list[str]:
        """The command that runs one element."""
        resolver = map_task_resolver
        return map_execute_command(resolver.location, resolver.loader_args(settings, self))

    def _runner(self) -> PythonAutoContainerTask[Any]:
        """A copy of the target that runs one element."""
        runner: PythonAutoContainerTask[Any] = copy.copy(self.target)
        runner.set_command_fn(self.get_command)
        runner.pod_template = self.pod_template
        return runner

    def get_container(self, settings: SerializationSettings) -> Container | None:
        return self._runner().get_container(settings)

    def get_k8s_pod(self, settings: SerializationSettings) -> K8sPod | None:
        return self._runner().get_k8s_pod(settings)

    def get_sql(self, settings: SerializationSettings) -> Sql | None:
        return self._runner().get_sql(settings)

    def get_custom(self, settings: SerializationSettings) -> Mapping[str, Any]:
        return self._runner().get_custom(settings) or {}

    def get_config(self, settings: SerializationSettings) -> Mapping[str, str]:
        return self._runner().get_config(settings)

    def get_extended_resources(self, settings: SerializationSettings) -> ExtendedResources | None:
        return self._runner().get_extended_resources(settings)


class MapTaskResolver(TaskResolverMixin):
    """Finds a map task from its target, and from which inputs are bound."""

    def name(self) -> str:
        return "MapTaskResolver"

    def loader_args(self, settings: SerializationSettings, t: Any) -> list[str]:
        inner = t.target.task_resolver
        names = ",".join(sorted(t.bound_inputs))
        return ["vars", names, "resolver", inner.location, *inner.loader_args(settings, t.target)]

    def load_task(self, loader_args: list[str]) -> MapTask:
        """A map task over the same target with the same bound inputs; what concerns all elements is not known to it."""
        _, names, _, location, *rest = loader_args
        return MapTask(
            load_resolver(location).load_task(rest), bound_inputs={name for name in names.split(",") if name}
        )


map_task_resolver = MapTaskResolver()


class ArrayNode(Mapped):
    """A node that runs a launch plan or a reference task for each element; `map_task` makes them."""

    def __init__(
        self,
        target: LaunchPlan | ReferenceLaunchPlan | ReferenceTask,
        *,
        concurrency: int | None = None,
        min_successes: int | None = None,
        min_success_ratio: float | None = None,
        run_all_sub_nodes: bool = False,
    ) -> None:
        self.target, self.name, self.bound_inputs = target, target.name, frozenset()
        self._set_bounds(concurrency, min_successes, min_success_ratio, run_all_sub_nodes)
        self.python_interface = _list_interface(target.python_interface, frozenset(), min_success_ratio)

    def node_metadata(self) -> NodeMetadata:
        return NodeMetadata(self.name)

    def fill_node(self, message: NodeMessage, node: Node, settings: SerializationSettings) -> None:
        from flyteidl.core.workflow_pb2 import ArrayNode as ArrayNodeMessage

        array = message.array_node
        array.node.id = self.name
        node.metadata.fill(array.node.metadata)
        array.node.inputs.extend(message.inputs)
        self.target.fill_node(array.node, node, settings)
        self._fill_array(array)
        array.is_original_sub_node_interface.value = True
        if isinstance(self.target, ReferenceTask):
            array.data_mode = ArrayNodeMessage.INDIVIDUAL_INPUT_FILES
        else:
            array.execution_mode = ArrayNodeMessage.FULL_STATE

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A node where a workflow is being compiled; elsewhere, run it here and return its outputs."""
        compilation = FlyteContextManager.current_context().compilation
        if compilation is not None:
            return compilation.call(self, args, kwargs)
        return _CALL_ARRAY.load()(self, args, kwargs)


def map_task(
    target: Any,
    concurrency: int | None = None,
    min_successes: int | None = None,
    min_success_ratio: float = 1.0,
    run_all_sub_nodes: bool = False,
    **kwargs: Any,
) -> MapTask | ArrayNode:
    """Run a task or a launch plan for each element of its inputs, which become lists; so does its output.

    ``map_task(partial(fit, seed=1))(data=datasets)`` gives every element the same ``seed``.

    Args:
        target: A task, a `functools.partial` of one, a launch plan, or a reference to a task or launch plan.
        concurrency: How many run at the same time; 0 for no bound; by default as the workflow has it.
        min_successes: How many must succeed.
        min_success_ratio: Which part must succeed. If not 1, the results of those that fail are None.
        run_all_sub_nodes: Go on with the other elements when too many have failed already.
        kwargs: For tasks, as for `MapTask`.

    Raises:
        FlyteMapError: the target cannot be mapped (also a ValueError).
    """
    bounds: dict[str, Any] = {
        "concurrency": concurrency,
        "min_successes": min_successes,
        "min_success_ratio": min_success_ratio,
        "run_all_sub_nodes": run_all_sub_nodes,
    }
    if isinstance(target, LaunchPlan | ReferenceLaunchPlan | ReferenceTask):
        if kwargs:
            raise FlyteMapError(f"{', '.join(kwargs)} cannot be given: {target.name} is not a task of this code.")
        return ArrayNode(target, **bounds)
    return MapTask(target, **bounds, **kwargs)


class FlyteMapError(FlyteValidationException, ValueError):
    """Something that cannot be mapped over."""


def _module_and_name(target: Any) -> tuple[str, str]:
    if isinstance(target, PythonInstanceTask):
        return target.task_type, target.lhs
    return function_name(target.task_function)
