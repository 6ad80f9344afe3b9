"""Names that users know from `flytekit.core.data_persistence`."""

from hardpoint.storage import FileAccess as FileAccessProvider

__all__ = ["FileAccessProvider"]
