"""Names that users know from `flytekit.models.common`."""

from hardpoint.models.messages import Model as FlyteIdlEntity

__all__ = ["FlyteIdlEntity"]
