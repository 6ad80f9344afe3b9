"""Names that users know from `flytekit.models.annotation`."""

from hardpoint.models.messages import TypeAnnotation

__all__ = ["TypeAnnotation"]
