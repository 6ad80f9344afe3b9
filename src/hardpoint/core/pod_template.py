"""Names that users know from `flytekit.core.pod_template`."""

from hardpoint.tasks.pod import PodTemplate

__all__ = ["PRIMARY_CONTAINER_DEFAULT_NAME", "PodTemplate"]

PRIMARY_CONTAINER_DEFAULT_NAME = "primary"
