"""Names that users know from `flytekit.core.container_task`."""

from hardpoint.tasks.container_task import ContainerTask

__all__ = ["ContainerTask"]
