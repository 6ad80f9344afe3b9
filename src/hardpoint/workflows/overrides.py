"""What may differ between a task and one of its nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hardpoint.workflows.graph import Node

__all__ = ["Overrides", "apply"]


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a node changes in the template of its task; None: as the task has it."""

    requests: Any = None
    limits: Any = None
    accelerator: Any = None
    shared_memory: Any = None
    container_image: Any = None
    pod_template: Any = None

    def fill(self, message: Any, settings: Any) -> None:
        """Write them to a `TaskNodeOverrides` message."""
        raise NotImplementedError


def apply(node: Node, changes: dict[str, Any]) -> None:
    raise NotImplementedError
