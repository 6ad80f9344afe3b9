"""How a query template becomes statements."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy

from hardpoint.errors import FlyteValidationException, UserError
from hardpoint.integrations.sqlalchemy.statements import split


def texts(query: str, **inputs: Any) -> list[str]:
    made = []
    for statement in split(query, inputs):
        compiled = statement.bind(inputs, "sqlite").compile(dialect=sqlalchemy.create_engine("sqlite://").dialect)
        made.append(str(compiled).strip())
    return made


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "SELECT ';' -- ; and more\n, 2 /* ; */",
        "SELECT 'it''s; fine', \"a;b\", `c;d`",
        "SELECT $$ ; $$, $tag$ ; $$ ; $tag$",
        "SELECT a::int, b[1:2], ':x', '\\:', ':', \"a:b\" FROM t",
        "SELECT '--  a',\n  2 % 3 FROM\tt",
        "CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET b = CASE WHEN c THEN 1 ELSE 2 END; DELETE FROM u; END",
        "CREATE OR REPLACE PROCEDURE p() BEGIN IF a THEN SELECT 1; END IF; BEGIN SELECT 2; END; END",
        "CREATE FUNCTION f() RETURNS int AS $$ BEGIN; RETURN 1; END; $$ LANGUAGE plpgsql",
    ],
)
def test_one_statement_stays_as_it_is(query: str) -> None:
    assert texts(query) == [query]
    assert texts(f"{query};\nSELECT 2;") == [query, "SELECT 2"]


def test_backslashes_in_strings() -> None:
    for database, query in [
        ("mysql+pymysql://h", r"SELECT 'it\'s; fine', '\\' # it's; a comment"),
        ("postgresql://h", r"SELECT E'it\'s; fine', '\'"),
        ("sqlite://", r"SELECT '\', ';'"),
    ]:
        assert [statement.parts for statement in split(f"{query}\n; SELECT 2", {}, database)] == [
            [f"{query}\n"],
            [" SELECT 2"],
        ]


def test_blanks_and_comments_are_no_statements() -> None:
    assert texts("; -- nothing\n;; SELECT 1 ; /* the end */ ") == ["SELECT 1"]
    with pytest.raises(UserError, match="holds no statement"):
        split(" ; -- nothing", {})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT {{ .inputs.x }}", "SELECT  ?"),
        ("SELECT {{.Inputs.x}}::int", "SELECT  ? ::int"),
        ("SELECT '{{ .inputs.x }}'", "SELECT  ?"),
        ("SELECT a{{ .inputs.x }}b", "SELECT a ? b"),
        ("SELECT {{ .inputs.x }}, {{ .inputs.x }}", "SELECT  ? ,  ?"),
        ("SELECT {{ .inputs.x }} -- {{ .inputs.x }} it's", "SELECT  ?  -- {{ .inputs.x }} it's"),
    ],
)
def test_inputs_are_parameters(query: str, expected: str) -> None:
    assert texts(query, x=1) == [expected]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT 1 WHERE a IN {{ .inputs.x }}", "SELECT 1 WHERE a IN  (__[POSTCOMPILE_x_1])"),
        ("SELECT 1 WHERE a in ( {{ .inputs.x }} ) AND b", "SELECT 1 WHERE a in  (__[POSTCOMPILE_x_1])  AND b"),
        ("SELECT 1 WHERE a = ANY({{ .inputs.x }})", "SELECT 1 WHERE a = ANY( ? )"),
        ("SELECT 1 WHERE a IN ({{ .inputs.x }}, 2)", "SELECT 1 WHERE a IN ( ? , 2)"),
    ],
)
def test_lists(query: str, expected: str) -> None:
    assert texts(query, x=[1, 2]) == [expected]


def test_an_input_inside_of_a_string_is_refused() -> None:
    with pytest.raises(UserError, match=r"(?s)'x' is inside of '%.*\|\| \{\{ .inputs.x \}\}"):
        split("SELECT 1 WHERE a LIKE '%{{ .inputs.x }}%'", {"x": "a"})


def test_inputs_that_do_not_fit() -> None:
    with pytest.raises(
        FlyteValidationException, match=r"Variable y in Query \(part of \{\{ .inputs.y \}\}\) not found"
    ):
        split("SELECT {{ .inputs.y }}", {"x": 1})
    with pytest.raises(
        FlyteValidationException, match=r"Extra Inputs have no matches in query template - missing \{'x'\}"
    ):
        split("SELECT 1 -- {{ .inputs.x }}", {"x": 1})


@pytest.mark.parametrize(
    ("query", "streams"),
    [
        ("SELECT 'INSERT' -- UPDATE", True),
        ("/* c */ with a as (select 1) select * from a", True),
        ("WITH a AS (DELETE FROM t RETURNING b) SELECT * FROM a", False),
        ("SELECT 1 INTO t", False),
        ("INSERT INTO t VALUES (1) RETURNING a", False),
        ("SHOW TABLES", False),
        ("(SELECT 1)", True),
    ],
)
def test_what_a_cursor_can_be_declared_for(query: str, streams: bool) -> None:
    assert split(query, {})[0].streams is streams
