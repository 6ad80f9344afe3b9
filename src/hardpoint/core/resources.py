"""Names that users know from `flytekit.core.resources`."""

from hardpoint.tasks.resources import Resources, ResourceSpec

__all__ = ["ResourceSpec", "Resources"]
