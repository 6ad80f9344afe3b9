"""What is measured, and the bars that each measure has to clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CASES", "AtMost", "Bar", "Case", "Row", "Times", "Within"]

WORKERS = Path(__file__).parent / "workers"
BOTH = ("reference", "ours")


@dataclass(frozen=True)
class AtMost:
    """Ours takes no more than so much: seconds, bytes, or a ratio."""

    limit: float

    def ratio(self, sides: Mapping[str, float]) -> float:
        return sides["ours"] / self.limit


@dataclass(frozen=True)
class Times:
    """Ours takes no more than the reference divided by this."""

    factor: float

    def ratio(self, sides: Mapping[str, float]) -> float:
        return sides["ours"] * self.factor / sides["reference"]


@dataclass(frozen=True)
class Within:
    """Ours takes no more than code written by hand times this."""

    factor: float

    def ratio(self, sides: Mapping[str, float]) -> float:
        return sides["ours"] / (sides["raw"] * self.factor)


Bar = AtMost | Times | Within


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        title: What it says.
        measure: What of the worker's answer it takes; ``process`` is the whole process.
        clock: ``wall``, ``cpu``, ``memory`` or ``ratio``.
        bars: What has to hold; all of them.
    """

    title: str
    measure: str = "process"
    clock: str = "cpu"
    bars: Sequence[Bar] = ()


@dataclass(frozen=True)
class Case:
    """One command a side, run in turns.

    Args:
        name: For ``--only``.
        command: The arguments; ``{python}``, ``{ours}`` (our Python), ``{side}``, ``{bin}`` (the side's command line),
            ``{workers}``, ``{folder}`` and ``{seed}`` are filled in.
        rows: What is read off.
        sides: Who takes part.
        rounds: A factor on the number of rounds, for what takes long.
    """

    name: str
    command: Sequence[str]
    rows: Sequence[Row]
    sides: Sequence[str] = BOTH
    rounds: float = 1.0
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)


def _both_ways(name: str, encode: Sequence[Bar], decode: Sequence[Bar]) -> list[Row]:
    return [
        Row(f"{name}: encode", f"{name}, encode", bars=encode),
        Row(f"{name}: decode", f"{name}, decode", bars=decode),
    ]


_SCALARS = [
    row for name in ("int", "float", "str", "bool", "datetime") for row in _both_ways(name, [Times(10)], [Times(5)])
]
_FILLED = [Within(1.5), Times(15)]

# The generator is the same program for all sides; the side's own command line starts what it asks.
_ASK = ["{ours}", "{workers}/connectors_load.py", "{side}", "{bin}"]

CASES = (
    Case(
        "import",
        ["{python}", "-c", "import {package}"],
        [Row("`import`", bars=[AtMost(0.05)])],
        sides=("reference", "ours", "raw"),
        rounds=2,
        commands={"raw": ["{python}", "-c", "pass"]},
    ),
    Case(
        "declare",
        ["{python}", "{workers}/declared_{side}.py"],
        [Row("a module with one task and one workflow", bars=[AtMost(0.22), Times(10)])],
        rounds=2,
    ),
    Case("help", ["{bin}", "--help"], [Row("`--help`", bars=[AtMost(0.25)])], rounds=2),
    Case(
        "run",
        ["{bin}", "run", "{workers}/declared_{side}.py", "flow", "--n", "{seed}"],
        [Row("`run` of a no-op workflow", clock="wall", bars=[Times(5)]), Row("the same, CPU")],
        rounds=2,
    ),
    Case(
        "types",
        ["{python}", "{workers}/conversion.py", "{side}"],
        [
            *_SCALARS,
            *_both_ways("list[int] of 10,000", _FILLED, _FILLED),
            *_both_ways("dict[str, float] of 1,000", _FILLED, _FILLED),
            *_both_ways("dataclass", [Times(50)], [Times(4)]),
            *_both_ways("list[dataclass] of 1,000", [Times(12)], [Times(5)]),
        ],
        sides=("reference", "ours", "raw"),
    ),
    Case(
        "chain",
        ["{python}", "{workers}/engine.py", "{side}", "chain"],
        [
            Row("a chain of 1,000 tasks: a node", "a node", bars=[AtMost(0.0002), Times(10)]),
            Row("the same, with the first call's compilation", "a node, first call"),
        ],
    ),
    Case(
        "map",
        ["{python}", "{workers}/engine.py", "{side}", "map"],
        [Row("a map over 10,000 elements: an element", "an element", bars=[Times(5)])],
    ),
    *(
        Case(
            what,
            ["{python}", "{workers}/parquet.py", "{side}", what, "{folder}", "{seed}"],
            [
                Row(f"{title}", what, "wall", bars=[Within(time)]),
                *(
                    [Row("the same, first call of a process", f"{what}, first call", "wall")]
                    if what == "columns"
                    else []
                ),
                Row("the same, CPU", what, "cpu"),
                Row("the same, peak memory of the process", clock="memory", bars=[Within(1.2)]),
            ],
            sides=("raw", "ours", "reference"),
            rounds=0.6,
        )
        for what, title, time in (
            ("write", "1 GB Arrow table to Parquet", 1.15),
            ("read", "and back", 1.15),
            ("columns", "2 of its 50 columns", 1.2),
        )
    ),
    Case(
        "connectors",
        [*_ASK, "calls"],
        [
            Row("GetTask, 64 callers: a call", "get", "wall", bars=[Within(1 / 0.85)]),
            Row("the same, CPU of the service", "get"),
            Row("CreateTask, 64 callers: a call", "create", "wall", bars=[Within(1 / 0.85)]),
            Row("the same, CPU of the service", "create"),
        ],
        sides=("reference", "raw", "ours"),
    ),
    Case(
        "workers",
        [*_ASK, "workers"],
        [
            Row("GetTask of one worker", "one worker", "wall"),
            Row("GetTask of two workers", "two workers", "wall"),
            Row("two workers, of one", "two workers, of one", "ratio", bars=[AtMost(1 / 1.5)]),
        ],
        sides=("ours",),
    ),
    Case(
        "isolation",
        [*_ASK, "isolation"],
        [
            Row("a call that blocks 0.2 s, 64 callers", "blocking", "wall", bars=[Times(10)]),
            Row("another connector meanwhile: 99th percentile", "beside", "wall"),
            Row("the same, idle", "idle", "wall"),
            Row("the same, of idle", "beside, times idle", "ratio", bars=[AtMost(1.5)]),
        ],
        rounds=0.6,
    ),
    Case(
        "many",
        [*_ASK, "many"],
        [
            Row("10,000 jobs: the vendor's calls, of the questions", "vendor calls", "ratio", bars=[AtMost(0.01)]),
            Row("the same, when each is asked for the first time", "vendor calls, first time", "ratio"),
            Row(
                "the same, age of the oldest state, of the time between two calls",
                "age, most, of the pace",
                "ratio",
                bars=[AtMost(2)],
            ),
            Row("the same, memory of the service", "memory", "memory", bars=[AtMost(300e6)]),
        ],
        sides=("ours",),
        rounds=0.4,
    ),
)
