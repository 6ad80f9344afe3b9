"""A query's text, its inputs, and values as SQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from hardpoint import StructuredDataset, idl
from hardpoint.errors import FlyteValidationException
from hardpoint.idl import Literal
from hardpoint.integrations.athena.statement import Statements, expression
from hardpoint.types import TypeEngine


def bound(template: str, **inputs: Literal) -> tuple[str, list[str]]:
    statement = Statements(template).bind(inputs, raw_output="s3://b/o'k/", unique="hp-1")
    return statement.text, statement.parameters


N, S = idl.integer(3), idl.string("O'Hara; DROP TABLE t --")


@pytest.mark.parametrize(
    ("template", "inputs", "text", "parameters"),
    [
        ("select 1", {}, "select 1", []),
        ("select 1 ;\n-- end", {}, "select 1 \n-- end", []),
        ("SELECT {{ .inputs.n }}, {{.Inputs.n}}", {"n": N}, "SELECT ?, ?", ["3", "3"]),
        ("SELECT '{{ .inputs.s }}'", {"s": S}, "SELECT ?", ["'O''Hara; DROP TABLE t --'"]),
        ("SELECT {{ .inputs.s }}", {"s": S}, "SELECT ?", ["'O''Hara; DROP TABLE t --'"]),
        ("SELECT '{{ .inputs.n }}'", {"n": N}, "SELECT ?", ["'3'"]),
        ("SELECT '{{ .inputs.b }}'", {"b": idl.boolean(True)}, "SELECT ?", ["'true'"]),
        ("SELECT '{{ .inputs.b }}'", {"b": idl.none()}, "SELECT ?", ["NULL"]),
        ("SELECT 'it''s ?', \"a?\" -- ? ; {{ x }}\n, {{ .inputs.n }}", {"n": N}, None, ["3"]),
        ("SELECT /* ' */ 1 /* {{ .inputs.z }} */", {}, "SELECT /* ' */ 1 /* {{ .inputs.z }} */", []),
        ("SELECT ?", {}, "SELECT ?", []),
        (
            "UNLOAD (SELECT 1) TO '{{ .rawOutputDataPrefix }}/{{.PerRetryUniqueKey}}'",
            {},
            "UNLOAD (SELECT 1) TO 's3://b/o''k//hp-1'",
            [],
        ),
    ],
)
def test_what_athena_is_sent(
    template: str, inputs: dict[str, Literal], text: str | None, parameters: list[str]
) -> None:
    sent, given_ = bound(template, **inputs)
    assert given_ == parameters
    assert sent == (text if text is not None else template.replace("{{ .inputs.n }}", "?"))


@pytest.mark.parametrize(
    ("template", "inputs", "message"),
    [
        ("", {}, "The query is empty"),
        (" -- nothing\n;", {}, "The query is empty"),
        ("SELECT {{ .inputs.a }}", {}, "uses a, which is no input"),
        ("SELECT 1", {"n": N}, "does not use the input n"),
        ("SELECT 'x{{ .inputs.n }}'", {"n": N}, "stands within the text"),
        ("SELECT '{{ .inputs.n }}{{ .inputs.n }}'", {"n": N}, "stands within the text"),
        ('SELECT "{{ .inputs.n }}"', {"n": N}, "cannot be a name"),
        ("SELECT `{{ .inputs.n }}`", {"n": N}, "cannot be a name"),
        ("SELECT ?, {{ .inputs.n }}", {"n": N}, "a [?] of its own"),
        ("SELECT {{ .outputs.n }}", {}, "There is no template"),
        ("SELECT '{{ nonsense }}'", {}, "There is no template"),
        ("SELECT {{ .rawOutputDataPrefix }}", {}, "stands outside of quotes"),
        ("SELECT {{ .inputs.s }}", {"s": idl.string("x" * 1023)}, "is 1025 characters of SQL"),
    ],
)
def test_what_cannot_be_sent(template: str, inputs: dict[str, Literal], message: str) -> None:
    with pytest.raises(FlyteValidationException, match=message) as caught:
        bound(template, **inputs)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("template", "is_query"),
    [
        ("SELECT 1", True),
        ("  -- why\n with a as (select 1) select * from a", True),
        ("/* x */ (SELECT 1)", True),
        ("VALUES 1, 2", True),
        ("TABLE t", True),
        ("INSERT INTO t SELECT 1", False),
        ("UNLOAD (SELECT 1) TO 's3://b/x'", False),
        ("CREATE TABLE selects AS SELECT 1", False),
        ("SELECTED", False),
        ("'SELECT'", False),
    ],
)
def test_what_gives_rows(template: str, is_query: bool) -> None:
    assert Statements(template).is_query is is_query


@pytest.mark.parametrize(
    ("value", "python_type", "sql"),
    [
        (-3, int, "-3"),
        (1.5, float, "1.5E0"),
        (1e300, float, "1E+300"),
        (float("nan"), float, "nan()"),
        (float("-inf"), float, "-infinity()"),
        (float("inf"), float, "infinity()"),
        (True, bool, "TRUE"),
        (False, bool, "FALSE"),
        ("it's", str, "'it''s'"),
        (datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC), datetime, "TIMESTAMP '2024-01-02 03:04:05.000006'"),
        (timedelta(minutes=1, milliseconds=5), timedelta, "INTERVAL '60.005' SECOND"),
        (None, type(None), "NULL"),
        (3, int | None, "3"),
        ([1, 2], list[int], "ARRAY[1, 2]"),
        ({"it's": 1}, dict[str, int], "MAP(ARRAY['it''s'], ARRAY[1])"),
        ({"a": [1, "x"]}, dict, '\'{"a": [1, "x"]}\''),
    ],
)
def test_values_are_sql(value: Any, python_type: Any, sql: str) -> None:
    literal = TypeEngine.codec(python_type).encode(value)
    assert expression(literal) == sql
    sqlglot.parse_one(sql, read="trino")


def test_a_dataset_is_its_uri() -> None:
    literal = TypeEngine.codec(StructuredDataset).encode(StructuredDataset(uri="s3://b/t", file_format="parquet"))
    assert expression(literal) == "'s3://b/t'"


@given(st.text())
def test_text_is_one_literal_whatever_it_holds(text: str) -> None:
    parsed = sqlglot.parse_one(expression(idl.string(text)), read="trino")
    assert isinstance(parsed, exp.Literal)
    assert parsed.this == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_are_exact(value: float) -> None:
    assert float(expression(idl.floating(value))) == value
