from __future__ import annotations

import typing
from typing import Annotated, Any, NamedTuple, Optional

import pytest

from hardpoint.errors import FlyteAssertion, FlyteValidationException, TypeTransformerFailedError
from hardpoint.tasks.class_decorator import ClassDecorator
from hardpoint.tasks.interface import Interface, bind_arguments, interface_of, is_optional
from hardpoint.types.columns import kwtypes
from tests.unit.tasks import foreign


class Pair(NamedTuple):
    number: int
    text: str


class One(NamedTuple):
    only: int


class Nothing(NamedTuple):
    pass


def test_arguments_and_defaults() -> None:
    def f(a: int, b: Optional[int], c: int = 0, *, d: str = "x") -> Annotated[int, "q"]:
        return a

    found = interface_of(f)
    assert found.inputs == {"a": int, "b": Optional[int], "c": int, "d": str}
    assert found.defaults == {"c": 0, "d": "x"}
    assert found.outputs == {"o0": Annotated[int, "q"]}
    assert found.inputs_with_defaults["a"] == (int, None)


def returns_nothing() -> None: ...
def returns_unsaid(): ...  # type: ignore[no-untyped-def]
def returns_empty() -> tuple[()]: ...  # type: ignore[empty-body]
def returns_two() -> tuple[int, str]: ...  # type: ignore[empty-body]
def returns_two_old() -> typing.Tuple[int, str]: ...  # type: ignore[empty-body] # noqa: UP006
def returns_pair() -> Pair: ...  # type: ignore[empty-body]
def returns_one() -> One: ...  # type: ignore[empty-body]
def returns_named_nothing() -> Nothing: ...  # type: ignore[empty-body]
async def returns_later() -> int: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("function", "outputs", "tuple_name"),
    [
        (returns_nothing, {}, None),
        (returns_unsaid, {}, None),
        (returns_empty, {}, None),
        (returns_two, {"o0": int, "o1": str}, None),
        (returns_two_old, {"o0": int, "o1": str}, None),
        (returns_pair, {"number": int, "text": str}, "Pair"),
        (returns_one, {"only": int}, "One"),
        (returns_named_nothing, {}, "Nothing"),
        (returns_later, {"o0": int}, None),
    ],
)
def test_outputs(function: Any, outputs: dict[str, Any], tuple_name: str | None) -> None:
    found = interface_of(function)
    assert found.outputs == outputs
    assert found.output_tuple_name == tuple_name


def test_several_outputs_have_a_class() -> None:
    assert interface_of(returns_pair).output_tuple is Pair
    make: Any = interface_of(returns_two).output_tuple
    made = make(o0=1, o1="x")
    assert type(made).__name__ == "DefaultNamedTupleOutput"
    assert made == (1, "x")


def untyped(a, b: int = 1): ...  # type: ignore[no-untyped-def]
def starred(*values: int) -> None: ...
def double_starred(**values: int) -> None: ...
def by_position(a: int, /, b: int = 1) -> None: ...
def single_tuple() -> tuple[int]: ...  # type: ignore[empty-body]
def endless_tuple() -> tuple[int, ...]: ...  # type: ignore[empty-body]
def bare_tuple() -> tuple: ...  # type: ignore[empty-body, type-arg]
def unknown(a: Missing) -> None: ...  # type: ignore[name-defined] # noqa: F821


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (untyped, "'a' has no type. Please add a type annotation"),
        (starred, r"starred\(\) takes \*values"),
        (double_starred, r"takes \*\*values"),
        (by_position, r"by_position\(\) takes a by position only"),
        (single_tuple, "found only one return variable"),
        (endless_tuple, "the number of outputs must be known"),
        (bare_tuple, "the number of outputs must be known"),
        (unknown, "names 'Missing', which cannot be found"),
    ],
)
def test_impossible_signatures_fail_at_once(function: Any, words: str) -> None:
    with pytest.raises(FlyteValidationException, match=words) as caught:
        interface_of(function)
    assert caught.value.remedy


def test_untyped_arguments_may_be_pickled() -> None:
    found = interface_of(untyped, pickle_untyped=True)
    assert found.inputs == {"a": Any, "b": int}
    assert found.outputs == {"o0": Any}


def test_annotations_of_a_wrapped_function_are_read_in_its_own_module() -> None:
    class Around(ClassDecorator):
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            return self.task_function(*args, **kwargs)

    assert interface_of(Around(foreign.local_type)).inputs == {"a": foreign.Local}


def test_types_are_compiled_when_they_are_asked_for() -> None:
    found = Interface({"a": int, "bad": list})
    with pytest.raises(TypeTransformerFailedError) as caught:
        _ = found.typed
    assert "The type is that of input 'bad'" in caught.value.__notes__[0]


def documented(a: int, b: str) -> Pair:
    """What it does.

    Args:
        a: the number

    Returns:
        number: the first
        text: the second
    """
    return Pair(a, b)


def test_descriptions_come_from_the_docstring() -> None:
    typed = interface_of(documented).typed
    assert {name: v.description for name, v in typed.inputs.variables.items()} == {"a": "the number", "b": "b"}
    assert {name: v.description for name, v in typed.outputs.variables.items()} == {
        "number": "the first",
        "text": "the second",
    }


def test_changed_copies() -> None:
    base = interface_of(documented)
    assert list(base.with_inputs({"c": int}).inputs) == ["a", "b", "c"]
    assert list(base.remove_inputs(["a"]).inputs) == ["b"]
    assert list(base.with_outputs({"more": int}).outputs) == ["number", "text", "more"]
    assert list(base.inputs) == ["a", "b"]
    assert base.remove_inputs(["a"]).docstring.inputs == {"a": "the number"}
    with pytest.raises(FlyteValidationException, match="an input named 'a' already"):
        base.with_inputs({"a": int})
    with pytest.raises(FlyteValidationException, match="an output named 'text' already"):
        base.with_outputs({"text": int})


def test_repr_is_a_signature() -> None:
    assert repr(Interface({"a": int, "b": (str, "x")}, {"o0": float})) == "Interface(a: int, b: str = ... -> o0: float)"


def test_kwtypes_keeps_order() -> None:
    assert list(kwtypes(b=int, a=str)) == ["b", "a"]


@pytest.mark.parametrize(
    ("t", "optional"),
    [(int, False), (int | None, True), (Optional[int], True), (Annotated[int | None, 1], True), (int | str, False)],
)
def test_is_optional(t: Any, optional: bool) -> None:
    assert is_optional(t) is optional


TWO = Interface({"a": int, "b": (int, 2), "c": int | None})


@pytest.mark.parametrize(
    ("args", "kwargs", "bound"),
    [
        ((1,), {}, {"a": 1, "b": 2, "c": None}),
        ((1, 3), {"c": 4}, {"a": 1, "b": 3, "c": 4}),
        ((), {"c": 4, "a": 1}, {"a": 1, "b": 2, "c": 4}),
    ],
)
def test_binding(args: tuple[Any, ...], kwargs: dict[str, Any], bound: dict[str, Any]) -> None:
    found = bind_arguments("m.f", TWO, args, kwargs)
    assert found == bound
    assert list(found) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((1, 2, 3, 4), {}, "Received more arguments than expected in function 'm.f'. Expected 3 but got 4"),
        ((1,), {"d": 1}, "Received unexpected keyword argument 'd' in function 'm.f'"),
        ((1,), {"a": 1}, "Got multiple values for argument 'a' in function 'm.f'"),
        ((), {"b": 1}, "Input a of type <class 'int'> was not specified for function m.f"),
    ],
)
def test_binding_errors(args: tuple[Any, ...], kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(FlyteAssertion) as caught:
        bind_arguments("m.f", TWO, args, kwargs)
    assert str(caught.value) == message
    assert isinstance(caught.value, AssertionError)
