"""Names that users know from `flytekit.core.promise`."""

from hardpoint.workflows.promise import Promise

__all__ = ["Promise"]
