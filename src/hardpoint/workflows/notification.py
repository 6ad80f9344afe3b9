"""Who is told when an execution has ended. All of them are sent as mail; the class says what reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from flyteidl.admin.common_pb2 import Notification as NotificationMessage
from flyteidl.core.execution_pb2 import WorkflowExecution

from hardpoint.errors import FlyteAssertion

__all__ = ["Email", "Notification", "PagerDuty", "Slack", "WorkflowExecutionPhase"]

WorkflowExecutionPhase = WorkflowExecution.Phase
"""The phases of an execution, such as ``WorkflowExecutionPhase.Value("FAILED")``; also ``WorkflowExecution.FAILED``."""

_TERMINAL = frozenset(
    {WorkflowExecution.SUCCEEDED, WorkflowExecution.FAILED, WorkflowExecution.TIMED_OUT, WorkflowExecution.ABORTED}
)


@dataclass(frozen=True)
class Notification:
    """What the classes below have in common.

    Args:
        phases: Phases that are told of; only those in which an execution has ended.
        recipients_email: Addresses.

    Raises:
        FlyteAssertion: no phase, or one in which an execution goes on.
    """

    phases: Sequence[int]
    recipients_email: Sequence[str]
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "phases", tuple(self.phases))
        object.__setattr__(self, "recipients_email", tuple(self.recipients_email))
        if not self.phases:
            raise FlyteAssertion("You must specify at least one phase for a notification.")
        for phase in self.phases:
            if phase not in _TERMINAL:
                raise FlyteAssertion(
                    f"Invalid phase: {phase}. only terminal states are permitted for notifications",
                    remedy="Choose among SUCCEEDED, FAILED, TIMED_OUT and ABORTED.",
                )

    def proto(self) -> NotificationMessage:
        """The message of the notification."""
        message = NotificationMessage()
        message.phases.extend(self.phases)  # type: ignore[arg-type]
        getattr(message, self.kind).recipients_email.extend(self.recipients_email)
        return message


class Email(Notification):
    """Mail to people."""

    kind = "email"


class PagerDuty(Notification):
    """Mail to PagerDuty."""

    kind = "pager_duty"


class Slack(Notification):
    """Mail to a Slack channel."""

    kind = "slack"
