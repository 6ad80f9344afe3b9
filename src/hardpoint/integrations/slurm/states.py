"""Slurm's states of jobs, and what they are to a control plane."""

from __future__ import annotations

from collections.abc import Collection

from hardpoint.connectors.phases import Phase, phase_or_running

__all__ = ["PHASES", "standing", "word"]

# https://slurm.schedmd.com/job_state_codes.html
PHASES = {
    # Waiting. What keeps a held job waiting may go, so it has not failed.
    "PENDING": Phase.QUEUED,
    "EXPEDITING": Phase.QUEUED,
    "LAUNCH_FAILED": Phase.QUEUED,  # it is queued again and held
    "RECONFIG_FAIL": Phase.QUEUED,
    "REQUEUED": Phase.QUEUED,
    "REQUEUE_FED": Phase.QUEUED,
    "REQUEUE_HOLD": Phase.QUEUED,
    "RESV_DEL_HOLD": Phase.QUEUED,
    "SPECIAL_EXIT": Phase.QUEUED,
    # It has its nodes, which are made ready.
    "CONFIGURING": Phase.INITIALIZING,
    "POWER_UP_NODE": Phase.INITIALIZING,
    "RESIZING": Phase.INITIALIZING,
    "RUNNING": Phase.RUNNING,
    "COMPLETING": Phase.RUNNING,
    "SIGNALING": Phase.RUNNING,
    "STAGE_OUT": Phase.RUNNING,
    "STOPPED": Phase.RUNNING,
    "SUSPENDED": Phase.RUNNING,
    "UPDATE_DB": Phase.RUNNING,
    "COMPLETED": Phase.SUCCEEDED,
    # The job's own fault, or a limit that it was given.
    "DEADLINE": Phase.FAILED,
    "FAILED": Phase.FAILED,
    "OUT_OF_MEMORY": Phase.FAILED,
    "TIMEOUT": Phase.FAILED,
    # The cluster's.
    "BOOT_FAIL": Phase.RETRYABLE_FAILED,
    "NODE_FAIL": Phase.RETRYABLE_FAILED,
    "PREEMPTED": Phase.RETRYABLE_FAILED,
    "REVOKED": Phase.RETRYABLE_FAILED,
    "CANCELLED": Phase.ABORTED,
}

# Of an array or a job with several components, the first of these that some part is in holds for the whole.
_ORDER = (
    Phase.RUNNING,
    Phase.INITIALIZING,
    Phase.QUEUED,
    Phase.FAILED,
    Phase.RETRYABLE_FAILED,
    Phase.ABORTED,
    Phase.SUCCEEDED,
)


def word(state: str) -> str:
    """The state itself of what a command prints, as ``CANCELLED`` of ``CANCELLED by 1000`` or of ``CANCELLED+``."""
    return state.split()[0].rstrip("+") if state.split() else ""


def standing(states: Collection[str]) -> tuple[Phase, str]:
    """The phase of a job of which these are the states of the parts, and what is to be said of a state that nobody knows."""
    told = [phase_or_running(word(state), PHASES, integration="slurm") for state in states]
    phases = {phase for phase, _ in told}
    return next(phase for phase in _ORDER if phase in phases), " ".join(filter(None, (said for _, said in told)))
