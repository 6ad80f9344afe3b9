"""How a frame is validated: ``Annotated[DataFrame[Schema], ValidationConfig(on_error="warn")]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from hardpoint.errors import FlyteValidationException
from hardpoint.types.codec import describe_type

__all__ = ["ValidationConfig", "config_of"]

OnError = Literal["raise", "warn", "drop"]


@dataclass(frozen=True)
class ValidationConfig:
    """How a frame is validated.

    Args:
        on_error: What becomes of a frame that does not fit: ``raise`` an error; ``warn`` in the log and hand it on as it
            is; or ``drop`` the rows that do not fit, which is an error too if the whole does not fit, as when a column
            is absent.
        head: Check the values of the first so many rows only.
        sample: Check the values of so many rows at random. Together with `head`: of both.
        random_state: Seed of the sample.
        report: Leave a report in the task's deck, if the task has one.
        max_failure_cases: Values that do not fit, of each check, that the error and the report show.
        prune: Read only the columns that the schema names, where it neither forbids others nor looks at them.
    """

    on_error: OnError = "raise"
    head: int | None = None
    sample: int | None = None
    random_state: int | None = None
    report: bool = True
    max_failure_cases: int = 10
    prune: bool = True

    def __post_init__(self) -> None:
        if self.on_error not in get_args(OnError):
            raise FlyteValidationException(
                f"Invalid on_error value: {self.on_error!r}.", remedy="It is 'raise', 'warn' or 'drop'."
            )
        for name, least in (("head", 1), ("sample", 1), ("max_failure_cases", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise FlyteValidationException(f"{name} should be {least} or more, but is {value}.")
        if self.on_error == "drop" and self.is_partial:
            raise FlyteValidationException(
                "on_error='drop' has to look at all rows.", remedy="Leave out head and sample, or use 'warn'."
            )

    @property
    def is_partial(self) -> bool:
        """Whether there are rows whose values are not checked."""
        return self.head is not None or self.sample is not None


def config_of(t: Any) -> ValidationConfig:
    """What an annotation says, wherever among its extras; the defaults if it says nothing.

    Raises:
        FlyteValidationException: it says it twice.
    """
    found = [extra for extra in getattr(t, "__metadata__", ()) if isinstance(extra, ValidationConfig)]
    if len(found) > 1:
        raise FlyteValidationException(f"There is more than one ValidationConfig in {describe_type(t)}.")
    return found[0] if found else ValidationConfig()
