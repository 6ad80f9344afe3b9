"""Waits for a day's files, and then reads them: ``hardpoint run examples/sensor_example.py day --folder data/2026-11-22``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from hardpoint import kwtypes, task, workflow
from hardpoint.sensor import BaseSensor, FileSensor, PokeResult


@dataclass
class Enough:
    """How many rows are wanted."""

    rows: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        return cls(**d)


class RowSensor(BaseSensor):
    """Waits until a folder's files have enough rows, and says how many they have."""

    config_type = Enough
    outputs = kwtypes(rows=int)

    def poke(self, folder: str) -> PokeResult:
        rows = sum(len(file.read_text().splitlines()) for file in Path(folder).glob("*.csv"))
        done = rows >= self.sensor_config.rows
        return PokeResult(done, f"{rows} of {self.sensor_config.rows} rows", outputs={"rows": rows})


delivered = FileSensor(name="delivered", timeout=3600)
enough = RowSensor(name="enough", timeout=3600, sensor_config=Enough(rows=3))


@task
def marker(folder: str) -> str:
    return f"{folder}/_SUCCESS"


@task
def report(rows: int) -> str:
    return f"{rows} rows have arrived"


@workflow
def day(folder: str) -> str:
    there = delivered(path=marker(folder=folder))
    rows = enough(folder=folder)
    there >> rows
    return report(rows=rows)


if __name__ == "__main__":
    print(day(folder="data"))
