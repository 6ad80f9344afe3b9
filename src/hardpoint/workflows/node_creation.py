"""`create_node`: a call whose node is wanted, rather than its outputs."""

from __future__ import annotations

from typing import Any

from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteAssertion

__all__ = ["create_node"]


def create_node(entity: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a task, workflow or launch plan in a workflow, and return the node.

    ``node.o0`` and ``node.outputs["o0"]`` are its outputs; ``a >> b`` orders two nodes.

    Args:
        entity: What to call.
        args: Refused.
        kwargs: Its inputs.

    Raises:
        FlyteAssertion: an input by position, or no workflow is being compiled.
    """
    if args:
        raise FlyteAssertion(
            f"Only keyword args are supported to pass inputs to workflows and tasks. Aborting execution as detected "
            f"{len(args)} positional args {args}"
        )
    compilation = FlyteContextManager.current_context().compilation
    if compilation is None:
        raise FlyteAssertion(
            f"create_node({entity.name}) is not inside a workflow: there are no nodes outside of one.",
            remedy="Call it in the body of a @workflow or a @dynamic; elsewhere, call the entity itself.",
        )
    return compilation.node(entity, (), kwargs)
