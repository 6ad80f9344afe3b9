"""The suite that every dataframe library's handlers pass. Subclass `DatasetConformance` in a test module."""

from __future__ import annotations

import datetime
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from hardpoint.context import FlyteContextManager
from hardpoint.errors import HardpointError, StorageNotFoundError, UserError
from hardpoint.idl import Literal
from hardpoint.storage import FileAccess
from hardpoint.testing.gaps import Conformance
from hardpoint.types import TypeEngine
from hardpoint.types.columns import kwtypes
from hardpoint.types.structured import MissingColumnsError, ReadOptions, StructuredDataset, WriteOptions

__all__ = ["LAYOUTS", "DatasetConformance"]

_PLAIN = pa.table(
    {
        "id": pa.array([3, 1, 2, 5, 4], pa.int64()),
        "name": ["b", None, "", "a", "ü"],
        "score": [0.5, -1.0, None, 2.25, 1e300],
        "good": [True, False, True, None, False],
    }
)


def _file(folder: Path, table: pa.Table) -> str:
    pq.write_table(table, folder / "rows.parquet")
    return str(folder / "rows.parquet")


def _file_without_extension(folder: Path, table: pa.Table) -> str:
    pq.write_table(table, folder / "00000")
    return str(folder / "00000")


def _folder(*names: str) -> Callable[[Path, pa.Table], str]:
    def write(folder: Path, table: pa.Table) -> str:
        step = -(-table.num_rows // len(names))
        for place, name in enumerate(names):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table.slice(place * step, step), folder / name)
        return str(folder)

    return write


def _spark(folder: Path, table: pa.Table) -> str:
    names = [f"part-{i:05d}-8a3b.c000.snappy.parquet" for i in range(2)]
    _folder(*names)(folder, table)
    for name in ("_SUCCESS", f".{names[0]}.crc", "_temporary/0/part-00000.parquet", ".hidden/x.parquet"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"no parquet")
    return str(folder)


def _pattern(folder: Path, table: pa.Table) -> str:
    _folder("a.parquet", "b.parquet")(folder, table)
    (folder / "notes.txt").write_text("no parquet")
    return f"{folder}/*.parquet"


LAYOUTS: dict[str, Callable[[Path, pa.Table], str]] = {
    "file": _file,
    "file without extension": _file_without_extension,
    "folder with 00000": _folder("00000"),
    "folder with 00000.parquet": _folder("00000.parquet"),
    "shards": _folder("00000.parquet", "00001.parquet"),
    "ten and more": _folder(*(f"part-{i}.parquet" for i in (0, 1, 2, 10, 11))),
    "named": _folder("data.parquet"),
    "deeper": _folder("x/1.parquet", "y/1.parquet"),
    "Spark": _spark,
    "pattern": _pattern,
}
"""What datasets on disk look like, by who writes them so."""


class DatasetConformance(Conformance):
    """Proves that frames survive the journey, are read from any layout, and cost no more than what is asked for.

    Attributes:
        python_type: The class of the frames.
        max_html: Most characters that a frame may take in a deck.
    """

    python_type: ClassVar[type]
    max_html: ClassVar[int] = 60_000

    @abstractmethod
    def make(self, table: pa.Table) -> Any:
        """A frame with the rows of an Arrow table."""

    @abstractmethod
    def table(self, frame: Any) -> pa.Table:
        """The rows of a frame as an Arrow table."""

    # -- help ----------------------------------------------------------------------------------------------------------

    @pytest.fixture(autouse=True, params=["local", "memory"])
    def _storage(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
        name = f"hardpoint-{os.getpid()}-{id(request.node)}"
        root = str(tmp_path / "raw") if request.param == "local" else f"memory://{name}"
        files = FileAccess(root)
        with FlyteContextManager.use(files=files):
            yield
        if request.param == "memory" and files.exists(root):
            files.rm(root, recursive=True)

    def _context(self) -> Any:
        return FlyteContextManager.current_context()

    def _write(self, table: pa.Table, t: Any = None) -> Literal:
        codec = TypeEngine.codec(t or self.python_type)
        data = codec.encode(self.make(table)).SerializeToString(deterministic=True)
        return Literal.FromString(data)

    def _read(self, literal: Literal, t: Any = None) -> pa.Table:
        frame = TypeEngine.codec(t or self.python_type).decode(literal)
        assert isinstance(frame, self.python_type)
        return self.table(frame)

    def _travel(self, table: pa.Table) -> pa.Table:
        return self._read(self._write(table))

    def _same(self, got: pa.Table, want: pa.Table) -> None:
        """Names, order, values; and types, but for how text and categories are laid out in memory."""
        assert got.schema.names == want.schema.names
        for name in want.schema.names:
            mine, other = _simple(got.column(name)), _simple(want.column(name))
            assert mine.cast(other.type).equals(other), f"{name}: {mine} is not {other}"

    def _open(self, uri: str, **options: Any) -> pa.Table:
        dataset = StructuredDataset(uri=uri, file_format="parquet")
        return self.table(dataset.open(self.python_type, **options).all())

    # -- the journey ---------------------------------------------------------------------------------------------------

    def test_round_trip(self) -> None:
        self._same(self._travel(_PLAIN), _PLAIN)

    def test_literal(self) -> None:
        """A folder with `00000` in it, and the format."""
        assert TypeEngine.codec(self.python_type).literal_type.structured_dataset_type.format == ""
        literal = self._write(_PLAIN)
        uri = literal.scalar.structured_dataset.uri
        expected = Literal()
        expected.scalar.structured_dataset.uri = uri
        expected.scalar.structured_dataset.metadata.structured_dataset_type.format = "parquet"
        assert literal.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
        files = self._context().file_access
        assert [name for _, _, names in files.walk(uri) for name in names] == ["00000"]

    def test_given_uri(self) -> None:
        files = self._context().file_access
        uri = f"{files.raw_output_prefix}/given"
        for place in (uri, f"{uri}/"):  # the second time it is replaced
            dataset = StructuredDataset(dataframe=self.make(_PLAIN), uri=place)
            literal = TypeEngine.codec(StructuredDataset).encode(dataset)
            assert literal.scalar.structured_dataset.uri == place
            self._same(self._read(literal), _PLAIN)
            assert files.exists(f"{uri}/00000")

    def test_other_data_is_not_overwritten(self) -> None:
        files = self._context().file_access
        uri = f"{files.raw_output_prefix}/taken"
        with files.open(f"{uri}/mine.parquet", "wb") as stream:
            stream.write(b"mine")
        with pytest.raises(UserError, match=r"mine\.parquet"):
            TypeEngine.codec(StructuredDataset).encode(StructuredDataset(dataframe=self.make(_PLAIN), uri=uri))
        with files.open(f"{uri}/mine.parquet") as stream:
            assert stream.read() == b"mine"

    def test_frame_is_not_changed(self) -> None:
        frame = self.make(_PLAIN)
        before = self.table(frame)
        TypeEngine.codec(self.python_type).encode(frame)
        self._same(self.table(frame), before)

    def test_threads(self) -> None:
        tables = [_PLAIN.slice(i % 5) for i in range(16)]
        context = self._context()

        def travel(table: pa.Table) -> pa.Table:
            with FlyteContextManager.use(context):
                return self._travel(table)

        with ThreadPoolExecutor(8) as pool:
            for got, want in zip(pool.map(travel, tables), tables, strict=True):
                self._same(got, want)

    # -- the data ------------------------------------------------------------------------------------------------------

    def test_empty(self) -> None:
        got = self._travel(_PLAIN.slice(0, 0))
        self._same(got, _PLAIN.slice(0, 0))

    def test_unicode_names(self) -> None:
        table = pa.table({"größe": [1], "日本": ["x"], "a b/c=d*?": [2.0], "a.b": [3]})
        self._same(self._travel(table), table)

    def test_lists(self) -> None:
        table = pa.table({"l": [[1, 2], [], None], "ll": [[["a"], []], [], [["b", None]]]})
        self._same(self._travel(table), table)

    def test_structs(self) -> None:
        kind = pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))])
        table = pa.table({"s": pa.array([{"x": 1, "y": ["a"]}, {"x": 2, "y": []}], kind)})
        self._same(self._travel(table), table)

    def test_times(self) -> None:
        nanos = pa.array([1_700_000_000_123_456_789, None], pa.int64())
        table = pa.table(
            {
                "ns": nanos.cast(pa.timestamp("ns")),
                "zone": nanos.cast(pa.timestamp("ns", tz="Europe/Berlin")),
                "us": pa.array([datetime.datetime(1890, 1, 1, 12), None], pa.timestamp("us")),
                "day": pa.array([datetime.date(2024, 2, 29), None]),
                "span": pa.array([datetime.timedelta(days=-1, microseconds=1), None], pa.duration("us")),
            }
        )
        got = self._travel(table)
        assert got.schema.field("ns").type == pa.timestamp("ns")
        assert got.schema.field("zone").type == pa.timestamp("ns", tz="Europe/Berlin")
        self._same(got, table)

    def test_decimals(self) -> None:
        table = pa.table({"d": pa.array([Decimal("1.10"), None, Decimal("-99999999.99")], pa.decimal128(20, 2))})
        got = self._travel(table)
        assert pa.types.is_decimal(got.schema.field("d").type)
        self._same(got, table)

    def test_categories(self) -> None:
        table = pa.table({"c": pa.array(["a", "b", None, "a"]).dictionary_encode()})
        got = self._travel(table)
        assert pa.types.is_dictionary(got.schema.field("c").type)
        self._same(got, table)

    def test_bytes(self) -> None:
        table = pa.table({"b": [b"\x00\xff", b"", None]})
        self._same(self._travel(table), table)

    def test_small_numbers(self) -> None:
        table = pa.table({"i8": pa.array([-128], pa.int8()), "u64": pa.array([2**64 - 1], pa.uint64())})
        got = self._travel(table)
        assert got.schema.types == table.schema.types
        self._same(got, table)

    # -- what is asked for ---------------------------------------------------------------------------------------------

    def test_declared_columns_are_pruned(self) -> None:
        literal = self._write(_PLAIN)
        got = self._read(literal, Annotated[self.python_type, kwtypes(score=float, id=int)])
        self._same(got, _PLAIN.select(["score", "id"]))
        uri = literal.scalar.structured_dataset.uri
        self._same(self._open(uri, columns=["name"]), _PLAIN.select(["name"]))

    def test_absent_columns(self) -> None:
        t = Annotated[self.python_type, kwtypes(id=int, absent=str)]  # type: ignore[name-defined]
        with pytest.raises(MissingColumnsError, match="absent") as caught:
            self._read(self._write(_PLAIN), t)
        assert vars(caught.value)["missing"] == ["absent"]
        with pytest.raises(MissingColumnsError, match="absent"):
            self._write(_PLAIN, t)

    def test_filters(self) -> None:
        """The same rows as from any other library, those with nulls included."""
        uri = self._write(_PLAIN).scalar.structured_dataset.uri
        for filters in (
            [("id", ">", 2)],
            [("name", "in", ["a", "b"]), ("good", "==", True)],
            [("name", "not in", ["a"])],
            [("score", "!=", 0.5)],
            [[("id", "<=", 1)], [("name", "=", "ü")]],
            (ds.field("id") >= 2) & (ds.field("score") < 1),
        ):
            want = StructuredDataset(uri=uri).open(pa.Table, filters=filters, columns=["id"]).all()
            self._same(self._open(uri, filters=filters, columns=["id"]), want)
        with pytest.raises(HardpointError, match="absent"):
            self._open(uri, filters=[("absent", ">", 1)])
        with pytest.raises(HardpointError, match="filter"):
            self._open(uri, filters=[("id", "near", 1)])

    def test_cast(self) -> None:
        t = Annotated[self.python_type, kwtypes(id=float), ReadOptions(cast=True)]  # type: ignore[name-defined]
        got = self._read(self._write(_PLAIN), t)
        assert got.schema.types == [pa.float64()]
        assert got.column("id").to_pylist() == [3.0, 1.0, 2.0, 5.0, 4.0]

    def test_impossible_cast(self) -> None:
        t = Annotated[self.python_type, kwtypes(name=int), ReadOptions(cast=True)]  # type: ignore[name-defined]
        with pytest.raises(HardpointError, match=r"name|[Ii]nt64"):
            self._read(self._write(_PLAIN.slice(3)), t)

    def test_batches(self) -> None:
        uri = self._write(_PLAIN).scalar.structured_dataset.uri
        dataset = StructuredDataset(uri=uri).open(self.python_type, columns=["id", "name"])
        pieces = [self.table(frame) for frame in dataset.iter(batch_rows=2)]
        assert [piece.num_rows for piece in pieces] == [2, 2, 1]
        self._same(pa.concat_tables(pieces, promote_options="permissive"), _PLAIN.select(["id", "name"]))

    def test_write_options(self) -> None:
        options = WriteOptions(compression="zstd", row_group_size=2, max_rows_per_file=3)
        literal = self._write(_PLAIN, Annotated[self.python_type, options])
        self._same(self._read(literal), _PLAIN)
        files = self._context().file_access
        uri = literal.scalar.structured_dataset.uri
        footers = []
        for name in ("00000", "00001"):
            with files.open(f"{uri}/{name}") as stream:
                footers.append(pq.ParquetFile(pa.BufferReader(stream.read())).metadata)
        assert [footer.num_rows for footer in footers] == [3, 2]
        assert [footer.num_row_groups for footer in footers] == [2, 1]
        assert footers[0].row_group(0).column(0).compression == "ZSTD"

    def test_partitions(self) -> None:
        table = pa.table({"day": ["2024-01-02", "2024-01-01"], "n": [1, 2], "k": pa.array([7, 8], pa.int32())})
        literal = self._write(table, Annotated[self.python_type, WriteOptions(partition_by=("day", "k"))])
        self._same(self._read(literal).sort_by("n"), table)
        uri = literal.scalar.structured_dataset.uri
        got = self._open(uri, filters=[("day", "==", "2024-01-01")], columns=["k", "n"])
        assert got.to_pylist() == [{"k": 8, "n": 2}]

    # -- others' data --------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_layouts(self, layout: str, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        folder.mkdir()
        uri = LAYOUTS[layout](folder, _PLAIN)
        files = self._context().file_access
        if files.is_remote(files.raw_output_prefix):
            moved = f"{files.raw_output_prefix}/data"
            files.put_data(str(folder), moved, is_multipart=True)
            uri = uri.replace(str(folder), moved)
        self._same(self._open(uri), _PLAIN)

    def test_files_that_differ(self, tmp_path: Path) -> None:
        """A column that came later, and a type that grew."""
        (tmp_path / "data").mkdir()
        pq.write_table(pa.table({"a": pa.array([1], pa.int32())}), tmp_path / "data" / "0.parquet")
        pq.write_table(pa.table({"a": pa.array([2], pa.int64()), "b": ["x"]}), tmp_path / "data" / "1.parquet")
        want = pa.table({"a": pa.array([1, 2], pa.int64()), "b": [None, "x"]})
        self._same(self._open(str(tmp_path / "data")), want)

    def test_strange_partitions(self, tmp_path: Path) -> None:
        """Partitions that another engine wrote, below a folder whose own name looks like one."""
        root = tmp_path / "x=1" / "data"
        for key, n in (("a%20b", 1), ("__HIVE_DEFAULT_PARTITION__", 2)):
            (root / f"k={key}" / "j=5").mkdir(parents=True)
            pq.write_table(pa.table({"n": [n]}), root / f"k={key}" / "j=5" / "part-0.parquet")
        got = self._open(str(root)).sort_by("n")
        assert got.schema.names == ["n", "k", "j"]
        assert got.to_pylist() == [{"n": 1, "k": "a b", "j": 5}, {"n": 2, "k": None, "j": 5}]

    def test_from_and_to_arrow(self) -> None:
        literal = self._write(_PLAIN)
        self._same(TypeEngine.codec(pa.Table).decode(literal), _PLAIN)
        literal = TypeEngine.codec(pa.Table).encode(_PLAIN)
        self._same(self._read(literal), _PLAIN)

    def test_nothing_there(self) -> None:
        prefix = self._context().file_access.raw_output_prefix
        with pytest.raises(StorageNotFoundError):
            self._open(f"{prefix}/nothing")

    def test_no_parquet(self) -> None:
        files = self._context().file_access
        uri = f"{files.raw_output_prefix}/broken"
        with files.open(f"{uri}/00000", "wb") as stream:
            stream.write(b"PAR1 is how it begins, and then it goes wrong PAR1")
        with pytest.raises(HardpointError, match="broken"):
            self._open(uri)

    # -- in decks ------------------------------------------------------------------------------------------------------

    def test_html(self) -> None:
        """A frame can be shown: escaped, and no longer for being large."""
        bad = "<script>alert(1)</script>"
        wide = {f"{bad}{i}": [bad * 100] * 50 for i in range(200)}
        html = TypeEngine.to_html(None, self.make(pa.table(wide)), self.python_type)
        assert "<script>alert" not in html
        assert "&lt;script&gt;" in html
        small = TypeEngine.to_html(None, self.make(_PLAIN), self.python_type)
        assert "score" in small
        assert len(small) < self.max_html
        assert len(html) < 100 * self.max_html


def _simple(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return column.cast(_layout(kind)).combine_chunks()


def _layout(kind: pa.DataType) -> pa.DataType:
    """The type with text, bytes and lists in their common layout."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_layout(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _layout(field.type)) for field in kind])
    return kind
