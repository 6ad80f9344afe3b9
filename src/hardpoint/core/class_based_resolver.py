"""Names that users know from `flytekit.core.class_based_resolver`."""

from hardpoint.tasks.resolver import ClassStorageTaskResolver

__all__ = ["ClassStorageTaskResolver"]
