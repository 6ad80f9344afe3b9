from __future__ import annotations

import pytest

from hardpoint.errors import FlyteAssertion, FlyteValidationException
from hardpoint.tasks.task import task
from hardpoint.workflows.imperative import ImperativeWorkflow, Workflow
from hardpoint.workflows.workflow import FlyteFailureNodeInputMismatchException, workflow


@task
def inc(a: int) -> int:
    return a + 1


@task
def add(xs: list[int], table: dict[str, int]) -> int:
    return sum(xs) + sum(table.values())


@task
def quiet():
    pass


@task
def handler(x: int):
    pass


def built() -> tuple[ImperativeWorkflow, object]:
    wf = ImperativeWorkflow("imp")
    return wf, wf.add_workflow_input("x", int)


def test_a_workflow_is_put_together_and_runs():
    wf, x = built()
    a = wf.add_entity(inc, a=x)
    b = wf.add_task(add, xs=[x, a.outputs["o0"]], table={"k": a.o0})
    wf.add_workflow_output("last", b.o0)
    wf.add_workflow_output("all", [x, a.o0], python_type=list[int])
    wf.add_workflow_output("named", {"b": b.o0}, python_type=dict[str, int])
    result = wf(x=1)
    assert (result.last, result.all, result.named) == (5, [1, 2], {"b": 5})
    assert Workflow is ImperativeWorkflow


def test_it_grows_after_it_was_compiled():
    wf, x = built()
    a = wf.add_entity(inc, a=x)
    a.with_overrides(node_name="n1")
    assert [node.id for node in wf.nodes] == ["n1"]
    b = wf.add_entity(inc, a=a.o0).with_overrides(node_name="n0")
    wf.add_workflow_output("o", b.o0)
    assert [node.id for node in wf.nodes] == ["n1", "n0"]
    assert wf.nodes[1].bindings["a"].promise.node_id == "n1"
    assert wf(x=1) == wf(x=1) == 3


def test_ready():
    wf, x = built()
    assert not wf.ready()
    wf.add_entity(quiet)
    assert not wf.ready()
    wf.add_entity(add, xs=[1, x], table={})
    assert wf.ready()
    y = wf.add_workflow_input("y", int)
    assert not wf.ready()
    wf.create_conditional("c").if_(y > 1).then(wf.add_entity(inc, a=1)).else_().fail("no")
    assert wf.ready()


def test_conditionals():
    wf, x = built()
    chosen = wf.create_conditional("c").if_(x > 1).then(wf.add_entity(inc, a=x)).else_().then(wf.add_entity(inc, a=100))
    wf.add_workflow_output("o", chosen)
    assert [node.id for node in wf.nodes] == ["n0"]
    assert (wf(x=5), wf(x=0)) == (6, 101)


def test_sub_workflows_and_failure_handlers(settings):
    inner, x = built()
    inner.add_workflow_output("o", inner.add_entity(inc, a=x).o0)
    wf = ImperativeWorkflow("outer")
    y = wf.add_workflow_input("x", int)
    wf.add_workflow_output("o", wf.add_subwf(inner, x=y).o)
    node = wf.add_on_failure_handler(handler)
    assert node.id == "efn"
    spec = wf.spec(settings)
    assert [n.id for n in spec.template.nodes] == ["n0"]
    assert spec.template.failure_node.id == "efn"
    assert [template.id.name for template in spec.sub_workflows] == ["imp"]
    assert wf(x=1) == 2


def test_what_cannot_be():
    wf, x = built()
    with pytest.raises(FlyteValidationException, match="Input x has already been specified for wf imp"):
        wf.add_workflow_input("x", int)
    a = wf.add_entity(inc, a=x)
    wf.add_workflow_output("o", a.o0)
    with pytest.raises(FlyteValidationException, match="Output o already exists in workflow imp"):
        wf.add_workflow_output("o", a.o0)
    with pytest.raises(FlyteValidationException, match="you must specify the python_type"):
        wf.add_workflow_output("p", [a.o0])
    with pytest.raises(FlyteAssertion, match="was not specified"):
        wf.add_entity(inc)
    with pytest.raises(FlyteFailureNodeInputMismatchException):
        wf.add_on_failure_handler(inc)
    a.with_overrides(node_name="efn")
    with pytest.raises(ValueError, match="'efn' in imp is reserved"):
        wf.compile()


def test_it_is_not_built_inside_another():
    @workflow
    def outer(x: int):
        wf, _ = built()
        wf.add_entity(quiet)

    with pytest.raises(RuntimeError, match="Can't already be compiling"):
        outer.compile()
