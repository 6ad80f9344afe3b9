"""Frames to every storage and back, in the layout of the reference, and from the layouts that others write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Annotated, Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from hardpoint.context import FlyteContextManager
from hardpoint.errors import StorageNotFoundError, TypeTransformerFailedError, UserError
from hardpoint.settings import StorageSettings
from hardpoint.storage import FileAccess
from hardpoint.types import TypeEngine
from hardpoint.types.columns import kwtypes
from hardpoint.types.structured import ReadOptions, StructuredDataset, WriteOptions
from hardpoint.types.structured.arrow_io import open_source, write
from hardpoint.types.structured.layout import below
from tests.services.s3 import S3


@dataclass
class Store:
    files: FileAccess
    base: str


def s3_settings(server: S3) -> StorageSettings:
    return StorageSettings(
        s3_endpoint=server.endpoint, s3_access_key_id="test", s3_secret_access_key="test", s3_region="us-east-1"
    )


@pytest.fixture(params=["path", "file", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Every storage in turn; outputs go there."""
    settings = StorageSettings()
    match request.param:
        case "path":
            base = str(tmp_path / "store")
        case "file":
            base = f"file://{tmp_path}/store"
        case "memory":
            base = f"memory://{uuid4().hex}/store"
        case _:
            server: S3 = request.getfixturevalue("s3")
            base = server.make_bucket(f"t{uuid4().hex[:12]}") + "/store"
            settings = s3_settings(server)
    files = FileAccess(f"{base}/raw", str(tmp_path / "sandbox"), settings)
    with FlyteContextManager.use(files=files):
        yield Store(files, base)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Store]:
    files = FileAccess(str(tmp_path / "raw"), str(tmp_path / "sandbox"))
    with FlyteContextManager.use(files=files):
        yield Store(files, str(tmp_path))


TABLE = pa.table(
    {
        "k": pa.array([1, 1, 2, 2], pa.int64()),
        "a": [1, 2, 3, 4],
        "s": ["x", "y", "z/ä", None],
        "t": pa.array([1, 2, 3, 1_700_000_000_123_456_789], pa.timestamp("ns", "UTC")),
        "n": pa.array([{"x": 1, "y": [1]}, None, {"x": 2, "y": []}, {"x": 3, "y": None}]),
    }
)


def names(store: Store, uri: str) -> set[str]:
    """The files below a URI."""
    found = set()
    for folder, _, children in store.files.walk(uri):
        found |= {f"{folder}/{name}".removeprefix(uri).strip("/") for name in children}
    return found


@contextmanager
def counted(filesystem: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The sizes of the ranges that are fetched from an fsspec file system."""
    sizes: list[int] = []
    original = filesystem.cat_file

    def cat_file(path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> Any:
        data = original(path, start=start, end=end, **kwargs)
        sizes.append(len(data))
        return data

    with monkeypatch.context() as patch:
        patch.setattr(filesystem, "cat_file", cat_file)
        yield sizes


def test_arrow(store: Store) -> None:
    literal = TypeEngine.to_literal(None, TABLE, pa.Table)
    uri = literal.scalar.structured_dataset.uri
    assert uri.startswith(store.files.raw_output_prefix)
    assert names(store, uri) == {"00000"}
    assert TypeEngine.to_python_value(None, literal, pa.Table).equals(TABLE)
    assert open_source(f"{uri}/00000", store.files).table().equals(TABLE)


def test_large_reads_are_several_requests(s3: S3) -> None:
    bucket = s3.make_bucket(f"t{uuid4().hex[:12]}")
    files = FileAccess(f"{bucket}/raw", settings=s3_settings(s3))
    table = pa.table({"a": np.random.default_rng(0).random(3_000_000)})
    write(table, f"{bucket}/large", files)
    assert files.size(f"{bucket}/large") > 20 << 20
    assert open_source(f"{bucket}/large", files).table().equals(table)


class Web(BaseHTTPRequestHandler):
    """Serves one file, with or without ranges."""

    ranges = True
    data = b""

    def do_GET(self) -> None:
        data, wanted = self.data, self.headers.get("Range", "")
        if self.ranges and wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            data = self.data[int(first) : int(last) + 1]
        self.send_response(206 if self.ranges and wanted else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.mark.parametrize("ranges", [True, False])
def test_the_web(local: Store, ranges: bool) -> None:
    write(TABLE, f"{local.base}/x", local.files)
    handler = type("Handler", (Web,), {"ranges": ranges, "data": Path(f"{local.base}/x/00000").read_bytes()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        uri = f"http://127.0.0.1:{server.server_port}/data/x.parquet?token=1"
        assert open_source(uri, local.files).table().equals(TABLE)
        assert next(open_source(uri, local.files).batches(10, ["a"])).num_rows == 4
        server.shutdown()


def test_a_stream_of_batches(store: Store) -> None:
    literal = TypeEngine.to_literal(None, TABLE.to_reader(max_chunksize=1), pa.RecordBatchReader)
    assert names(store, literal.scalar.structured_dataset.uri) == {"00000"}
    declared = Annotated[pa.RecordBatchReader, kwtypes(a=int, s=str)]
    reader = TypeEngine.to_python_value(None, literal, declared)
    assert reader.schema.names == ["a", "s"]
    assert reader.read_all().equals(TABLE.select(["a", "s"]))


def test_pandas(store: Store) -> None:
    frame = TABLE.drop_columns(["n"]).to_pandas().set_index("a")
    frame.attrs = {"source": "a test"}
    literal = TypeEngine.to_literal(None, frame, pd.DataFrame)
    assert names(store, literal.scalar.structured_dataset.uri) == {"00000"}
    back = TypeEngine.to_python_value(None, literal, pd.DataFrame)
    pd.testing.assert_frame_equal(back, frame)
    assert back.attrs == frame.attrs
    subset = TypeEngine.to_python_value(None, literal, Annotated[pd.DataFrame, kwtypes(s=str)])
    pd.testing.assert_frame_equal(subset, frame[["s"]])


def test_csv(store: Store) -> None:
    declared = Annotated[pd.DataFrame, "csv", kwtypes(n=int, code=str, at=datetime, ok=bool)]
    frame = pd.DataFrame(
        {
            "n": [1, 2],
            "code": ["007", 'a "quoted", \n text'],
            "at": pd.to_datetime(["2024-01-01 10:00:00", "2024-01-02 10:00:00"]),
            "ok": [True, False],
        }
    )
    literal = TypeEngine.to_literal(None, frame, declared)
    assert names(store, literal.scalar.structured_dataset.uri) == {".csv"}
    back = TypeEngine.to_python_value(None, literal, declared)
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)
    assert pd.api.types.is_datetime64_any_dtype(back["at"])
    dataset = TypeEngine.to_python_value(None, literal, StructuredDataset)
    assert [len(piece) for piece in dataset.open(pd.DataFrame).iter(batch_rows=1)] == [1, 1]


def test_the_uri_that_the_user_wants(store: Store) -> None:
    uri = f"{store.base}/mine"
    dataset = StructuredDataset(dataframe=TABLE, uri=uri)
    literal = TypeEngine.to_literal(None, dataset, StructuredDataset)
    assert literal.scalar.structured_dataset.uri == uri
    assert pa.table(open_source(uri, store.files).table()).equals(TABLE)
    TypeEngine.to_literal(None, StructuredDataset(dataframe=TABLE.slice(1), uri=uri), StructuredDataset)
    assert open_source(uri, store.files).table().equals(TABLE.slice(1))


def test_a_second_write_leaves_nothing_of_the_first(store: Store) -> None:
    uri = f"{store.base}/again"
    write(TABLE, uri, store.files, WriteOptions(max_rows_per_file=1))
    assert names(store, uri) == {"00000", "00001", "00002", "00003"}
    assert open_source(uri, store.files).table().equals(TABLE)
    write(TABLE, f"{uri}-other", store.files)  # whose name only begins alike
    write(TABLE, uri, store.files, WriteOptions(max_rows_per_file=3))
    assert names(store, uri) == {"00000", "00001"}
    assert open_source(uri, store.files).table().equals(TABLE)


def test_writing_does_not_mix_with_other_data(store: Store) -> None:
    uri = f"{store.base}/foreign"
    write(TABLE, uri, store.files, WriteOptions(partition_by=["k"]))
    with pytest.raises(UserError, match=r"holds other data already \(k=1/part-0\.parquet\)"):
        write(TABLE, uri, store.files)
    with pytest.raises(UserError, match="is a file"):
        write(TABLE, f"{uri}/k=1/part-0.parquet", store.files)


@pytest.mark.parametrize("keys", [["k"], ["s"], ["t"], ["k", "s"]])
def test_partitions_come_back_with_their_columns(store: Store, keys: list[str]) -> None:
    uri = f"{store.base}/{'-'.join(keys)}"
    for _ in range(2):  # as a second attempt of the same task would
        write(TABLE, uri, store.files, WriteOptions(partition_by=keys))
    source = open_source(uri, store.files)
    assert source.table().sort_by("a").equals(TABLE)
    assert pa.Table.from_batches(source.batches(3), TABLE.schema).sort_by("a").equals(TABLE)
    assert source.table(["a", keys[0]]).sort_by("a").equals(TABLE.select(["a", keys[0]]))
    only = pa.Table.from_batches(source.batches(3, keys))
    assert sorted(map(str, only.to_pylist())) == sorted(map(str, TABLE.select(keys).to_pylist()))


@pytest.mark.parametrize(
    "filters",
    [
        [("k", "=", 2)],
        [("k", ">", 1), ("a", ">", 0)],
        [[("k", "=", 2), ("a", ">", 0)], [("k", "=", 3)]],
        pc.field("k") == 2,
    ],
)
def test_only_partitions_that_can_match_are_opened(store: Store, filters: Any) -> None:
    uri = f"{store.base}/pruned"
    write(TABLE, uri, store.files, WriteOptions(partition_by=["k"]))
    with store.files.open(f"{uri}/k=1/part-0.parquet", "wb") as stream:
        stream.write(b"whoever reads this fails")
    source = open_source(uri, store.files, filters)
    assert source.table(["a"]).to_pydict() == {"a": [3, 4]}
    assert [batch.to_pydict() for batch in source.batches(1, ["a"])] == [{"a": [3]}, {"a": [4]}]
    for wider in (None, [("a", ">", 0)], [[("k", "=", 2)], [("a", "=", 1)]], pc.field("a") > 0):
        with pytest.raises(TypeTransformerFailedError, match="cannot be read"):
            open_source(uri, store.files, wider)


def test_one_column_of_many_fetches_few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    files = FileAccess(f"memory://{uuid4().hex}/raw")
    uri = f"memory://{uuid4().hex}/wide"
    random = np.random.default_rng(0)
    table = pa.table({f"c{i}": random.random(20_000) for i in range(50)})
    write(table, uri, files, WriteOptions(row_group_size=5_000))
    total = files.size(uri)
    with counted(files.filesystem(uri), monkeypatch) as sizes:
        assert open_source(uri, files).table(["c7"]).equals(table.select(["c7"]))
    assert 0 < sum(sizes) < total / 10
    with counted(files.filesystem(uri), monkeypatch) as sizes:
        first = next(open_source(uri, files, [("c7", "<", 0)]).batches(100, ["c7"]), None)
    assert first is None
    assert 0 < sum(sizes) < total / 20  # the footer alone rules out every row group


LAYOUTS = {
    "the file itself": (lambda root: pq.write_table(TABLE, root / "00000"), "00000"),
    "any name": (lambda root: pq.write_table(TABLE, root / "data.parquet"), ""),
    "the newer SDK's": (lambda root: pq.write_table(TABLE, root / "00000.parquet"), ""),
    "a pattern": (lambda root: (split(root, "b-{}.parquet"), pq.write_table(TABLE, root / "c.parquet")), "b-*.parquet"),
    "Spark's": (lambda root: (split(root, "part-{:05d}-7c.c000.snappy.parquet"), markers(root)), ""),
    "more than nine": (lambda root: split(root, "part-{}.parquet", first=8), ""),
    "beside a README": (lambda root: (split(root, "{}.parquet"), (root / "README.md").write_text("no data")), ""),
}


def split(root: Path, name: str, first: int = 0) -> None:
    for i in range(TABLE.num_rows):
        pq.write_table(TABLE.slice(i, 1), root / name.format(first + i))


def markers(root: Path) -> None:
    (root / "_SUCCESS").touch()
    (root / "_committed_123").write_text("{}")
    (root / ".part-00000.crc").write_bytes(b"crc")
    (root / "_delta_log").mkdir()
    (root / "_delta_log" / "0.parquet").write_bytes(b"no parquet")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_others(local: Store, layout: str) -> None:
    root = Path(local.base) / "made"
    root.mkdir()
    make, below = LAYOUTS[layout]
    make(root)
    assert open_source(str(root / below), local.files).table().equals(TABLE)
    remote = f"memory://{uuid4().hex}/made"
    local.files.put_data(str(root), remote, is_multipart=True)
    assert open_source(f"{remote}/{below}".rstrip("/"), local.files).table().equals(TABLE)


def test_files_whose_columns_differ(local: Store) -> None:
    root = Path(local.base) / "grown"
    root.mkdir()
    pq.write_table(pa.table({"a": pa.array([1], pa.int32())}), root / "0.parquet")
    pq.write_table(pa.table({"b": ["x"], "a": pa.array([2], pa.int64())}), root / "1.parquet")
    expected = {"a": [1, 2], "b": [None, "x"]}
    source = open_source(str(root), local.files)
    assert source.table().to_pydict() == expected
    assert pa.Table.from_batches(source.batches(10)).to_pydict() == expected
    only = open_source(str(root), local.files, [("b", "=", "x")])
    assert only.table(["a"]).to_pydict() == {"a": [2]}
    assert [batch.to_pydict() for batch in only.batches(10, ["a"])] == [{"a": [2]}]


def test_stores_that_list_by_prefix() -> None:
    assert below(["/b/x/00000", "/b/x-other/00000", "/b/x"], "b/x/") == {"/b/x/00000": "00000", "/b/x": ""}
    assert below(["a", "b/c"], "") == {"a": "a", "b/c": "b/c"}


def test_nothing_there(store: Store) -> None:
    with pytest.raises(StorageNotFoundError, match="There is nothing at"):
        open_source(f"{store.base}/absent", store.files)


def test_what_is_no_parquet(local: Store) -> None:
    path = Path(local.base) / "00000"
    path.write_bytes(b"surely no parquet file")
    with pytest.raises(TypeTransformerFailedError, match="00000 cannot be read"):
        open_source(str(path), local.files)


def test_an_empty_frame_keeps_its_columns(store: Store) -> None:
    literal = TypeEngine.to_literal(None, TABLE.slice(0, 0), pa.Table)
    assert TypeEngine.to_python_value(None, literal, pa.Table).equals(TABLE.slice(0, 0))


def test_options(local: Store) -> None:
    uri = f"{local.base}/options"
    write(TABLE, uri, local.files, WriteOptions(compression="zstd", compression_level=3, row_group_size=3))
    metadata = pq.ParquetFile(f"{uri}/00000").metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [3, 1]
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    declared = Annotated[pa.Table, WriteOptions(partition_by=("k",))]
    literal = TypeEngine.to_literal(None, TABLE, declared)
    assert names(local, literal.scalar.structured_dataset.uri) == {
        "_common_metadata",
        "k=1/part-0.parquet",
        "k=2/part-0.parquet",
    }
    options = WriteOptions(coerce_timestamps="us")
    with pytest.raises(ValueError, match="would lose data"):
        TypeEngine.to_literal(None, TABLE, Annotated[pa.Table, options])
    truncated = WriteOptions(coerce_timestamps="us", allow_truncated_timestamps=True)
    literal = TypeEngine.to_literal(None, TABLE, Annotated[pa.Table, truncated])
    assert TypeEngine.to_python_value(None, literal, pa.Table).schema.field("t").type == pa.timestamp("us", "UTC")


def test_a_failed_write_leaves_nothing(local: Store) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield TABLE.to_batches()[0]
        raise OSError("the source broke")

    for base in (local.base, f"memory://{uuid4().hex}"):
        reader = pa.RecordBatchReader.from_batches(TABLE.schema, batches())
        with pytest.raises(OSError, match="the source broke"):
            write(reader, f"{base}/broken", local.files, WriteOptions(row_group_size=1))
        with pytest.raises(StorageNotFoundError):
            open_source(f"{base}/broken", local.files)


def test_a_public_bucket_is_read_without_credentials(s3: S3, tmp_path: Path) -> None:
    bucket = s3.make_bucket(f"t{uuid4().hex[:12]}")
    owner = FileAccess(f"{bucket}/raw", settings=s3_settings(s3))
    write(TABLE, f"{bucket}/x", owner)
    filesystem = owner.filesystem(bucket)
    for path in (bucket.removeprefix("s3://"), *filesystem.find(f"{bucket}/x")):
        filesystem.chmod(path, acl="public-read")
    stranger = FileAccess(f"{bucket}/raw", settings=StorageSettings(s3_endpoint=s3.endpoint, s3_region="us-east-1"))
    assert open_source(f"{bucket}/x", stranger).table().equals(TABLE)


def test_a_filter_that_is_none(local: Store) -> None:
    write(TABLE, f"{local.base}/x", local.files)
    for filters in ([("a", "~", 3)], [], "a > 3", [("a", ">")]):
        with pytest.raises(TypeTransformerFailedError, match="is not a filter"):
            open_source(f"{local.base}/x", local.files, filters)
    with pytest.raises(TypeTransformerFailedError, match="cannot be read"):
        open_source(f"{local.base}/x", local.files, [("zz", "=", 3)]).table()


def test_declared_filters_and_casts(local: Store) -> None:
    literal = TypeEngine.to_literal(None, TABLE, pa.Table)
    options = ReadOptions(filters=[[("a", "=", 1)], [("s", "in", ["z/ä"])]], cast=True)
    found = TypeEngine.to_python_value(None, literal, Annotated[pa.Table, kwtypes(a=float, k=str), options])
    assert found.schema.equals(pa.schema({"a": pa.float64(), "k": pa.string()}))
    assert found.to_pydict() == {"a": [1.0, 3.0], "k": ["1", "2"]}
    with pytest.raises(TypeTransformerFailedError, match="does not fit the declared types"):
        TypeEngine.to_python_value(None, literal, Annotated[pa.Table, kwtypes(s=int), ReadOptions(cast=True)])
