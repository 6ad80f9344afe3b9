"""Names that users know from `flytekit.exceptions.system`."""

from hardpoint.connectors.registry import FlyteConnectorNotFound
from hardpoint.errors import TransientError as FlyteSystemException

__all__ = ["FlyteAgentNotFound", "FlyteConnectorNotFound", "FlyteSystemException"]

FlyteAgentNotFound = FlyteConnectorNotFound
