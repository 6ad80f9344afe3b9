from __future__ import annotations

import functools
import time
from datetime import timedelta
from typing import Optional

import pytest

from hardpoint import idl
from hardpoint.errors import FlyteAssertion, FlyteRecoverableException, FlyteValidationException
from hardpoint.idl import Literal
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.metadata import TaskMetadata
from hardpoint.tasks.pod import PodTemplate
from hardpoint.tasks.python_function_task import PythonFunctionTask, PythonInstanceTask
from hardpoint.tasks.resolver import load_resolver
from hardpoint.tasks.task import task
from hardpoint.workflows.dynamic import dynamic
from hardpoint.workflows.launch_plan import LaunchPlan
from hardpoint.workflows.map_task import ArrayNode, MapTask, map_task
from hardpoint.workflows.reference import reference_launch_plan, reference_task
from hardpoint.workflows.workflow import workflow


@task
def scale(a: int, factor: int, word: str = "w") -> int:
    if a < 0:
        raise ValueError(f"{a} is negative")
    return a * factor


@task
def total(xs: list[int], plus: int) -> int:
    return sum(xs) + plus


@task
def inc(a: int) -> int:
    return a + 1


@task
def quiet(a: int):
    pass


@task
def pair(a: int) -> tuple[int, int]:
    return a, a


class Special(PythonFunctionTask):
    pass


class Instance(PythonInstanceTask):
    def __init__(self, name: str) -> None:
        super().__init__(name, None, task_type="special", interface=Interface({"a": int}, {"o0": int}))

    def execute(self, a: int) -> int:
        return a + 100


instance = Instance("tests.instance")


def collection(*values: int) -> Literal:
    literal = Literal()
    literal.collection.literals.extend(idl.integer(v) for v in values)
    literal.collection.SetInParent()
    return literal


def test_the_interface_is_over_lists():
    assert map_task(inc).python_interface.inputs == {"a": list[int]}
    assert map_task(inc).python_interface.outputs == {"o0": list[int]}
    assert map_task(inc, min_success_ratio=0.5).python_interface.outputs == {"o0": list[Optional[int]]}
    assert map_task(quiet).python_interface.outputs == {}
    bound = map_task(functools.partial(scale, 3, word="x"))
    assert bound.bound_inputs == {"a", "word"}
    assert bound.python_interface.inputs == {"a": int, "factor": list[int], "word": str}


def test_bound_values_reach_every_element():
    assert map_task(functools.partial(scale, factor=10, word="w"))(a=[1, 2, 3]) == [10, 20, 30]
    assert map_task(scale, bound_inputs_values={"factor": 2, "word": "w"})(a=[1, 2]) == [2, 4]
    with pytest.raises(ValueError, match="should have the same keys"):
        map_task(scale, bound_inputs={"word"}, bound_inputs_values={"factor": 2})
    with pytest.raises(ValueError, match="no input colour"):
        map_task(functools.partial(scale, colour=3))


def test_in_a_workflow_a_bound_list_is_whole():
    @workflow
    def wf(xs: list[int], n: int) -> tuple[list[int], list[int]]:
        scaled = map_task(functools.partial(scale, factor=n, word="w"))(a=xs)
        return scaled, map_task(functools.partial(total, xs=[n, 1]))(plus=scaled)

    assert tuple(wf(xs=[1, 2], n=5)) == ([5, 10], [11, 16])


def test_lists_must_be_equally_long():
    with pytest.raises(FlyteAssertion, match=r"different lengths: a has 2, factor has 1, word has 2"):
        map_task(scale)(a=[1, 2], factor=[1], word=["a", "b"])
    with pytest.raises(FlyteAssertion, match="no list to map over"):
        map_task(functools.partial(inc, a=1))()
    assert map_task(inc)(a=[]) == []


def test_elements():
    mapped = map_task(functools.partial(scale, factor=2, word="w"))
    inputs = {"a": collection(7, 8), "factor": idl.integer(2), "word": idl.string("w")}
    assert mapped.count(inputs) == 2
    assert mapped.element(inputs, 1) == {"a": idl.integer(8), "factor": idl.integer(2), "word": idl.string("w")}
    with pytest.raises(FlyteAssertion, match="not a list"):
        mapped.count({"a": idl.integer(1)})


@pytest.mark.parametrize(
    ("settings", "count", "required"),
    [
        ({}, 10, 10),
        ({"min_success_ratio": 0.7}, 10, 7),
        ({"min_success_ratio": 0.5}, 5, 3),
        ({"min_success_ratio": 0.0}, 5, 0),
        ({"min_successes": 2}, 5, 2),
        ({"min_successes": 9}, 5, 5),
    ],
)
def test_required_successes(settings, count, required):
    assert map_task(inc, **settings).required_successes(count) == required


attempts: dict[str, int] = {}


@task
def unsteady(name: str) -> int:
    attempts[name] = attempts.get(name, 0) + 1
    if attempts[name] < 3:
        raise FlyteRecoverableException("not yet")
    return attempts[name]


@task
def slow(a: int) -> int:
    time.sleep(a)
    return a


def test_the_metadata_that_is_given_is_that_of_each_element():
    @workflow
    def wf(names: list[str]) -> list[int]:
        return map_task(unsteady, metadata=TaskMetadata(retries=2))(name=names)

    assert wf(names=["one", "two"]) == [3, 3]

    @workflow
    def limited(xs: list[int]) -> list[int]:
        return map_task(slow, metadata=TaskMetadata(timeout=timedelta(seconds=0.2)))(a=xs)

    with pytest.raises(TimeoutError, match=r"0\.2 s"):
        limited(xs=[0, 1])


def test_some_elements_may_fail():
    mapped = map_task(functools.partial(scale, factor=1, word="w"), min_success_ratio=0.6)
    assert mapped(a=[1, -2, 3]) == [1, None, 3]
    with pytest.raises(ValueError, match="is negative"):
        mapped(a=[-1, -2, 3])


@pytest.mark.parametrize("wrong", [{"concurrency": -1}, {"min_success_ratio": 1.5}])
def test_bounds_are_checked(wrong):
    with pytest.raises(FlyteValidationException, match="should be"):
        map_task(inc, **wrong)


def test_what_cannot_be_mapped():
    @dynamic
    def dyn(a: int) -> int:
        return inc(a=a)

    for target in (dyn, functools.partial(dyn), 3):
        with pytest.raises(ValueError, match="Only PythonFunctionTask with default execution mode"):
            map_task(target)
    with pytest.raises(ValueError, match="Only tasks with a single output"):
        map_task(pair)


def test_a_subclass_keeps_its_full_state(settings):
    special = Special(None, inc.task_function)

    @workflow
    def wf(xs: list[int]):
        map_task(special)(a=xs)
        map_task(inc)(a=xs)
        map_task(instance)(a=xs)

    modes = [node.array_node.execution_mode for node in wf.template(settings).nodes]
    assert modes == [1, 0, 1]


def test_an_instance_is_found_by_its_variable(settings):
    mapped = map_task(instance)
    assert mapped.name.startswith("special.map_instance_")
    assert mapped.template(settings).container.args[-4:] == ["task-module", __name__, "task-name", "instance"]
    assert mapped(a=[1, 2]) == [101, 102]


def test_a_container_finds_the_map_again(settings):
    mapped = map_task(functools.partial(scale, factor=2), concurrency=3)
    args = list(mapped.template(settings).container.args)
    location, loader = args[args.index("--resolver") + 1], args[args.index("--") + 1 :]
    found = load_resolver(location).load_task(loader)
    assert isinstance(found, MapTask)
    assert found.target is scale
    assert found.bound_inputs == {"factor"}
    assert load_resolver(location).load_task(["vars", "", *loader[2:]]).bound_inputs == frozenset()


def test_the_target_stays_as_it_is(settings):
    before = scale.template(settings)
    map_task(scale).template(settings)
    assert scale.template(settings) == before


def test_a_pod_of_the_target_runs_one_element(settings):
    @task(pod_template=PodTemplate(primary_container_name="main"))
    def in_pod(a: int) -> int:
        return a

    template = map_task(in_pod).template(settings)
    assert not template.HasField("container")
    assert template.config == {"primary_container_name": "main"}
    assert idl.native(template.k8s_pod.pod_spec)["containers"][0]["args"][0] == "hardpoint-map-execute"


@workflow
def sub(x: int, y: int = 2) -> int:
    return inc(a=x)


def test_launch_plans_are_mapped_without_their_fixed_inputs(settings):
    plan = LaunchPlan.get_or_create(sub, "mapped_plan", fixed_inputs={"y": 3})
    mapped = map_task(plan, concurrency=2)
    assert isinstance(mapped, ArrayNode)
    assert mapped.python_interface.inputs == {"x": list[int]}
    assert mapped(x=[1, 2]) == [2, 3]

    @workflow
    def wf(xs: list[int]) -> list[int]:
        return map_task(plan)(x=xs)

    assert wf(xs=[5]) == [6]
    with pytest.raises(ValueError, match="metadata cannot be given"):
        map_task(plan, metadata=None)


def test_references_are_mapped(settings):
    @reference_task("rp", "rd", "r.t", "rv")
    def ref(a: int) -> int: ...

    @reference_launch_plan("rp", "rd", "r.lp", "rv")
    def plan(a: int) -> int: ...

    @workflow
    def wf(xs: list[int]) -> list[int]:
        return map_task(plan)(a=map_task(ref)(a=xs))

    first, second = (node.array_node for node in wf.template(settings).nodes)
    assert (first.data_mode, first.execution_mode) == (first.INDIVIDUAL_INPUT_FILES, first.MINIMAL_STATE)
    assert first.node.task_node.reference_id.name == "r.t"
    assert (second.data_mode, second.execution_mode) == (second.SINGLE_INPUT_FILE, second.FULL_STATE)
    assert second.node.workflow_node.launchplan_ref.project == "rp"
