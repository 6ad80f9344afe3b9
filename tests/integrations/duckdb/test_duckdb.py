"""DuckDBQuery on the real DuckDB."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hardpoint import Secret, StructuredDataset, kwtypes, task, workflow
from hardpoint.errors import FlyteAssertion, FlyteValidationException, TransientError, UserError
from hardpoint.integrations.duckdb import DuckDBProvider, DuckDBQuery, MissingSecretError, QueryOutput
from hardpoint.integrations.duckdb.parameters import ParameterError
from hardpoint.integrations.duckdb.problems import DuckDBError
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.serialization import SerializationSettings


def rows(dataset: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dataset.open(pa.Table).all().to_pylist()
    return found


def run(query: str | list[str], **options: Any) -> list[dict[str, Any]]:
    return rows(DuckDBQuery("q", query, **options)())


def query(text: str | list[str] | None, kind: Any = list[Any], **options: Any) -> DuckDBQuery:
    return DuckDBQuery("q", text, inputs={"params": kind}, **options)


def secret_provider(token: str) -> duckdb.DuckDBPyConnection:
    assert token == "canary-token"
    return duckdb.connect(":memory:")


# In variables of the module, where a container finds them.
PLAIN = DuckDBQuery(
    "plain",
    "SELECT ? AS one, 2 AS two",
    inputs=kwtypes(params=list[int]),
    output_type=Annotated[StructuredDataset, kwtypes(one=int)],
)
WITH_SECRET = DuckDBQuery(
    "with_secret", "SELECT 1 AS a", provider=secret_provider, secret_requests=[Secret(group="duck", key="token")]
)
SETTINGS = SerializationSettings(ImageConfig.auto(img_name="registry.example/app:1"), "p", "d", "v")


# -- tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "frame"),
    [
        (pd.DataFrame, pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]}, index=[7, 8, 9])),
        (pa.Table, pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})),
        (pl.DataFrame, pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})),
        (StructuredDataset, StructuredDataset(dataframe=pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]}))),
        (StructuredDataset, StructuredDataset(dataframe=pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]}))),
    ],
    ids=["pandas", "arrow", "polars", "dataset of pandas", "dataset of arrow"],
)
def test_frames_are_tables(declared: Any, frame: Any) -> None:
    made = DuckDBQuery("q", "SELECT * FROM mine WHERE a > 1 ORDER BY a", inputs=kwtypes(mine=declared))
    assert rows(made(mine=frame)) == [{"a": 2, "b": None}, {"a": 3, "b": "z"}]


def test_the_consumer_decides_what_the_result_is() -> None:
    total = DuckDBQuery("total", "SELECT sum(a)::BIGINT AS total FROM mine", inputs=kwtypes(mine=pd.DataFrame))

    @task
    def as_pandas(frame: pd.DataFrame) -> int:
        return int(frame["total"][0])

    @task
    def as_polars(frame: pl.DataFrame) -> int:
        return int(frame["total"][0])

    @workflow
    def both(mine: pd.DataFrame) -> tuple[int, int]:
        result = total(mine=mine)
        return as_pandas(frame=result), as_polars(frame=result)

    assert tuple(both(mine=pd.DataFrame({"a": [1, 2, 3]}))) == (6, 6)


def test_declared_columns_are_all_that_a_consumer_sees() -> None:
    columns = PLAIN.template(SETTINGS).interface.outputs.variables["result"].type.structured_dataset_type.columns
    assert [column.name for column in columns] == ["one"]
    assert rows(PLAIN(params=[1])) == [{"one": 1}]


def test_files_are_read_where_they_are(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1, 2, 3]}), tmp_path / "n.parquet")
    made = query("SELECT sum(n)::INT AS n FROM read_parquet(?)", list[str])
    assert rows(made(params=[str(tmp_path / "n.parquet")])) == [{"n": 6}]


def test_a_frame_of_mixed_types_is_refused() -> None:
    made = DuckDBQuery("q", "FROM mine", inputs=kwtypes(mine=pd.DataFrame))
    with pytest.raises(UserError, match="does not have one type"):
        made.execute(mine=pd.DataFrame({"a": [1, "x"]}))


# -- parameters -------------------------------------------------------------------------------------------------------


def test_a_set_for_each_statement_and_rows_for_an_insert() -> None:
    made = query(
        [
            "CREATE TABLE items(item VARCHAR, value DECIMAL(10, 2), count INTEGER)",
            "INSERT INTO items VALUES (?, ?, ?)",
            "SELECT $1 AS one, $1 AS two, $2 AS three, (SELECT count(*) FROM items) AS n",
        ]
    )
    given = [[["chainsaw", 500, 10], ["iphone", 300, 2]], ["duck", "goose"]]
    for _ in range(2):  # nothing is left of the first run
        assert rows(made.execute(params=given)) == [{"one": "duck", "two": "duck", "three": "goose", "n": 2}]


def test_text_that_only_looks_like_a_parameter_is_none() -> None:
    text = "SELECT '$5 ?' AS a, 'insert' AS inserted_at -- ? $1"
    assert run(text) == [{"a": "$5 ?", "inserted_at": "insert"}]


def test_a_column_that_is_named_after_an_insert_does_not_make_one() -> None:
    made = query("SELECT ? AS inserted_at", list[str])
    assert rows(made(params=["now"])) == [{"inserted_at": "now"}]


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("SELECT $a AS a, $b AS b", {"a": 1, "b": "x"}, [{"a": 1, "b": "x"}]),
        ("SELECT $a AS a", '{"a": 1}', [{"a": 1}]),
        ("SELECT ? AS a", "[5]", [{"a": 5}]),
        ("SELECT ? AS a", [[5]], [{"a": 5}]),
        ("SELECT len($1) AS n", [[[4, 5]]], [{"n": 2}]),
        ("SELECT $1 AS s", [{"k": 3}], [{"s": {"k": 3}}]),
        ("SELECT 1 AS a", [], [{"a": 1}]),
        (["CREATE TABLE t(a INT)", "INSERT INTO t VALUES ($a)", "SELECT sum(a)::INT AS s, $b AS b FROM t"],
         [[{"a": 1}, {"a": 2}], {"b": "x"}], [{"s": 3, "b": "x"}]),
        (["CREATE TABLE t(a INT)", "INSERT INTO t VALUES ($a)", "SELECT a, $b AS b FROM t"],
         {"a": 1, "b": "x"}, [{"a": 1, "b": "x"}]),
        ("CREATE TABLE t(a INT); INSERT INTO t VALUES (?); SELECT count(*) AS n FROM t", [[]], [{"n": 0}]),
        ("CREATE TABLE t(a INT); INSERT INTO t VALUES (?); FROM t", [7], [{"a": 7}]),
    ],
)  # fmt: skip
def test_parameters(text: Any, given: Any, expected: list[dict[str, Any]]) -> None:
    assert rows(query(text, type(given)).execute(params=given)) == expected


@pytest.mark.parametrize(
    ("text", "given", "words"),
    [
        ("SELECT ?, ?", [1], r"takes 2 parameters \(\$1, \$2\), but 1 are given"),
        ("SELECT ?", [[1], [2]], "too many parameters"),
        (["SELECT ?", "SELECT ?"], [[1]], "Parameter doesn't exist"),
        ("SELECT 1", [1], "no statement takes any"),
        ("SELECT $a", {"b": 1}, "Parameter doesn't exist.*needs a"),
        ("SELECT $a", {"a": 1, "b": 1}, "No statement takes the parameter b"),
        ("SELECT $a", [1], "given a list"),
        ("SELECT $a, $b", [[{"a": 1}], 2], "too many parameters"),
        ("SELECT ?", "SELECT 1", "parameters as JSON"),
        ("SELECT ?", "5", "JSON list or object"),
        ("SELECT ?", None, "Expected inputs of type StructuredDataset, str or list, received"),
        ("SELECT ?", 5, "received int"),
    ],
)
def test_parameters_that_do_not_fit(text: Any, given: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        query(text).execute(params=given)


def test_what_does_not_fit_is_known_before_anything_runs(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    with pytest.raises(ParameterError, match="takes 2 parameters"):
        query([f"COPY (SELECT 1) TO '{out}'", "SELECT ?, ?"]).execute(params=[1])
    assert not out.exists()


def test_parameters_are_asked_for() -> None:
    with pytest.raises(ValueError, match=r"Parameter not specified: the statement 'SELECT \$x' needs \$x"):
        run("SELECT $x")


def test_one_input_gives_the_parameters() -> None:
    made = DuckDBQuery("q", "SELECT ?", inputs=kwtypes(a=list[int], b=list[int]))
    with pytest.raises(ParameterError, match="Both 'a' and 'b' give parameters"):
        made.execute(a=[1], b=[2])


@pytest.mark.parametrize("text", ["'; DROP TABLE t; --", '"', "$1", "?", "\x00", "{{ .inputs.params }}"])
def test_a_parameter_is_never_code(text: str) -> None:
    made = query(["CREATE TABLE t AS SELECT 1 AS a", "SELECT $1 AS said, (SELECT count(*) FROM t) AS n"], list[str])
    assert rows(made(params=[text])) == [{"said": text, "n": 1}]


# -- queries ----------------------------------------------------------------------------------------------------------


def test_the_query_of_a_call_is_of_that_call_alone() -> None:
    made = DuckDBQuery("q", "SELECT 'own' AS a", inputs=kwtypes(query=str))
    assert rows(made(query="SELECT 'given' AS a")) == [{"a": "given"}]
    assert rows(made(query="")) == [{"a": "own"}]
    several = DuckDBQuery("q", inputs=kwtypes(query=list[str]))
    assert rows(several(query=["CREATE TABLE t AS SELECT 3 AS a", "FROM t"])) == [{"a": 3}]


def test_no_query() -> None:
    with pytest.raises(FlyteAssertion, match="A query must be specified when defining or executing a DuckDBQuery"):
        DuckDBQuery("q")()
    with pytest.raises(UserError, match="holds no statement"):
        run(" -- nothing")


def test_several_statements_in_one_text() -> None:
    assert run(["CREATE TABLE t AS SELECT ';' AS a; -- ;\nSELECT a FROM t;"]) == [{"a": ";"}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CREATE TABLE t(a INT)", []),
        ("CREATE TABLE t AS SELECT 1 AS a", []),
        ("SET threads = 1", []),
        (["CREATE TABLE t(a INT)", "INSERT INTO t VALUES (1)"], [{"Count": 1}]),
        (["CREATE TABLE t(a INT)", "INSERT INTO t VALUES (1) RETURNING a"], [{"a": 1}]),
        (["CREATE TABLE t AS SELECT 'k' AS k, 1 AS v", "PIVOT t ON k USING max(v)"], [{"k": 1}]),
        ("SELECT 1 AS a WHERE false", []),
    ],
)
def test_what_the_last_statement_gives(text: Any, expected: list[dict[str, Any]]) -> None:
    assert run(text) == expected


def test_rows_for_the_last_statement() -> None:
    assert rows(query(["CREATE TABLE t(a INT)", "INSERT INTO t VALUES (?)"]).execute(params=[[[1], [2]]])) == []


def test_a_large_result_is_written_as_it_comes() -> None:
    dataset = DuckDBQuery("q", "SELECT i, $1 AS t FROM range(300000) r(i)", inputs=kwtypes(p=list[str]))(p=["x"])
    assert sum(batch.num_rows for batch in dataset.open(pa.Table).iter(50_000)) == 300_000


# -- the connection ---------------------------------------------------------------------------------------------------


def test_a_database_file_stays(tmp_path: Path) -> None:
    file = str(tmp_path / "mine.db")
    run("CREATE TABLE t AS SELECT 1 AS a", database=file)
    assert run("SELECT a FROM t", database=file) == [{"a": 1}]


def test_a_database_on_remote_storage_is_read(tmp_path: Path, s3_bucket: str) -> None:
    import boto3

    file = tmp_path / "mine.db"
    run("CREATE TABLE t AS SELECT 1 AS a", database=str(file))
    boto3.client("s3").upload_file(str(file), s3_bucket.removeprefix("s3://"), "mine.db")
    assert run("SELECT a FROM t", database=f"{s3_bucket}/mine.db") == [{"a": 1}]
    with pytest.raises(DuckDBError, match="read-only"):
        run("DELETE FROM t", database=f"{s3_bucket}/mine.db")


def test_settings() -> None:
    settings = {"threads": 1, "memory_limit": "64MB"}
    assert run("SELECT current_setting('threads')::INT AS t", config=settings) == [{"t": 1}]


@pytest.mark.parametrize("text", ["SELECT a FROM t", "SELECT error('no')"])
def test_the_connection_is_closed_however_it_ends(text: str) -> None:
    opened: list[duckdb.DuckDBPyConnection] = []

    def provider() -> duckdb.DuckDBPyConnection:
        opened.append(duckdb.connect(":memory:"))
        opened[0].execute("CREATE TABLE t AS SELECT 1 AS a")
        return opened[0]

    made = DuckDBQuery("q", text, provider=provider)
    if "error" in text:
        with pytest.raises(DuckDBError):
            made()
    else:
        assert rows(made()) == [{"a": 1}]
    with pytest.raises(duckdb.ConnectionException):
        opened[0].execute("SELECT 1")


def test_a_function_that_connects_does_all_of_it() -> None:
    with pytest.raises(FlyteValidationException, match="does not get database and config"):
        DuckDBQuery("q", "SELECT 1", provider=duckdb.connect, config={"threads": 1})


def test_a_function_that_connects_gets_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FSEC_DUCK_TOKEN", "canary-token")
    assert rows(WITH_SECRET()) == [{"a": 1}]
    template = WITH_SECRET.template(SETTINGS)
    assert [(secret.group, secret.key) for secret in template.security_context.secrets] == [("duck", "token")]
    assert b"canary" not in template.SerializeToString()


def test_secrets_of_motherduck() -> None:
    with pytest.raises(MissingSecretError, match="A secret_requests must be provided for the MOTHERDUCK provider"):
        DuckDBQuery("q", "SELECT 1", provider=DuckDBProvider.MOTHERDUCK)
    two = [Secret(group="a", key="b"), Secret(group="a", key="c")]
    with pytest.raises(FlyteAssertion, match="Only one secret can be used"):
        DuckDBQuery("q", "SELECT 1", secret_requests=two)
    assert issubclass(MissingSecretError, ValueError)
    assert [provider.value for provider in DuckDBProvider] == ["local", "motherduck"]
    assert QueryOutput() == (-1, None)


def test_a_token_is_in_no_message(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("_FSEC_DUCK_TOKEN", "canary-token")

    def provider(token: str) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(config={token: "1"})  # DuckDB names the option that it does not know

    made = DuckDBQuery("q", "SELECT 1", provider=provider, secret_requests=[Secret(group="duck", key="token")])
    with caplog.at_level(logging.DEBUG), pytest.raises(DuckDBError, match="the connection") as caught:
        made()
    assert "canary" not in "".join(traceback.format_exception(caught.value)) + caplog.text


# -- failure ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM nothing_there", "nothing_there"),
        ("SELECT 'x'::INT", "Could not convert"),
        ("SELECT * FROM 'nothing-*.parquet'", "No files found"),
        ("SELECT CASE WHEN i > 900000 THEN ('x' || i)::INT ELSE i END FROM range(1000000) t(i)", "Could not convert"),
    ],
    ids=["syntax", "no table", "conversion", "no file", "half-way"],
)
def test_duckdb_says_why(text: str, words: str) -> None:
    with pytest.raises(DuckDBError, match=words):
        run(text, config={"threads": 1})


def test_the_refused_statement() -> None:
    with pytest.raises(DuckDBError) as caught:
        run("SELECT 1; SELECT error('no')")
    assert caught.value.statement is not None
    assert "SELECT error('no')" in caught.value.statement


def test_too_little_memory() -> None:
    text = "SELECT list(i) AS l, list(i::VARCHAR) AS m FROM range(5000000) t(i)"
    with pytest.raises(UserError, match="memory_limit"):
        run(text, config={"threads": 1, "memory_limit": "8MB", "temp_directory": ""})


def test_a_file_that_another_process_has_is_tried_again_later(tmp_path: Path) -> None:
    file = str(tmp_path / "mine.db")
    code = f"import duckdb, sys; c = duckdb.connect({file!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(TransientError, match="lock"):
            run("SELECT 1", database=file)
        other.communicate(b"")


def test_an_extension_that_there_is_not() -> None:
    with pytest.raises(UserError, match="the extension 'no_such'"):
        run("SELECT 1", extensions=["no_such"], config={"custom_extension_repository": "/nonexistent"})


# -- the rest ---------------------------------------------------------------------------------------------------------


def test_the_template() -> None:
    template = PLAIN.template(SETTINGS)
    assert (template.type, template.task_type_version) == ("duckdb", 0)
    assert not template.custom.fields
    assert not template.config
    assert template.container.args[-1] == "PLAIN"
    assert list(template.interface.outputs.variables) == ["result"]


def test_several_threads_at_once() -> None:
    made = query("SELECT $1 AS n FROM range(1000)", list[int])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: rows(made.execute(params=[n])), range(12)))
    assert [{row["n"] for row in result} for result in found] == [{n} for n in range(12)]


def test_nothing_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(run("SELECT * FROM range(3)")) == 3
        gc.collect()


def test_the_manifest_imports_nothing() -> None:
    code = "import sys, hardpoint.integrations.duckdb as m; m.integration; print(*({'duckdb', 'pyarrow'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ.copy())
    assert (ran.returncode, ran.stdout.strip()) == (0, ""), ran.stderr
