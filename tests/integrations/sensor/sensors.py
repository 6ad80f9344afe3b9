"""Sensors of many kinds, in a module, so that the connector can import them."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

from hardpoint.connectors.connection import connection
from hardpoint.errors import PermanentError, TransientError
from hardpoint.sensor import BaseSensor, PokeResult
from hardpoint.types.file import FlyteFile


@dataclass
class Threshold:
    least: int
    unit: str = "rows"

    def to_dict(self) -> dict[str, Any]:
        return {"least": self.least, "unit": self.unit}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        return cls(**d)


class Counted(BaseSensor):
    """Waits for a file with a number that is large enough."""

    config_type = Threshold

    async def poke(self, file: str) -> bool:
        assert type(self.sensor_config.least) is int
        return int(Path(file).read_text()) >= self.sensor_config.least


class Annotated(BaseSensor):
    def __init__(self, name: str, sensor_config: Threshold | None = None, **kwargs: Any) -> None:
        super().__init__(name, sensor_config=sensor_config, **kwargs)

    def poke(self) -> PokeResult:
        return PokeResult(done=True, message=repr(self.sensor_config))


class Short(BaseSensor):
    """Calls its config what it likes."""

    def __init__(self, name: str, config: Threshold, timeout: int | None = None) -> None:
        super().__init__(name, timeout, config)

    def poke(self) -> PokeResult:
        return PokeResult(done=True, message=repr(self.sensor_config))


class Undeclared(BaseSensor):
    def poke(self) -> bool:
        return True


class Demanding(BaseSensor):
    def __init__(self, name: str, namespace: str) -> None:
        super().__init__(name)
        self.namespace = namespace

    def poke(self) -> bool:
        return True


class Outer:
    class Inner(BaseSensor):
        def poke(self) -> bool:
            return True


class Typed(BaseSensor):
    """Takes what is no JSON, and gives it back."""

    outputs = {"when": datetime, "text": str}

    def poke(self, when: datetime, file: FlyteFile, tags: dict[str, int], n: int = 3) -> PokeResult:
        with file.open() as stream:
            text = f"{stream.read()} {sorted(tags.items())} {n}"
        return PokeResult(done=True, outputs={"when": when, "text": text})


class Forgetful(BaseSensor):
    outputs = {"found": str}

    def poke(self) -> bool:
        return True


class Failing(BaseSensor):
    """Does, time and again, what is written in a file."""

    def poke(self, script: str) -> Any:
        word = Path(script).read_text()
        if word == "transient":
            raise TransientError("The service is away.", retry_after=0.1)
        if word == "permanent":
            raise PermanentError("The service is gone for good.", remedy="Use another.")
        if word == "bug":
            raise KeyError("rows")
        if word == "exit":
            sys.exit(3)
        if word == "vain":
            return PokeResult(failed=True, message="It will never come.")
        if word == "silent":
            return PokeResult(failed=True)
        return word


class Slow(BaseSensor):
    """Looks until it is released, and counts how often it was asked to."""

    release: ClassVar[threading.Event] = threading.Event()
    looks: ClassVar[int] = 0

    async def poke(self) -> bool:
        type(self).looks += 1
        while not type(self).release.is_set():
            time.sleep(0.01)  # as those who think that async is enough
        return True


class Secretive(BaseSensor):
    def poke(self) -> PokeResult:
        key = connection().secret("sensor_key")
        return PokeResult(done=True, message=f"It has {len(key)} letters.")


class Indiscreet(BaseSensor):
    def poke(self) -> bool:
        raise ValueError(f"The key is {connection().secret('sensor_key')}.")


class Unready(BaseSensor):
    """Has no poke."""


NOT_A_SENSOR = Threshold
