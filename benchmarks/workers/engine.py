"""Local runs. Usage: engine.py ours|reference chain|map

A workflow's first call compiles it; both that call and a later one are timed, each with another input. Ours records the run.
"""

from __future__ import annotations

import random
import sys

from clock import Stopwatch

if sys.argv[1] == "ours":
    from hardpoint import map_task, task, workflow
else:
    from flytekit import map_task, task, workflow

CHAIN = 1_000
ELEMENTS = 10_000


@task
def step(n: int) -> int:
    return n


@workflow
def chain(n: int) -> int:
    for _ in range(CHAIN):
        n = step(n=n)
    return n


@workflow
def mapped(ns: list[int]) -> list[int]:
    return map_task(step)(n=ns)


def main(what: str) -> None:
    watch = Stopwatch()
    if what == "chain":
        seeds = [random.getrandbits(40) for _ in range(5)]
        watch.best("a node, first call", lambda n: chain(n=n), seeds[:1], CHAIN)
        assert watch.best("a node", lambda n: chain(n=n), seeds[1:], CHAIN) == seeds[-1]
    else:
        lists = [[random.getrandbits(40) for _ in range(ELEMENTS)] for _ in range(3)]
        mapped(ns=lists[0][:10])
        assert watch.best("an element", lambda ns: mapped(ns=ns), lists, ELEMENTS) == lists[-1]
    watch.answer()


main(sys.argv[2])
