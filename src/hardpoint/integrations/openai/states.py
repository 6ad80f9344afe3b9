"""What the states of a batch mean, and what there is to say about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hardpoint.connectors import Phase, phase_or_running
from hardpoint.errors import PermanentError, UserError
from hardpoint.integrations.openai.problems import explained

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import Batch

__all__ = ["PHASES", "standing"]

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

_SHOWN_ERRORS, _LONGEST_ERROR = 20, 300


def standing(batch: Batch, client: OpenAI, *, accept_partial: bool) -> tuple[Phase, str]:
    """The phase of a batch, and what there is to say about it.

    Args:
        batch: What the API says.
        client: Whom to ask for the words of a failure.
        accept_partial: Whether a batch that has expired with some answers has succeeded.

    Raises:
        TransientError: every request has failed, and the API cannot say now why.
    """
    phase, strange = phase_or_running(batch.status, PHASES, integration="openai")
    if strange:
        return phase, strange
    message, counts = str(batch.status), batch.request_counts
    if counts:
        message += f": {counts.completed} of {counts.total} requests done, {counts.failed} failed"
    if batch.status == "expired" and accept_partial and batch.output_file_id:
        return Phase.SUCCEEDED, f"{message}. The batch has expired; what was done by then is accepted."
    if batch.status == "completed" and counts and counts.total and counts.failed == counts.total:
        first = _first_error(client, batch.error_file_id) if batch.error_file_id else ""
        return Phase.FAILED, f"All {counts.total} requests of the batch have failed. {first}".strip()
    if phase is Phase.FAILED:
        return phase, "\n".join([message, *_errors(batch), *_partial(batch)])
    return phase, message


def _errors(batch: Batch) -> list[str]:
    """What is wrong with the input, line by line."""
    errors = (batch.errors.data if batch.errors else None) or []
    told = [
        f"{'' if error.line is None else f'line {error.line}: '}{error.message or error.code}"[:_LONGEST_ERROR]
        for error in errors[:_SHOWN_ERRORS]
    ]
    return [*told, f"... and {len(errors) - len(told)} more errors"] if len(errors) > len(told) else told


def _partial(batch: Batch) -> list[str]:
    files = [f"{kind} {id}" for kind, id in (("answers", batch.output_file_id), ("errors", batch.error_file_id)) if id]
    return [f"What was done by then is in the files: {', '.join(files)}."] if files else []


def _first_error(client: OpenAI, file_id: str) -> str:
    """The first line of a file of errors, in the API's own words where it has any."""
    try:
        with (
            explained("read the errors of the batch"),
            client.files.with_streaming_response.content(file_id) as stream,
        ):
            line = next(stream.iter_lines(), "")
    except (UserError, PermanentError) as error:  # that the batch has failed is known without it
        return error.message
    try:
        row = json.loads(line)
        said = (row.get("error") or row["response"]["body"]["error"])["message"]
    except (ValueError, TypeError, KeyError, AttributeError):
        said = line
    return f"The first one: {str(said)[:_LONGEST_ERROR]} (the others are in the file {file_id})"
