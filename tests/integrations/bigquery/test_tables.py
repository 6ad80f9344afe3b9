"""Tables of BigQuery as datasets."""

from __future__ import annotations

import datetime
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from hardpoint import kwtypes, task, workflow
from hardpoint.context import ExecutionParameters, FlyteContextManager, TaskIdentity
from hardpoint.errors import (
    HardpointError,
    PermanentError,
    StorageAccessError,
    StorageNotFoundError,
    TransientError,
    UserError,
)
from hardpoint.integrations.bigquery import BigQueryReadOptions, BigQueryWriteOptions
from hardpoint.integrations.bigquery.schema import UnsuitableFrameError
from hardpoint.integrations.bigquery.uris import BadTableUriError
from hardpoint.types import TypeEngine
from hardpoint.types.structured import MissingColumnsError, StructuredDataset
from tests.services.bigquery import PROJECT, BigQuery
from tests.services.bigquery_sql import Table
from tests.services.bigquery_storage import BigQueryStorage

URI = "bq://acme:sales.rows"
ROWS = pa.table(
    {
        "id": pa.array([1, 2, 3, 4, 5], pa.int64()),
        "name": ["a", None, "ü'\\`\n", "a", ""],
        "score": [0.5, -1.0, None, float("inf"), 1e300],
        "good": [True, False, None, True, True],
        "day": [datetime.date(2024, 1, day) for day in range(1, 6)],
        "price": pa.array([Decimal("1.10"), None, Decimal("-9.99"), Decimal(0), Decimal(7)], pa.decimal128(10, 2)),
        "at": pa.array([datetime.datetime(2024, 1, 1, hour) for hour in range(5)], pa.timestamp("us", tz="UTC")),
        "clock": pa.array([datetime.time(hour) for hour in range(5)], pa.time64("us")),
        "wall": pa.array([datetime.datetime(2024, 1, 1, hour) for hour in range(5)], pa.timestamp("us")),
        "raw": [b"a", b"", None, b"\xff", b"'"],
        "tags": [["x"], [], ["y", "z"], [], []],
        "at_home": pa.array([{"x": 1, "y": ["a"]}, None, {"x": 3, "y": []}, None, None]),
    }
)


def write(frame: Any, uri: str = URI, options: BigQueryWriteOptions | None = None, t: Any = StructuredDataset) -> Any:
    dataset = StructuredDataset(dataframe=frame, uri=uri, write_options=options)
    return TypeEngine.codec(t).encode(dataset).scalar.structured_dataset


def read(t: Any = pa.Table, uri: str = URI, **options: Any) -> Any:
    return StructuredDataset(uri=uri).open(t, **options).all()


def written(frame: Any) -> pa.Table:
    write(frame)
    table: pa.Table = read()
    return table


# -- both ways of reading ----------------------------------------------------------------------------------------------


@pytest.fixture(params=["storage", "rest"])
def way(request: pytest.FixtureRequest, service: BigQuery) -> str:
    if request.param == "storage":
        request.getfixturevalue("storage")
    return str(request.param)


def test_rows_travel(way: str) -> None:
    got = written(ROWS).sort_by("id")
    assert got.schema.names == ROWS.schema.names
    assert got.drop_columns(["price"]).to_pylist() == ROWS.drop_columns(["price"]).to_pylist()
    assert got.schema.field("price").type == pa.decimal128(38, 9)
    assert got.column("price").to_pylist() == ROWS.column("price").to_pylist()
    kinds = {name: got.schema.field(name).type for name in ("at", "wall", "day", "clock")}
    assert kinds == {name: ROWS.schema.field(name).type for name in kinds}


def test_types_that_only_queries_make(way: str, service: BigQuery) -> None:
    """Alone, in lists and in structs."""
    sql = (
        "CREATE TABLE made AS SELECT {'a': [INTERVAL '-1 day -3 hours -0.5 seconds']} AS deep, "
        "INTERVAL '14 months 2 days 4 seconds' AS span, '[1, 2]'::JSON AS data, ['\"x\"'::JSON, 'null'::JSON] AS more, "
        "[1.5::DECIMAL(38, 9)] AS exact"
    )
    service.warehouse.cursor().execute(f'USE "{PROJECT}"."sales"').execute(sql)
    service.warehouse.tables[PROJECT, "sales", "made"] = Table()
    span = pa.month_day_nano_interval()
    got = read(uri="bq://acme:sales.made")
    assert got.schema.field("span").type == span
    assert got.schema.field("deep").type == pa.struct([("a", pa.list_(span))])
    assert got.to_pylist() == [
        {
            "deep": {"a": [pa.MonthDayNano([0, -1, -10_800_500_000_000])]},
            "span": pa.MonthDayNano([14, 2, 4_000_000_000]),
            "data": "[1, 2]",
            "more": ['"x"', "null"],
            "exact": [Decimal("1.5")],
        }
    ]


def test_an_empty_table_keeps_its_columns(way: str) -> None:
    got = written(ROWS.slice(0, 0))
    assert got.num_rows == 0
    assert got.schema.names == ROWS.schema.names


def test_columns_come_in_the_order_in_which_they_are_wanted(way: str) -> None:
    write(ROWS)
    assert read(columns=["score", "id"]).schema.names == ["score", "id"]
    with pytest.raises(MissingColumnsError, match="absent"):
        read(columns=["absent"])


@pytest.mark.parametrize(
    "filters",
    [
        [("id", ">", 2)],
        [("name", "==", "ü'\\`\n")],
        [("name", "!=", "a")],
        [("name", "in", ["a", ""])],
        [("name", "not in", ["a"])],
        [("score", ">=", 0.5), ("good", "==", True)],
        [[("id", "=", 1)], [("price", "<", Decimal(0))]],
        [("day", "<", datetime.date(2024, 1, 3))],
        [("at", ">", datetime.datetime(2024, 1, 1, 2, tzinfo=datetime.UTC))],
        [("wall", "<=", datetime.datetime(2024, 1, 1, 2))],
        [("raw", "==", b"'")],
        pc.field("score") > pc.field("id"),
    ],
    ids=str,
)
def test_filters_let_through_what_they_do_elsewhere(storage: BigQueryStorage, filters: Any) -> None:
    write(ROWS)
    expression = pa.parquet.filters_to_expression(filters) if isinstance(filters, list) else filters
    want = [row["id"] for row in ROWS.filter(expression).to_pylist()]
    assert sorted(read(columns=["id"], filters=filters).column("id").to_pylist()) == want
    assert bool(storage.sessions[-1].read_session.read_options.row_restriction) == isinstance(filters, list)
    no_api = BigQueryReadOptions(filters=filters, storage_api=False)
    codec = TypeEngine.codec(Annotated[pa.Table, no_api])
    literal = TypeEngine.codec(StructuredDataset).encode(StructuredDataset(uri=URI))
    assert sorted(codec.decode(literal).column("id").to_pylist()) == want


def test_filters_on_columns_that_are_not_there(way: str) -> None:
    write(ROWS)
    with pytest.raises(MissingColumnsError, match="absent"):
        read(filters=[("absent", ">", 1)])


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_batches_have_the_wanted_size(way: str, rows: int) -> None:
    write(ROWS)
    pieces = list(StructuredDataset(uri=URI).open(pa.Table, columns=["id"]).iter(batch_rows=rows))
    sizes = [piece.num_rows for piece in pieces]
    assert sizes == [min(rows, 5 - start) for start in range(0, 5, rows)]
    assert sorted(pa.concat_tables(pieces).column("id").to_pylist()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("t", [pd.DataFrame, pl.DataFrame, pa.RecordBatchReader])
def test_frames_of_every_library(way: str, t: type) -> None:
    plain = ROWS.select(["id", "name", "good"])
    frame = {
        pd.DataFrame: lambda: plain.to_pandas(),
        pl.DataFrame: lambda: pl.DataFrame(plain),
        pa.RecordBatchReader: lambda: plain.to_reader(),
    }[t]()
    write(frame)
    got = read(t)
    assert isinstance(got, t)
    rows = pa.table(got) if not isinstance(got, pd.DataFrame) else pa.Table.from_pandas(got, preserve_index=False)
    assert sorted(rows.to_pylist(), key=lambda row: row["id"]) == plain.to_pylist()


# -- the Storage API ---------------------------------------------------------------------------------------------------


def test_only_what_is_wanted_is_asked_for(storage: BigQueryStorage) -> None:
    write(ROWS)
    read(columns=["name"], filters=[("id", "in", [1, 2])])
    options = storage.sessions[-1].read_session.read_options
    assert list(options.selected_fields) == ["id", "name"]
    assert options.row_restriction == "(`id` IN (1, 2))"


def test_streams_are_read_together_and_taken_up_where_they_broke(storage: BigQueryStorage) -> None:
    storage.breaks_after = 1
    many = pa.table({"id": range(100)})
    write(many)
    assert sorted(read().column("id").to_pylist()) == list(range(100))
    assert storage.sessions[-1].max_stream_count == 4


def test_one_stream_keeps_the_order(storage: BigQueryStorage) -> None:
    write(pa.table({"id": range(100)}))
    literal = TypeEngine.codec(StructuredDataset).encode(StructuredDataset(uri=URI))
    t = Annotated[pa.Table, BigQueryReadOptions(max_streams=1)]
    assert TypeEngine.codec(t).decode(literal).column("id").to_pylist() == list(range(100))


def test_who_may_have_no_session_reads_by_rest(storage: BigQueryStorage, service: BigQuery) -> None:
    write(ROWS)
    storage.forbidden = {PROJECT}
    assert read().num_rows == 5
    assert service.calls("GET", "/tables/rows/data$")


def test_the_session_is_in_a_project_that_may_have_one(
    storage: BigQueryStorage, service: BigQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.warehouse.add_table("public-data", "samples", "words", pa.table({"word": ["a"]}))
    storage.forbidden = {"public-data"}
    assert read(uri="bq://public-data:samples.words").to_pylist() == [{"word": "a"}]
    assert [session.parent for session in storage.sessions] == ["projects/public-data", "projects/acme"]


def test_a_reader_that_stops_leaves_no_thread(storage: BigQueryStorage) -> None:
    write(pa.table({"id": range(1000)}))
    batches = StructuredDataset(uri=URI).open(pa.Table).iter(batch_rows=1)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    limit = datetime.datetime.now() + datetime.timedelta(seconds=10)
    while any(thread.name == "hardpoint-bigquery" for thread in threading.enumerate()):
        assert datetime.datetime.now() < limit
        threading.Event().wait(0.02)


def test_pandas_is_not_needed_for_arrow(storage: BigQueryStorage, tmp_path: Path) -> None:
    write(ROWS)
    program = (
        "import pyarrow as pa\n"
        "from hardpoint.types import TypeEngine\n"
        "from hardpoint.types.structured import StructuredDataset\n"
        f"table = StructuredDataset(uri={URI!r}).open(pa.Table).all()\n"
        "dataset = StructuredDataset(dataframe=table.select(['id']), uri='bq://acme:sales.copy')\n"
        "TypeEngine.codec(StructuredDataset).encode(dataset)\n"
        "print(table.num_rows)\n"
    )
    (tmp_path / "pandas.py").write_text("raise ImportError('There is no pandas.')")
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert ran.stdout.split() == ["5"], ran.stderr


# -- writing -----------------------------------------------------------------------------------------------------------


def test_the_literal_holds_the_uri_as_it_was_given(service: BigQuery) -> None:
    literal = write(ROWS.select(["id"]), "bq://acme.sales.rows")
    assert literal.uri == "bq://acme.sales.rows"
    assert literal.metadata.structured_dataset_type.format == ""


def test_rows_come_to_those_that_are_there(service: BigQuery) -> None:
    one, other = ROWS.select(["id"]).slice(0, 1), ROWS.select(["id"]).slice(1, 2)
    write(one)
    write(other)
    assert read().column("id").to_pylist() == [1, 2, 3]
    write(one, options=BigQueryWriteOptions(write_disposition="WRITE_TRUNCATE"))
    assert read().column("id").to_pylist() == [1]
    with pytest.raises(UserError, match="Already Exists"):
        write(other, options=BigQueryWriteOptions(write_disposition="WRITE_EMPTY"))


def test_a_table_is_made_only_if_it_may_be(service: BigQuery) -> None:
    with pytest.raises(UserError, match="Not found: Table"):
        write(ROWS, options=BigQueryWriteOptions(create_disposition="CREATE_NEVER"))
    with pytest.raises(UserError, match="Not found: Dataset"):
        write(ROWS, "bq://acme:nowhere.rows")


def test_a_node_that_runs_again_appends_once(service: BigQuery) -> None:
    rows = ROWS.select(["id"])
    for execution, attempt, count in (("run-1", 0, 5), ("run-1", 1, 5), ("run-2", 0, 10)):
        here = TaskIdentity("p", "d", execution, "n0", attempt)
        with FlyteContextManager.use(params=ExecutionParameters(here)):
            write(rows)
        assert read().num_rows == count


def test_a_task_that_writes_the_same_rows_twice_has_them_twice(service: BigQuery) -> None:
    rows = ROWS.select(["id"])
    for attempt in (0, 1):
        here = TaskIdentity("p", "d", "run", "n0", attempt)
        with FlyteContextManager.use(params=ExecutionParameters(here)):
            write(rows)
            write(rows)
        assert read().num_rows == 10
    assert len(service.created()) == 2


def test_what_replaces_a_table_does_so_each_time(service: BigQuery) -> None:
    """The table may hold other rows than those that the node has left there."""
    mine, other = ROWS.select(["id"]), ROWS.select(["id"]).slice(0, 1)
    options = BigQueryWriteOptions(write_disposition="WRITE_TRUNCATE")
    for attempt in (0, 1):
        with FlyteContextManager.use(params=ExecutionParameters(TaskIdentity("p", "d", "run", "n0", attempt))):
            write(mine, options=options)
        assert read().num_rows == 5
        write(other, options=options)
        assert read().num_rows == 1


def test_a_load_that_failed_is_tried_again(service: BigQuery) -> None:
    """The node's first attempt fails, since another table of this name is in its way."""
    service.warehouse.add_table(PROJECT, "sales", "rows", pa.table({"id": ["a"]}))
    for attempt in (0, 1):
        with FlyteContextManager.use(params=ExecutionParameters(TaskIdentity("p", "d", "run", "n0", attempt))):
            if attempt == 0:
                with pytest.raises(UserError, match="has changed type"):
                    write(ROWS.select(["id"]))
                service.warehouse.drop((PROJECT, "sales", "rows"))
            else:
                write(ROWS.select(["id"]))
    assert read().num_rows == 5
    assert [job.rpartition("-")[2] for job in service.created()] == ["0", "1"]


@pytest.mark.parametrize("location", [None, "europe-north1"])
def test_a_table_far_away(service: BigQuery, location: str | None) -> None:
    uri = "bq://acme:north.rows"
    for attempt in (0, 1):  # the second one finds the job of the first
        with FlyteContextManager.use(params=ExecutionParameters(TaskIdentity("p", "d", "run", "n0", attempt))):
            write(ROWS.select(["id"]), uri, BigQueryWriteOptions(location=location))
    assert read(uri=uri).num_rows == 5
    [job] = service.created()
    assert service.job(job).location == "europe-north1"
    assert service.job(job).configuration["labels"]["hardpoint-node"] == "n0"
    with pytest.raises(UserError, match="not found in location US"):
        write(ROWS.select(["id"]).slice(1), uri, BigQueryWriteOptions(location="US"))


def test_rows_that_get_lost_are_missed(service: BigQuery) -> None:
    service.warehouse.skips = 1
    with pytest.raises(PermanentError, match=r"loaded 4 rows of 5 into bq://acme:sales\.rows"):
        write(ROWS)


def test_rows_that_are_not_delivered_are_missed(way: str, service: BigQuery, request: pytest.FixtureRequest) -> None:
    write(ROWS)
    server = request.getfixturevalue("storage") if way == "storage" else service
    server.forgets = 1
    with pytest.raises(TransientError, match=r"BigQuery gave \d rows of .*rows, and said that it gave \d\."):
        read()
    server.forgets = 0
    assert read().num_rows == 5


def test_partitions_and_clusters(service: BigQuery) -> None:
    options = BigQueryWriteOptions(partition_by=("day",), partition_size="MONTH", clustering=("name", "id"))
    write(ROWS, options=options)
    assert service.warehouse.tables[PROJECT, "sales", "rows"].facts == {
        "timePartitioning": {"type": "MONTH", "field": "day"},
        "clustering": {"fields": ["name", "id"]},
    }
    for wrong in (BigQueryWriteOptions(partition_by=("day", "id")), BigQueryWriteOptions(clustering=("absent",))):
        with pytest.raises(UserError, match=r"partitioned|absent"):
            write(ROWS, options=wrong)


def test_large_files_are_uploaded_too(service: BigQuery) -> None:
    rows = pa.table({"data": [bytes([i]) * 3_000_000 for i in range(4)]})
    write(rows, options=BigQueryWriteOptions(compression="none"))
    assert read() == rows
    assert service.calls("PUT", "/upload/")


def test_a_new_column_is_refused_with_bigquerys_words(service: BigQuery) -> None:
    write(ROWS.select(["id"]))
    with pytest.raises(UserError, match=r"Provided Schema does not match Table acme:sales\.rows"):
        write(ROWS.select(["id", "name"]))


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([datetime.timedelta(1)]), "duration"),
        (pa.array([[[1]]]), "ARRAY cannot hold ARRAYs"),
        (pa.array([[1, None]]), "holds a null"),
        (pa.array([2**64 - 1], pa.uint64()), "does not fit"),
        (pa.array([1], pa.timestamp("ns")), "allow_truncated_timestamps"),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), "no type"),
        (pa.array([Decimal(1)], pa.decimal256(60, 2)), "BIGNUMERIC"),
    ],
    ids=str,
)
def test_what_a_table_cannot_have(service: BigQuery, column: pa.Array, words: str) -> None:
    with pytest.raises(UnsuitableFrameError, match=words):
        write(pa.table({"c": column}))
    assert service.created() == []


@pytest.mark.parametrize("name", ["a.b", "a*", "", "x" * 301])
def test_names_that_a_column_cannot_have(service: BigQuery, name: str) -> None:
    with pytest.raises(UnsuitableFrameError, match="cannot have a column"):
        write(pa.table({name: [1]}))
    with pytest.raises(UnsuitableFrameError, match="case"):
        write(pa.table({"a": [1], "A": [2]}))


def test_types_that_are_others_there(service: BigQuery) -> None:
    rows = pa.table(
        {
            "null": pa.nulls(1),
            "category": pa.array(["a"]).dictionary_encode(),
            "i8": pa.array([-1], pa.int8()),
            "f4": pa.array([0.5], pa.float32()),
            "ns": pa.array([1_000], pa.timestamp("ns")),
            "zone": pa.array([0], pa.timestamp("s", tz="Europe/Berlin")),
            "large": pa.array([["a"]], pa.large_list(pa.large_string())),
            "view": pa.array(["v"], pa.string_view()),
            "exact": pa.array([Decimal("1.0000000001")], pa.decimal128(20, 10)),
            "größe & co": [1],
        }
    )
    got = written(rows)
    assert got.schema.names == rows.schema.names
    assert got.to_pylist()[0] == {
        "null": None,
        "category": "a",
        "i8": -1,
        "f4": 0.5,
        "ns": datetime.datetime(1970, 1, 1, microsecond=1),
        "zone": datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC),
        "large": ["a"],
        "view": "v",
        "exact": Decimal("1.0000000001"),
        "größe & co": 1,
    }


def test_nanoseconds_are_dropped_on_request(service: BigQuery) -> None:
    rows = pa.table({"at": pa.array([1_001], pa.timestamp("ns"))})
    write(rows, options=BigQueryWriteOptions(allow_truncated_timestamps=True))
    assert read().column("at").to_pylist() == [datetime.datetime(1970, 1, 1, microsecond=1)]


def test_an_index_with_a_name_is_a_column(service: BigQuery) -> None:
    write(pd.DataFrame({"a": [1]}, index=pd.Index(["x"], name="key")))
    assert sorted(read().schema.names) == ["a", "key"]
    write(pd.DataFrame({"a": [1]}, index=[7]), "bq://acme:sales.other")
    assert read(uri="bq://acme:sales.other").schema.names == ["a"]
    with pytest.raises(UnsuitableFrameError, match="one type"):
        write(pd.DataFrame({"a": [1, "x", b"y"]}), "bq://acme:sales.mixed")


def test_declared_columns_have_to_be_there(service: BigQuery) -> None:
    t = Annotated[StructuredDataset, kwtypes(absent=int)]
    with pytest.raises(MissingColumnsError, match="absent"):
        write(ROWS, t=t)


# -- what is not there -------------------------------------------------------------------------------------------------


def test_a_table_that_is_not_there(way: str) -> None:
    with pytest.raises(StorageNotFoundError, match=r"bq://acme:sales\.nothing"):
        read(uri="bq://acme:sales.nothing")


def test_no_uri(service: BigQuery) -> None:
    with pytest.raises(BadTableUriError, match=r"Expected format: bq://<project>:<dataset>\.<table>"):
        read(uri="bq://acme")
    with pytest.raises(BadTableUriError):
        write(ROWS, "bq://acme:sales")


def test_credentials_that_are_refused(service: BigQuery) -> None:
    write(ROWS)
    service.refuses = True
    with pytest.raises((StorageAccessError, HardpointError), match="credentials") as caught:
        read()
    assert "google_application_credentials" in str(caught.value)


# -- in workflows ------------------------------------------------------------------------------------------------------


@task
def generate() -> pd.DataFrame:
    return pd.DataFrame({"name": ["Tom", "Joseph"], "age": [20, 22]})


@task
def to_table(frame: pd.DataFrame) -> StructuredDataset:
    return StructuredDataset(dataframe=frame, uri="bq://acme:sales.people")


@task
def oldest(people: StructuredDataset) -> str:
    frame = people.open(pd.DataFrame).all()
    return str(frame.sort_values("age").iloc[-1]["name"])


@workflow
def people() -> str:
    return oldest(people=to_table(frame=generate()))


def test_a_workflow_writes_and_reads_a_table(way: str) -> None:
    assert people() == "Joseph"
