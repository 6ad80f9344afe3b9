"""Gates: nodes that wait, for time to pass, for an input, or for a person's consent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from hardpoint._lazy import Ref
from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteValidationException
from hardpoint.idl import BindingData
from hardpoint.tasks.interface import Interface
from hardpoint.types import TypeEngine
from hardpoint.workflows.graph import NodeMetadata
from hardpoint.workflows.promise import Promise, VoidPromise, reference, task_output, type_of

if TYPE_CHECKING:
    from flyteidl.core.workflow_pb2 import Node as NodeMessage

    from hardpoint.tasks.serialization import SerializationSettings
    from hardpoint.workflows.graph import Node

__all__ = ["Approval", "Gate", "Signal", "Sleep", "approve", "sleep", "wait_for_input"]

DEFAULT_TIMEOUT = timedelta(hours=1)

_CALL_GATE = Ref("hardpoint.engine:call_task")


class Gate(msgspec.Struct, frozen=True):
    """A node that waits.

    Attributes:
        name: Name for people, and of the signal.
        timeout: How long it waits before the workflow fails.
    """

    name: str
    timeout: timedelta

    @property
    def python_interface(self) -> Interface:
        return Interface()

    def node_metadata(self) -> NodeMetadata:
        return NodeMetadata(self.name, self.timeout)

    def fill_node(self, message: NodeMessage, node: Node, settings: SerializationSettings) -> None:
        raise NotImplementedError


class Sleep(Gate, frozen=True):
    """Waits for `duration` to pass."""

    duration: timedelta

    def fill_node(self, message: NodeMessage, node: Node, settings: SerializationSettings) -> None:
        message.gate_node.sleep.duration.FromTimedelta(self.duration)


class Signal(Gate, frozen=True):
    """Waits for a value of `expected_type`, which is its output ``o0``."""

    expected_type: Any

    @property
    def python_interface(self) -> Interface:
        return Interface(outputs={"o0": self.expected_type})

    def fill_node(self, message: NodeMessage, node: Node, settings: SerializationSettings) -> None:
        signal = message.gate_node.signal
        signal.signal_id = self.name
        signal.type.CopyFrom(TypeEngine.to_literal_type(self.expected_type))
        signal.output_variable_name = "o0"


class Approval(Gate, frozen=True):
    """Waits for consent, and hands its one input on.

    Attributes:
        variable: Name of the input, and of the output.
        value_type: Its type.
    """

    variable: str
    value_type: Any

    @property
    def python_interface(self) -> Interface:
        return Interface({self.variable: self.value_type}, {self.variable: self.value_type})

    def fill_node(self, message: NodeMessage, node: Node, settings: SerializationSettings) -> None:
        message.gate_node.approve.signal_id = self.name


def sleep(duration: timedelta) -> Any:
    """Wait in a workflow before the nodes that are ordered after this one run.

    Args:
        duration: How long.
    """
    return _call(Sleep("sleep-gate", DEFAULT_TIMEOUT, duration))


def wait_for_input(name: str, timeout: timedelta | None = None, expected_type: Any = None) -> Any:
    """Wait in a workflow until somebody gives a value; a promise of it.

    Args:
        name: Name of the signal.
        timeout: After how long the workflow fails; one hour by default.
        expected_type: Type of the value.
    """
    if expected_type is None:
        raise GateError(f"wait_for_input({name!r}) needs an expected_type.")
    return _call(Signal(name, timeout or DEFAULT_TIMEOUT, expected_type))


def approve(upstream_item: Any, name: str, timeout: timedelta | None = None) -> Any:
    """Wait in a workflow until a person has agreed to a value; a promise of the same value.

    Args:
        upstream_item: One output of a node; elsewhere than in a workflow, the value.
        name: Name of the signal.
        timeout: After how long the workflow fails; one hour by default.

    Raises:
        GateError: it is not one output of a node.
    """
    if upstream_item is None or isinstance(upstream_item, VoidPromise):
        raise GateError("You can't use approval on a task that doesn't return anything.")
    wait = timeout or DEFAULT_TIMEOUT
    compilation = FlyteContextManager.current_context().compilation
    if compilation is None:
        return _CALL_GATE.load()(Approval(name, wait, "o0", type(upstream_item)), (upstream_item,), {})
    if not isinstance(upstream_item, Promise):
        raise GateError(f"approve() takes one output of a node, not {upstream_item!r}.")
    ref = reference(upstream_item)
    if not ref.node_id:
        raise GateError("Workflow inputs cannot be passed to approval nodes.", remedy="Hand them through a task first.")
    gate = Approval(name, wait, ref.var, type_of(upstream_item))
    bindings = {ref.var: BindingData(promise=ref)}
    node = compilation.add(gate, bindings, gate.node_metadata(), gate.python_interface.outputs)
    return task_output(node, name, compilation, None)


def _call(gate: Gate) -> Any:
    compilation = FlyteContextManager.current_context().compilation
    if compilation is not None:
        return compilation.call(gate)
    return _CALL_GATE.load()(gate, (), {})


class GateError(FlyteValidationException, ValueError):
    """A gate that could not be built."""
