"""Queries on a stand-in for Athena, whose results lie in an S3 server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pyarrow as pa
import pytest

from hardpoint import FlyteSchema, StructuredDataset, idl, kwtypes, task, workflow
from hardpoint.connectors import ConnectorRegistry, JobGoneError, Phase
from hardpoint.connectors.errors import JobExistsError
from hardpoint.connectors.local import JobFailedError
from hardpoint.engine import execute
from hardpoint.errors import FlyteValidationException, UserError
from hardpoint.idl import TaskTemplate
from hardpoint.integrations._aws import AWSAccessError, AWSError
from hardpoint.integrations.athena import AthenaConfig, AthenaTask
from hardpoint.integrations.athena.connector import PHASES, AthenaConnector, AthenaMeta
from hardpoint.settings import override
from hardpoint.tasks.metadata import TaskMetadata
from hardpoint.tasks.serialization import SerializationSettings
from tests.services.aws_athena import AthenaStandIn
from tests.services.s3 import S3

ORDERS = """
CREATE TABLE orders AS FROM (VALUES ('Oslo', 10.0), ('Bergen', 5.0), ('Oslo', 2.5), ('L''Aquila', 99.0), ('L''Aquila', 1.0))
AS t(city, amount)
"""
EXAMPLE = Path(__file__).parents[3] / "examples" / "athena_example.py"
KEY = "hp-a-query-of-the-tests-0123456789abcdef"


@pytest.fixture
def athena(s3: S3, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[AthenaStandIn]:
    with AthenaStandIn(s3, ORDERS, polls=1) as running:
        running.announce(monkeypatch)
        monkeypatch.setenv("HARDPOINT_LOCAL_RAW_OUTPUT_PREFIX", f"{s3_bucket}/raw")
        yield running
        assert running.faults == []


def template_of(made: AthenaTask) -> TaskTemplate:
    return TaskTemplate.FromString(made.template(SerializationSettings()).SerializeToString())


def query(text: str = "SELECT 1 AS n", output: Any = None, **arguments: Any) -> AthenaTask:
    return AthenaTask("q", text, output_schema_type=output, **arguments)


# -- the wire ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "custom"),
    [
        (None, {}),
        (AthenaConfig(), {}),
        (AthenaConfig(database="db"), {"schema": "db"}),
        (AthenaConfig(workgroup="w"), {"routingGroup": "w"}),
        (AthenaConfig(catalog="c"), {"catalog": "c"}),
        (AthenaConfig("db", "w", "c"), {"schema": "db", "routingGroup": "w", "catalog": "c"}),
        (AthenaConfig(region="r", output_location="s3://b"), {"region": "r", "outputLocation": "s3://b"}),
    ],
)
def test_the_template_is_what_flytes_own_plugin_reads(config: AthenaConfig | None, custom: dict[str, str]) -> None:
    template = template_of(
        query("SELECT {{ .Inputs.ds }} AS a", FlyteSchema, task_config=config, inputs=kwtypes(ds=str))
    )
    assert idl.native(template.custom) == {"statement": "SELECT {{ .Inputs.ds }} AS a", **custom}
    assert (template.type, template.task_type_version, dict(template.config)) == ("presto", 0, {})
    assert template.WhichOneof("target") is None
    assert template.interface.outputs.variables["results"].type.HasField("schema")


def test_metadata_is_json_without_secrets() -> None:
    meta = AthenaMeta("id", "eu-central-1", "s3://b/rows/", "parquet", False, {"n": 1})
    assert json.loads(meta.encode()) == {
        "query_execution_id": "id",
        "region": "eu-central-1",
        "results": "s3://b/rows/",
        "format": "parquet",
        "is_schema": False,
        "columns": {"n": 1},
    }
    assert AthenaMeta.decode(meta.encode()) == meta
    assert AthenaMeta.decode(b'{"query_execution_id": "id", "region": "r", "later": 1}') == AthenaMeta("id", "r")


def test_every_state_of_the_api_has_a_phase() -> None:
    import botocore.session

    shape = botocore.session.Session().get_service_model("athena").shape_for("QueryExecutionState")
    assert set(PHASES) == set(shape.enum)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AthenaConfig(output_location="/tmp"), "should begin with s3://"),
        (lambda: query(""), "The query is empty"),
        (lambda: query("SELECT {{ .inputs.a }}"), "uses a, which is no input"),
        (lambda: query("SELECT 1", inputs=kwtypes(a=int)), "does not use the input a"),
    ],
)
def test_what_is_wrong_is_told_when_the_task_is_made(make: Any, message: str) -> None:
    with pytest.raises(FlyteValidationException, match=message):
        make()


# -- running -----------------------------------------------------------------------------------------------------------


def test_a_workflow_gets_the_rows(athena: AthenaStandIn) -> None:
    cities = query(
        "SELECT city, sum(amount) AS total FROM orders WHERE city <> '{{ .inputs.without }}' GROUP BY 1 ORDER BY 1; -- done",
        pd.DataFrame,
        inputs=kwtypes(without=str),
    )

    @task
    def names(found: pd.DataFrame) -> list[str]:
        return [f"{row.city}: {row.total}" for row in found.itertuples()]

    @workflow
    def wf(without: str) -> list[str]:
        return names(found=cities(without=without))

    run = execute(wf, {"without": "L'Aquila"})
    assert list(run.outputs.values()) == [["Bergen: 5.0", "Oslo: 12.5"]]
    [asked] = athena.parameters("StartQueryExecution")
    assert asked["ExecutionParameters"] == ["'L''Aquila'"]
    assert "Aquila" not in asked["QueryString"]


@pytest.mark.parametrize(
    ("output", "read"),
    [
        (pa.Table, lambda found: found.to_pylist()),
        (pd.DataFrame, lambda found: found.to_dict("records")),
        (StructuredDataset, lambda found: found.open(pa.Table).all().to_pylist()),
        (Annotated[pa.Table, kwtypes(n=int)], lambda found: found.to_pylist()),
        (Annotated[pd.DataFrame, "csv"], lambda found: found.to_dict("records")),
        (
            Annotated[StructuredDataset, kwtypes(n=int), "csv"],
            lambda found: found.open(pd.DataFrame).all().to_dict("records"),
        ),
        (FlyteSchema, lambda found: found.open().all().to_dict("records")),
        (FlyteSchema[kwtypes(n=int)], lambda found: found.open().all().to_dict("records")),
    ],
)
def test_rows_are_of_the_declared_type(athena: AthenaStandIn, output: Any, read: Any) -> None:
    assert read(query("SELECT n FROM (VALUES 1, 2) AS t(n)", output)()) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("output", [Annotated[pa.Table, kwtypes(n=int, s=str)], pa.Table])
def test_no_rows_are_a_dataset_as_well(athena: AthenaStandIn, output: Any) -> None:
    found = query("SELECT 1 AS n, 'a' AS s WHERE false", output)()
    assert found.num_rows == 0
    if output is not pa.Table:
        assert found.schema.names == ["n", "s"]
        assert found.schema.types == [pa.int64(), pa.string()]


def test_a_statement_may_write_its_results_itself(athena: AthenaStandIn) -> None:
    text = "UNLOAD (SELECT 7 AS n) TO '{{ .rawOutputDataPrefix }}' WITH (format = 'PARQUET')"
    assert query(text, pa.Table)().to_pylist() == [{"n": 7}]


def test_a_statement_without_output(athena: AthenaStandIn) -> None:
    assert query("SELECT 1")() is None
    [asked] = athena.parameters("StartQueryExecution")
    assert asked["QueryString"] == "SELECT 1"


def test_the_configuration_reaches_athena(athena: AthenaStandIn, s3_bucket: str) -> None:
    config = AthenaConfig("shop", "analysts", "lake", "eu-central-1", f"{s3_bucket}/elsewhere/")
    query("SELECT 1 AS n", pa.Table, task_config=config)()
    [asked] = athena.parameters("StartQueryExecution")
    location = asked["ResultConfiguration"]["OutputLocation"]
    assert location == f"{s3_bucket}/elsewhere/{asked['ClientRequestToken']}/"
    assert f"TO '{location}rows/'" in asked["QueryString"]
    assert asked["QueryExecutionContext"] == {"Database": "shop", "Catalog": "lake"}
    assert asked["WorkGroup"] == "analysts"


def test_a_failed_query_says_why(athena: AthenaStandIn) -> None:
    with pytest.raises(JobFailedError, match=r"SYNTAX_ERROR: .*no_such_table"):
        query("SELECT * FROM no_such_table", pa.Table)()


def test_athena_counts_the_parameters(athena: AthenaStandIn) -> None:
    with pytest.raises(JobFailedError, match="Incorrect number of parameters: expected 1 but found 0"):
        query("SELECT ?", pa.Table)()


def test_what_athena_calls_retryable_is_tried_again(athena: AthenaStandIn) -> None:
    athena.polls = None
    made = query("SELECT 1 AS n", pa.Table)
    connector = AthenaConnector()
    meta = connector.create(template_of(made), "s3://b/x", idempotency_key=KEY)
    athena.end(meta.query_execution_id, ok=False)
    assert connector.get(meta).phase is Phase.FAILED
    athena.jobs[meta.query_execution_id].facts["error"]["Retryable"] = True
    resource = connector.get(meta)
    assert (resource.phase, resource.message) == (
        Phase.RETRYABLE_FAILED,
        "Query exhausted resources at this scale factor",
    )
    assert resource.custom_info == {"statistics": {"DataScannedInBytes": 1024, "TotalExecutionTimeInMillis": 7}}


def test_a_refused_query_says_why(athena: AthenaStandIn) -> None:
    with pytest.raises(AWSError, match=r"InvalidRequestException: WorkGroup nobody is not found\."):
        query(task_config=AthenaConfig(workgroup="nobody"))()


def test_rows_need_a_place(athena: AthenaStandIn, tmp_path: Path) -> None:
    with override(local={"raw_output_prefix": str(tmp_path)}):
        for text, message in [
            ("SELECT 1", r"The rows of q have no place in S3.\n.*output_location"),
            ("UNLOAD (SELECT 1) TO '{{ .rawOutputDataPrefix }}' WITH (format = 'PARQUET')", "no place in S3"),
            ("INSERT INTO t SELECT 1", "gives no rows"),
        ]:
            with pytest.raises(UserError, match=message):
                AthenaConnector().create(template_of(query(text, pa.Table)), str(tmp_path), idempotency_key=KEY)
    assert athena.created() == []


# -- one job -----------------------------------------------------------------------------------------------------------


def test_a_key_gives_one_execution(athena: AthenaStandIn) -> None:
    connector, template = AthenaConnector(), template_of(query())
    first = connector.create(template, "s3://b/x", idempotency_key=KEY)
    assert connector.create(template, "s3://b/x", idempotency_key=KEY) == first
    with pytest.raises(JobExistsError):
        connector.create(template, "s3://b/elsewhere", idempotency_key=KEY)
    assert len(athena.created()) == 1
    assert connector.find(KEY, template) == first


def test_an_execution_is_found_among_many(athena: AthenaStandIn) -> None:
    athena.polls = None
    connector = AthenaConnector()
    made = query(output=pa.Table, task_config=AthenaConfig(workgroup="analysts"))
    meta = connector.create(template_of(made), "s3://b/x", idempotency_key=KEY)
    others = [connector.create(template_of(made), "s3://b/x", idempotency_key=f"{KEY}-{i}") for i in range(7)]
    athena.page = 3
    assert connector.find(KEY, template_of(made)) == meta
    assert connector.find(f"{KEY}-6", template_of(made)) == others[6]
    assert connector.find(f"{KEY}-7", template_of(made)) is None
    assert meta.results == f"s3://b/x/{KEY}/rows/"


def test_the_search_ends(athena: AthenaStandIn) -> None:
    connector, template = AthenaConnector(), template_of(query())
    for i in range(12):
        connector.create(template, "s3://b/x", idempotency_key=f"{KEY}-{i}")
    athena.page = 1
    assert connector.find(f"{KEY}-0", template) is None
    assert len(athena.parameters("ListQueryExecutions")) == 10


def test_many_states_are_one_question(athena: AthenaStandIn) -> None:
    athena.polls = None
    connector, template = AthenaConnector(), template_of(query())
    metas = [
        connector.create(template, "s3://b/x", idempotency_key=f"{KEY}-{i}")
        for i in range(connector.capabilities.poll_batch)
    ]
    athena.say(metas[49].query_execution_id, "RUNNING")
    told = connector.get_many([*metas, metas[49]])
    assert [resource.phase for resource in told] == [Phase.QUEUED] * 49 + [Phase.RUNNING] * 2
    assert [len(asked["QueryExecutionIds"]) for asked in athena.parameters("BatchGetQueryExecution")] == [50]
    athena.forget(metas[3].query_execution_id)
    with pytest.raises(JobGoneError, match=metas[3].query_execution_id):
        connector.get_many(metas)


def test_a_query_that_athena_has_forgotten(athena: AthenaStandIn) -> None:
    connector = AthenaConnector()
    meta = connector.create(template_of(query()), "s3://b/x", idempotency_key=KEY)
    athena.forget(meta.query_execution_id)
    with pytest.raises(JobGoneError, match="was not found"):
        connector.get(meta)
    connector.delete(meta)


def test_the_link_leads_to_the_console(athena: AthenaStandIn) -> None:
    connector = AthenaConnector()
    meta = connector.create(template_of(query()), "s3://b/x", idempotency_key=KEY)
    [link] = connector.get(meta).log_links or ()
    assert link.uri == (
        "https://eu-central-1.console.aws.amazon.com/athena/home?region=eu-central-1#/query-editor/history/"
        + meta.query_execution_id
    )


# -- credentials -------------------------------------------------------------------------------------------------------


def test_a_refused_credential_is_told(athena: AthenaStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFSOMEBODYELSE")
    with pytest.raises(AWSAccessError, match="UnrecognizedClientException") as caught:
        query()()
    assert "athena:StartQueryExecution" in str(caught.value)


def test_no_credential_is_told(athena: AthenaStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AWSAccessError, match="Unable to locate credentials"):
        AthenaConnector().create(template_of(query()), "s3://b/x", idempotency_key=KEY)


def test_the_connector_is_found() -> None:
    assert isinstance(ConnectorRegistry.get_connector("presto", 0), AthenaConnector)


# -- the command line --------------------------------------------------------------------------------------------------


def hardpoint(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hardpoint.cli.main", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ.copy(),
    )


def test_the_example(athena: AthenaStandIn) -> None:
    with hardpoint("run", str(EXAMPLE), "report", "--least", "2") as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "Oslo: 2 orders, 12.5" in out


def test_a_killed_run_is_resumed(athena: AthenaStandIn) -> None:
    athena.polls = None
    with hardpoint("run", str(EXAMPLE), "report") as process:
        limit = time.monotonic() + 60
        while not athena.created() or not any(job.facts.get("looks") for job in athena.jobs.values()):
            assert process.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    athena.end(athena.created()[0])
    with hardpoint("run", "--resume", "latest") as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "Oslo: 2 orders, 12.5" in out
    assert len(athena.created()) == 1


def test_a_retry_is_a_query_of_its_own(athena: AthenaStandIn) -> None:
    athena.polls = None
    made = query("SELECT 1 AS n", pa.Table, metadata=TaskMetadata(retries=1))

    def fail_the_first() -> None:
        while not athena.created():
            time.sleep(0.01)
        athena.end(athena.created()[0], ok=False, retryable=True)
        athena.polls = 0

    thread = threading.Thread(target=fail_the_first)
    thread.start()
    assert made().to_pylist() == [{"n": 1}]
    thread.join()
    assert [job.state for job in athena.jobs.values()] == ["FAILED", "SUCCEEDED"]
