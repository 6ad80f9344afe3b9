"""The table, for people."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.cases import AtMost, Bar, Case, Row, Times
from benchmarks.processes import Measures

__all__ = ["Result", "machine", "markdown", "write"]

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- results: written by `make bench` -->", "<!-- end of results -->"
_HEADING = (
    "| | | Reference | By hand | Hardpoint | Reference / Hardpoint | Bar | |\n|---|---|---:|---:|---:|---:|---|---|\n"
)


@dataclass(frozen=True)
class Result:
    """The best measures of a case, by side."""

    case: Case
    measures: Mapping[str, Measures]

    def sides(self, row: Row) -> dict[str, float]:
        """Side -> value, of those that measured it."""
        return {
            side: measured[row.measure][row.clock]
            for side, measured in self.measures.items()
            if row.measure in measured
        }

    def cleared(self, row: Row) -> bool:
        return all(bar.ratio(self.sides(row)) <= 1 for bar in row.bars)


def amount(value: float | None, clock: str) -> str:
    """A measure with the unit that suits its size."""
    if value is None:
        return ""
    if clock == "memory":
        return f"{value / 1e6:,.0f} MB"
    if clock == "ratio":
        return f"{value:.3g}"
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 1 or unit == "µs":
            return f"{value * factor:.3g} {unit}"
    raise AssertionError(value)


def spelled(bar: Bar, clock: str) -> str:
    if isinstance(bar, AtMost):
        return f"≤ {amount(bar.limit, clock)}"
    if isinstance(bar, Times):
        return f"≤ 1/{bar.factor:g} of the reference"
    return f"≤ {bar.factor:g} times by hand"


def markdown(results: Sequence[Result], *, heading: bool = True) -> str:
    lines = [_HEADING] if heading else []
    for result in results:
        for row in result.case.rows:
            sides = result.sides(row)
            times = f"{sides['reference'] / sides['ours']:.3g}" if "reference" in sides else ""
            values = [amount(sides.get(side), row.clock) for side in ("reference", "raw", "ours")]
            verdict = "" if not row.bars else "yes" if result.cleared(row) else "**no**"
            bars = ", ".join(spelled(bar, row.clock) for bar in row.bars)
            cells = [
                row.title,
                {"cpu": "CPU", "wall": "wall", "memory": "memory", "ratio": "ratio"}[row.clock],
                *values,
                times,
                bars,
                verdict,
            ]
            lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


def _versions(python: Path) -> str:
    code = (
        "import platform, importlib.metadata as m\n"
        "names = ('hardpoint', 'flytekit', 'flyteidl', 'protobuf', 'pyarrow')\n"
        "have = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
        "print(', '.join(['Python ' + platform.python_version(), *(f'{n} {have[n]}' for n in names if n in have)]))"
    )
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def machine(ours: Path, reference: Path, rounds: int) -> str:
    """Where and with what it was measured."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists() and (found := re.search(r"^model name\s*: (.*)$", info.read_text(), re.MULTILINE)):
        model = found[1]
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"`make bench` ({rounds} rounds) on {datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores of {model}; load averages at the end: {load}.\n\n"
        f"- Hardpoint: {_versions(ours)}\n- Reference: {_versions(reference)}\n"
    )


def write(results: Sequence[Result], conditions: str) -> None:
    """Put the table into README.md."""
    text = README.read_text()
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    README.write_text(f"{text[:start]}\n{conditions}\n{markdown(results)}{text[end:]}")
