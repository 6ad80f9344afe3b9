"""Names that users know from `flytekit.core.utils`."""

from hardpoint.tasks.class_decorator import ClassDecorator

__all__ = ["ClassDecorator"]
