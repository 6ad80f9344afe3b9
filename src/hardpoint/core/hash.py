"""Names that users know from `flytekit.core.hash`."""

from hardpoint.types.annotations import HashMethod

__all__ = ["HashMethod"]
