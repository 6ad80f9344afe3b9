"""Names that users know from `flytekit.core.environment`."""

from hardpoint.tasks.environment import Environment

__all__ = ["Environment"]
