"""SQLAlchemyTask on a real SQLite, a real PostgreSQL and a real MariaDB."""

from __future__ import annotations

import datetime
import enum
import logging
import sqlite3
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy

from hardpoint import Secret, StructuredDataset, idl, kwtypes, task, workflow
from hardpoint.errors import FlyteValidationException, TransientError, UserError
from hardpoint.integrations.sqlalchemy import (
    SQLAlchemyConfig,
    SQLAlchemyDefaultImages,
    SQLAlchemyTask,
    SQLAlchemyTaskExecutor,
)
from hardpoint.integrations.sqlalchemy.problems import DatabaseError
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.types.schema import FlyteSchema

SETTINGS = SerializationSettings(ImageConfig.auto(img_name="registry.example/app:1"), "p", "d", "v")
NAUGHTY = ["'; DROP TABLE t; --", '"', "%s %(x)s %", ":x ::int", "?", "\\", "{{ .inputs.x }}", "ünïcödé \U0001f980", ""]


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/db.sqlite"
    url: str = request.getfixturevalue({"postgresql": "postgres_url", "mariadb": "mariadb_url"}[request.param])
    return url


def query(uri: str, text: str, inputs: dict[str, Any] | None = None, **options: Any) -> SQLAlchemyTask:
    config = SQLAlchemyConfig(uri, **options.pop("config", {}))
    return SQLAlchemyTask("q", text, config, inputs=inputs, **options)


def rows(dataset: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dataset.open(pa.Table).all().to_pylist()
    return found


def run(uri: str, text: str, **options: Any) -> list[dict[str, Any]]:
    return rows(query(uri, text, **options)())


# -- inputs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", NAUGHTY)
def test_a_value_is_never_code(uri: str, text: str) -> None:
    run(uri, "CREATE TABLE t (a TEXT)")
    insert = query(uri, "INSERT INTO t VALUES ('{{ .inputs.x }}')", {"x": str}, output_schema_type=None)
    insert(x=text)
    found = query(uri, "SELECT a FROM t WHERE a = {{ .inputs.x }} OR '%' = 'x'", {"x": str})(x=text)
    assert rows(found) == [{"a": text}]


class Colour(enum.Enum):
    RED = "red"


AWAY = "postgresql+psycopg://u:hidden@127.0.0.1:1/d"
MOMENT = datetime.datetime(2024, 2, 29, 12, 30, 1, 5, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("declared", "value", "column", "stored"),
    [
        (int, 2**40, "BIGINT", 2**40),
        (float, 0.1, "DOUBLE PRECISION", 0.1),
        (bool, True, "BOOLEAN", True),
        (str, "x", "TEXT", "x"),
        (str | None, None, "TEXT", None),
        (Colour, Colour.RED, "TEXT", "red"),
        (datetime.datetime, MOMENT, "TIMESTAMP WITH TIME ZONE", MOMENT),
        (datetime.date, datetime.date(2024, 2, 29), "DATE", datetime.date(2024, 2, 29)),
    ],
    ids=["int", "float", "bool", "str", "none", "enum", "datetime", "date"],
)
def test_values(uri: str, declared: Any, value: Any, column: str, stored: Any) -> None:
    if uri.startswith("mysql") and isinstance(value, datetime.datetime):
        column, stored = "DATETIME(6)", value.replace(tzinfo=None)  # it has none with a zone
        value = value.astimezone(datetime.timezone(datetime.timedelta(hours=2)))
    run(uri, f"CREATE TABLE t (a {column})")
    query(uri, "INSERT INTO t VALUES ({{ .inputs.x }})", {"x": declared}, output_schema_type=None)(x=value)
    (found,) = run(uri, "SELECT a FROM t")
    if uri.startswith("sqlite"):  # which keeps these as text, in UTC
        text = "2024-02-29 12:30:01.000005" if isinstance(value, datetime.datetime) else str(stored)
        stored = text if isinstance(value, datetime.date) else stored
    assert found == {"a": stored}
    if value is not None:
        again = query(uri, "SELECT count(*) AS n FROM t WHERE a = {{ .inputs.x }}", {"x": declared})
        assert rows(again(x=value)) == [{"n": 1}]


@pytest.mark.parametrize("place", ["{{ .inputs.ids }}", "({{ .inputs.ids }})"])
@pytest.mark.parametrize(("ids", "expected"), [([1, 3], [1, 3]), ([], []), ([2], [2])])
def test_lists(uri: str, place: str, ids: list[int], expected: list[int]) -> None:
    run(uri, "CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2), (3)")
    found = query(uri, f"SELECT a FROM t WHERE a IN {place} ORDER BY a", {"ids": list[int]})(ids=ids)
    assert [row["a"] for row in rows(found)] == expected


def test_arrays_of_postgresql(postgres_url: str) -> None:
    found = query(postgres_url, "SELECT 2 = ANY({{ .inputs.ids }}) AS there, 'a:b'::text AS t", {"ids": list[int]})
    assert rows(found(ids=[1, 2])) == [{"there": True, "t": "a:b"}]


def test_an_input_is_needed_and_used(uri: str) -> None:
    with pytest.raises(FlyteValidationException, match="Variable x in Query"):
        query(uri, "SELECT {{ .inputs.x }}", {"y": int})(y=1)
    with pytest.raises(FlyteValidationException, match="Extra Inputs"):
        query(uri, "SELECT 1", {"y": int})(y=1)


def test_inputs_are_not_changed(uri: str) -> None:
    made = query(uri, "SELECT 1 AS a WHERE 1 IN {{ .inputs.ids }}", {"ids": list[int]})
    given = [1, 2]
    template = made.template(SETTINGS)
    before = template.SerializeToString(deterministic=True)
    SQLAlchemyTaskExecutor().execute_from_model(template, ids=given)
    assert given == [1, 2]
    assert template.SerializeToString(deterministic=True) == before


# -- statements and results -------------------------------------------------------------------------------------------


def test_whitespace_and_comments_are_kept(uri: str) -> None:
    text = "SELECT '--  a\tb' AS a, -- a comment; with a semicolon\n  2 AS b"
    assert run(uri, text) == [{"a": "--  a\tb", "b": 2}]
    assert idl.native(query(uri, text).template(SETTINGS).custom)["query_template"] == text


def test_statements_are_one_transaction(uri: str) -> None:
    run(uri, "CREATE TABLE t (a INT UNIQUE)")
    with pytest.raises(DatabaseError) as caught:
        run(uri, "INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)")
    assert "INSERT INTO t VALUES (1)" in str(caught.value.statement)
    assert run(uri, "SELECT a FROM t") == []
    assert run(uri, "INSERT INTO t VALUES (1); SELECT a FROM t") == [{"a": 1}]


def test_a_statement_without_rows_gives_a_dataset_without_columns(uri: str) -> None:
    assert query(uri, "CREATE TABLE t (a INT)")().open(pa.Table).all().column_names == []
    assert run(uri, "INSERT INTO t VALUES (1) RETURNING a") == [{"a": 1}]


def test_a_task_without_output(uri: str) -> None:
    made = query(uri, "CREATE TABLE t (a INT)", output_schema_type=None)
    assert made() is None
    assert made.output_columns is None
    assert not made.template(SETTINGS).interface.outputs.variables


def test_a_result_without_rows_has_columns(uri: str) -> None:
    table = query(uri, "SELECT 1 AS a, 'x' AS b WHERE 1 = 0")().open(pa.Table).all()
    assert (table.num_rows, table.column_names) == (0, ["a", "b"])


@pytest.mark.parametrize("chunksize", [1, 3, 10, 1000])
def test_chunks(uri: str, chunksize: int) -> None:
    run(uri, "CREATE TABLE t (a INT, b NUMERIC(20, 1), c TEXT)")
    values = ", ".join(f"({i}, {'NULL' if i < 5 else 10**i + 0.5}, NULL)" for i in range(10))
    query(uri, f"INSERT INTO t VALUES {values}", output_schema_type=None)()
    found = run(uri, "SELECT a, b, c FROM t ORDER BY a", config={"chunksize": chunksize})
    assert [row["a"] for row in found] == list(range(10))
    assert [row["b"] for row in found[:6]] == [None] * 5 + [100000.5]
    assert float(found[9]["b"]) == 10**9 + 0.5
    assert {row["c"] for row in found} == {None}


def test_rows_are_streamed_from_postgresql(postgres_url: str) -> None:
    made = query(postgres_url, "SELECT n, 'x' AS t FROM generate_series(1, 200000) AS n", config={"chunksize": 20_000})
    assert sum(batch.num_rows for batch in made().open(pa.Table).iter(50_000)) == 200_000


def test_types_of_postgresql(postgres_url: str) -> None:
    (found,) = run(
        postgres_url,
        """SELECT '5f3e1f4e-0000-4000-8000-000000000000'::uuid AS u, '{"a": [1]}'::jsonb AS j, ARRAY[1, 2] AS l,
        'x'::bytea AS b, 1.50::numeric AS n, '10.0.0.1'::inet AS i, NULL AS z""",
    )
    assert found["u"] == "5f3e1f4e-0000-4000-8000-000000000000"
    assert (found["j"], found["l"], found["b"]) == ('{"a": [1]}', [1, 2], b"x")
    assert (str(found["n"]), found["i"], found["z"]) == ("1.50", "10.0.0.1", None)


def test_a_column_of_several_types_is_refused() -> None:
    with pytest.raises(UserError, match="column 'a' of the result does not have one type"):
        run("sqlite://", "SELECT 1 AS a UNION ALL SELECT 'x'")
    with pytest.raises(UserError, match="does not have one type"):
        run("sqlite://", "SELECT 1 AS a UNION ALL SELECT 'x' ORDER BY a", config={"chunksize": 1})


def test_columns_of_one_name_are_refused(uri: str) -> None:
    with pytest.raises(UserError, match="several columns named a"):
        run(uri, "SELECT 1 AS a, 2 AS a")


@pytest.mark.parametrize("declared", [pd.DataFrame, pl.DataFrame, pa.Table, FlyteSchema[kwtypes(a=int)]])
def test_output_types(declared: Any) -> None:
    found = query("sqlite://", "SELECT 1 AS a", output_schema_type=declared)()
    frame = found.open().all() if isinstance(found, FlyteSchema) else found
    assert list(frame["a"]) in ([1], [pa.scalar(1)])


def test_the_consumer_decides_what_the_result_is() -> None:
    one = query("sqlite://", "SELECT 1 AS a")

    @task
    def as_pandas(frame: pd.DataFrame) -> int:
        return int(frame["a"][0])

    @task
    def as_polars(frame: pl.DataFrame) -> int:
        return int(frame["a"][0])

    @workflow
    def both() -> tuple[int, int]:
        result = one()
        return as_pandas(frame=result), as_polars(frame=result)

    assert tuple(both()) == (1, 1)


def test_declared_columns() -> None:
    made = query("sqlite://", "SELECT 1 AS a, 2 AS b", output_schema_type=Annotated[StructuredDataset, kwtypes(a=int)])
    assert made.output_columns == ["a"]
    assert run("sqlite://", "SELECT 1 AS a, 2 AS b") == [{"a": 1, "b": 2}]
    assert rows(made()) == [{"a": 1}]
    typed = query("sqlite://", "SELECT 1 AS a", output_schema_type=FlyteSchema[kwtypes(a=int)])
    assert typed.output_columns == ["a"]


# -- the connection ---------------------------------------------------------------------------------------------------


def test_arguments_of_the_driver_are_whole_numbers(tmp_path: Path) -> None:
    made = query(f"sqlite:///{tmp_path}/db", "SELECT 1 AS a", config={"connect_args": {"cached_statements": 5}})
    assert rows(made()) == [{"a": 1}]  # sqlite3 refuses 5.0


def test_secrets(monkeypatch: pytest.MonkeyPatch, postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("_FSEC_DB_PASSWORD", "test")
    bare = postgres_url.replace(":test@", "@")
    password = {"secret_connect_args": {"password": Secret(group="db", key="password")}}
    assert run(bare, "SELECT 1 AS a", config=password) == [{"a": 1}]
    assert run(bare.replace("//test@", "//test:{secret.password}@"), "SELECT 1 AS a", config=password) == [{"a": 1}]
    monkeypatch.setenv("_FSEC_DB_PASSWORD", "canary@:/pass word")
    with caplog.at_level(logging.DEBUG), pytest.raises(DatabaseError, match="password authentication") as caught:
        run(bare.replace("//test@", "//test:{secret.password}@"), "SELECT 1", config=password)
    assert "canary" not in "".join(traceback.format_exception(caught.value)) + caplog.text


def test_secrets_are_requested() -> None:
    wanted = Secret(group="db", key="password", group_version="2")
    other = Secret(group="g", key="k")
    config = {"secret_connect_args": {"password": wanted}}
    template = query("sqlite://", "SELECT 1", config=config, secret_requests=[other, wanted]).template(SETTINGS)
    assert [(s.group, s.key, s.group_version) for s in template.security_context.secrets] == [
        ("g", "k", ""),
        ("db", "password", "2"),
    ]


def test_a_secret_that_the_url_names_is_declared() -> None:
    with pytest.raises(UserError, match="names the secret 'password', which is not among"):
        run("postgresql://u:{secret.password}@host/db", "SELECT 1")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("nothing", "Could not parse"),
        ("nosuch://u:hidden@h/d", "nosuch"),
        ("oracle+oracledb://u:hidden@h/d", "oracledb"),
    ],
)
def test_a_url_that_is_none(uri: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        run(uri, "SELECT 1")
    assert "hidden" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(FlyteValidationException, match="needs a database"):
        query("", "SELECT 1")


def test_what_is_worth_another_try(tmp_path: Path, postgres_url: str) -> None:
    with pytest.raises(TransientError, match=r"127\.0\.0\.1") as caught:
        run(AWAY, "SELECT 1")
    assert "hidden" not in "".join(traceback.format_exception(caught.value))
    run(postgres_url, "CREATE TABLE t (a INT)")
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.begin() as other:
        other.execute(sqlalchemy.text("LOCK TABLE t"))
        with pytest.raises(TransientError, match="lock timeout"):
            run(postgres_url, "SET lock_timeout = 50; SELECT a FROM t")
    engine.dispose()
    file = tmp_path / "locked.sqlite"
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("CREATE TABLE t (a INT)")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TransientError, match="locked"):
        run(f"sqlite:///{file}", "SELECT a FROM t", config={"connect_args": {"timeout": 0}})
    holder.close()


def test_what_is_worth_another_try_on_mariadb(mariadb_url: str) -> None:
    run(mariadb_url, "CREATE TABLE t (a INT) ENGINE = InnoDB; INSERT INTO t VALUES (1)")
    engine = sqlalchemy.create_engine(mariadb_url)
    with engine.begin() as other:
        other.execute(sqlalchemy.text("SELECT a FROM t FOR UPDATE"))
        with pytest.raises(TransientError, match="Lock wait timeout exceeded"):
            run(mariadb_url, "SET innodb_lock_wait_timeout = 1; SELECT a FROM t FOR UPDATE")
    engine.dispose()
    with pytest.raises(TransientError, match="Can't connect"):
        run("mysql+pymysql://u:hidden@127.0.0.1:1/d", "SELECT 1")
    wrong = mariadb_url.replace(":test@", f":{'wrong'}-word@")
    with pytest.raises(DatabaseError, match="Access denied") as caught:
        run(wrong, "SELECT 1")
    assert "wrong-word" not in "".join(traceback.format_exception(caught.value))


def test_what_is_not(uri: str, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="refused a statement"):
        run(uri, "SELECT nothing_there FROM nowhere")
    with pytest.raises(DatabaseError, match="refused the connection"):
        run(f"sqlite:///{tmp_path}/no/folder.sqlite", "SELECT 1")


def test_values_are_in_no_error(uri: str) -> None:
    made = query(uri, "SELECT a FROM nowhere WHERE a = {{ .inputs.x }}", {"x": str})
    with pytest.raises(DatabaseError) as caught:
        made(x="canary-value")
    told = [str(caught.value), str(caught.value.__cause__), str(caught.value.statement)]
    assert "canary" not in "".join(told)


def test_connections_are_closed(postgres_url: str) -> None:
    for text in ("SELECT 1 AS a", "SELECT nothing"):
        try:
            run(postgres_url, text)
        except DatabaseError:
            assert text == "SELECT nothing"
    text = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()"
    assert run(postgres_url, text) == [{"n": 1}]


def test_several_threads_at_once(uri: str) -> None:
    run(uri, "CREATE TABLE t (a INT, b TEXT)")
    insert = query(
        uri, "INSERT INTO t VALUES ({{ .inputs.a }}, {{ .inputs.b }})", {"a": int, "b": str}, output_schema_type=None
    )
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda a: insert(a=a, b=f"it's {a}"), range(24)))
        pick = query(uri, "SELECT b FROM t WHERE a = {{ .inputs.a }}", {"a": int})
        found = list(pool.map(lambda a: rows(pick(a=a)), range(24)))
    assert found == [[{"b": f"it's {a}"}] for a in range(24)]


# -- the template -----------------------------------------------------------------------------------------------------


def test_the_template() -> None:
    config = {"connect_args": {"port": 5432}, "secret_connect_args": {"password": Secret(group="g", key="k")}}
    made = query("sqlite://", "select * from t where x={{ .inputs.x }}", {"x": int}, config=config)
    template = made.template(SETTINGS)
    assert (template.type, template.task_type_version, dict(template.config)) == ("sqlalchemy", 0, {})
    assert idl.native(template.custom) == {
        "query_template": "select * from t where x={{ .inputs.x }}",
        "uri": "sqlite://",
        "connect_args": {"port": 5432},
        "secret_connect_args": {"password": {"group": "g", "key": "k", "group_version": None, "mount_requirement": 0}},
    }
    assert list(template.container.args[-3:]) == [
        "--",
        "{{.taskTemplatePath}}",
        "hardpoint.integrations.sqlalchemy.executor.SQLAlchemyTaskExecutor",
    ]
    plain = idl.native(query("sqlite://", "select 1").template(SETTINGS).custom)
    assert (plain["connect_args"], plain["secret_connect_args"]) == ({}, None)
    assert "chunksize" not in plain


def test_a_template_of_the_reference_runs() -> None:
    template = query("sqlite://", "x", output_schema_type=StructuredDataset).template(SETTINGS)
    template.custom.CopyFrom(
        idl.struct(
            {"query_template": "select 1 as a", "uri": "sqlite://", "connect_args": {}, "secret_connect_args": None}
        )
    )
    assert rows(SQLAlchemyTaskExecutor().execute_from_model(template)) == [{"a": 1}]


def test_images() -> None:
    assert query("sqlite://", "x", container_image="i:1").template(SETTINGS).container.image == "i:1"
    assert query("sqlite://", "x").template(SETTINGS).container.image == SQLAlchemyDefaultImages.default_image()


def test_the_manifest_imports_nothing() -> None:
    code = "import sys, hardpoint.integrations.sqlalchemy as m; print(*({'sqlalchemy', 'pyarrow'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.strip()) == (0, ""), ran.stderr
    code = (
        "import sys; from hardpoint.integrations.sqlalchemy import SQLAlchemyTask, SQLAlchemyConfig;"
        "SQLAlchemyTask('q', 'SELECT 1', SQLAlchemyConfig('sqlite://')); print(*({'sqlalchemy', 'pandas'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.strip()) == (0, ""), ran.stderr
