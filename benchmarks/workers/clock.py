"""What every worker shares: best-of timing, and the answer to the parent."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any


class Stopwatch:
    """Seconds of the fastest of several calls: by the clock on the wall, and of CPU over all threads."""

    def __init__(self) -> None:
        self.measures: dict[str, dict[str, float]] = {}

    def best(self, name: str, call: Callable[[Any], Any], inputs: Iterable[Any], per: int = 1) -> Any:
        """Call with one input after the other; the last result. `per` is how many of what is named a call does."""
        result = None
        for value in inputs:
            wall, cpu = time.perf_counter(), time.process_time()
            result = call(value)
            took = {"wall": (time.perf_counter() - wall) / per, "cpu": (time.process_time() - cpu) / per}
            known = self.measures.setdefault(name, took)
            self.measures[name] = {clock: min(known[clock], took[clock]) for clock in took}
        return result

    def answer(self) -> None:
        print(json.dumps(self.measures))
