"""What the states of a batch mean."""

from hardpoint.connectors import Phase

__all__ = ["PHASES"]

# https://platform.openai.com/docs/guides/batch#4-check-the-status-of-a-batch
PHASES = {
    "validating": Phase.RUNNING,
    "in_progress": Phase.RUNNING,
    "finalizing": Phase.RUNNING,
    "completed": Phase.SUCCEEDED,
    "failed": Phase.FAILED,
    "expired": Phase.FAILED,
    "cancelling": Phase.RUNNING,
    "cancelled": Phase.FAILED,  # a control plane drops the message of ABORTED, and who cancelled it is worth knowing
}
