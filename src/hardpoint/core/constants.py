"""Names that users know from `flytekit.core.constants`."""

__all__ = ["FLYTE_FAIL_ON_ERROR"]

FLYTE_FAIL_ON_ERROR = "FLYTE_FAIL_ON_ERROR"
"""The variable by which a container is told to end with a status that says whether its task failed."""
