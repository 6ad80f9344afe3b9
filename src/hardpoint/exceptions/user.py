"""Names that users know from `flytekit.exceptions.user`."""

from typing import Any

from hardpoint.errors import (
    FlyteAssertion,
    FlyteDisapprovalException,
    FlyteRecoverableException,
    FlyteValidationException,
    UserError,
)
from hardpoint.errors import StorageNotFoundError as FlyteDataNotFoundException
from hardpoint.errors import UserError as FlyteUserException

__all__ = [
    "FlyteAssertion",
    "FlyteDataNotFoundException",
    "FlyteDisapprovalException",
    "FlyteRecoverableException",
    "FlyteTimeout",
    "FlyteUserException",
    "FlyteValidationException",
    "FlyteValueException",
]


class FlyteTimeout(FlyteAssertion, TimeoutError):
    """Something took too long, and is not waited for any more."""

    code = "USER:Timeout"


class FlyteValueException(UserError, ValueError):
    """A value is not what it should be.

    Args:
        received_value: The value.
        error_message: What it should be.
    """

    code = "USER:ValueError"

    def __init__(self, received_value: Any, error_message: str) -> None:
        super().__init__(f"The value {received_value!r} does not do: {error_message}", value=received_value)
