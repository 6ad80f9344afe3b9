"""Kept names: what connectors are built on, as it was where they were written for Flytekit.

A connector whose base class is of this page is called with objects of `hardpoint.models`, where one whose base class is of
`hardpoint.connectors` gets the messages themselves. In all else they are the same.
"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from hardpoint.connectors import contract, resource
from hardpoint.connectors.contract import ConnectorBase, TaskCategory
from hardpoint.connectors.local import AsyncConnectorExecutorMixin, SyncConnectorExecutorMixin, render_task_template
from hardpoint.connectors.phases import Phase, convert_to_flyte_phase
from hardpoint.connectors.registry import ConnectorRegistry
from hardpoint.connectors.resource import ResourceMeta
from hardpoint.idl import LiteralMap
from hardpoint.models.messages import message_of, view

__all__ = [
    "AsyncConnectorBase",
    "AsyncConnectorExecutorMixin",
    "ConnectorBase",
    "ConnectorRegistry",
    "Resource",
    "ResourceMeta",
    "SyncConnectorBase",
    "SyncConnectorExecutorMixin",
    "TaskCategory",
    "convert_to_flyte_phase",
    "is_terminal_phase",
    "local_connector_loop",
    "render_task_template",
]

M = TypeVar("M", bound=ResourceMeta)

if TYPE_CHECKING:
    local_connector_loop: asyncio.AbstractEventLoop


class AsyncConnectorBase(contract.AsyncConnectorBase[M]):
    """A connector that starts jobs elsewhere and follows them."""

    receives = staticmethod(view)


class SyncConnectorBase(contract.SyncConnectorBase):
    """A connector whose work is done within one call."""

    receives = staticmethod(view)


@dataclass
class Resource(resource.Resource):
    """How a job stands; see `hardpoint.connectors.Resource`. Outputs and links may be objects of `hardpoint.models`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.log_links:
            self.log_links = [message_of(link) for link in self.log_links]

    def literals(self, types: Mapping[str, Any] | None = None) -> LiteralMap | None:
        self.outputs = message_of(self.outputs)
        return super().literals(types)

    async def to_flyte_idl(self) -> Any:
        """The message."""
        return await asyncio.to_thread(self.proto)

    @classmethod
    def from_flyte_idl(cls, pb2_object: Any) -> Self:
        """The reverse of `to_flyte_idl`."""
        made = cls.of_proto(pb2_object)
        return cls(made.phase, made.message, made.log_links, made.outputs, made.custom_info)


def is_terminal_phase(phase: Any) -> bool:
    """Whether a job in this phase has ended."""
    return Phase(phase).is_terminal


def __getattr__(name: str) -> Any:
    if name != "local_connector_loop":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Tasks of connectors run on a loop of their own; this one is for whoever calls connectors by hand.
    loop = globals()[name] = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop
