"""Names that users know from `flytekit.sensor`."""

from typing import TYPE_CHECKING

from hardpoint._lazy import attach

if TYPE_CHECKING:
    from hardpoint.integrations.sensor import BaseSensor as BaseSensor
    from hardpoint.integrations.sensor import FileSensor as FileSensor
    from hardpoint.integrations.sensor import FileSensorConfig as FileSensorConfig
    from hardpoint.integrations.sensor import PokeResult as PokeResult
    from hardpoint.integrations.sensor import SensorConfig as SensorConfig
    from hardpoint.integrations.sensor import SensorEngine as SensorEngine

_NAMES = ("BaseSensor", "FileSensor", "FileSensorConfig", "PokeResult", "SensorConfig", "SensorEngine")

__getattr__, __dir__, __all__ = attach(__name__, {name: f"hardpoint.integrations.sensor:{name}" for name in _NAMES})
