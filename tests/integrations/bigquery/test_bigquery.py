"""Queries as tasks, and what is peculiar to BigQuery's jobs."""

from __future__ import annotations

import base64
import datetime
import enum
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pyarrow as pa
import pytest
from flyteidl.core.tasks_pb2 import Sql
from google.cloud import bigquery as google
from hypothesis import given
from hypothesis import strategies as st

from hardpoint import kwtypes, task, workflow
from hardpoint.connectors import JobGoneError, Phase
from hardpoint.connectors.connection import Connection, ForeignEndpointError, use_connection
from hardpoint.connectors.local import JobFailedError, JobInterruptedError
from hardpoint.engine import RunOptions, execute
from hardpoint.errors import (
    FlyteValidationException,
    PermanentError,
    TransientError,
    TypeTransformerFailedError,
    UserError,
)
from hardpoint.idl import LiteralMap, SimpleType, TaskTemplate, literal_map, native
from hardpoint.integrations.bigquery import (
    BigQueryConfig,
    BigQueryConnector,
    BigQueryMetadata,
    BigQueryTask,
    pythonTypeToBigQueryType,
)
from hardpoint.integrations.bigquery.connector import _CALL
from hardpoint.integrations.bigquery.parameters import ParameterError, wire_type
from hardpoint.integrations.bigquery.states import REASONS, STATES, failure_phase
from hardpoint.integrations.bigquery.uris import BadTableUriError, TableName
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.types import TypeEngine
from hardpoint.types.structured import StructuredDataset
from tests.services.bigquery import PROJECT, BigQuery, bigquery

SETTINGS = SerializationSettings(ImageConfig.auto(img_name="img:1"), project="p", domain="development", version="v")
TAGS = {"hardpoint-execution": "e1", "hardpoint-key": "k"}


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Inner:
    at: datetime.date
    tags: list[str]


@dataclass
class Row:
    n: int
    price: Decimal
    raw: bytes
    when: datetime.datetime
    clock: datetime.time
    span: datetime.timedelta
    inner: Inner
    maybe: str | None = None


@pytest.fixture
def connector() -> BigQueryConnector:
    return BigQueryConnector()


def template_of(made: BigQueryTask) -> TaskTemplate:
    return TaskTemplate.FromString(made.template(SETTINGS).SerializeToString())


def query(sql: str, inputs: dict[str, Any] | None = None, rows: Any = StructuredDataset, **config: Any) -> BigQueryTask:
    return BigQueryTask("bigquery.query", sql, BigQueryConfig(PROJECT, **config), inputs, rows)


def create(connector: BigQueryConnector, made: BigQueryTask, key: str = "hp-1", **values: Any) -> BigQueryMetadata:
    inputs = literal_map(made.encode_inputs(values))
    meta: BigQueryMetadata = connector.create(template_of(made), "", inputs, idempotency_key=key, tags=TAGS)
    return meta


def ended(connector: BigQueryConnector, meta: BigQueryMetadata, service: BigQuery) -> Any:
    assert service.job(meta.job_id).done.wait(20)
    return connector.get(meta)


def sent(service: BigQuery) -> dict[str, Any]:
    body: dict[str, Any] = service.calls("POST", "/jobs$")[-1].body
    return body


# -- the template ------------------------------------------------------------------------------------------------------


def test_the_template_is_the_references() -> None:
    made = BigQueryTask(
        "flytekit.demo.bigquery_task.query",
        "SELECT * FROM `bigquery-public-data.crypto_dogecoin.transactions` WHERE @version = 1 LIMIT 10",
        BigQueryConfig("Flyte", Location="Asia", QueryJobConfig=google.QueryJobConfig(allow_large_results=True)),
        inputs=kwtypes(version=int),
        output_structured_dataset_type=StructuredDataset,
    )
    template = template_of(made)
    assert template.type == "bigquery_query_job_task"
    assert template.task_type_version == 0
    assert native(template.custom) == {
        "Domain": "development",
        "ProjectID": "Flyte",
        "Location": "Asia",
        "allowLargeResults": True,
    }
    assert template.sql.dialect == Sql.Dialect.ANSI
    assert template.sql.statement == made.query_template
    assert dict(template.config) == {}
    assert list(template.interface.inputs.variables) == ["version"]
    assert list(template.interface.outputs.variables) == ["results"]
    assert not template.HasField("container")


def test_a_location_that_is_not_given_is_null() -> None:
    template = template_of(query("SELECT 1", rows=None))
    assert template.custom["Location"] is None
    assert not template.interface.outputs.variables


def test_the_query_is_kept_as_it_is_written() -> None:
    sql = "SELECT 'a  b'\n  -- why\n\tFROM t"
    assert template_of(query(sql)).sql.statement == sql


def test_types_that_literals_do_not_tell_are_in_the_template() -> None:
    custom = native(template_of(query("SELECT @a, @b", kwtypes(a=datetime.date, b=int))).custom)
    assert custom["queryParameters"] == [{"name": "a", "parameterType": {"type": "DATE"}}]


@pytest.mark.parametrize("t", [list[list[int]], set, list, StructuredDataset, int | str, Any])
def test_types_that_no_parameter_has(t: Any) -> None:
    with pytest.raises(FlyteValidationException, match="BigQuery has no parameters of type"):
        query("SELECT @x", {"x": t})


@dataclass
class Branch:
    twigs: list[Branch]


def test_a_dataclass_that_contains_itself() -> None:
    with pytest.raises(FlyteValidationException, match="Branch, which contains itself"):
        query("SELECT @x", {"x": Branch | None})


def test_what_is_wrong_is_said_when_the_task_is_made() -> None:
    with pytest.raises(FlyteValidationException, match="Write @x"):
        query("SELECT {{ .inputs.x }}", kwtypes(x=int))
    with pytest.raises(FlyteValidationException, match="dry_run"):
        query("SELECT 1", QueryJobConfig=google.QueryJobConfig(dry_run=True))
    with pytest.raises(FlyteValidationException, match="no settings destinationTable"):
        query("SELECT 1", QueryJobConfig={"destinationTable": {}})
    with pytest.raises(FlyteValidationException, match="needs a project"):
        BigQueryTask("bigquery.none", "SELECT 1", BigQueryConfig(""))


def test_every_type_of_the_table_has_a_parameter() -> None:
    for t in set(pythonTypeToBigQueryType) - {list}:
        query("SELECT @x", {"x": t})


# -- parameters --------------------------------------------------------------------------------------------------------

ROW = Row(
    n=1,
    price=Decimal("1.50"),
    raw=b"\xff",
    when=datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.UTC),
    clock=datetime.time(1, 2, 3),
    span=datetime.timedelta(hours=1),
    inner=Inner(datetime.date(2024, 2, 29), ["a"]),
)
UTC = datetime.UTC
VALUES: list[tuple[Any, Any, Any]] = [
    (int, 2**53 + 1, google.ScalarQueryParameter("x", "INT64", 2**53 + 1)),
    (int | None, None, google.ScalarQueryParameter("x", "INT64", None)),
    (float, 0.1, None),
    (bool, True, google.ScalarQueryParameter("x", "BOOL", True)),
    (str, "it's @y \"\\", google.ScalarQueryParameter("x", "STRING", "it's @y \"\\")),
    (bytes, b"\x00'", google.ScalarQueryParameter("x", "BYTES", b"\x00'")),
    (datetime.date, datetime.date(2024, 2, 29), google.ScalarQueryParameter("x", "DATE", datetime.date(2024, 2, 29))),
    (datetime.time, datetime.time(1, 2, 3, 4), google.ScalarQueryParameter("x", "TIME", datetime.time(1, 2, 3, 4))),
    (datetime.datetime, datetime.datetime(2024, 1, 1, 1, 2, 3, 4, tzinfo=UTC), None),
    (Decimal, Decimal("-1.50"), google.ScalarQueryParameter("x", "NUMERIC", Decimal("-1.50"))),
    (datetime.timedelta, datetime.timedelta(days=2, hours=3, microseconds=5), None),
    (datetime.timedelta, -datetime.timedelta(days=1, seconds=1), None),
    (list[int], [1, 2], google.ArrayQueryParameter("x", "INT64", [1, 2])),
    (list[Decimal], [Decimal("1.5")], google.ArrayQueryParameter("x", "NUMERIC", [Decimal("1.5")])),
    (list[datetime.date], [datetime.date(2024, 1, 1)], None),
    (list[str], [], google.ArrayQueryParameter("x", "STRING", [])),
    (Colour, Colour.RED, google.ScalarQueryParameter("x", "STRING", "red")),
]


@pytest.mark.parametrize(("t", "value", "theirs"), VALUES, ids=[f"{t}-{value!r}"[:60] for t, value, _ in VALUES])
def test_parameters(service: BigQuery, connector: BigQueryConnector, t: Any, value: Any, theirs: Any) -> None:
    """As Google's own classes write them; and BigQuery has the value that the task was given."""
    meta = create(connector, query("SELECT @x AS x", {"x": t}), x=value)
    config = sent(service)["configuration"]["query"]
    assert config["parameterMode"] == "NAMED"
    if theirs is not None:
        assert config["queryParameters"] == [theirs.to_api_repr()]
    resource = ended(connector, meta, service)
    assert resource.phase is Phase.SUCCEEDED, resource.message
    destination = service.job(meta.job_id).destination
    assert destination is not None
    duck = service.warehouse.cursor()
    rows = duck.sql(f'SELECT x FROM "{PROJECT}"."_anonymous"."{destination[2]}"')
    if isinstance(value, datetime.timedelta):  # DuckDB's intervals are not those of Arrow
        assert rows.fetchall() == [(value,)]
        return
    got = rows.to_arrow_table().column("x").to_pylist()[0]
    assert got == (value.value if isinstance(value, enum.Enum) else value)


def test_a_dataclass_is_a_struct(service: BigQuery, connector: BigQueryConnector) -> None:
    made = query("SELECT @r.n AS n, @r.inner.tags[0] AS tag, @rs[0].price AS price", {"r": Row, "rs": list[Row]})
    meta = create(connector, made, r=ROW, rs=[ROW])
    one, many = sent(service)["configuration"]["query"]["queryParameters"]
    assert [field["name"] for field in one["parameterType"]["structTypes"]] == list(Row.__dataclass_fields__)
    assert many["parameterType"] == {"type": "ARRAY", "arrayType": one["parameterType"]}
    assert one["parameterValue"] == {
        "structValues": {
            "n": {"value": "1"},
            "price": {"value": "1.50"},
            "raw": {"value": base64.b64encode(b"\xff").decode()},
            "when": {"value": "2024-01-01 12:00:00+00:00"},
            "clock": {"value": "01:02:03"},
            "span": {"value": "0-0 0 1:0:0"},
            "inner": {"structValues": {"at": {"value": "2024-02-29"}, "tags": {"arrayValues": [{"value": "a"}]}}},
            "maybe": {"value": None},
        }
    }
    resource = ended(connector, meta, service)
    assert resource.phase is Phase.SUCCEEDED, resource.message
    rows = StructuredDataset(uri=resource.outputs["results"].uri).open(pa.Table).all()
    assert rows.to_pylist() == [{"n": 1, "tag": "a", "price": Decimal("1.50")}]


def test_a_dataclass_with_decimals_is_read_as_it_was(service: BigQuery) -> None:
    """As the inputs of a local run are, or of a task that is called again."""
    codec = TypeEngine.codec(query("SELECT @r", {"r": Row}).interface.inputs["r"])
    assert codec.decode(codec.encode(ROW)) == ROW
    assert codec.literal_type.simple == SimpleType.STRUCT
    with pytest.raises(TypeTransformerFailedError, match="Inner"):
        codec.encode(ROW.inner)
    with pytest.raises(TypeTransformerFailedError, match="price"):
        codec.from_plain({**msgspec.to_builtins(ROW), "price": "a lot"})


@dataclass
class Plain:
    n: int
    at: datetime.date


@pytest.mark.parametrize("t", [int, Plain, list[Plain], Plain | None, dict[str, int], Annotated[int, "note"], Colour])
def test_types_that_travel_as_they_are_stay(t: Any) -> None:
    assert wire_type(t) == t


def test_decimals_deeper_down(service: BigQuery, connector: BigQueryConnector) -> None:
    inputs = {"a": dict[str, Decimal], "b": Annotated[list[Decimal], "note"], "c": list[Row] | None}
    create(connector, query("SELECT @a, @b, @c", inputs), a={"x": Decimal("1.5")}, b=[Decimal("2.5")], c=None)
    a, b, c = sent(service)["configuration"]["query"]["queryParameters"]
    assert (a["parameterType"], a["parameterValue"]) == ({"type": "JSON"}, {"value": '{"x": "1.5"}'})
    assert b["parameterValue"] == {"arrayValues": [{"value": "2.5"}]}
    assert (c["parameterType"]["type"], c["parameterValue"]) == ("ARRAY", {"value": None})


def test_a_dict_is_json(service: BigQuery, connector: BigQueryConnector) -> None:
    create(connector, query("SELECT @a, @b", {"a": dict, "b": dict[str, list[int]]}), a={"x": [1, None]}, b={"y": [2]})
    one, other = sent(service)["configuration"]["query"]["queryParameters"]
    assert (one["parameterType"], json.loads(one["parameterValue"]["value"])) == ({"type": "JSON"}, {"x": [1, None]})
    assert json.loads(other["parameterValue"]["value"]) == {"y": [2]}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none(service: BigQuery, connector: BigQueryConnector, value: float) -> None:
    create(connector, query("SELECT @x", {"x": float}), x=value)
    text = sent(service)["configuration"]["query"]["queryParameters"][0]["parameterValue"]["value"]
    assert repr(float(text)) == repr(value)


def test_a_declared_parameter_says_of_what_type_an_input_is(service: BigQuery, connector: BigQueryConnector) -> None:
    config = google.QueryJobConfig(
        query_parameters=[
            google.ScalarQueryParameter("at", "DATETIME", None),
            google.ScalarQueryParameter("big", "BIGNUMERIC", None),
            google.ScalarQueryParameter("fixed", "INT64", 7),
        ]
    )
    made = query(
        "SELECT @at AS at, @fixed AS f, @big AS b", {"at": datetime.datetime, "big": Decimal}, QueryJobConfig=config
    )
    meta = create(connector, made, at=datetime.datetime(2024, 1, 1, 12), big=Decimal("1.0000000001"))
    told = {p["name"]: p for p in sent(service)["configuration"]["query"]["queryParameters"]}
    assert told["at"]["parameterType"] == {"type": "DATETIME"}
    assert told["at"]["parameterValue"] == {"value": "2024-01-01T12:00:00"}
    assert told["big"]["parameterValue"] == {"value": "1.0000000001"}
    assert told["fixed"]["parameterValue"] == {"value": "7"}
    assert ended(connector, meta, service).phase is Phase.SUCCEEDED


@pytest.mark.parametrize("value", [Decimal("1e30"), Decimal("0.0000000001"), Decimal("NaN")])
def test_values_that_do_not_fit_are_refused_without_being_shown(
    service: BigQuery, connector: BigQueryConnector, value: Decimal
) -> None:
    with pytest.raises(ParameterError, match="The input 'x': a str does not fit the parameter type NUMERIC") as caught:
        create(connector, query("SELECT @x", {"x": Decimal}), x=value)
    assert str(value) not in str(caught.value)
    assert service.created() == []


def test_inputs_and_parameters_without_names(service: BigQuery, connector: BigQueryConnector) -> None:
    config = google.QueryJobConfig(query_parameters=[google.ScalarQueryParameter(None, "INT64", 1)])
    with pytest.raises(ParameterError, match="all have names"):
        create(connector, query("SELECT @x", {"x": int}, QueryJobConfig=config), x=1)


def test_values_are_data(service: BigQuery, connector: BigQueryConnector) -> None:
    evil = "x'); DROP TABLE sales.orders; --"
    service.warehouse.add_table(PROJECT, "sales", "orders", pa.table({"city": [evil, "b"]}))
    made = query("SELECT city FROM sales.orders WHERE city = @city", {"city": str})
    resource = ended(connector, create(connector, made, city=evil), service)
    rows = StructuredDataset(uri=resource.outputs["results"].uri).open(pa.Table).all()
    assert rows.to_pylist() == [{"city": evil}]
    assert evil not in sent(service)["configuration"]["query"]["query"]


def test_a_template_of_the_references_task_is_run(service: BigQuery, connector: BigQueryConnector) -> None:
    """What it does not say is taken from the literals."""
    template = TaskTemplate(type="bigquery_query_job_task")
    template.sql.statement = "SELECT @x AS x"
    template.custom.update({"ProjectID": PROJECT, "Location": None, "Domain": "d"})
    made = query("SELECT @x AS x", {"x": list[int]})
    template.interface.CopyFrom(template_of(made).interface)
    meta = connector.create(template, "", literal_map(made.encode_inputs({"x": [1]})), idempotency_key="k")
    assert ended(connector, meta, service).phase is Phase.SUCCEEDED
    del template.custom["ProjectID"]
    with pytest.raises(UserError, match="no ProjectID"):
        connector.create(template, "", LiteralMap(), idempotency_key="k2")


# -- the job -----------------------------------------------------------------------------------------------------------


def test_all_of_the_configuration_is_sent(service: BigQuery, connector: BigQueryConnector) -> None:
    config = google.QueryJobConfig(
        destination=google.TableReference.from_string("acme.sales.out"),
        write_disposition="WRITE_TRUNCATE",
        maximum_bytes_billed=10**9,
        priority="BATCH",
        use_query_cache=False,
        labels={"team": "a", "hardpoint-key": "mine"},
        job_timeout_ms=60_000,
    )
    meta = create(connector, query("SELECT 1 AS n", QueryJobConfig=config))
    body = sent(service)
    assert body["jobReference"]["jobId"] == "hp-1"
    told = body["configuration"]
    assert told["labels"] == {"team": "a", **TAGS}
    assert told["jobTimeoutMs"] == "60000"
    assert told["query"]["maximumBytesBilled"] == "1000000000"
    assert told["query"]["priority"] == "BATCH"
    assert told["query"]["useQueryCache"] is False
    assert told["query"]["destinationTable"]["tableId"] == "out"
    assert ended(connector, meta, service).outputs["results"].uri == "bq://acme:sales.out"
    assert service.calls("POST", "/jobs$")[-1].agent.startswith("hardpoint/")


def test_success(service: BigQuery, connector: BigQueryConnector) -> None:
    meta = create(connector, query("SELECT 1 AS n", Location="EU"))
    assert meta == BigQueryMetadata("hp-1", PROJECT, "EU")
    resource = ended(connector, meta, service)
    assert resource.phase is Phase.SUCCEEDED
    assert re.fullmatch(r"bq://acme:_anonymous\.anon\w+", resource.outputs["results"].uri)
    [link] = resource.log_links
    assert link.name == "BigQuery Console"
    assert link.uri == "https://console.cloud.google.com/bigquery?project=acme&j=bq:EU:hp-1&page=queryresults"
    assert resource.custom_info["statement_type"] == "SELECT"
    assert resource.custom_info["total_bytes_processed"] == 0
    assert resource.custom_info["slot_millis"] == 7
    assert resource.custom_info["cache_hit"] is False
    assert resource.proto().phase == int(Phase.SUCCEEDED)


def test_outputs_are_given_only_if_they_are_declared(service: BigQuery, connector: BigQueryConnector) -> None:
    meta = create(connector, query("SELECT 1 AS n", rows=None))
    assert ended(connector, meta, service).outputs is None


def test_a_query_that_finds_nothing_has_columns(service: BigQuery, connector: BigQueryConnector) -> None:
    resource = ended(connector, create(connector, query("SELECT 1 AS n, 'a' AS s LIMIT 0")), service)
    rows = StructuredDataset(uri=resource.outputs["results"].uri).open(pa.Table).all()
    assert rows.schema == pa.schema([("n", pa.int64()), ("s", pa.string())])
    assert rows.num_rows == 0


def test_a_statement_without_rows(service: BigQuery, connector: BigQueryConnector) -> None:
    service.warehouse.add_table(PROJECT, "sales", "t", pa.table({"n": [1, 2]}))
    quiet = ended(connector, create(connector, query("DELETE FROM sales.t WHERE n = 1", rows=None)), service)
    assert (quiet.phase, quiet.outputs) == (Phase.SUCCEEDED, None)
    assert quiet.custom_info["num_dml_affected_rows"] == 1
    loud = ended(connector, create(connector, query("DELETE FROM sales.t WHERE n = 2"), "hp-2"), service)
    assert loud.phase is Phase.FAILED
    assert "The statement (DELETE) gives no rows" in loud.message


def test_a_script_gives_the_rows_of_its_last_query(service: BigQuery, connector: BigQueryConnector) -> None:
    sql = "CREATE TABLE sales.s (n INT64); INSERT INTO sales.s VALUES (4); SELECT n FROM sales.s; SELECT n + 1 AS m FROM sales.s"
    resource = ended(connector, create(connector, query(sql)), service)
    assert resource.phase is Phase.SUCCEEDED, resource.message
    rows = StructuredDataset(uri=resource.outputs["results"].uri).open(pa.Table).all()
    assert rows.to_pylist() == [{"m": 5}]
    sets = "DECLARE m INT64; SELECT 6 AS m; SET m = (SELECT 7)"  # the last SELECT is none that gives rows
    resource = ended(connector, create(connector, query(sets), "hp-3"), service)
    assert resource.phase is Phase.SUCCEEDED, resource.message
    rows = StructuredDataset(uri=resource.outputs["results"].uri).open(pa.Table).all()
    assert rows.to_pylist() == [{"m": 6}]
    quiet = ended(
        connector, create(connector, query("DROP TABLE sales.s; CREATE TABLE sales.s (n INT64)"), "hp-2"), service
    )
    assert quiet.phase is Phase.FAILED


def test_errors_that_stopped_nothing_do_not_fail_a_job(service: BigQuery, connector: BigQueryConnector) -> None:
    meta = create(connector, query("SELECT 1 AS n"))
    service.job(meta.job_id).warnings.append({"reason": "invalid", "message": "One row was odd.", "location": "t"})
    resource = ended(connector, meta, service)
    assert resource.phase is Phase.SUCCEEDED
    assert resource.message == "DONE\ninvalid: One row was odd. (at t)"


@pytest.mark.parametrize(
    ("sql", "phase", "words"),
    [
        ("SELEC 1", Phase.FAILED, r"invalidQuery: Syntax error.* \(at query\)\n  -> Correct the query"),
        ("SELECT * FROM sales.nothing", Phase.FAILED, r"notFound: Not found: Table acme.*\n  -> Check the names"),
        ("SELECT @y", Phase.FAILED, "Query parameter 'y' not found"),
    ],
)
def test_failures(service: BigQuery, connector: BigQueryConnector, sql: str, phase: Phase, words: str) -> None:
    resource = ended(connector, create(connector, query(sql)), service)
    assert resource.phase is phase
    assert re.search(words, resource.message), resource.message
    assert resource.log_links
    assert resource.outputs is None


@pytest.mark.parametrize("reason", [*REASONS, "somethingNew"])
def test_reasons(service: BigQuery, connector: BigQueryConnector, reason: str) -> None:
    service.holds = True
    meta = create(connector, query("SELECT 1"))
    service.end(meta.job_id, ok=False, reason=reason)
    resource = connector.get(meta)
    assert resource.phase is failure_phase(reason)
    assert resource.phase.is_failure
    assert f"{reason}: The job failed" in resource.message


def test_the_tables_are_what_the_sheet_of_errors_says() -> None:
    retryable = {reason for reason, phase in REASONS.items() if phase is Phase.RETRYABLE_FAILED}
    assert {"backendError", "rateLimitExceeded", "internalError", "jobBackendError"} <= retryable
    assert failure_phase("stopped") is Phase.ABORTED
    assert set(STATES) == {"PENDING", "RUNNING", "DONE"}


def test_a_query_that_runs_is_cancelled(service: BigQuery, connector: BigQueryConnector) -> None:
    """A real one, which DuckDB works at."""
    numbers = "UNNEST(GENERATE_ARRAY(1, 10000))"  # a larger array is made in one piece, which DuckDB does not interrupt
    sql = f"SELECT count(*) FROM {numbers} a, {numbers} b, {numbers} c, {numbers} d WHERE a + b * c - d = 7"
    meta = create(connector, query(sql))
    running = connector.get(meta)
    assert running.phase in (Phase.INITIALIZING, Phase.RUNNING)
    connector.delete(meta)
    resource = ended(connector, meta, service)
    assert resource.phase is Phase.ABORTED
    assert "cancelled" in resource.message
    connector.delete(meta)
    service.forget(meta.job_id)
    connector.delete(meta)


def test_a_budget(service: BigQuery, connector: BigQueryConnector) -> None:
    service.warehouse.add_table(PROJECT, "sales", "big", pa.table({"n": range(1000)}))
    made = query("SELECT * FROM sales.big", QueryJobConfig={"query": {"maximumBytesBilled": "100"}})
    assert connector.estimate(template_of(made)) == {
        "bytes_processed": 8000,
        "statement_type": "SELECT",
        "location": "US",
        "maximum_bytes_billed": 100,
    }
    assert service.created() == []
    resource = ended(connector, create(connector, made), service)
    assert resource.phase is Phase.FAILED
    assert "bytesBilledLimitExceeded" in resource.message
    assert "raise maximum_bytes_billed" in resource.message


def test_a_task_says_what_it_would_read(service: BigQuery) -> None:
    service.warehouse.add_table(PROJECT, "north", "big", pa.table({"day": [datetime.date(2024, 1, 1)] * 100}))
    service.warehouse.datasets[PROJECT, "north"] = "europe-north1"
    made = query("SELECT * FROM north.big WHERE day IN UNNEST(@days)", {"days": list[datetime.date]})
    assert made.estimate(days=[datetime.date(2024, 1, 1)]) == {
        "bytes_processed": 800,
        "statement_type": "SELECT",
        "location": "europe-north1",
    }
    told = sent(service)["configuration"]
    assert told["dryRun"] is True
    assert told["query"]["queryParameters"][0]["parameterValue"] == {"arrayValues": [{"value": "2024-01-01"}]}
    assert service.created() == []
    with pytest.raises(UserError, match=r"Not found: Table acme:north\.nothing"):
        query("SELECT * FROM north.nothing").estimate()


def test_an_estimate_says_what_is_wrong(service: BigQuery, connector: BigQueryConnector) -> None:
    with pytest.raises(UserError, match="Syntax error"):
        connector.estimate(template_of(query("SELEC 1")))
    made = query("SELECT @x AS x", {"x": int})
    inputs = literal_map(made.encode_inputs({"x": 1}))
    assert connector.estimate(template_of(made), inputs)["bytes_processed"] == 0


# -- where jobs are ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("location", [None, "europe-north1"])
def test_a_job_far_away_is_found_again(service: BigQuery, connector: BigQueryConnector, location: str | None) -> None:
    service.warehouse.add_table(PROJECT, "north", "t", pa.table({"n": [1]}))
    service.warehouse.datasets[PROJECT, "north"] = "europe-north1"
    made = query("SELECT n FROM north.t", Location=location)
    first = create(connector, made)
    assert first.location == "europe-north1"
    assert create(connector, made) == first
    assert connector.find("hp-1", template_of(made)) == first
    assert connector.find("hp-2", template_of(made)) is None
    assert service.created() == ["hp-1"]
    assert ended(connector, first, service).phase is Phase.SUCCEEDED


@pytest.fixture
def silent(service: BigQuery, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that takes connections and says nothing; nobody waits for it as long as for others."""
    monkeypatch.setitem(_CALL, "timeout", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_nobody_waits_for_ever(silent: str, connector: BigQueryConnector) -> None:
    made = query("SELECT 1", Endpoint=silent)
    meta = BigQueryMetadata("hp-1", PROJECT, "US", silent)
    for asks in (
        lambda: create(connector, made),
        lambda: connector.find("hp-1", template_of(made)),
        lambda: connector.get(meta),
        lambda: connector.delete(meta),
        lambda: connector.estimate(template_of(made)),
    ):
        with pytest.raises(TransientError, match=r"BigQuery could not .* timed? ?out"):
            asks()


def test_jobs_of_the_reference_are_followed(service: BigQuery, connector: BigQueryConnector) -> None:
    meta = create(connector, query("SELECT 1 AS n"))
    theirs = BigQueryMetadata.decode(json.dumps({"job_id": "hp-1", "project": PROJECT, "location": None}).encode())
    assert ended(connector, theirs, service).outputs == ended(connector, meta, service).outputs
    assert connector.get(theirs).log_links[0].uri.endswith("&j=bq:US:hp-1&page=queryresults")
    gone = BigQueryMetadata("other", PROJECT, None)
    with pytest.raises(TransientError, match="its location is not known"):
        connector.get(gone)
    with pytest.raises(JobGoneError, match="no job other in US"):
        connector.get(BigQueryMetadata("other", PROJECT, "US"))


def test_without_a_key_bigquery_has_the_choice(service: BigQuery, connector: BigQueryConnector) -> None:
    meta = connector.create(template_of(query("SELECT 1 AS n")), "")
    assert service.created() == [meta.job_id]


# -- credentials -------------------------------------------------------------------------------------------------------


def test_a_task_names_its_own_account(
    service: BigQuery, connector: BigQueryConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_FSEC_TEAM_A", service.credentials)
    monkeypatch.setenv("_FSEC_GOOGLE_APPLICATION_CREDENTIALS", json.dumps({"type": "external_account"}))
    made = query("SELECT 1 AS n", Credentials="team_a")
    assert native(template_of(made).custom)["secrets"] == {"google_application_credentials": "team_a"}
    with use_connection(Connection.of(template_of(made))):
        create(connector, made)
    with pytest.raises(UserError, match="one of service_account, authorized_user"):
        create(connector, query("SELECT 1 AS n"), "hp-2")
    assert service.created() == ["hp-1"]


def test_shared_credentials_go_to_no_address_that_a_task_names(service: BigQuery, connector: BigQueryConnector) -> None:
    made = query("SELECT 1", Endpoint="https://evil.example")
    with (
        use_connection(Connection.of(template_of(made), shared=True)),
        pytest.raises(ForeignEndpointError, match=r"evil\.example"),
    ):
        create(connector, made)


@pytest.mark.parametrize(
    ("secret", "words"),
    [("{", "should be the JSON"), ("[]", "should be the JSON"), ('{"type": "service_account"}', "is not complete")],
)
def test_a_secret_that_is_none(
    service: BigQuery, connector: BigQueryConnector, monkeypatch: pytest.MonkeyPatch, secret: str, words: str
) -> None:
    monkeypatch.setenv("_FSEC_GOOGLE_APPLICATION_CREDENTIALS", secret)
    with pytest.raises(UserError, match=words):
        create(connector, query("SELECT 1"))


def test_an_emulator_needs_no_credentials(
    service: BigQuery, connector: BigQueryConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("_FSEC_GOOGLE_APPLICATION_CREDENTIALS")
    with pytest.raises(PermanentError, match="invalid authentication credentials") as caught:  # this one does
        create(connector, query("SELECT 1"))
    assert "google_application_credentials" in str(caught.value)
    service.asks_nobody = True
    create(connector, query("SELECT 1"))
    assert service.created() == ["hp-1"]


def test_no_credentials_at_all(connector: BigQueryConnector, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    with pytest.raises(PermanentError, match="no credentials for BigQuery") as caught:
        create(connector, query("SELECT 1", Endpoint="http://127.0.0.1:9"))
    assert "gcloud auth application-default login" in str(caught.value)


def test_googles_own_variable_names_a_file(
    service: BigQuery, connector: BigQueryConnector, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv("_FSEC_GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST")
    (tmp_path / "key.json").write_text(service.credentials)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    create(connector, query("SELECT 1", Endpoint=service.url))
    assert service.created() == ["hp-1"]


def test_clients_are_shared(service: BigQuery, connector: BigQueryConnector) -> None:
    from hardpoint.integrations.bigquery.clients import rest_client

    create(connector, query("SELECT 1"))
    assert rest_client(PROJECT) is rest_client(PROJECT)
    assert rest_client(PROJECT) is not rest_client("other")


# -- local runs --------------------------------------------------------------------------------------------------------


@task
def total(rows: pa.Table) -> int:
    return int(sum(rows.column("n").to_pylist()))


numbers = BigQueryTask(
    "bigquery.numbers",
    "SELECT n FROM UNNEST(@ns) n WHERE n > @least",
    BigQueryConfig(PROJECT),
    inputs=kwtypes(ns=list[int], least=Decimal),
    output_structured_dataset_type=Annotated[StructuredDataset, kwtypes(n=int)],
)


@workflow
def sums(ns: list[int]) -> int:
    return total(rows=numbers(ns=ns, least=Decimal("1.5")))


def test_a_workflow(service: BigQuery) -> None:
    result = execute(sums, {"ns": [1, 2, 3]})
    assert list(result.outputs.values()) == [5]
    [job] = service.created()
    labels = service.job(job).configuration["labels"]
    assert labels["hardpoint-execution"] == result.id
    assert labels["hardpoint-attempt"] == "0"


def test_a_task_that_fails_says_so(service: BigQuery) -> None:
    with pytest.raises(JobFailedError, match=r"Failed to run the task bigquery\.query with error: invalidQuery"):
        query("SELEC 1")()


def test_a_run_that_is_resumed_finds_its_query_again(service: BigQuery) -> None:
    """The query fails for BigQuery's own reasons, then the run is taken up."""
    service.holds = True
    failing = threading.Thread(target=_fail_first, args=(service,))
    failing.start()
    with pytest.raises(JobInterruptedError, match="backendError") as caught:
        execute(sums, {"ns": [5]})
    failing.join()
    service.holds = False
    run = next(
        iter({job.configuration["labels"]["hardpoint-execution"] for job in map(service.job, service.created())})
    )
    assert "backendError" in str(caught.value)
    result = execute(sums, {"ns": [5]}, RunOptions(resume=run))
    assert list(result.outputs.values()) == [5]
    assert len(service.created()) == 2


def _fail_first(service: BigQuery) -> None:
    pause = threading.Event()
    while not service.created():
        pause.wait(0.02)
    service.end(service.created()[0], ok=False, reason="backendError")


# -- URIs --------------------------------------------------------------------------------------------------------------

_project = st.from_regex(r"([a-z]{2,5}\.com:)?[a-z][a-z0-9-]{4,10}[a-z0-9]", fullmatch=True)
_dataset = st.from_regex(r"[A-Za-z0-9_]{1,10}", fullmatch=True)
_table = st.text(st.characters(exclude_characters="`/", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=10)


@given(_project, _dataset, _table)
def test_uris_travel(project: str, dataset: str, table: str) -> None:
    name = TableName(project, dataset, table)
    assert TableName.parse(name.uri) == name


@pytest.mark.parametrize(
    "uri",
    ["bq://acme:sales.t", "bq://acme.sales.t", "BQ://acme:sales.t", "bq://`acme`.`sales`.`t`", "bq://`acme.sales.t`"],
)
def test_forms_of_a_uri(uri: str) -> None:
    assert TableName.parse(uri) == TableName("acme", "sales", "t")
    assert TableName.parse(uri).uri == "bq://acme:sales.t"


@pytest.mark.parametrize("uri", [None, "", "bq://", "bq://a.b", "s3://a/b/c", "bq://a:b.c.d", "bq://a:b.c/d", "a:b.c"])
def test_no_uris(uri: str | None) -> None:
    with pytest.raises(BadTableUriError, match="Expected format"):
        TableName.parse(uri)


# -- the stand-in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.query("SELECT 1", job_config=google.QueryJobConfig(labels={"Not": "allowed"})),
        lambda c: c.query("SELECT 1", job_id="not allowed", job_retry=None),
        lambda c: c.query("SELECT 1", job_config=google.QueryJobConfig(use_legacy_sql=True)),
        lambda c: c.query("SELECT 1", job_config=google.QueryJobConfig.from_api_repr({"query": {"unheardOf": 1}})),
    ],
)
def test_the_stand_in_refuses_what_bigquery_does(service: BigQuery, change: Callable[[Any], Any]) -> None:
    from google.api_core.exceptions import BadRequest

    from hardpoint.integrations.bigquery.clients import rest_client

    with pytest.raises(BadRequest):
        change(rest_client(PROJECT))
    assert service.created() == []


@pytest.fixture(scope="module")
def two_servers() -> Iterator[tuple[BigQuery, BigQuery]]:
    with bigquery() as one, bigquery() as other:
        yield one, other


def test_servers_do_not_know_each_other(two_servers: tuple[BigQuery, BigQuery]) -> None:
    one, other = two_servers
    one.warehouse.add_table(PROJECT, "sales", "t", pa.table({"n": [1]}))
    assert (PROJECT, "sales", "t") not in other.warehouse.tables
