from __future__ import annotations

import threading
from typing import NamedTuple

import pytest

from hardpoint.errors import FlyteAssertion, FlyteValidationException
from hardpoint.tasks.metadata import Description, Documentation
from hardpoint.tasks.task import task
from hardpoint.types.error import FlyteError
from hardpoint.workflows.launch_plan import LaunchPlan
from hardpoint.workflows.node_creation import create_node
from hardpoint.workflows.workflow import FlyteFailureNodeInputMismatchException, WorkflowFailurePolicy, workflow


class One(NamedTuple):
    only: int


@task
def inc(a: int) -> int:
    return a + 1


@task
def quiet(a: int):
    pass


@task
def boom(a: int) -> int:
    raise ValueError(f"boom {a}")


@workflow
def sub(x: int, y: int = 10) -> int:
    return inc(a=x)


def test_names_and_calls():
    assert sub.name == f"{__name__}.sub"
    assert sub.short_name == "sub"
    assert sub(1) == sub(x=1) == sub(1, y=3) == 2
    with pytest.raises(
        FlyteAssertion, match=r"Received more arguments than expected in function '.*sub'. Expected 2 but got 3"
    ):
        sub(1, 2, 3)
    with pytest.raises(FlyteAssertion, match=r"Received unexpected keyword argument 'z' in function '.*sub'"):
        sub(1, z=3)
    with pytest.raises(FlyteAssertion, match=r"Got multiple values for argument 'x' in function '.*sub'"):
        sub(1, x=3)


def test_the_body_runs_once_whoever_asks():
    runs = []

    @workflow
    def wf(x: int) -> int:
        runs.append(threading.get_ident())
        return inc(a=x)

    assert runs == []
    threads = [threading.Thread(target=wf.compile) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wf.compile() is wf.compile()
    assert len(runs) == 1


def test_a_body_that_fails_leaves_the_workflow_uncompiled(settings):
    fail = [True]

    @workflow
    def wf(x: int) -> int:
        a = inc(a=x)
        if fail[0]:
            raise RuntimeError("no")
        return a

    for _ in range(2):
        with pytest.raises(RuntimeError, match="no"):
            wf.template(settings)
    fail[0] = False
    assert len(wf.nodes) == 1
    assert wf(x=1) == 2


def no_value(x: int) -> int:
    inc(a=x)


def a_tuple(x: int) -> int:
    return inc(a=x), inc(a=x)


def too_few(x: int) -> tuple[int, int]:
    return inc(a=x)


def too_many(x: int) -> tuple[int, int]:
    return inc(a=x), inc(a=x), inc(a=x)


def a_surplus(x: int):
    return inc(a=x)


def another_type(x: int) -> str:
    return inc(a=x)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (no_value, "Failed to bind output o0 for function .*no_value"),
        (a_tuple, "declares one output"),
        (too_few, "declares 2 outputs"),
        (too_many, "Length mismatch"),
        (a_surplus, "declares no outputs"),
        (another_type, "Failed to bind output o0 .*does not match upstream type"),
    ],
)
def test_outputs_must_be_those_that_are_declared(body, words):
    with pytest.raises(FlyteValidationException, match=words):
        workflow(body).compile()


def test_outputs_of_other_kinds():
    @workflow
    def constant(x: int) -> tuple[int, str]:
        return x, "c"

    @workflow
    def one(x: int) -> One:
        return One(inc(a=x))

    @workflow
    def void(x: int):
        return quiet(a=x)

    assert tuple(constant(x=1)) == (1, "c")
    assert one(x=1) == One(2)
    assert void(x=1) is None


def test_settings_are_checked():
    with pytest.raises(FlyteValidationException, match="Interruptible must be boolean, 3 invalid"):
        workflow(interruptible=3)(a_surplus)
    with pytest.raises(FlyteValidationException, match="Failure policy 7 not acceptable"):
        workflow(failure_policy=7)(a_surplus)
    policy = WorkflowFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE
    assert workflow(failure_policy=policy)(a_surplus).failure_policy is policy


def test_mutable_defaults_are_refused():
    @task
    def careless(xs: list[int] = []) -> int:  # noqa: B006
        return len(xs)

    @workflow
    def wf() -> int:
        return careless()

    with pytest.raises(
        FlyteAssertion, match=r"Argument xs for function .*careless is a mutable default argument"
    ) as caught:
        wf.compile()
    assert "flytekit" not in str(caught.value)

    @workflow
    def given() -> int:
        return careless(xs=[1])

    assert given() == 1


def test_documentation_is_what_was_given_and_for_the_rest_the_docstring(settings):
    def documented(x: int) -> int:
        """First line.

        More lines.
        """
        return inc(a=x)

    assert workflow(documented).docs == Documentation("First line.", Description("More lines."))
    given = workflow(docs=Documentation(short_description="Mine"))(documented)
    assert given.docs == Documentation("Mine", Description("More lines."))
    assert given.spec(settings).description.short_description == "Mine"
    assert given.spec(settings).description.long_description.value == "More lines."
    assert sub.docs is None
    assert not sub.spec(settings).HasField("description")


def test_sub_workflows_come_once_and_in_order(settings):
    @workflow
    def b(x: int) -> int:
        return sub(x=x)

    @workflow
    def a(x: int) -> int:
        return b(x=sub(x=b(x=x)))

    names = [template.id.name for template in a.spec(settings).sub_workflows]
    assert names == sorted(names)
    assert len(names) == 2
    assert a(x=0) == 3


def test_a_workflow_cannot_contain_itself(settings):
    @workflow
    def first(x: int) -> int:
        return second(x=x)

    @workflow
    def second(x: int) -> int:
        return first(x=x)

    with pytest.raises(FlyteValidationException, match=r"contains itself: .*first -> .*second -> .*first"):
        first.spec(settings)


def test_a_task_made_in_the_body_belongs_to_the_workflow(settings):
    @workflow
    def wf(x: int) -> int:
        @task
        def local(a: int) -> int:
            return a * 3

        return local(a=x)

    [node] = wf.nodes
    assert node.entity.name == f"{wf.name}.{__name__}.local"
    assert wf.loader_args(settings, node.entity) == ["0"]
    assert wf.load_task(["0"]) is node.entity
    assert wf(x=2) == 6


def test_nodes_are_ordered_without_data():
    @workflow
    def wf(x: int) -> int:
        a = create_node(quiet, a=x)
        b = inc(a=x)
        c = quiet(a=x)
        a >> b >> c
        create_node(quiet, a=1).runs_before(a)
        return b

    assert [node.upstream_ids for node in wf.nodes] == [["n3"], ["n0"], ["n1"], []]
    assert wf(x=1) == 2


def test_nodes_cannot_wait_for_each_other():
    @workflow
    def wf(x: int):
        a, b = create_node(quiet, a=x), create_node(quiet, a=x)
        a >> b
        b >> a

    with pytest.raises(FlyteValidationException, match=r"n0, n1 of .* wait for each other"):
        wf.compile()


def test_create_node():
    kept = []

    @workflow
    def wf(x: int) -> int:
        node = create_node(inc, a=x)
        kept.append(node)
        assert node.o0 is node.outputs["o0"]
        return node.o0

    assert wf(x=1) == 2
    with pytest.raises(AttributeError, match="no output 'o1'; it has"):
        kept[0].o1  # noqa: B018
    with pytest.raises(FlyteAssertion, match="not inside a workflow"):
        create_node(inc, a=3)

    @workflow
    def positional(x: int):
        create_node(inc, x)

    with pytest.raises(FlyteAssertion, match="Only keyword args"):
        positional.compile()


handled: list[object] = []


@task
def handler(x: int, err: FlyteError | None = None):
    handled.append((x, err))


def test_a_failure_handler_gets_the_inputs_and_the_error(settings):
    @workflow(on_failure=handler)
    def wf(x: int) -> int:
        return boom(a=x)

    node = wf.failure_node
    assert node is not None
    assert node.id == "fn0"
    assert [n.id for n in wf.nodes] == ["n0"]
    assert wf.template(settings).failure_node.id == "fn0"
    handled.clear()
    with pytest.raises(ValueError, match="boom 7"):
        wf(x=7)
    [(x, err)] = handled
    assert x == 7
    assert isinstance(err, FlyteError)
    assert "boom 7" in err.message


def test_a_handler_must_take_the_inputs():
    @task
    def fewer(err: FlyteError | None = None):
        pass

    @task
    def others(x: str):
        pass

    @task
    def more(x: int, z: int):
        pass

    for wrong, words in (
        (fewer, "has no input 'x'"),
        (others, "'x' is int there and str here"),
        (more, "not Optional"),
    ):
        with pytest.raises(FlyteFailureNodeInputMismatchException, match=words):
            workflow(on_failure=wrong)(a_surplus_free).compile()
    with pytest.raises(FlyteAssertion, match="neither a task nor a workflow"):
        workflow(on_failure=print)(a_surplus_free).compile()


def a_surplus_free(x: int):
    quiet(a=x)


def test_plans_in_a_workflow_run_their_workflow():
    plan = LaunchPlan.get_or_create(sub, "in_a_workflow", fixed_inputs={"y": 1})

    @workflow
    def wf(x: int) -> int:
        return plan(x=x)

    assert list(wf.nodes[0].bindings) == ["x"]
    assert wf(x=4) == 5
