"""Local runs: order, concurrency, attempts, cache, the record, resume, and what a failure shows."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import pytest

from hardpoint import (
    Cache,
    FlyteFile,
    FlyteRecoverableException,
    HashMethod,
    LaunchPlan,
    WorkflowFailurePolicy,
    approve,
    conditional,
    current_context,
    dynamic,
    map_task,
    sleep,
    task,
    wait_for_input,
    workflow,
)
from hardpoint.engine import Failure, LocalCache, NodeEvent, RunOptions, RunStore, execute
from hardpoint.errors import FlyteDisapprovalException, TransientError, TypeTransformerFailedError
from hardpoint.types.error import FlyteError

CALLS: list[object] = []


@pytest.fixture(autouse=True)
def fresh_calls() -> None:
    CALLS.clear()


@task
def add(x: int, y: int = 1) -> int:
    CALLS.append(x)
    return x + y


@task
async def aadd(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


@task
def fail_at(x: int, bad: int = 2) -> int:
    CALLS.append(x)
    if x == bad:
        raise ValueError("two", 2)
    return x


# -- order and concurrency ---------------------------------------------------------------------------------------------


@workflow
def mixed(x: int) -> int:
    return add(x=aadd(x=add(x=x)), y=aadd(x=x))


def test_sync_and_async_tasks_in_one_graph() -> None:
    assert mixed(x=1) == 5


def test_call_inside_a_running_loop() -> None:
    async def main() -> int:
        return mixed(x=1)

    assert asyncio.run(main()) == 5


BARRIER = threading.Barrier(3, timeout=20)


@task
def meet(x: int) -> int:
    BARRIER.wait()  # passes only if three run at the same time
    return x


@workflow
def meeting() -> tuple[int, int, int]:
    return meet(x=1), meet(x=2), meet(x=3)


def test_independent_nodes_run_at_the_same_time() -> None:
    assert tuple(meeting()) == (1, 2, 3)


RUNNING: list[int] = []
MOST = [0]


@task
def count(x: int) -> int:
    RUNNING.append(x)
    MOST[0] = max(MOST[0], len(RUNNING))
    time.sleep(0.01)
    RUNNING.remove(x)
    return x


@workflow
def wide() -> None:
    for x in range(12):
        count(x=x)


def test_parallelism_is_bounded() -> None:
    MOST[0] = 0
    execute(wide, {}, RunOptions(max_parallelism=2))
    assert MOST[0] == 2


@workflow
def chain(x: int) -> int:
    for _ in range(200):
        x = add(x=x)
    return x


def test_a_long_chain() -> None:
    assert chain(x=0) == 200


@workflow
def ordered(x: int) -> None:
    a = add(x=10)
    b = add(x=20)
    b >> a


def test_explicit_order() -> None:
    ordered(x=1)
    assert CALLS == [20, 10]


# -- attempts ----------------------------------------------------------------------------------------------------------


@task(retries=2)
def flaky(x: int) -> int:
    CALLS.append(current_context().attempt)
    checkpoint = current_context().checkpoint
    assert checkpoint is not None
    before = checkpoint.read()
    checkpoint.write((before or b"") + b"x")
    if current_context().attempt < 2:
        raise FlyteRecoverableException("again")
    return len(before or b"")


@workflow
def retrying(x: int) -> int:
    return flaky(x=x)


def test_a_recoverable_failure_is_tried_again_and_finds_its_checkpoint() -> None:
    assert retrying(x=1) == 2
    assert CALLS == [0, 1, 2]


@task(retries=3)
def broken(x: int) -> int:
    CALLS.append(x)
    raise ValueError("for good")


@workflow
def breaking(x: int) -> int:
    return broken(x=x)


def test_an_ordinary_error_is_not_tried_again() -> None:
    with pytest.raises(ValueError, match="for good"):
        breaking(x=1)
    assert CALLS == [1]


@task(timeout=timedelta(seconds=0.2))
def hang(x: int) -> int:
    try:
        while True:
            time.sleep(0.01)
    finally:
        CALLS.append("cleaned up")


@task(timeout=timedelta(seconds=0.2))
async def ahang(x: int) -> int:
    await asyncio.sleep(60)
    return x


@workflow
def hanging(x: int) -> int:
    return hang(x=x)


@workflow
def ahanging(x: int) -> int:
    return ahang(x=x)


def test_a_timeout_ends_a_task_and_lets_it_clean_up() -> None:
    with pytest.raises(TransientError, match=r"timeout of 0\.2 s"):
        hanging(x=1)
    assert CALLS == ["cleaned up"]


def test_a_timeout_ends_an_async_task() -> None:
    with pytest.raises(TimeoutError):
        ahanging(x=1)


# -- failures ----------------------------------------------------------------------------------------------------------


@workflow
def failing(x: int) -> int:
    return fail_at(x=add(x=x))


def test_the_error_is_the_users_own_with_the_node_attached() -> None:
    with pytest.raises(ValueError, match="two") as caught:
        failing(x=1)
    error = caught.value
    assert error.args == ("two", 2)
    failure = Failure.of(error)
    assert failure is not None
    assert (failure.path, failure.inputs) == ("n1", {"x": "2", "bad": "2"})
    assert "fail_at" in failure.name
    run = RunStore().run("latest")
    assert run.status == "failed"
    assert run.error is not None
    assert "raise ValueError" in run.error
    assert "hardpoint/engine" not in run.error
    assert "asyncio" not in run.error


@workflow(failure_policy=WorkflowFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE)
def keeps_going() -> tuple[int, int]:
    a = fail_at(x=2)
    b = add(x=add(x=5))
    return a, b


def test_failure_policy_lets_other_nodes_finish() -> None:
    with pytest.raises(ValueError, match="two"):
        keeps_going()
    assert sorted(CALLS) == [2, 5, 6]  # type: ignore[type-var]


@task
def handler(x: int, err: FlyteError | None = None) -> None:
    CALLS.append((x, err.message if err else None))


@workflow(on_failure=handler)
def handled(x: int) -> int:
    return fail_at(x=x)


def test_failure_handler_gets_the_inputs_and_the_error() -> None:
    with pytest.raises(ValueError, match="two"):
        handled(x=2)
    assert CALLS == [2, (2, "('two', 2)")]


@task
def wrong() -> int:
    return "x"  # type: ignore[return-value]


def test_a_wrong_output_names_task_and_position() -> None:
    with pytest.raises(TypeTransformerFailedError, match=r"outputs of task '.*wrong' at position 0"):
        wrong()


# -- what workflows are made of ----------------------------------------------------------------------------------------


@workflow
def choose(x: int) -> int:
    return conditional("size").if_(x > 10).then(add(x=x)).elif_(x > 5).then(aadd(x=x)).else_().fail("too small")


def test_conditional() -> None:
    assert choose(x=11) == 12
    assert choose(x=6) == 7
    with pytest.raises(AssertionError, match="too small"):
        choose(x=1)


@dynamic
def fan(n: int) -> list[int]:
    return [add(x=i) for i in range(n)]


@workflow
def dyn(n: int) -> list[int]:
    return fan(n=n)


def test_dynamic() -> None:
    assert dyn(n=3) == [1, 2, 3]
    assert dyn(n=0) == []


@workflow
def mapped(xs: list[int]) -> list[int]:
    return map_task(functools.partial(add, y=10), concurrency=2)(x=xs)


@workflow
def mapped_some(xs: list[int]) -> list[int | None]:
    return map_task(functools.partial(fail_at, bad=2), min_success_ratio=0.5)(x=xs)


@workflow
def mapped_async(xs: list[int]) -> list[int]:
    return map_task(aadd)(x=xs)


def test_map() -> None:
    assert mapped(xs=[1, 2, 3]) == [11, 12, 13]
    assert mapped(xs=[]) == []
    assert mapped_async(xs=[1, 2]) == [2, 3]


def test_map_allows_some_failures() -> None:
    assert mapped_some(xs=[1, 2, 3]) == [1, None, 3]
    with pytest.raises(ValueError, match="two"):
        mapped_some(xs=[2, 2, 3])


sub_plan = LaunchPlan.get_or_create(mapped, name="engine.sub_plan", fixed_inputs={"xs": [5]})


@workflow
def nested(x: int) -> tuple[int, list[int]]:
    return failing(x=x), sub_plan()


def test_sub_workflows_and_launch_plans_are_recorded_in_their_place() -> None:
    assert tuple(nested(x=5)) == (6, [15])
    paths = [node.path for node in RunStore().nodes(RunStore().run("latest").id)]
    assert {"n0", "n0/n0", "n0/n1", "n1", "n1/n0", "n1/n0/[0]"} == set(paths)


@workflow
def gated(x: int) -> int:
    pause = sleep(timedelta(milliseconds=1))
    given = wait_for_input("how many", timeout=timedelta(minutes=1), expected_type=int)
    pause >> given
    return approve(add(x=x, y=given), "fine", timeout=timedelta(minutes=1))


def test_gates_ask_and_check() -> None:
    answers = iter(["no number", "41", "y"])
    events: list[NodeEvent] = []
    listener = type("L", (), {"node": lambda self, event: events.append(event)})()
    result = execute(gated, {"x": 1}, RunOptions(prompt=lambda question: next(answers), listener=listener))
    assert result.outputs == {"o0": 42}
    assert any("Expected value of type int" in event.message for event in events)
    refused = iter(["1", "n"])
    with pytest.raises(FlyteDisapprovalException):
        execute(gated, {"x": 1}, RunOptions(prompt=lambda question: next(refused)))


# -- cache -------------------------------------------------------------------------------------------------------------


@task(cache=Cache(version="1", ignored_inputs=("note",)))
def cached(x: int, note: str = "") -> FlyteFile:
    CALLS.append(x)
    path = Path(current_context().working_directory) / "out.txt"
    path.write_text(str(x))
    return FlyteFile(str(path), remote_path=current_context().raw_output_prefix + "/out.txt")


@workflow
def caching(x: int, note: str) -> FlyteFile:
    return cached(x=x, note=note)


def test_cache_answers_by_inputs_and_survives_the_removal_of_the_run() -> None:
    LocalCache().clear()
    first = caching(x=7, note="a")
    RunStore().remove("latest")
    again = caching(x=7, note="b")
    assert CALLS == [7]
    assert Path(again).read_text() == "7"
    assert str(first) == str(again)
    assert LocalCache().clear() == 1
    caching(x=7, note="a")
    assert CALLS == [7, 7]


@task(cache=Cache(version="1"))
def by_hash(x: Annotated[str, HashMethod(lambda text: text.lower())]) -> str:
    CALLS.append(x)
    return x


@task
def hashed(x: str) -> Annotated[str, HashMethod(lambda text: text.lower())]:
    return x


@workflow
def hashing(x: str) -> str:
    return by_hash(x=hashed(x=x))


def test_a_values_own_hash_is_what_counts() -> None:
    LocalCache().clear()
    assert hashing(x="A") == "A"
    assert hashing(x="a") == "A"
    assert CALLS == ["A"]


# -- record and resume -------------------------------------------------------------------------------------------------


def test_a_run_is_recorded_with_inputs_and_outputs() -> None:
    result = execute(mixed, {"x": 1})
    store = RunStore()
    record = store.run(result.id)
    assert (record.name, record.status) == (mixed.name, "succeeded")
    nodes = store.nodes(result.id)
    assert {(n.path, n.state) for n in nodes} == {(f"n{i}", "succeeded") for i in range(4)}
    store.remove(result.id)
    assert result.id not in [r.id for r in store.runs(1000)]


REPAIRED = [False]


@task
def repairable(x: int) -> int:
    if not REPAIRED[0]:
        raise RuntimeError("not yet")
    return x


@workflow
def resumable(x: int) -> int:
    return repairable(x=add(x=x))


def test_resume_runs_only_what_did_not_succeed() -> None:
    REPAIRED[0] = False
    with pytest.raises(RuntimeError, match="not yet"):
        execute(resumable, {"x": 1})
    run = RunStore().run("latest").id
    REPAIRED[0] = True
    assert execute(resumable, {"x": 1}, RunOptions(resume=run)).outputs == {"o0": 2}
    assert CALLS == [1]
    assert RunStore().run(run).status == "succeeded"
    execute(resumable, {"x": 5}, RunOptions(resume=run))  # other inputs: nothing of the old run fits
    assert CALLS == [1, 5]


SCRIPT = """
import sys, time
from hardpoint import task, workflow
from hardpoint.engine import execute, RunOptions

@task
def first(x: int) -> int:
    print("first", flush=True)
    return x + 1

@task
def second(x: int, wait: float) -> int:
    print("second", flush=True)
    try:
        for _ in range(int(wait * 100)):
            time.sleep(0.01)
    finally:
        print("cleaned", flush=True)
    return x

@workflow
def wf(x: int) -> int:
    return second(x=first(x=x), wait=WAIT)

if __name__ == "__main__":
    print(execute(wf, {"x": 1}, RunOptions(run_id="fixed", resume=RESUME)).outputs, flush=True)
"""


def _script(folder: Path, wait: float, resume: str | None) -> list[str]:
    path = folder / "script.py"
    path.write_text(SCRIPT.replace("WAIT", str(wait)).replace("RESUME", repr(resume)))
    return [sys.executable, str(path)]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_process_leaves_a_run_that_can_be_resumed(tmp_path: Path, how: signal.Signals) -> None:
    environment = {**os.environ, "HARDPOINT_LOCAL_STATE_DIR": str(tmp_path / "state")}
    with subprocess.Popen(
        _script(tmp_path, 60, None), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "first\n"
        assert process.stdout.readline() == "second\n"
        while "n1" not in [n.path for n in RunStore(tmp_path / "state").nodes("fixed")]:  # written soon after its start
            time.sleep(0.02)
        process.send_signal(how)
        out, _ = process.communicate(timeout=30)
    store = RunStore(tmp_path / "state")
    assert store.run("fixed").status == ("aborted" if how is signal.SIGINT else "interrupted")
    assert out == ("cleaned\n" if how is signal.SIGINT else "")
    assert [(n.path, n.state) for n in store.nodes("fixed")] == [
        ("n0", "succeeded"),
        ("n1", "aborted" if how is signal.SIGINT else "running"),
    ]
    script = _script(tmp_path, 60, "fixed")
    path = Path(script[1])
    path.write_text(path.read_text().replace("int(wait * 100)", "1"))
    done = subprocess.run(script, capture_output=True, text=True, env=environment, check=True, timeout=60)
    assert done.stdout == "second\ncleaned\n{'o0': 2}\n"
    assert store.run("fixed").status == "succeeded"
