"""`FileSensor`: waits for a file or a folder, wherever it is."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, Self

from hardpoint.context import FlyteContextManager
from hardpoint.integrations.sensor.base import BaseSensor, PokeResult
from hardpoint.secrets import redact_uri

__all__ = ["FileSensor", "FileSensorConfig"]


@dataclass(frozen=True)
class FileSensorConfig:
    """What a file has to be like.

    Args:
        min_bytes: Its size, at least; of a folder, that of all files in it.
    """

    min_bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        return cls(**{name: value for name, value in d.items() if name in cls.__dataclass_fields__})


class FileSensor(BaseSensor):
    """Waits until there is something at a path or URI: input ``path``.

    The last component may be a pattern of ``*``, ``?`` and ``[...]``, as in ``s3://bucket/day/*.parquet``.

    Args:
        name: Name of the task.
        timeout: Seconds, or a timedelta, after which the wait has failed.
        sensor_config: What the file has to be like.
        kwargs: As for `BaseSensor`.
    """

    def __init__(
        self,
        name: str,
        timeout: timedelta | int | None = None,
        sensor_config: FileSensorConfig | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, timeout, sensor_config, **kwargs)

    async def poke(self, path: str) -> PokeResult:
        """Whether it is there.

        Args:
            path: Where.
        """
        return await asyncio.to_thread(self._look, path)

    def _look(self, path: str) -> PokeResult:
        shown, wanted = redact_uri(path), self.sensor_config.min_bytes if self.sensor_config is not None else 0
        found = _found(path)
        if not found:
            return PokeResult(message=f"{shown} is not there yet.")
        if wanted:
            largest = max(map(_size, found))
            if largest < wanted:
                return PokeResult(message=f"{shown} has {largest:,} bytes of {wanted:,}.")
        return PokeResult(done=True, message=f"{shown} is there.")


def _found(path: str) -> list[str]:
    """The thing itself, or else what fits the pattern."""
    files = FlyteContextManager.current_context().file_access
    if files.exists(path):
        return [path]
    folder, _, pattern = path.rpartition("/")
    if not any(mark in pattern for mark in "*?["):
        return []
    try:
        return [entry.uri for entry in files.list(folder or "/") if fnmatchcase(entry.name, pattern)]
    except FileNotFoundError:
        return []


def _size(uri: str) -> int:
    files: Any = FlyteContextManager.current_context().file_access
    try:
        return int(files.size(uri))
    except FileNotFoundError:  # it was there a moment ago
        return 0
