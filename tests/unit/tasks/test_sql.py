from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.errors import FlyteValidationException
from hardpoint.tasks.sql import InputReference, SQLTask, bind_query, parse_query

QUERY = "select *\n\t from  t -- a comment\n where a={{ .inputs.a }} and b = '{{ x' and c={{.Inputs.a}}"


def test_text_is_kept_verbatim() -> None:
    task: SQLTask[None] = SQLTask("q", QUERY, inputs={"a": int})
    assert task.query_template == QUERY
    assert task.query_parts == (
        "select *\n\t from  t -- a comment\n where a=",
        InputReference("a", "{{ .inputs.a }}"),
        " and b = '{{ x' and c=",
        InputReference("a", "{{.Inputs.a}}"),
    )


@pytest.mark.parametrize(
    "text", ["{{ xinputs.a }}", "{{ .inputsxa }}", "{{ .inputs.a", "{ .inputs.a }", "{{ .inputs. }}"]
)
def test_what_is_no_reference_is_text(text: str) -> None:
    assert parse_query(text) == (text,)


def test_values_are_bound() -> None:
    task: SQLTask[None] = SQLTask("q", QUERY, inputs={"a": int})
    text, values = task.bind("?", a=1)
    assert text == "select *\n\t from  t -- a comment\n where a=? and b = '{{ x' and c=?"
    assert values == [1, 1]
    text, values = bind_query(
        parse_query("{{.inputs.a}} {{.inputs.b}}"), {"a": 1, "b": 2}, lambda n, name: f":{name}{n}"
    )
    assert (text, values) == (":a1 :b2", [1, 2])


def test_percent_signs_of_formatting_drivers() -> None:
    parts = parse_query("select a % 2, {{.inputs.a}}")
    assert bind_query(parts, {"a": 1}, "%s", escape_percent=True) == ("select a %% 2, %s", [1])


def test_missing_and_unused_inputs() -> None:
    parts = parse_query("select {{ .inputs.a }}")
    with pytest.raises(
        ValueError,
        match=r"Variable a in Query \(part of {{ \.inputs\.a }}\) not found in inputs dict_keys\(\['b'\]\)",
    ):
        bind_query(parts, {"b": 1}, "?")
    with pytest.raises(
        FlyteValidationException, match=r"Extra Inputs have no matches in query template - missing \{'b'\}"
    ):
        bind_query(parts, {"a": 1, "b": 1}, "?")


@given(st.one_of(st.text(), st.integers(-(2**63), 2**63 - 1), st.none(), st.binary()))
def test_no_value_becomes_part_of_the_query(value: Any) -> None:
    text, values = bind_query(parse_query("select {{ .inputs.a }}, {{ .inputs.a }}"), {"a": value}, "?")
    assert text == "select ?, ?"
    with sqlite3.connect(":memory:") as connection:
        try:
            assert connection.execute(text, values).fetchone() == (value, value)
        finally:
            connection.rollback()
    connection.close()


@given(st.text())
def test_any_text_is_put_together_again(text: str) -> None:
    assert "".join(part if isinstance(part, str) else part.text for part in parse_query(text)) == text
