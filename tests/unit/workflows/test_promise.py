from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest

from hardpoint.errors import FlyteAssertion, FlyteValidationException, TypeTransformerFailedError
from hardpoint.tasks.task import task
from hardpoint.workflows.promise import Promise
from hardpoint.workflows.workflow import workflow


@dataclass
class Inner:
    n: int


@dataclass
class Config:
    var: str
    inner: Inner
    parts: list[Inner]
    table: dict[str, int]


class Color(Enum):
    RED = "red"


@task
def number(a: int) -> int:
    return a


@task
def config(a: int) -> Config:
    return Config("v", Inner(a), [Inner(a + 1)], {"k": a + 2})


@task
def text(s: str) -> str:
    return s


@task
def color(c: Color) -> str:
    return c.value


@task
def nothing(a: int):
    pass


@task
def pair(a: int) -> tuple[int, str]:
    return a, "s"


@task
def many(xs: list[int], table: dict[str, int]) -> int:
    return sum(xs) + sum(table.values())


@task
def untyped(d: dict) -> int:
    return len(d)


@task
def maybe(a: int | None = None, b: list[int] | None = None) -> str:
    return f"{a} {b}"


def compiled(body: Any) -> Any:
    """Compile a body and give what it raises."""
    return workflow(body).compile()


def paths(binding: Any) -> list[Any]:
    return [part.string_value or part.int_value for part in binding.promise.attr_path]


def test_parts_become_paths_and_are_taken_from_the_value():
    @workflow
    def wf(x: int) -> tuple[int, int, int, str]:
        c = config(a=x)
        return number(a=c.inner.n), number(a=c.parts[0].n), number(a=c["table"]["k"]), text(s=c.var)

    nodes = wf.nodes
    assert paths(nodes[1].bindings["a"]) == ["inner", "n"]
    assert paths(nodes[2].bindings["a"])[::2] == ["parts", "n"]
    assert nodes[2].bindings["a"].promise.attr_path[1].WhichOneof("value") == "int_value"
    assert tuple(wf(x=3)) == (3, 4, 5, "v")


def test_a_part_that_cannot_be_is_refused_when_the_workflow_is_compiled():
    def field(x: int):
        text(s=config(a=x).vra)

    def leaf(x: int):
        number(a=number(a=x).y)

    def key(x: int):
        number(a=config(a=x).parts["a"])

    with pytest.raises(FlyteAssertion, match=r"no field 'vra'.*'var', 'inner'"):
        compiled(field)
    with pytest.raises(FlyteAssertion, match="is of type int and has no part 'y'"):
        compiled(leaf)
    with pytest.raises(FlyteAssertion, match="is a list"):
        compiled(key)


@pytest.mark.parametrize(
    ("use", "error", "words"),
    [
        (bool, ValueError, "truth value"),
        (list, ValueError, "not iterable"),
        (len, TypeError, "no length"),
        ("{}".format, TypeError, "no text"),
        (lambda p: p & (p == 1), ValueError, "only conditions can"),
        (lambda p: (p == 1) and (p == 2), ValueError, "& and |"),
        (lambda p: (p == 1) & p, ValueError, "not a condition"),
        (lambda p: p[1.5], ValueError, "a str or an int"),
    ],
)
def test_a_promise_is_no_value(use, error, words):
    def body(x: int):
        use(number(a=x))

    with pytest.raises(error, match=words):
        compiled(body)


def test_promises_do_not_answer_to_protocols():
    promise = Promise(None, "x", Any, None)
    assert not hasattr(promise, "__array__")
    assert not hasattr(promise, "_repr_html_")
    assert repr(promise["a"][0]) == "Promise(input.x['a'][0])"


def test_what_gives_nothing_is_no_value():
    def compare(x: int):
        nothing(a=x) == 3  # noqa: B015

    def passed(x: int):
        number(a=nothing(a=x))

    def returned(x: int) -> int:
        return nothing(a=x)

    with pytest.raises(AssertionError, match=r"nothing returns nothing, NoneType return cannot be used"):
        compiled(compare)
    with pytest.raises(FlyteAssertion, match="produces no outputs"):
        compiled(passed)
    with pytest.raises(FlyteValidationException, match="Failed to bind output o0"):
        compiled(returned)


def test_containers_mix_promises_and_values_and_stay_as_they_were():
    given = [1, 2]

    @workflow
    def wf(x: int) -> int:
        given.append(x)
        total = many(xs=given, table={"a": number(a=x), "b": 5})
        assert given[-1] is not None
        return total

    assert wf(x=4) == 1 + 2 + 4 + 4 + 5
    assert isinstance(given[2], Promise)


def test_a_union_takes_a_container_of_promises():
    @workflow
    def wf(x: int) -> tuple[str, str, str]:
        return maybe(a=x), maybe(b=[x, 2]), maybe()

    assert tuple(wf(x=1)) == ("1 None", "None [1, 2]", "None None")


def test_a_promise_does_not_fit_an_untyped_dict():
    def body(x: int):
        untyped(d={"a": x})

    with pytest.raises(FlyteAssertion, match=r"(?s)Failed to Bind variable 'd'.*dict\[str, T\]"):
        compiled(body)


def test_types_are_checked_between_nodes():
    def body(x: int):
        text(s=number(a=x))

    def optional(x: int | None):
        number(a=x)

    with pytest.raises(FlyteAssertion, match="Expected type 'str' does not match upstream type 'int'"):
        compiled(body)
    with pytest.raises(AssertionError, match="does not match upstream type"):
        compiled(optional)


def test_a_text_may_flow_into_an_enum():
    @workflow
    def wf(s: str) -> str:
        return color(c=s)

    assert wf(s="red") == "red"


def test_errors_name_the_call():
    def tuples(x: int):
        number(a=pair(a=x))

    def value(x: int):
        number(a="no")

    def missing(x: int):
        many(xs=[x])

    with pytest.raises(FlyteAssertion, match="cannot receive a multi-valued tuple"):
        compiled(tuples)
    with pytest.raises(TypeTransformerFailedError, match=r"Failed to Bind variable 'a' for function '.*number'"):
        compiled(value)
    with pytest.raises(FlyteAssertion, match=r"Input table of type .* was not specified for function .*many"):
        compiled(missing)


def test_a_promise_of_another_workflow_is_refused():
    kept = []

    @workflow
    def first(x: int):
        kept.append(number(a=x))

    @workflow
    def second(x: int):
        number(a=kept[0])

    first.compile()
    with pytest.raises(FlyteAssertion, match="belongs to another workflow"):
        second.compile()
