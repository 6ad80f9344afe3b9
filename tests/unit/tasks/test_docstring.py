from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.tasks.docstring import Docstring, parse
from hardpoint.tasks.interface import Interface

GOOGLE = """Short desc.

Long desc line
two.

Args:
    a: the a
        continued
    b (str, optional): the b
    *rest: the rest

Returns:
    int: the result

Raises:
    ValueError: never
"""

SPHINX = """Short desc
second.

Long.

:param a: the a
   continued
:param str b: the b
:type a: int
:return: the result
:raises ValueError: never
"""

NUMPY = """Short

Long.

Parameters
----------
a : int
    the a
    more
b : str, optional
    the b

Returns
-------
x : int
    first
y : str
    second

Notes
-----
Nothing.
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, Docstring()),
        ("   ", Docstring()),
        ("Short.", Docstring("Short.")),
        (
            GOOGLE,
            Docstring(
                "Short desc.",
                "Long desc line\ntwo.",
                {"a": "the a\ncontinued", "b": "the b", "rest": "the rest"},
                {None: "the result"},
            ),
        ),
        (
            SPHINX,
            Docstring("Short desc", "second.\n\nLong.", {"a": "the a\ncontinued", "b": "the b"}, {None: "the result"}),
        ),
        (NUMPY, Docstring("Short", "Long.", {"a": "the a\nmore", "b": "the b"}, {"x": "first", "y": "second"})),
        (
            "Short\n\nReturns:\n  x: first\n  y: second",
            Docstring("Short", None, {}, {"x": "first", "y": "second"}, "first\ny: second"),
        ),
        ("Short\n\nReturns:\n  dict[str, int]: by name", Docstring("Short", None, {}, {None: "by name"})),
        ("Short\n\nReturns:\n  a thing: so it is", Docstring("Short", None, {}, {None: "a thing: so it is"})),
        ("Short\n\nReturns:\n  a list of\n  things", Docstring("Short", None, {}, {None: "a list of\nthings"})),
        ("Args:\n    a: only", Docstring(None, None, {"a": "only"})),
        ("Short\n\nExample:\n    args: no section", Docstring("Short")),
    ],
)
def test_styles(text: str | None, expected: Docstring) -> None:
    assert parse(text) == expected


NUMPY_ONE = "S\n\nReturns\n-------\nout : int\n    result\n"
GOOGLE_TYPES = "S\n\nReturns:\n    int: first\n    str: second\n"


@pytest.mark.parametrize(
    ("text", "outputs", "texts"),
    [
        ("S\n\n:return: both", ["o0", "o1"], {"o0": "both", "o1": "both"}),
        ("S\n\n:return x: xx", ["x", "y"], {"x": "xx", "y": "xx"}),
        (NUMPY_ONE, ["o0"], {"o0": "result"}),
        (NUMPY, ["x", "y"], {"x": "first", "y": "second"}),
        (NUMPY, ["y", "z"], {"y": "second"}),
        (NUMPY, ["o0", "o1"], {}),
        (GOOGLE, ["o0"], {"o0": "the result"}),
        (GOOGLE_TYPES, ["o0", "o1"], {"o0": "first\nstr: second", "o1": "first\nstr: second"}),
        (GOOGLE_TYPES.replace("str", "int"), ["o0", "o1"], {"o0": "first\nint: second", "o1": "first\nint: second"}),
        (GOOGLE_TYPES.replace("str", "b").replace("int", "a"), ["a", "b"], {"a": "first", "b": "second"}),
        ("S", ["o0"], {}),
    ],
)
def test_a_description_is_of_the_output_that_it_names_or_of_all(
    text: str, outputs: list[str], texts: dict[str, str]
) -> None:
    assert parse(text).of_outputs(outputs) == texts


def test_a_template_describes_its_outputs() -> None:
    interface = Interface({}, {"o0": int, "o1": str}, docstring=GOOGLE_TYPES)
    assert interface.typed.outputs.variables["o1"].description == "first\nstr: second"
    assert Interface({}, {"o0": int}, docstring="S").typed.outputs.variables["o0"].description == "o0"


@given(st.text(alphabet=st.sampled_from("ab :\n-*()[]Args Returns:param")))
def test_any_text_is_taken_apart(text: str) -> None:
    found = parse(text)
    first = inspect.cleandoc(text).splitlines()[0].strip() if text.strip() else ""
    assert found.short is None or found.short == first
