"""Names that users know from `flytekit.core.shim_task`."""

from hardpoint.tasks.shim import ExecutableTemplateShimTask, ShimTaskExecutor

__all__ = ["ExecutableTemplateShimTask", "ShimTaskExecutor"]
