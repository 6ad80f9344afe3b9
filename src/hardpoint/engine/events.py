"""What the engine tells whoever watches a run."""

from __future__ import annotations

from typing import Protocol

import msgspec

__all__ = ["Listener", "NodeEvent", "Silent"]


class NodeEvent(msgspec.Struct, frozen=True):
    """A node changed its state.

    Attributes:
        path: Where the node is, as in ``n2/n0`` or ``n1/[17]``.
        name: Name of its task.
        state: ``running``, ``succeeded``, ``failed``, ``retrying``, ``waiting`` (for an external job or a person) or ``skipped``.
        attempt: 0 for the first.
        seconds: How long it took, when it has ended.
        cached: Its outputs came from the cache, or from the run that is resumed.
        message: What there is to say: an error's text, an external job's state.
        total, done: Elements of a map task; 0 for other nodes.
    """

    path: str
    name: str
    state: str
    attempt: int = 0
    seconds: float = 0.0
    cached: bool = False
    message: str = ""
    total: int = 0
    done: int = 0


class Listener(Protocol):
    """Watches a run. Called on the engine's thread: it must be quick and must not raise."""

    def node(self, event: NodeEvent) -> None: ...


class Silent:
    """A listener that does nothing."""

    def node(self, event: NodeEvent) -> None:
        return None
