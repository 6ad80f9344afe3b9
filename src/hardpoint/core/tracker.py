"""Names that users know from `flytekit.core.tracker`."""

from hardpoint.tasks.naming import Tracked as TrackedInstance

__all__ = ["TrackedInstance"]
