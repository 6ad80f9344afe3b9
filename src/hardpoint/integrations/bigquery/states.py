"""What BigQuery says of its jobs, and what it means."""

from __future__ import annotations

from hardpoint.connectors.phases import Phase

__all__ = ["REASONS", "STATES", "failure_phase"]

# https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobStatus.FIELDS.state
STATES = {
    "PENDING": Phase.INITIALIZING,
    "RUNNING": Phase.RUNNING,
    "DONE": Phase.SUCCEEDED,  # unless there is an errorResult, of which the reason counts
}

# https://cloud.google.com/bigquery/docs/error-messages#errortable
REASONS = {
    "accessDenied": Phase.FAILED,
    "attributeError": Phase.FAILED,
    "backendError": Phase.RETRYABLE_FAILED,
    "badRequest": Phase.FAILED,
    "billingNotEnabled": Phase.FAILED,
    "billingTierLimitExceeded": Phase.FAILED,
    "blocked": Phase.FAILED,
    "bytesBilledLimitExceeded": Phase.FAILED,
    "duplicate": Phase.FAILED,
    "internalError": Phase.RETRYABLE_FAILED,
    "invalid": Phase.FAILED,
    "invalidQuery": Phase.FAILED,
    "invalidUser": Phase.FAILED,
    "jobBackendError": Phase.RETRYABLE_FAILED,
    "jobInternalError": Phase.RETRYABLE_FAILED,
    "jobRateLimitExceeded": Phase.RETRYABLE_FAILED,
    "notFound": Phase.FAILED,
    "notImplemented": Phase.FAILED,
    "quotaExceeded": Phase.FAILED,
    "rateLimitExceeded": Phase.RETRYABLE_FAILED,
    "resourceInUse": Phase.FAILED,
    "resourcesExceeded": Phase.FAILED,
    "responseTooLarge": Phase.FAILED,
    "stopped": Phase.ABORTED,
    "tableUnavailable": Phase.RETRYABLE_FAILED,
    "timeout": Phase.FAILED,
}


def failure_phase(reason: str) -> Phase:
    """The phase of a job that failed for a reason. One that is not in the table has failed all the same."""
    return REASONS.get(reason, Phase.FAILED)
