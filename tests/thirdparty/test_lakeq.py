"""A third party's integration, with nothing but what is public: a type, a renderer and a shim task."""

from __future__ import annotations

import lakeq
from hardpoint import task, workflow
from hardpoint.deck import render
from hardpoint.testing import CodecConformance
from hardpoint_lakeq import LakeQ, LakeQCount


class TestInterval(CodecConformance):
    python_type = lakeq.Interval
    name = "LakeQ interval"
    values = (lakeq.Interval(1, 5), lakeq.Interval(-3, 0))
    wrong = ("1..5", range(1, 5))


def test_a_deck_shows_the_type() -> None:
    assert render(lakeq.Interval(1, 5)) == "<p>1 &mdash; 5</p>"


count = LakeQCount(name="count", task_config=LakeQ(step=2))


@task
def widen(interval: lakeq.Interval, by: int) -> lakeq.Interval:
    return lakeq.Interval(interval.low - by, interval.high + by)


@task
def ends(interval: lakeq.Interval) -> tuple[int, int]:
    return interval.low, interval.high


@workflow
def counted(interval: lakeq.Interval) -> int:
    low, high = ends(interval=widen(interval=interval, by=3))
    return count(low=low, high=high)


def test_a_workflow_uses_it() -> None:
    assert counted(interval=lakeq.Interval(0, 4)) == 6  # -3 -1 1 3 5 7
