"""How values of a type are given on a command line or in a file, and the complaint about one that does not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hardpoint.errors import UserError
from hardpoint.idl import Literal

__all__ = ["Form", "Misfit"]


class Misfit(UserError):
    """A value is not what its type asks for.

    Args:
        expected: What it should be.
        got: What it is, in short.
        where: Where in the value, as in ``[2].name``.
    """

    def __init__(self, expected: str, got: str, where: str = "") -> None:
        super().__init__(f"should be {expected}, but got {got}")
        self.expected, self.got, self.where = expected, got, where

    def inside(self, place: str) -> Misfit:
        """The same about a part of a larger value."""
        return Misfit(self.expected, self.got, place + self.where)


class Form(msgspec.Struct, frozen=True):
    """How values of a type are given.

    Attributes:
        metavar: What stands for a value in help.
        expected: What a value should be, as in "a whole number".
        of_data: JSON-like data to a literal; raises `Misfit`.
        of_text: Text to a literal; raises `Misfit`.
        choices: All values there are, if they are few.
        flag: Whether it is a bool.
        path: ``file`` or ``dir`` if a path will do, for completion.
    """

    metavar: str
    expected: str
    of_data: Callable[[Any], Literal]
    of_text: Callable[[str], Literal]
    choices: tuple[str, ...] = ()
    flag: bool = False
    path: str = ""
