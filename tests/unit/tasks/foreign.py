"""A module whose names its importers do not have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Local:
    value: int


def local_type(a: Local) -> int:
    return a.value
