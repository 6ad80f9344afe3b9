"""Names that users know from `flytekit.core.annotation`."""

from hardpoint.types.annotations import FlyteAnnotation

__all__ = ["FlyteAnnotation"]
