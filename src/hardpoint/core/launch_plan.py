"""Names that users know from `flytekit.core.launch_plan`."""

from hardpoint.workflows.launch_plan import LaunchPlan

__all__ = ["LaunchPlan"]
