"""When a launch plan starts executions by itself."""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec
from flyteidl.admin.schedule_pb2 import DAY, HOUR, MINUTE
from flyteidl.admin.schedule_pb2 import Schedule as ScheduleMessage

from hardpoint.errors import FlyteAssertion, FlyteValidationException

__all__ = ["CronSchedule", "FixedRate", "OnSchedule", "Schedule"]

_ALIASES = {
    *(
        "hourly",
        "hours",
        "@hourly",
        "daily",
        "days",
        "@daily",
        "weekly",
        "weeks",
        "@weekly",
        "monthly",
        "months",
        "@monthly",
    ),
    *("annually", "@annually", "yearly", "years", "@yearly", "@midnight"),
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
    ("second", 0, 59, ()),
    ("year", 1970, 2099, ()),
)
_SPECIAL = {"day of month": re.compile(r"l|(0?[1-9]|[12]\d|3[01])w"), "day of week": re.compile(r"l[0-7]")}
"""What these two have beside numbers and ``?``: a month's last day, the working day nearest to one, the last Friday (``L5``)."""
_NTH = re.compile(r"#[1-5]")
"""After a day of the week: the second Friday of a month is ``5#2``."""
_OFFSET = re.compile(r"[-+]?P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d+)?S)?)?")


class Schedule(msgspec.Struct, frozen=True):
    """What both kinds of schedules have in common."""

    def proto(self) -> ScheduleMessage:
        """The message of the schedule."""
        raise NotImplementedError


class CronSchedule(Schedule, frozen=True):
    """Start at times that a cron expression gives, in UTC: ``CronSchedule(schedule="*/10 * * * *")``.

    Args:
        cron_expression: Refused: the six fields of CloudWatch are no longer understood.
        schedule: Minute, hour, day of month, month and day of week; perhaps second, perhaps second and year after them. Or one of
            hourly, daily, weekly, monthly, yearly.
        offset: An ISO 8601 duration that is added to each time.
        kickoff_time_input_arg: Name of the workflow's input that gets the time.

    Raises:
        FlyteValidationException: the expression or the offset is not understood (also a ValueError).
    """

    cron_expression: str | None = None
    schedule: str | None = None
    offset: str | None = None
    kickoff_time_input_arg: str | None = None

    def __post_init__(self) -> None:
        if self.cron_expression:
            raise FlyteAssertion(
                "cron_expression is deprecated and should not be used.", remedy="Give `schedule` instead."
            )
        if self.schedule is None:
            raise FlyteAssertion("A CronSchedule needs a schedule.", remedy='Write CronSchedule(schedule="0 6 * * *").')
        if self.schedule.lower() not in _ALIASES:
            _check_cron(self.schedule)
        if self.offset is not None and _OFFSET.fullmatch(self.offset) is None:
            raise InvalidSchedule(f"Offset is invalid. It must be an ISO 8601 duration. Provided offset: {self.offset}")

    def proto(self) -> ScheduleMessage:
        message = ScheduleMessage(kickoff_time_input_arg=self.kickoff_time_input_arg or "")
        message.cron_schedule.schedule = self.schedule or ""
        message.cron_schedule.offset = self.offset or ""
        return message


class FixedRate(Schedule, frozen=True):
    """Start again and again after the same time: ``FixedRate(timedelta(hours=6))``.

    Args:
        duration: The time in between; whole minutes.
        kickoff_time_input_arg: Name of the workflow's input that gets the time.

    Raises:
        FlyteAssertion: the time is not a positive number of minutes.
    """

    duration: timedelta
    kickoff_time_input_arg: str | None = None

    def __post_init__(self) -> None:
        if self.duration < timedelta(minutes=1) or self.duration % timedelta(minutes=1):
            raise FlyteAssertion(
                f"Granularity of less than a minute is not supported for FixedRate schedules. Received: {self.duration}"
            )

    def proto(self) -> ScheduleMessage:
        message = ScheduleMessage(kickoff_time_input_arg=self.kickoff_time_input_arg or "")
        for unit, length in ((DAY, timedelta(days=1)), (HOUR, timedelta(hours=1)), (MINUTE, timedelta(minutes=1))):
            if not self.duration % length:
                message.rate.value = self.duration // length
                message.rate.unit = unit
                break
        return message


class OnSchedule(msgspec.Struct, frozen=True):
    """A schedule as a trigger; ``trigger=OnSchedule(schedule)`` is the same as ``schedule=schedule``.

    Args:
        schedule: The schedule.
    """

    schedule: Schedule


class InvalidSchedule(FlyteValidationException, ValueError):
    """A schedule that is not understood."""


def _check_cron(expression: str) -> None:
    parts = expression.split()
    if not 5 <= len(parts) <= len(_FIELDS):
        wrong = (
            f"it has {len(parts)} fields instead of 5 to {len(_FIELDS)}"
            if len(parts) > 1
            else "no schedule has that name"
        )
        raise InvalidSchedule(
            f"Schedule is invalid. Provided schedule: {expression} Error: {wrong}",
            remedy="Give minute, hour, day of month, month and day of week, or hourly, daily, weekly, monthly, yearly.",
        )
    for part, (field, low, high, names) in zip(parts, _FIELDS, strict=False):
        for item in part.lower().split(","):
            special = _SPECIAL.get(field)
            if special is not None and (item == "?" or special.fullmatch(item)):
                continue
            plain = _NTH.sub("", item) if names is _DAYS else item
            if not _valid_item(plain, low, high, names):
                raise InvalidSchedule(
                    f"Schedule is invalid. Provided schedule: {expression} Error: {item!r} is no {field} ({low}-{high})"
                )


def _valid_item(item: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    """Whether it is ``*``, a number or a range, which may go past the end, perhaps with a step."""
    span, slash, step = item.partition("/")
    if slash and not (step.isdecimal() and int(step)):
        return False
    if span == "*":
        return True
    numbers = [
        low + names.index(end) if end in names else int(end) if end.isdecimal() else -1 for end in span.split("-")
    ]
    return len(numbers) <= 2 and all(low <= n <= high for n in numbers)
