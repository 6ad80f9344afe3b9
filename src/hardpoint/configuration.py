"""Names that users know from `flytekit.configuration`."""

from hardpoint.tasks.image import Image, ImageConfig
from hardpoint.tasks.serialization import FastSerializationSettings, SerializationSettings

__all__ = ["FastSerializationSettings", "Image", "ImageConfig", "SerializationSettings"]
