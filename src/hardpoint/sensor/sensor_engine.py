"""Names that users know from `flytekit.sensor.sensor_engine`."""

from hardpoint.integrations.sensor import SensorEngine

__all__ = ["SensorEngine"]
