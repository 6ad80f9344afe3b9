"""Names that users know from `flytekit.core.interface`."""

from hardpoint.tasks.interface import Interface

__all__ = ["Interface"]
