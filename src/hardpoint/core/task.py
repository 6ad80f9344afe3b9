"""Names that users know from `flytekit.core.task`."""

from hardpoint.tasks.plugins import TaskPlugins
from hardpoint.tasks.task import task

__all__ = ["TaskPlugins", "task"]
