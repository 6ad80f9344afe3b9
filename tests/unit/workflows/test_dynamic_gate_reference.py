from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.errors import FlyteAssertion, FlyteValidationException
from hardpoint.tasks.task import task
from hardpoint.workflows.dynamic import compile_dynamic, dynamic, job_spec, tasks_of
from hardpoint.workflows.gate import Approval, Signal, Sleep, approve, sleep, wait_for_input
from hardpoint.workflows.map_task import map_task
from hardpoint.workflows.naming import dns_name
from hardpoint.workflows.reference import ReferenceTask, reference_launch_plan, reference_task, reference_workflow
from hardpoint.workflows.workflow import workflow


@task
def inc(a: int) -> int:
    return a + 1


@task
def quiet(a: int):
    pass


@workflow
def sub(x: int) -> int:
    return inc(a=x)


@dynamic
def fan(n: int) -> list[int]:
    return [inc(a=i) for i in range(n)]


@dynamic
def constant(n: int) -> tuple[int, list[str]]:
    return n, ["a"]


def test_the_body_sees_values():
    graph = compile_dynamic(fan, {"n": 3})
    assert [node.id for node in graph.nodes] == ["dn0", "dn1", "dn2"]
    assert len(graph.outputs["o0"].collection.bindings) == 3
    assert fan(n=4) == [1, 2, 3, 4]
    assert fan(n=0) == []


def test_in_a_workflow():
    @workflow
    def wf(x: int) -> list[int]:
        return map_task(inc)(a=fan(n=x))

    assert wf(x=2) == [2, 3]


def test_a_body_without_calls_has_outputs_only():
    graph = compile_dynamic(constant, {"n": 7})
    assert graph.nodes == []
    assert graph.outputs["o0"].scalar.primitive.integer == 7
    assert tuple(constant(n=7)) == (7, ["a"])


def test_tasks_come_once(settings):
    @dynamic
    def dyn(n: int):
        for i in range(n):
            sub(x=inc(a=i))
            map_task(inc)(a=[i])
            quiet(a=i)

    graph = compile_dynamic(dyn, {"n": 3})
    names = [t.name for t in tasks_of(graph)]
    assert names == [inc.name, map_task(inc).name, quiet.name]
    spec = job_spec(graph, settings)
    assert [t.id.name for t in spec.tasks] == names
    assert [w.id.name for w in spec.subworkflows] == [sub.name]
    assert spec.min_successes == 12


def test_a_reference_task_cannot_be_in_a_dynamic(settings):
    @dynamic
    def dyn(n: int):
        reference(a=n)

    with pytest.raises(ValueError, match="cannot be called in a dynamic task"):
        job_spec(compile_dynamic(dyn, {"n": 1}), settings)


@reference_task("rp", "rd", "r.t", "rv")
def reference(a: int) -> int:
    """The registered one."""


def test_references_are_not_run_here():
    with pytest.raises(NotImplementedError, match=r"rp:rd:r.t:rv.* is only a reference"):
        reference(a=3)
    stand_in = ReferenceTask("rp", "rd", "r.t", "rv", {"a": int, "b": (int, 5)}, {"o0": int})
    stand_in.stand_in = lambda a, b: a + b
    assert stand_in(a=3) == 8
    with pytest.raises(FlyteAssertion, match="unexpected keyword argument 'z'"):
        stand_in(z=3)


def test_reference_workflows_cannot_be_contained():
    @reference_workflow("rp", "rd", "r.w", "rv")
    def registered(a: int) -> int: ...

    @workflow
    def wf(x: int) -> int:
        return registered(a=x)

    with pytest.raises(ValueError, match="cannot be called inside a workflow"):
        wf.compile()
    assert registered.id.name == "r.w"


def test_references_are_nodes(settings):
    @reference_launch_plan("rp", "rd", "r.lp", "rv")
    def plan(a: int, b: str = "d") -> int: ...

    @workflow
    def wf(x: int) -> int:
        return plan(a=reference(a=x))

    first, second = wf.template(settings).nodes
    assert first.task_node.reference_id == reference.id
    assert second.workflow_node.launchplan_ref == plan.id
    assert [i.var for i in second.inputs] == ["a", "b"]


def test_gates_are_nodes():
    @workflow
    def wf(x: int) -> int:
        a = inc(a=x)
        pause = sleep(timedelta(seconds=1))
        given = wait_for_input("given", timedelta(minutes=5), int)
        b = approve(given, "ok")
        a >> pause
        return inc(a=b)

    _, pause, signal, approval, _ = wf.nodes
    assert pause.entity == Sleep("sleep-gate", timedelta(hours=1), timedelta(seconds=1))
    assert pause.upstream_ids == ["n0"]
    assert signal.entity == Signal("given", timedelta(minutes=5), int)
    assert approval.entity == Approval("ok", timedelta(hours=1), "o0", int)
    assert approval.upstream_ids == ["n2"]


def test_what_cannot_be_approved():
    def an_input(x: int) -> int:
        return approve(x, "ok")

    def nothing(x: int):
        approve(quiet(a=x), "ok")

    def a_value(x: int) -> int:
        return approve(3, "ok")

    for body, words in (
        (an_input, "Workflow inputs cannot"),
        (nothing, "doesn't return anything"),
        (a_value, "one output"),
    ):
        with pytest.raises(ValueError, match=words):
            workflow(body).compile()
    with pytest.raises(FlyteValidationException, match="needs an expected_type"):
        wait_for_input("x")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("n0", "n0"),
        ("My.Node_name", "my-node-name"),
        ("fooBar", "foo-bar"),
        ("_x", "x"),
        ("a--b", "a--b"),
        ("ABC", "a-b-c"),
        ("a_B", "a-b"),
        ("n0/1", "n01"),
        ("my Node", "my-node"),
        ("aBC-d", "a-b-c-d"),
        ("x" * 62, "x" * 62),
        ("x" * 63, "57176f335e-" + "x" * 52),
        ("x" * 40 + "." * 5 + "y" * 30, "e5d2273ea7-" + "x" * 17 + "-----" + "y" * 30),
    ],
)
def test_node_names(text, name):
    assert dns_name(text) == name


@given(st.text(max_size=200))
def test_every_name_is_a_label(text):
    name = dns_name(text)
    assert len(name) <= 63
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not name.startswith("-")
