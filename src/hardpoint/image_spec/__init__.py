"""Names that users know from `flytekit.image_spec`."""

from hardpoint.tasks.image_spec import ImageSpec

__all__ = ["ImageSpec"]
