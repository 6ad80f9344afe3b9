"""Names that users know from `flytekit.sensor.base_sensor`."""

from hardpoint.integrations.sensor import BaseSensor, SensorConfig

__all__ = ["BaseSensor", "SensorConfig"]
