"""Names that users know from `flytekit.sensor.file_sensor`."""

from hardpoint.integrations.sensor import FileSensor

__all__ = ["FileSensor"]
