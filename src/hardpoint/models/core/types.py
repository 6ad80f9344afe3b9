"""Names that users know from `flytekit.models.core.types`."""

from hardpoint.models.messages import BlobType

__all__ = ["BlobType"]
