"""Run the cases in turns, print the table, and write it into README.md."""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
from pathlib import Path

from benchmarks.cases import CASES, WORKERS, Case
from benchmarks.processes import Measures, environment, measure
from benchmarks.report import Result, machine, markdown, write

_NEEDS = {"read": "write", "columns": "write"}


class Sides:
    """The two environments, and the folder in which everything is written."""

    def __init__(self, reference: Path, folder: Path) -> None:
        self.folder = folder
        self.pythons = {"ours": Path(sys.executable), "raw": Path(sys.executable), "reference": reference.absolute()}
        self.env = environment(folder)

    def run(self, case: Case, side: str) -> Measures:
        python = self.pythons[side]
        values = {
            "python": str(python),
            "ours": str(self.pythons["ours"]),
            "side": side,
            "package": "flytekit" if side == "reference" else "hardpoint",
            "bin": str(python.with_name("pyflyte" if side == "reference" else "hardpoint")),
            "workers": str(WORKERS),
            "folder": str(self.folder),
            "seed": str(random.getrandbits(32)),
        }
        command = case.commands.get(side, case.command)
        return measure([part.format(**values) for part in command], self.folder, self.env)


def best(known: Measures, found: Measures) -> Measures:
    """The least of two rounds, measure by measure."""
    return {
        name: {clock: min(value, known.get(name, {}).get(clock, math.inf)) for clock, value in clocks.items()}
        for name, clocks in found.items()
    }


def take_turns(sides: Sides, case: Case, rounds: int) -> Result:
    """All sides of a case, one after the other, again and again; the first turn only warms up where it is short."""
    measures: dict[str, Measures] = {side: {} for side in case.sides}
    turns = max(2, round(rounds * case.rounds))
    for turn in range(turns):
        for side in case.sides:
            print(f"\r\x1b[K{case.name}: {side}, {turn + 1} of {turns}", end="", file=sys.stderr, flush=True)
            measures[side] = best(measures[side], sides.run(case, side))
    print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return Result(case, measures)


def main() -> int:
    """0 where every bar is cleared."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--reference", type=Path, required=True, help="the Python of the environment that has flytekit")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side; the best counts (default 5)")
    parser.add_argument(
        "--only", nargs="*", choices=[case.name for case in CASES], help="only these cases; nothing is written"
    )
    arguments = parser.parse_args()
    wanted = set(arguments.only or [case.name for case in CASES])
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="hardpoint-benchmarks-") as folder:
        sides = Sides(arguments.reference, Path(folder))
        for case in CASES:
            if case.name in wanted:
                before = _NEEDS.get(case.name)
                if before is not None and before not in wanted:
                    take_turns(sides, next(other for other in CASES if other.name == before), 1)
                result = take_turns(sides, case, arguments.rounds)
                print(markdown([result], heading=not results), end="")
                results.append(result)
    if arguments.only is None:
        write(results, machine(sides.pythons["ours"], sides.pythons["reference"], arguments.rounds))
    missed = [row.title for result in results for row in result.case.rows if not result.cleared(row)]
    if missed:
        print(f"\nmissed: {', '.join(missed)}")
    return bool(missed)


if __name__ == "__main__":
    raise SystemExit(main())
