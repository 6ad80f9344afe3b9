from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.tasks.docstring import Docstring, parse

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
        ("Short\n\nReturns:\n  x: first\n  y: second", Docstring("Short", None, {}, {"x": "first", "y": "second"})),
        ("Short\n\nReturns:\n  a list of\n  things", Docstring("Short", None, {}, {None: "a list of\nthings"})),
        ("Args:\n    a: only", Docstring(None, None, {"a": "only"})),
        ("Short\n\nExample:\n    args: no section", Docstring("Short")),
    ],
)
def test_styles(text: str | None, expected: Docstring) -> None:
    assert parse(text) == expected


def test_one_description_serves_all_outputs() -> None:
    assert parse("S\n\n:return: both").output("o1") == "both"
    assert parse(NUMPY).output("y") == "second"
    assert parse(NUMPY).output("z") is None


@given(st.text(alphabet=st.sampled_from("ab :\n-*()[]Args Returns:param")))
def test_any_text_is_taken_apart(text: str) -> None:
    found = parse(text)
    first = inspect.cleandoc(text).splitlines()[0].strip() if text.strip() else ""
    assert found.short is None or found.short == first
