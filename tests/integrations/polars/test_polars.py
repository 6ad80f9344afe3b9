"""What is peculiar to polars: lazy frames stay lazy, pandas is not needed, credentials are translated."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Annotated, Any, ClassVar

import polars as pl
import pytest

from hardpoint import kwtypes, task, workflow
from hardpoint.context import FlyteContextManager
from hardpoint.integrations.polars import PolarsDataFrameRenderer
from hardpoint.integrations.polars.credentials import object_store_options
from hardpoint.storage import FileAccess
from hardpoint.types import TypeEngine
from hardpoint.types.structured import StructuredDataset, WriteOptions

FRAME = pl.DataFrame({"id": range(1000), "text": [f"t{i}" for i in range(1000)], "half": [i / 2 for i in range(1000)]})


@pytest.fixture(autouse=True)
def raw(tmp_path: Path) -> Iterator[str]:
    root = str(tmp_path / "raw")
    with FlyteContextManager.use(files=FileAccess(root)):
        yield root


@task
def numbers(n: int) -> pl.LazyFrame:
    return pl.LazyFrame({"n": range(n)})


@task
def doubled(frame: pl.LazyFrame) -> Annotated[pl.DataFrame, kwtypes(double=int)]:
    return frame.with_columns(double=pl.col("n") * 2).collect()


@workflow
def doubling(n: int) -> pl.DataFrame:
    return doubled(frame=numbers(n=n))


def test_workflow() -> None:
    assert doubling(n=3).equals(pl.DataFrame({"double": [0, 2, 4]}))


def _lazily(t: Any = pl.LazyFrame, frame: pl.DataFrame = FRAME, **options: Any) -> pl.LazyFrame:
    written = StructuredDataset(dataframe=frame, write_options=WriteOptions(**options))
    lazy: pl.LazyFrame = TypeEngine.codec(t).decode(TypeEngine.codec(StructuredDataset).encode(written))
    return lazy


def test_projection_and_predicate_reach_the_scan() -> None:
    plan = _lazily().filter(pl.col("id") > 990).select("half").explain()
    assert "FILTER" not in plan
    scan = plan[plan.index("Parquet SCAN") :]
    assert "PROJECT 2/3 COLUMNS" in scan
    assert re.search(r'SELECTION: .*col\("id"\).* > ', scan)


def test_declared_columns_are_the_scan_s_projection() -> None:
    plan = _lazily(Annotated[pl.LazyFrame, kwtypes(text=str)]).explain()
    assert "Parquet SCAN" in plan
    assert "PROJECT 1/3 COLUMNS" in plan


def test_pushdown_reaches_arrow_where_only_arrow_can_read() -> None:
    with FlyteContextManager.use(files=FileAccess("memory://polars-pushdown")):
        lazy = _lazily()
        plan = lazy.filter(pl.col("id") > 990).select("half").explain()
        assert "PYTHON SCAN" in plan
        assert "PROJECT 2/3 COLUMNS" in plan
        assert lazy.filter(pl.col("id") > 990).select("half").collect().height == 9
        assert lazy.select("id").head(3).collect()["id"].to_list() == [0, 1, 2]
        assert lazy.select(pl.len()).collect().item() == 1000


def test_undeclared_columns_are_not_written() -> None:
    for frame in (FRAME, FRAME.lazy()):
        t = Annotated[type(frame), kwtypes(half=float)]
        literal = TypeEngine.codec(t).encode(frame)
        assert TypeEngine.codec(pl.DataFrame).decode(literal).columns == ["half"]


def test_types_of_its_own_survive() -> None:
    frame = pl.DataFrame(
        {
            "enum": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b", "c"])),
            "array": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2)),
            "time": pl.Series([0, 1], dtype=pl.Int64).cast(pl.Time),
            "nothing": [None, None],
        }
    )
    assert TypeEngine.codec(pl.DataFrame).decode(TypeEngine.codec(pl.DataFrame).encode(frame)).equals(frame)
    assert _lazily(frame=frame).collect_schema() == frame.schema


def test_lazy_frame_that_fails_leaves_nothing(raw: str) -> None:
    def fail(frame: pl.DataFrame) -> pl.DataFrame:
        raise ValueError("halfway")

    broken = FRAME.lazy().map_batches(fail, schema=FRAME.schema)
    with pytest.raises(Exception, match="halfway"):
        TypeEngine.codec(pl.LazyFrame).encode(broken)
    assert [path for path in Path(raw).rglob("*") if path.is_file()] == []


_MEMORY = """
    import resource, sys
    from pathlib import Path
    import polars as pl
    from hardpoint.context import FlyteContextManager
    from hardpoint.storage import FileAccess
    from hardpoint.types import TypeEngine

    mode, root = sys.argv[1:]
    codec = TypeEngine.codec(pl.LazyFrame)
    with FlyteContextManager.use(files=FileAccess(root)):
        part = f"{root}/part.parquet"
        pl.DataFrame({"a": range(1_000_000)}).write_parquet(part)
        # 12 million rows of 80 bytes
        lazy = pl.scan_parquet([part] * 12).select((pl.col("a") // 1000 + i).alias(f"c{i}") for i in range(10))
        codec.encode(lazy.head(1))  # everything is loaded
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        limit = int(status["VmSize"].split()[0]) * 1024 + 750_000_000
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        if mode == "eager":
            print(lazy.collect().height)
        else:
            print(codec.decode(codec.encode(lazy)).select(pl.len()).collect().item())
"""


def _run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_lazy_frame_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    done = _run(_MEMORY, "lazy", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "12000000"
    assert _run(_MEMORY, "eager", str(tmp_path)).returncode != 0  # the limit is one that collecting it would break


_NO_PANDAS = """
    import sys
    from importlib.machinery import PathFinder

    class WithoutPandas(PathFinder):
        @classmethod
        def find_spec(cls, name, path=None, target=None):
            return None if name == "pandas" else super().find_spec(name, path, target)

    sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutPandas
    import polars as pl
    from hardpoint.types import TypeEngine
    from hardpoint.types.structured import StructuredDataset

    frame = pl.DataFrame({"a": [1, None], "c": ["x", "y"]}).with_columns(pl.col("c").cast(pl.Categorical))
    for kind, value in ((pl.DataFrame, frame), (pl.LazyFrame, frame.lazy())):
        literal = TypeEngine.codec(kind).encode(value)
        assert TypeEngine.codec(kind).decode(literal).lazy().collect().equals(frame)
        assert "<table" in TypeEngine.to_html(None, value, kind)
        uri = literal.scalar.structured_dataset.uri
        pieces = list(StructuredDataset(uri=uri).open(kind).iter(batch_rows=1))
        assert len(pieces) == 2
"""


def test_pandas_is_not_needed() -> None:
    done = _run(_NO_PANDAS)
    assert done.returncode == 0, done.stderr


# -- credentials -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "given", "expected"),
    [
        ("s3", {}, {}),
        (
            "s3a",
            {"key": "k", "secret": "s", "token": "t", "client_kwargs": {"region_name": "eu-west-1"}},
            {
                "aws_access_key_id": "k",
                "aws_secret_access_key": "s",
                "aws_session_token": "t",
                "aws_region": "eu-west-1",
            },
        ),
        (
            "s3",
            {"endpoint_url": "http://localhost:9000", "anon": True, "config_kwargs": {"retries": {}}},
            {"aws_endpoint_url": "http://localhost:9000", "aws_allow_http": "true", "aws_skip_signature": "true"},
        ),
        ("s3", {"client_kwargs": {"endpoint_url": "https://minio"}}, {"aws_endpoint_url": "https://minio"}),
        ("gs", {"use_listings_cache": False, "project": "p"}, {}),
        ("gcs", {"token": "anon"}, {"google_skip_signature": "true"}),
        ("gs", {"token": "/keys/account.json"}, {"google_service_account": "/keys/account.json"}),
        ("gs", {"token": {"type": "x"}}, {"google_service_account_key": json.dumps({"type": "x"})}),
        (
            "abfss",
            {"account_name": "a", "account_key": "k", "anon": False},
            {"azure_storage_account_name": "a", "azure_storage_account_key": "k"},
        ),
        (
            "abfs",
            {"account_name": "a", "tenant_id": "t", "client_id": "c", "client_secret": "s"},
            {
                "azure_storage_account_name": "a",
                "azure_storage_tenant_id": "t",
                "azure_storage_client_id": "c",
                "azure_storage_client_secret": "s",
            },
        ),
        (
            "az",
            {"account_name": "a", "anon": True},
            {"azure_storage_account_name": "a", "azure_skip_signature": "true"},
        ),
        # What polars has no word for is read through Arrow.
        ("s3", {"profile": "work"}, None),
        ("s3", {"client_kwargs": {"verify": "/ca.pem"}}, None),
        ("gs", {"endpoint_url": "http://localhost:4443"}, None),
        ("abfs", {"connection_string": "x"}, None),
        ("memory", {}, None),
        ("sftp", {"host": "h"}, None),
        ("https", {}, None),
    ],
)
def test_credentials(protocol: str, given: dict[str, Any], expected: dict[str, str] | None) -> None:
    assert object_store_options(protocol, given) == expected


@pytest.mark.parametrize(
    ("uri", "options", "said"),
    [
        ("gs://b/x", {"google_service_account": "/nonexistent.json"}, "nonexistent"),
        ("gs://b/x", {"google_service_account_key": "{"}, "service account"),
        ("gs://b/x", {"google_skip_signature": "maybe"}, "maybe"),
        ("abfs://b/x", {"azure_storage_account_name": "a", "azure_storage_account_key": "?"}, "Access Key"),
        ("abfs://b/x", {"azure_storage_account_name": "a", "azure_skip_signature": "maybe"}, "maybe"),
        ("abfs://b/x", {"azure_storage_account_name": "a", "azure_storage_sas_key": "%"}, "SAS"),
    ],
)
def test_the_words_are_those_that_polars_knows(uri: str, options: dict[str, str], said: str) -> None:
    """Words that it does not know are passed over; of those that it knows, nonsense is refused before any request."""
    with pytest.raises(OSError, match=said):
        pl.scan_parquet(uri, storage_options=options, credential_provider=None).collect_schema()


class _Recorder(BaseHTTPRequestHandler):
    seen: ClassVar[list[Message]] = []

    def do_GET(self) -> None:
        self.seen.append(self.headers)
        self.send_error(404)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests read `seen`."""


@pytest.mark.parametrize("anonymous", [False, True])
def test_what_s3_is_told(anonymous: bool) -> None:
    given = {"key": "THEKEY", "secret": "s", "token": "THETOKEN", "client_kwargs": {"region_name": "eu-west-9"}}
    _Recorder.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Recorder) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        options = object_store_options("s3", {**({"anon": True} if anonymous else given), "endpoint_url": endpoint})
        with pytest.raises(OSError, match="404"):
            pl.scan_parquet("s3://bucket/x", storage_options=options).collect_schema()
        server.shutdown()
        thread.join()
    told = _Recorder.seen[0]
    if anonymous:
        assert told["Authorization"] is None
    else:
        assert "Credential=THEKEY/" in told["Authorization"]
        assert "/eu-west-9/s3/" in told["Authorization"]
        assert told["x-amz-security-token"] == "THETOKEN"


# -- decks -------------------------------------------------------------------------------------------------------------


def test_renderer_of_a_frame() -> None:
    html = PolarsDataFrameRenderer(max_rows=3, sample_rows=100).to_html(FRAME)
    assert "<strong>1,000</strong> rows" in html
    assert "Statistics of the first 100 rows" in html
    assert "t2" in html
    assert "t3" not in html
    assert "49.5" in html  # the mean of 0 to 99
    assert "Statistics of" not in PolarsDataFrameRenderer(sample_rows=0).to_html(FRAME)


def test_renderer_of_any_column() -> None:
    frame = pl.DataFrame(
        {
            "l": [[1], None],
            "s": [{"x": 1}, {"x": 2}],
            "c": pl.Series(["a", "b"], dtype=pl.Categorical),
            "b": [b"\x00", None],
            "n": [None, None],
            "d": pl.Series([1, 2]).cast(pl.Decimal(10, 2)),
            "e": pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])),
            "o": pl.Series([True, None]),
        }
    )
    assert "Statistics of all rows" in PolarsDataFrameRenderer().to_html(frame)
    assert "Statistics" not in PolarsDataFrameRenderer().to_html(frame.clear())


def test_renderer_does_not_compute_a_lazy_frame() -> None:
    def fail(frame: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("the plan was executed")

    lazy = FRAME.lazy().map_batches(fail, schema=FRAME.schema).filter(pl.col("text") == "<script>")
    html = TypeEngine.to_html(None, lazy, pl.LazyFrame)
    assert "A lazy frame of 3 columns" in html
    assert "FILTER" in html
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
