"""Connectors: how external jobs are created, followed and cancelled."""

from typing import TYPE_CHECKING

from hardpoint._lazy import attach

if TYPE_CHECKING:
    from hardpoint.connectors.contract import AsyncConnectorBase as AsyncConnectorBase
    from hardpoint.connectors.contract import Capabilities as Capabilities
    from hardpoint.connectors.contract import ConnectorBase as ConnectorBase
    from hardpoint.connectors.contract import SyncConnectorBase as SyncConnectorBase
    from hardpoint.connectors.contract import TaskCategory as TaskCategory
    from hardpoint.connectors.errors import JobExistsError as JobExistsError
    from hardpoint.connectors.phases import JobGoneError as JobGoneError
    from hardpoint.connectors.phases import Phase as Phase
    from hardpoint.connectors.phases import phase_of as phase_of
    from hardpoint.connectors.phases import phase_or_running as phase_or_running
    from hardpoint.connectors.registry import ConnectorRegistry as ConnectorRegistry
    from hardpoint.connectors.resource import Resource as Resource
    from hardpoint.connectors.resource import ResourceMeta as ResourceMeta
    from hardpoint.connectors.resource import log_link as log_link

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AsyncConnectorBase": ".contract:AsyncConnectorBase",
        "Capabilities": ".contract:Capabilities",
        "ConnectorBase": ".contract:ConnectorBase",
        "ConnectorRegistry": ".registry:ConnectorRegistry",
        "JobExistsError": ".errors:JobExistsError",
        "JobGoneError": ".phases:JobGoneError",
        "Phase": ".phases:Phase",
        "Resource": ".resource:Resource",
        "ResourceMeta": ".resource:ResourceMeta",
        "SyncConnectorBase": ".contract:SyncConnectorBase",
        "TaskCategory": ".contract:TaskCategory",
        "log_link": ".resource:log_link",
        "phase_of": ".phases:phase_of",
        "phase_or_running": ".phases:phase_or_running",
    },
)
