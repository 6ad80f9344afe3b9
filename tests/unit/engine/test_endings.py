"""How what runs comes to an end: failures of others, time limits, exits, interruptions; and that nothing goes on after it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from hardpoint import (
    FlyteRecoverableException,
    LaunchPlan,
    Secret,
    current_context,
    dynamic,
    map_task,
    task,
    wait_for_input,
    workflow,
)
from hardpoint.engine import Failure, NodeEvent, RunOptions, RunStore, execute
from hardpoint.engine.attempts import TaskCancelled, TaskExit, TaskTimeout
from hardpoint.engine.workers import Interrupted, TimeIsUp, Workers
from hardpoint.errors import UserError
from hardpoint.types.error import FlyteError

CALLS: list[object] = []


@pytest.fixture(autouse=True)
def fresh_calls() -> None:
    CALLS.clear()


def rest(seconds: float) -> None:
    """Sleep in naps, between which the thread can be interrupted."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)


@task
def work(x: int) -> int:
    CALLS.append(x)
    rest(0.1)
    return x


@task
def broken(x: int) -> int:
    raise ValueError("broken")


@task
def long(x: int) -> int:
    try:
        rest(30)
    finally:
        CALLS.append(f"ended {x}")
    return x


# -- a failure ends the rest -------------------------------------------------------------------------------------------


@workflow
def many(x: int) -> None:
    broken(x=x)
    for _ in range(40):
        work(x=x)


def test_what_still_waits_for_a_thread_when_another_fails_never_runs() -> None:
    before = set(threading.enumerate())
    with pytest.raises(ValueError, match="broken"):
        execute(many, {"x": 1}, RunOptions(max_parallelism=2))
    begun = len(CALLS)
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()
    assert len(CALLS) == begun < 5


@task
def fails_late(x: int) -> int:
    if x == 0:
        rest(0.2)
        raise ValueError("the first one")
    return long.task_function(x)


@workflow
def mapped(xs: list[int]) -> list[int]:
    return map_task(fails_late)(x=xs)


def test_a_map_that_cannot_succeed_ends_its_other_elements() -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match="the first one"):
        execute(mapped, {"xs": [0, 1, 2]}, RunOptions(max_parallelism=3))
    assert time.monotonic() - began < 10
    assert sorted(map(str, CALLS)) == ["ended 1", "ended 2"]


# -- time limits -------------------------------------------------------------------------------------------------------


@task(timeout=1)
def quick(x: int) -> int:
    rest(0.4)
    return x


@workflow
def queue(x: int) -> list[int]:
    return [quick(x=x) for _ in range(4)]


def test_waiting_for_a_thread_does_not_count_as_time() -> None:
    assert execute(queue, {"x": 1}, RunOptions(max_parallelism=1)).outputs == {"o0": [1, 1, 1, 1]}


@task(timeout=5)
def impatient() -> None:
    raise TimeoutError("the socket")


@task(timeout=5)
async def aimpatient() -> None:
    raise TimeoutError("the socket")


@pytest.mark.parametrize("entity", [impatient, aimpatient])
def test_a_timeout_of_user_code_is_not_taken_for_the_tasks(entity: object) -> None:
    with pytest.raises(TimeoutError, match="the socket") as caught:
        execute(entity, {})
    assert type(caught.value) is TimeoutError


@workflow
def inner(x: int) -> int:
    return long(x=x)


plan = LaunchPlan.create("endings_plan", inner)


@workflow
def limited_workflow(x: int) -> int:
    return inner(x=x).with_overrides(timeout=1)


@workflow
def limited_plan(x: int) -> int:
    return plan(x=x).with_overrides(timeout=1)


@dynamic(timeout=1)
def limited_dynamic(x: int) -> int:
    return long(x=x)


@pytest.mark.parametrize("entity", [limited_workflow, limited_plan, limited_dynamic])
def test_time_limits_of_what_is_made_of_nodes(entity: object) -> None:
    began = time.monotonic()
    with pytest.raises(TaskTimeout, match="did not finish within its timeout of 1 s"):
        execute(entity, {"x": 7})
    assert time.monotonic() - began < 10
    assert CALLS == ["ended 7"]


async def test_a_thread_that_takes_no_notice_is_replaced() -> None:
    workers = Workers(1)
    free = threading.Event()

    def stubborn() -> str:
        while not free.is_set():
            try:
                free.wait(0.05)
            except Interrupted:
                CALLS.append("interrupted")
        return "done"

    with pytest.raises(TimeIsUp):
        await workers.run(stubborn, 0.1, grace=0.1)
    assert CALLS == ["interrupted"]
    assert await asyncio.wait_for(workers.run(lambda: "next", 5), 5) == "next"
    stuck = [thread for thread in threading.enumerate() if thread.name == "hardpoint-worker-1"]
    free.set()
    for thread in stuck:
        await asyncio.to_thread(thread.join, 5)
        assert not thread.is_alive()
    assert await asyncio.wait_for(workers.run(lambda: "last"), 5) == "last"
    workers.close()


async def test_an_interruption_that_comes_too_late_hits_nobody_else() -> None:
    workers = Workers(1)
    for _ in range(300):
        job = workers.submit(lambda: None)
        job.interrupt()
        assert await asyncio.wait_for(workers.run(lambda: sum(range(50)), 5), 10) == 1225
    workers.close()


# -- what a failure says -----------------------------------------------------------------------------------------------


@task(secret_requests=[Secret(group="vault", key="door")], enable_deck=True)
def indiscreet(x: int) -> int:
    raise ValueError(f"the key is {current_context().secrets.get('vault', 'door')}")


@task
def told(x: int, err: FlyteError | None = None) -> None:
    CALLS.append(err.message if err is not None else None)


@workflow(on_failure=told)
def indiscreet_workflow(x: int) -> int:
    return indiscreet(x=x)


def test_a_secret_in_an_error_is_in_no_record(monkeypatch: pytest.MonkeyPatch, state_dir: Path) -> None:
    monkeypatch.setenv("_FSEC_VAULT_DOOR", "open-sesame-42")
    events: list[str] = []

    class Listener:
        def node(self, event: NodeEvent) -> None:
            events.append(event.message)

    with pytest.raises(ValueError, match="open-sesame-42"):  # the caller gets the error as it is
        execute(indiscreet_workflow, {"x": 1}, RunOptions(listener=Listener()))
    assert "the key is ***" in events
    assert CALLS == ["the key is ***"]
    pages = list(state_dir.rglob("deck.html"))
    assert pages
    kept = [path for path in state_dir.rglob("*") if path.is_file()]
    assert [path for path in kept if b"open-sesame-42" in path.read_bytes()] == []
    assert "the key is ***" in str(RunStore().run("latest").error)


def test_a_gate_that_nobody_can_answer_says_so() -> None:
    def closed(question: str) -> str:
        raise EOFError

    with pytest.raises(UserError, match="Nobody is there to answer: number"):
        execute(asks, {}, RunOptions(prompt=closed))


@workflow
def asks() -> int:
    return work(x=wait_for_input("number", timeout=timedelta(seconds=5), expected_type=int))


@task
def maybe(x: int) -> int | None:
    if x == 2:
        raise ValueError("two")
    return x


@workflow
def map_maybe(xs: list[int]) -> list[int | None]:
    return map_task(maybe, min_success_ratio=0.5)(x=xs)


def test_an_element_that_may_be_none_may_fail() -> None:
    assert map_maybe(xs=[1, 2, 3]) == [1, None, 3]


# -- dynamic tasks are tasks -------------------------------------------------------------------------------------------


@dynamic(cache=True, cache_version="1", retries=2)
def body(x: int) -> int:
    CALLS.append("body")
    if CALLS.count("body") < 3:
        raise FlyteRecoverableException("again")
    return work(x=x)


def test_dynamic_tasks_are_retried_and_cached() -> None:
    assert execute(body, {"x": 3}).outputs == {"o0": 3}
    assert CALLS == ["body", "body", "body", 3]
    assert execute(body, {"x": 3}).outputs == {"o0": 3}
    assert CALLS == ["body", "body", "body", 3]
    assert execute(body, {"x": 4}).outputs == {"o0": 4}


# -- exits and cancellations -------------------------------------------------------------------------------------------


@task
def leaves(x: int) -> int:
    sys.exit(3)


@task
async def aleaves(x: int) -> int:
    sys.exit(3)


@dynamic
def dleaves(x: int) -> int:
    sys.exit(3)


@workflow
def map_leaves(x: list[int]) -> list[int]:
    return map_task(leaves)(x=x)


@pytest.mark.parametrize(
    ("entity", "given"), [(leaves, 1), (aleaves, 1), (dleaves, 1), (map_leaves, [1, 2])], ids=lambda case: str(case)
)
def test_a_task_that_exits_has_failed(entity: object, given: object) -> None:
    with pytest.raises(TaskExit, match=r"called sys\.exit\(3\)") as caught:
        execute(entity, {"x": given})
    assert caught.value.exit_code == 3
    assert Failure.of(caught.value) is not None
    assert RunStore().runs()[0].state == "failed"


@task
async def cancels_itself() -> None:
    raise asyncio.CancelledError


def test_a_cancellation_by_user_code_is_a_failure() -> None:
    with pytest.raises(TaskCancelled):
        execute(cancels_itself, {})
    assert RunStore().runs()[0].state == "failed"


# -- resume ------------------------------------------------------------------------------------------------------------


@task
def clean_up(x: int) -> None:
    CALLS.append("cleaned")


@workflow(on_failure=clean_up)
def handled(x: int) -> int:
    return broken(x=x)


def test_a_failure_handler_runs_again_when_the_resumed_run_fails_again() -> None:
    with pytest.raises(ValueError, match="broken"):
        execute(handled, {"x": 1}, RunOptions(run_id="again"))
    with pytest.raises(ValueError, match="broken"):
        execute(handled, {"x": 1}, RunOptions(resume="again"))
    assert CALLS == ["cleaned", "cleaned"]


def test_a_run_that_still_goes_on_is_not_resumed(state_dir: Path) -> None:
    store = RunStore()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    ) as other:
        store.start_run("busy", work.name, "", b"")
        store._db.execute("update runs set pid = ?", (other.pid,))
        with pytest.raises(UserError, match=rf"busy is still running \(process {other.pid}\)"):
            execute(work, {"x": 1}, RunOptions(resume="busy"))
        other.communicate(b"\n")
    assert execute(work, {"x": 1}, RunOptions(resume="busy")).outputs == {"o0": 1}
    store.close()


NOTEBOOK = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from tests.unit.engine.test_endings import CALLS, inner, execute, RunOptions

async def cell():
    print("ready", flush=True)
    execute(inner, {{"x": 1}}, RunOptions(run_id="notebook"))

loop = asyncio.new_event_loop()  # as a kernel does: no handler of signals of asyncio's own
try:
    loop.run_until_complete(cell())
except KeyboardInterrupt:
    print(CALLS, flush=True)
"""


def test_ctrl_c_in_a_notebook_ends_the_run(state_dir: Path) -> None:
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", NOTEBOOK.format(folder=str(root))], stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        until = time.monotonic() + 20
        while not (state_dir / "runs.sqlite").exists() or not RunStore().nodes("notebook"):
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert out == "['ended 1']\n"
    assert RunStore().run("notebook").state == "aborted"
