"""Maps: what is recorded of their elements, and what a resumed run takes from the record."""

from __future__ import annotations

import functools
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint import (
    FlyteRecoverableException,
    PythonFunctionTask,
    current_context,
    idl,
    map_task,
    task,
    workflow,
)
from hardpoint.context import ExecutionParameters
from hardpoint.engine import NodeEvent, RunOptions, RunStore, execute
from hardpoint.engine.batches import Element, freeze, thaw
from hardpoint.engine.local import execute_literals
from hardpoint.engine.store import NodeRecord, pack, unpack
from hardpoint.errors import TypeTransformerFailedError, UserError

CALLS: list[Any] = []
BROKEN: set[int] = set()


@pytest.fixture(autouse=True)
def fresh() -> None:
    CALLS.clear()
    BROKEN.clear()


@task
def scaled(n: int, factors: list[int]) -> int:
    CALLS.append(n)
    if n in BROKEN:
        raise ValueError(f"{n} is broken")
    factors.append(n)  # a value of its own
    return n * sum(factors[:-1])


def scale(factors: list[int]) -> Any:
    @workflow
    def scaling(ns: list[int]) -> list[int]:
        return map_task(functools.partial(scaled, factors=factors), concurrency=1)(n=ns)  # type: ignore[no-any-return]

    return scaling


def elements(run: str) -> dict[str, NodeRecord]:
    return {node.path: node for node in RunStore().nodes(run) if node.path.endswith("]")}


LONG = list(range(100))


def test_elements_are_recorded_without_what_they_share() -> None:
    result = execute(scale(LONG), {"ns": [1, 2]})
    assert result.outputs == {"o0": [4950, 9900]}
    first = elements(result.id)["n0/[0]"]
    assert (first.name, first.state, first.attempt) == (scaled.name, "succeeded", 0)
    assert first.ended is not None
    assert first.ended >= first.started
    assert first.inputs is not None
    assert first.outputs is not None
    assert unpack(first.inputs)["n"] == idl.integer(1)
    assert unpack(first.inputs)["factors"].hash
    assert len(first.inputs) < 120
    assert unpack(first.outputs) == {"o0": idl.integer(4950)}


@pytest.mark.parametrize("factors", [LONG, [3]], ids=["long", "short"])
def test_resume_takes_elements_with_equal_inputs(factors: list[int]) -> None:
    BROKEN.add(2)
    with pytest.raises(ValueError, match="2 is broken"):
        execute(scale(factors), {"ns": [1, 2, 3]}, RunOptions(run_id="again"))
    assert {path: node.state for path, node in elements("again").items()} == {
        "n0/[0]": "succeeded",
        "n0/[1]": "failed",
    }
    BROKEN.clear()
    CALLS.clear()
    assert execute(scale(factors), {"ns": [1, 2, 3]}, RunOptions(resume="again")).outputs == {
        "o0": [n * sum(factors) for n in (1, 2, 3)]
    }
    assert CALLS == [2, 3]
    assert {node.state for node in elements("again").values()} == {"succeeded"}


@pytest.mark.parametrize(
    ("factors", "ns", "again"), [([*LONG, 7], [1, 2], [1, 2]), (LONG, [5, 2], [5, 2])], ids=["shared", "own"]
)
def test_resume_runs_elements_with_other_inputs(factors: list[int], ns: list[int], again: list[int]) -> None:
    BROKEN.add(2)
    with pytest.raises(ValueError, match="2 is broken"):
        execute(scale(LONG), {"ns": [1, 2]}, RunOptions(run_id="again"))
    BROKEN.clear()
    CALLS.clear()
    execute(scale(factors), {"ns": ns}, RunOptions(resume="again"))
    assert again == CALLS
    first = elements("again")["n0/[0]"]  # of its two records the later one counts
    assert first.outputs is not None
    assert unpack(first.outputs)["o0"] == idl.integer(ns[0] * sum(factors))


def test_an_element_that_takes_long_is_recorded_while_it_runs() -> None:
    go = threading.Event()

    @task
    def waits(n: int) -> int:
        if n and not go.wait(60):
            raise TimeoutError
        return n

    @workflow
    def waiting(ns: list[int]) -> list[int]:
        return map_task(waits)(n=ns)  # type: ignore[no-any-return]

    ended = threading.Thread(target=execute, args=(waiting, {"ns": [0, 1]}, RunOptions(run_id="long")))
    ended.start()
    try:
        while (node := elements("long").get("n0/[1]") if _exists("long") else None) is None:
            time.sleep(0.01)
        assert (node.state, node.ended) == ("running", None)
        assert node.inputs == pack({"n": idl.integer(1)})
        assert elements("long")["n0/[0]"].state == "succeeded"
    finally:
        go.set()
        ended.join()
    assert {path: node.state for path, node in elements("long").items()} == {
        "n0/[0]": "succeeded",
        "n0/[1]": "succeeded",
    }


def _exists(run: str) -> bool:
    return run in [record.id for record in RunStore().runs()]


def test_many_short_elements_are_all_recorded() -> None:
    @task
    def same(n: int) -> int:
        return n

    @workflow
    def many(ns: list[int]) -> list[int]:
        return map_task(same)(n=ns)  # type: ignore[no-any-return]

    ns = list(range(5_000))
    result = execute(many, {"ns": ns})
    assert result.outputs == {"o0": ns}
    found = elements(result.id)
    assert len(found) == len(ns)
    assert found["n0/[4321]"].outputs == pack({"o0": idl.integer(4321)})
    RunStore().remove(result.id)
    assert RunStore().nodes(result.id) == []


def test_the_first_attempt_counts_as_one() -> None:
    class Heard:
        events: list[NodeEvent] = []

        def node(self, event: NodeEvent) -> None:
            self.events.append(event)

    attempts: list[int] = []

    @task(retries=2)
    def flaky(n: int) -> int:
        attempts.append(current_context().attempt)
        if len(attempts) < 3:
            raise FlyteRecoverableException("once more")
        return n

    @workflow
    def retried(ns: list[int]) -> list[int]:
        return map_task(flaky)(n=ns)  # type: ignore[no-any-return]

    result = execute(retried, {"ns": [4]}, RunOptions(listener=Heard()))
    assert (result.outputs, attempts) == ({"o0": [4]}, [0, 1, 2])
    assert [event.attempt for event in Heard.events if event.state == "retrying"] == [0, 1]
    assert elements(result.id)["n0/[0]"].attempt == 2


def test_an_element_that_cannot_be_converted_fails_alone() -> None:
    @task
    def small(n: int) -> int:
        return n

    mapped = map_task(small, min_success_ratio=0.5)
    lists = idl.Literal()
    lists.collection.literals.extend([idl.integer(1), idl.string("x")])
    made = execute_literals(mapped, {"n": lists})
    assert made.outputs == {"o0": [1, None]}
    failed = elements(made.id)["n0/[1]"]
    assert failed.state == "failed"
    assert "Failed argument 'n'" in (failed.error or "")
    with pytest.raises(TypeTransformerFailedError):
        execute_literals(map_task(small), {"n": lists})


class Prepared(PythonFunctionTask[Any]):
    def pre_execute(self, user_params: ExecutionParameters) -> ExecutionParameters:
        CALLS.append("prepared")
        return user_params

    def decode_inputs(self, literals: Any) -> dict[str, Any]:
        CALLS.append("decoded")
        return super().decode_inputs(literals)


def test_a_task_that_prepares_its_run_does_so_before_its_inputs_are_converted() -> None:
    def same(n: int) -> int:
        return n

    mapped = map_task(Prepared(None, same), concurrency=1)
    assert execute(mapped, {"n": [1, 2]}).outputs == {"o0": [1, 2]}
    assert CALLS == ["prepared", "decoded"] * 2


def test_sys_exit_fails_the_element() -> None:
    @task
    def leaves(n: int) -> int:
        raise SystemExit(3)

    with pytest.raises(UserError, match=r"called sys.exit\(3\)"):
        execute(map_task(leaves), {"n": [1]})


# -- how it is stored --------------------------------------------------------------------------------------------------

LITERALS = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(idl.integer),
    st.text(max_size=300).map(idl.string),
    st.just(idl.none()),
    st.just(idl.Literal()),
)
MAPS = st.dictionaries(st.text(max_size=150), LITERALS, max_size=4)


@given(MAPS, st.randoms(use_true_random=False))
def test_packed_literals_are_a_map_of_them_in_any_order(literals: dict[str, Any], random: Any) -> None:
    assert unpack(pack(literals)) == literals
    shuffled = list(literals.items())
    random.shuffle(shuffled)
    assert pack(dict(shuffled)) == pack(literals)


@given(st.lists(st.tuples(LITERALS, LITERALS), min_size=1, max_size=5), MAPS)
def test_batches_keep_their_elements(pairs: list[tuple[Any, Any]], shared: dict[str, Any]) -> None:
    rows = [
        Element(index, 1.5 + index, 2.5 + index, {"own": given}, {"o0": made})
        for index, (given, made) in enumerate(pairs)
    ]
    shared.pop("own", None)
    thawed = list(thaw(freeze(rows, shared)))
    assert [(e.index, e.started, e.ended, e.outputs) for e in thawed] == [
        (e.index, e.started, e.ended, e.outputs) for e in rows
    ]
    assert [e.inputs for e in thawed] == [{"own": e.inputs["own"], **shared} for e in rows]
