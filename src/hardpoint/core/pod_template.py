"""Names that users know from `flytekit.core.pod_template`."""

from hardpoint.tasks.pod import PodTemplate

__all__ = ["PodTemplate"]
