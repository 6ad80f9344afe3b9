"""Kept names of `hardpoint.extend.backend.base_connector`, from when connectors were called agents."""

from hardpoint.extend.backend.base_connector import AsyncConnectorBase as AsyncAgentBase
from hardpoint.extend.backend.base_connector import AsyncConnectorExecutorMixin as AsyncAgentExecutorMixin
from hardpoint.extend.backend.base_connector import ConnectorBase as AgentBase
from hardpoint.extend.backend.base_connector import ConnectorRegistry as AgentRegistry
from hardpoint.extend.backend.base_connector import Resource, ResourceMeta, TaskCategory
from hardpoint.extend.backend.base_connector import SyncConnectorBase as SyncAgentBase
from hardpoint.extend.backend.base_connector import SyncConnectorExecutorMixin as SyncAgentExecutorMixin

__all__ = [
    "AgentBase",
    "AgentRegistry",
    "AsyncAgentBase",
    "AsyncAgentExecutorMixin",
    "Resource",
    "ResourceMeta",
    "SyncAgentBase",
    "SyncAgentExecutorMixin",
    "TaskCategory",
]
