"""Names that users know from `flytekit.models.security`."""

from hardpoint.models.messages import Identity, Secret, SecurityContext

__all__ = ["Identity", "Secret", "SecurityContext"]
