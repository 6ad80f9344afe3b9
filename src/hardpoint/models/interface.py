"""Names that users know from `flytekit.models.interface`."""

from hardpoint.models.messages import TypedInterface, Variable

__all__ = ["TypedInterface", "Variable"]
