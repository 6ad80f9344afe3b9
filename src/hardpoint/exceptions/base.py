"""Names that users know from `flytekit.exceptions.base`."""

from hardpoint.errors import FlyteRecoverableException
from hardpoint.errors import HardpointError as FlyteException

__all__ = ["FlyteException", "FlyteRecoverableException"]
