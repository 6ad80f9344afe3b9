from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest

from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteAssertion, FlyteValidationException
from hardpoint.tasks.task import task
from hardpoint.workflows.condition import conditional
from hardpoint.workflows.graph import Branch
from hardpoint.workflows.workflow import workflow


class Named(NamedTuple):
    x: int
    y: str


@task
def double(a: int) -> int:
    return a * 2


@task
def say(a: int, word: str) -> str:
    return f"{word}{a}"


@task
def named(a: int) -> Named:
    return Named(a, "y")


@task
def other(a: int) -> int:
    return -a


@task
def quiet(a: int):
    pass


@task
def half(a: float) -> float:
    return a / 2


@workflow
def chain(x: int) -> str:
    return (
        conditional("size")
        .if_((x > 10) & (x <= 20))
        .then(say(a=x, word="big"))
        .elif_((x < 0) | (x == 7))
        .then(say(a=x, word="odd"))
        .else_()
        .then(say(a=x, word="small"))
    )


@pytest.mark.parametrize(("x", "word"), [(11, "big11"), (20, "big20"), (-1, "odd-1"), (7, "odd7"), (21, "small21")])
def test_the_first_case_that_holds_runs(x, word):
    assert chain(x=x) == word


@workflow
def nested(x: int) -> int:
    a = double(a=x)
    return (
        conditional("outer")
        .if_(a > 10)
        .then(conditional("inner").if_(x != 9).then(double(a=a)).else_().fail("nine"))
        .else_()
        .then(other(a=a))
    )


def test_conditionals_nest():
    assert nested(x=2) == -4
    assert nested(x=6) == 24
    with pytest.raises(FlyteAssertion, match="nine"):
        nested(x=9)


def test_ids_are_unique_in_the_graph_and_counted_anew_on_the_wire(settings):
    graph = nested.compile()
    assert [node.id for node in graph.walk()] == ["n0", "n1", "n1-n0", "n1-n0-n0", "n1-n1"]
    outer = nested.template(settings).nodes[1].branch_node.if_else
    assert (outer.case.then_node.id, outer.else_node.id) == ("n0", "n1")
    assert outer.case.then_node.branch_node.if_else.case.then_node.id == "n0"


def test_a_branch_waits_for_what_its_cases_read():
    @workflow
    def wf(x: int) -> int:
        a, b = double(a=x), other(a=x)
        return conditional("c").if_(a > 1).then(double(a=b)).else_().then(other(a=x))

    assert wf.nodes[2].upstream_ids == ["n0", "n1"]
    assert wf(x=3) == -6


SIGNS = ["if", "elif", "else"]


@pytest.mark.parametrize("fails", [c for n in (1, 2) for c in itertools.combinations(range(3), n)])
@pytest.mark.parametrize("x", [1, 2, 3])
def test_any_case_may_fail(fails, x):
    """Each of three cases either runs something or fails; what happens is what the words say."""

    def end(case, index, a):
        return case.fail(f"failed {index}") if index in fails else case.then(say(a=a, word=str(index)))

    @workflow
    def wf(x: int) -> str:
        c = end(conditional("three").if_(x == 1), 0, x)
        c = end(c.elif_(x == 2), 1, x)
        return end(c.else_(), 2, x)

    if x - 1 in fails:
        with pytest.raises(FlyteAssertion, match=f"failed {x - 1}"):
            wf(x=x)
    else:
        assert wf(x=x) == f"{x - 1}{x}"


def test_a_failing_first_case_becomes_a_guard(settings):
    @workflow
    def wf(x: int) -> int:
        return conditional("c").if_(x < 0).fail("negative").else_().then(double(a=x))

    block = wf.template(settings).nodes[0].branch_node.if_else
    assert block.error.message == "negative"
    assert block.error.failed_node_id == "c"
    assert not block.other


def test_outputs_are_those_that_all_cases_have():
    @workflow
    def tuples(x: int) -> tuple[int, str]:
        r = conditional("t").if_(x > 1).then(named(a=x)).else_().then(named(a=0))
        return r.x, r.y

    assert tuple(tuples(x=5)) == (5, "y")

    @workflow
    def void(x: int):
        conditional("v").if_(x > 1).then(quiet(a=x)).else_().then(double(a=x))

    assert void.nodes[0].outputs == {}
    assert void(x=1) is None


def test_parts_of_one_output_are_told_apart():
    @task
    def numbers(a: int) -> list[int]:
        return [a, a + 1]

    @workflow
    def wf(x: int) -> int:
        ns = numbers(a=x)
        return conditional("c").if_((ns[0] == 1) & (ns[1] == 2)).then(double(a=x)).else_().then(other(a=x))

    assert sorted(wf.nodes[1].bindings) == ["n0.o0.0", "n0.o0.1"]
    assert (wf(x=1), wf(x=2)) == (2, -2)


def test_none_and_booleans():
    @task
    def optional(a: int) -> bool | None:
        return None if a == 0 else a > 0

    @workflow
    def wf(x: int) -> str:
        b = optional(a=x)
        return (
            (
                conditional("b")
                .if_(b.is_none())
                .then(say(a=x, word="none"))
                .elif_(b.is_true())
                .then(say(a=x, word="yes"))
            )
            .else_()
            .then(say(a=x, word="no"))
        )

    assert [wf(x=x) for x in (0, 1, -1)] == ["none0", "yes1", "no-1"]


def test_a_whole_number_compared_with_a_float_is_a_float(settings):
    @workflow
    def wf(z: float) -> float:
        return conditional("c").if_(z > 3).then(half(a=z)).else_().then(half(a=1.0))

    comparison = wf.template(settings).nodes[0].branch_node.if_else.case.condition.comparison
    assert comparison.right_value.primitive.WhichOneof("value") == "float_value"
    assert wf(z=3.5) == 1.75


def test_calls_in_a_condition_are_made_before_the_branch():
    @workflow
    def wf(x: int) -> int:
        return conditional("c").if_(double(a=x) > 3).then(double(a=x)).else_().then(other(a=x))

    assert [node.id for node in wf.nodes] == ["n0", "n1"]
    assert isinstance(wf.nodes[1].entity, Branch)
    assert (wf(x=1), wf(x=2)) == (-1, 4)


def bad_bool(x: int) -> int:
    return conditional("c").if_(3 > 2).then(double(a=x)).else_().then(double(a=x))


def bad_unary(x: int) -> int:
    return conditional("c").if_(x).then(double(a=x)).else_().then(double(a=x))


def bad_value(x: int) -> int:
    return conditional("c").if_("x > 3").then(double(a=x)).else_().then(double(a=x))


def bad_two(x: int) -> int:
    return conditional("c").if_(x > 1).then(double(a=other(a=x))).else_().then(double(a=x))


def bad_old(x: int) -> int:
    a = double(a=x)
    return conditional("c").if_(x > 1).then(a).else_().then(double(a=x))


def bad_escape(x: int) -> int:
    kept = []

    def keep(promise):
        kept.append(promise)
        return promise

    a = double(a=x)
    conditional("c").if_(a > 1).then(keep(double(a=x))).else_().then(double(a=x))
    return double(a=kept[0])


def bad_return(x: int) -> int:
    a = double(a=x)
    inner = []
    conditional("c").if_(a > 1).then(inner.append(double(a=x)) or inner[0]).else_().then(double(a=x))
    return inner[0]


def bad_open(x: int) -> int:
    return conditional("c").if_(x > 1).then(double(a=x))


def bad_inner(x: int) -> int:
    return conditional("out").if_(x > 1).then(conditional("in").if_(x > 2).then(double(a=x))).else_().fail("no")


def bad_order(x: int) -> int:
    return conditional("c").if_((x == 1).__class__).then(double(a=x)).else_().then(double(a=x))


def bad_all_fail(x: int) -> int:
    return conditional("c").if_(x > 1).fail("a").else_().fail("b")


def bad_list(xs: list[int]) -> list[int]:
    conditional("c").if_(xs == 3).then(quiet(a=1)).else_().then(quiet(a=2))
    return xs


def bad_bool_order(b: bool) -> bool:
    conditional("c").if_(b > False).then(quiet(a=1)).else_().then(quiet(a=2))
    return b


def bad_constant(x: int) -> int:
    return conditional("c").if_(x == [1]).then(double(a=x)).else_().then(double(a=x))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (bad_bool, r"Logical \(and/or/is/not\) operations are not supported.*True in c.if"),
        (bad_unary, r"Unary expressions"),
        (bad_value, "are conditions"),
        (bad_order, "are conditions"),
        (bad_two, r"takes one call, but 2 were made"),
        (bad_old, "made before this case"),
        (bad_escape, "n2 should come after n1-n0, which is inside a branch"),
        (bad_return, "the outputs should come after n1-n0, which is inside a branch"),
        (bad_open, r"should always end with an `else_\(\)` clause"),
        (bad_inner, r"`else_\(\)` clause.*'in'"),
        (bad_all_fail, "every case fails"),
        (bad_list, "only primitive values"),
        (bad_bool_order, "orders booleans"),
        (bad_constant, "only primitive values"),
    ],
)
def test_what_cannot_be(body, words):
    with pytest.raises(FlyteValidationException, match=words):
        workflow(body).compile()


def test_an_unfinished_chain_leaves_nothing_behind():
    with pytest.raises(AssertionError):
        workflow(bad_open).compile()
    assert FlyteContextManager.current_context().compilation is None
    assert chain(x=7) == "odd7"


def test_outside_of_a_workflow():
    with pytest.raises(FlyteAssertion, match="not inside a workflow"):
        conditional("c")


def test_a_chain_ends_once():
    def again(x: int) -> int:
        c = conditional("c").if_(x > 1).then(double(a=x))
        c.else_().then(double(a=x))
        return c.else_().then(double(a=x))

    with pytest.raises(FlyteAssertion, match="has ended already"):
        workflow(again).compile()
