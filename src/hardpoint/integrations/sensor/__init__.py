"""Sensors: tasks that wait until something is so."""

from typing import TYPE_CHECKING

from hardpoint.integration import Integration

if TYPE_CHECKING:
    from hardpoint.integrations.sensor.base import BaseSensor as BaseSensor
    from hardpoint.integrations.sensor.base import PokeResult as PokeResult
    from hardpoint.integrations.sensor.base import SensorConfig as SensorConfig
    from hardpoint.integrations.sensor.engine import SensorEngine as SensorEngine
    from hardpoint.integrations.sensor.engine import SensorMetadata as SensorMetadata
    from hardpoint.integrations.sensor.file_sensor import FileSensor as FileSensor
    from hardpoint.integrations.sensor.file_sensor import FileSensorConfig as FileSensorConfig

integration = Integration(
    name="sensor",
    title="Sensors",
    summary="Wait until a file is there, or until anything else is so that a Python method can tell.",
    connectors={"sensor": ".engine:SensorEngine"},
    exports=(
        ".base:BaseSensor",
        ".base:PokeResult",
        ".base:SensorConfig",
        ".engine:SensorEngine",
        ".engine:SensorMetadata",
        ".file_sensor:FileSensor",
        ".file_sensor:FileSensorConfig",
    ),
)

__getattr__, __dir__, __all__ = integration.lazy()
