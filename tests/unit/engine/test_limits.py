"""What bounds a run: workflows that call themselves, retries that were overridden, references, changed files, the store's size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hardpoint import (
    Cache,
    FlyteFile,
    FlyteRecoverableException,
    LaunchPlan,
    conditional,
    map_task,
    reference_launch_plan,
    reference_task,
    task,
    workflow,
)
from hardpoint.engine import Failure, RunOptions, RunStore, execute
from hardpoint.errors import FlyteAssertion, FlyteValidationException

CALLS: list[object] = []


@pytest.fixture(autouse=True)
def fresh_calls() -> None:
    CALLS.clear()


@task
def increment(a: int) -> int:
    CALLS.append(a)
    return a + 1


@workflow
def endless(a: int) -> int:
    return endless(a=increment(a=a))  # type: ignore[no-any-return]


@workflow
def by_a_plan(a: int) -> int:
    return LaunchPlan.get_or_create(by_a_plan, "by_a_plan.again")(a=increment(a=a))  # type: ignore[no-any-return]


@task
def decrement(a: int) -> int:
    return a - 1


@workflow
def further(a: int) -> int:
    return LaunchPlan.get_or_create(down, "down.again")(a=decrement(a=a))  # type: ignore[no-any-return]


@workflow
def down(a: int) -> int:
    again = LaunchPlan.get_or_create(further, "further")
    return conditional("more").if_(a > 0).then(again(a=a)).else_().then(increment(a=a))  # type: ignore[no-any-return]


def test_a_workflow_that_contains_itself_is_not_run() -> None:
    with pytest.raises(FlyteValidationException, match=r"endless -> .*endless") as caught:
        endless(a=1)
    assert "@dynamic" in str(caught.value.remedy)
    assert CALLS == []


def test_what_calls_itself_without_an_end_is_ended() -> None:
    with pytest.raises(FlyteAssertion, match="runs within 100 other workflows"):
        by_a_plan(a=1)
    assert len(CALLS) == 100


@task(retries=2)
def flaky(a: int) -> int:
    CALLS.append(a)
    raise FlyteRecoverableException("again")


def test_retries_can_be_overridden_by_none() -> None:
    @workflow
    def wf(a: int) -> int:
        return flaky(a=a).with_overrides(retries=0)  # type: ignore[no-any-return]

    with pytest.raises(FlyteRecoverableException):
        wf(a=1)
    assert CALLS == [1]


@reference_task("p", "d", "elsewhere.task", "v")
def elsewhere(a: int) -> int: ...


@reference_launch_plan("p", "d", "elsewhere.plan", "v")
def plan(a: int, b: int) -> int: ...


@workflow
def of_references(a: int) -> int:
    return plan(a=elsewhere(a=a), b=1)  # type: ignore[no-any-return]


@workflow
def mapped_reference(ns: list[int]) -> list[int]:
    return map_task(elsewhere)(a=ns)  # type: ignore[no-any-return]


def test_a_reference_runs_by_its_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "stand_in", lambda a: a + 100)
    monkeypatch.setattr(plan, "stand_in", lambda a, b: a * 10 + b)
    assert of_references(a=1) == 1011


def test_a_reference_without_a_stand_in_says_so() -> None:
    with pytest.raises(NotImplementedError, match="is only a reference") as caught:
        of_references(a=1)
    found = Failure.of(caught.value)
    assert found is not None
    assert found.path == "n0"


def test_a_changed_file_is_another_input(tmp_path: Path) -> None:
    @task(cache=Cache(version="1"))
    def text_of(f: FlyteFile) -> str:
        CALLS.append("read")
        return Path(f).read_text()

    path = tmp_path / "f.txt"
    path.write_text("1")
    assert [text_of(f=str(path)), text_of(f=str(path))] == ["1", "1"]
    assert CALLS == ["read"]
    path.write_text("2")
    os.utime(path, ns=(1, 1))
    assert text_of(f=str(path)) == "2"


def test_the_space_of_removed_runs_is_given_back(state_dir: Path) -> None:
    @task
    def large(n: int) -> str:
        return "x" * n

    run = execute(large, {"n": 6 << 20}, RunOptions())
    store = RunStore()
    full = _size(state_dir)
    store.remove(run.id)
    store.close()
    assert full > 6 << 20
    assert _size(state_dir) < 1 << 20


def _size(state_dir: Path) -> int:
    return sum(path.stat().st_size for path in state_dir.glob("runs.sqlite*"))


def test_a_run_may_be_deep() -> None:
    assert down(a=20) == 1
