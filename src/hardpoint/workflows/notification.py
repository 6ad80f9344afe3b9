"""Who is told when an execution has ended. All of them are sent as mail; the class says what reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from flyteidl.admin.common_pb2 import Notification as NotificationMessage
from flyteidl.core.execution_pb2 import WorkflowExecution

from hardpoint.errors import FlyteAssertion

__all__ = ["Email", "Notification", "PagerDuty", "Slack", "WorkflowExecutionPhase"]

WorkflowExecutionPhase = WorkflowExecution.Phase
"""The phases of an execution, such as ``WorkflowExecutionPhase.FAILED``."""

_TERMINAL = frozenset(
    {WorkflowExecution.SUCCEEDED, WorkflowExecution.FAILED, WorkflowExecution.TIMED_OUT, WorkflowExecution.ABORTED}
)


class Notification(msgspec.Struct, frozen=True):
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
        msgspec.structs.force_setattr(self, "phases", tuple(self.phases))
        msgspec.structs.force_setattr(self, "recipients_email", tuple(self.recipients_email))
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


class Email(Notification, frozen=True):
    """Mail to people."""

    kind = "email"


class PagerDuty(Notification, frozen=True):
    """Mail to PagerDuty."""

    kind = "pager_duty"


class Slack(Notification, frozen=True):
    """Mail to a Slack channel."""

    kind = "slack"
