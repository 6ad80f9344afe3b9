"""Kept names: what connectors are built on."""

from hardpoint.connectors.contract import AsyncConnectorBase, ConnectorBase, SyncConnectorBase, TaskCategory
from hardpoint.connectors.phases import convert_to_flyte_phase
from hardpoint.connectors.registry import ConnectorRegistry
from hardpoint.connectors.resource import Resource, ResourceMeta

__all__ = [
    "AsyncConnectorBase",
    "ConnectorBase",
    "ConnectorRegistry",
    "Resource",
    "ResourceMeta",
    "SyncConnectorBase",
    "TaskCategory",
    "convert_to_flyte_phase",
]
