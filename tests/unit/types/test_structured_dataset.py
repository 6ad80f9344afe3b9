"""`StructuredDataset` as users meet it: opened, passed on, in dataclasses and models, pickled, in decks."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel, ValidationError

from hardpoint.context import FlyteContextManager
from hardpoint.errors import StorageNotFoundError, TypeTransformerFailedError, UserError
from hardpoint.storage import FileAccess
from hardpoint.types import TypeEngine
from hardpoint.types.columns import kwtypes
from hardpoint.types.structured import MissingColumnsError, ReadOptions, StructuredDataset, WriteOptions
from hardpoint.types.structured.transformer import StructuredDatasetTransformer

FRAME = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> Iterator[FileAccess]:
    made = FileAccess(str(tmp_path / "raw"), str(tmp_path / "sandbox"))
    with FlyteContextManager.use(files=made):
        yield made


def received(value: Any = FRAME, t: Any = pd.DataFrame, as_type: Any = StructuredDataset) -> StructuredDataset:
    """A dataset as a downstream task gets it."""
    dataset: StructuredDataset = TypeEngine.to_python_value(None, TypeEngine.to_literal(None, value, t), as_type)
    return dataset


def test_a_received_dataset_is_read_when_it_is_opened() -> None:
    dataset = received()
    assert dataset.dataframe is None
    assert dataset.literal is not None
    assert dataset.uri == dataset.literal.uri
    assert dataset.file_format == "parquet"
    pd.testing.assert_frame_equal(dataset.open(pd.DataFrame).all(), FRAME)
    assert dataset.open(pa.Table).all().to_pydict() == FRAME.to_dict("list")


def test_nobody_said_of_what_type() -> None:
    with pytest.raises(ValueError, match=r"No dataframe type set\. Use open\(\)"):
        received().all()
    with pytest.raises(ValueError, match=r"No dataframe type set\. Use open\(\)"):
        received().iter()


def test_columns_of_the_reader_go_before_those_of_the_writer() -> None:
    declared = Annotated[StructuredDataset, kwtypes(a=int)]
    written = StructuredDataset(dataframe=FRAME)
    assert list(received(written, declared).open(pd.DataFrame).all().columns) == ["a"]
    other = received(written, declared, Annotated[StructuredDataset, kwtypes(b=str)])
    assert other.column_names() == ["b"]
    assert list(other.open(pd.DataFrame).all().columns) == ["b"]
    assert list(other.open(pd.DataFrame, columns=["b", "a"]).all().columns) == ["b", "a"]
    assert received().column_names() == []


def test_filters_and_casts_when_it_is_opened() -> None:
    dataset = received(as_type=Annotated[StructuredDataset, kwtypes(a=float), ReadOptions(filters=[("a", ">", 1)])])
    assert dataset.open(pa.Table).all().to_pydict() == {"a": [2, 3]}
    assert dataset.open(pa.Table, cast=True).all().schema == pa.schema({"a": pa.float64()})
    assert dataset.open(pa.Table, filters=[("b", "=", "x")]).all().to_pydict() == {"a": [1]}


def test_batches() -> None:
    dataset = received()
    assert [list(piece["a"]) for piece in dataset.open(pd.DataFrame).iter(batch_rows=2)] == [[1, 2], [3]]
    pieces = list(dataset.open(pa.Table, columns=["b"], filters=[("a", "!=", 2)]).iter(2))
    assert pa.concat_tables(pieces).to_pydict() == {"b": ["x", "z"]}
    assert all(piece.num_rows <= 2 for piece in pieces)
    with pytest.raises(ValueError, match="batch_rows should be positive"):
        dataset.open(pa.Table).iter(0)


def test_batches_need_no_more_memory_than_a_few_of_them(files: FileAccess) -> None:
    numbers = pa.array(np.arange(4_000_000))
    table = pa.table({"a": numbers, "b": numbers})  # 64 MB
    literal = TypeEngine.to_literal(None, table, Annotated[pa.Table, WriteOptions(row_group_size=4_000_000)])
    uri = literal.scalar.structured_dataset.uri
    del table, numbers
    program = (
        "import pyarrow as pa\n"
        "from hardpoint.types.structured import StructuredDataset\n"
        f"dataset = StructuredDataset(uri={uri!r}).open(pa.Table)\n"
        "most = 0\n"
        "for piece in dataset.iter(500_000):\n"
        "    most = max(most, piece.nbytes)\n"
        "print(most, pa.default_memory_pool().max_memory())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    most, peak = map(int, done.stdout.split())
    pages = 2 * 10 * (1 << 20)  # of each column some pages and a dictionary, as they are stored and unpacked
    assert peak < 2 * most + pages


def test_missing_columns_are_named() -> None:
    with pytest.raises(MissingColumnsError, match=r"has no column 'c', 'd\.e'; it has a, b\.") as caught:
        received(as_type=Annotated[pd.DataFrame, kwtypes(a=int, c=int, d={"e": str})])
    assert caught.value.missing == ["c", "d.e"]  # type: ignore[attr-defined]
    for value, t in (
        (FRAME, Annotated[pd.DataFrame, kwtypes(c=int)]),
        (FRAME, Annotated[pd.DataFrame, kwtypes(c=int), "csv"]),
        (pa.table({"a": [1]}), Annotated[pa.Table, kwtypes(c=int)]),
    ):
        with pytest.raises(MissingColumnsError, match="has no column 'c'"):
            TypeEngine.to_literal(None, value, t)
    with pytest.raises(MissingColumnsError, match="has no column 'c'"):
        received(FRAME, Annotated[pd.DataFrame, "csv"], Annotated[pd.DataFrame, kwtypes(c=int)])
    with pytest.raises(MissingColumnsError, match="has no column 'c'"):
        TypeEngine.to_literal(None, FRAME, Annotated[pd.DataFrame, WriteOptions(partition_by=["c"])])


def test_nested_columns() -> None:
    table = pa.table({"c": [{"x": 1, "y": "a"}], "d.e": [1], "f": [2]})
    declared = Annotated[pa.Table, kwtypes(c={"x": int}, d={"e": int})]
    assert received(table, declared, declared).column_names == ["c", "d.e"]


def test_what_is_passed_through_is_not_written_again() -> None:
    literal = TypeEngine.to_literal(None, FRAME, Annotated[pd.DataFrame, kwtypes(a=int)])
    dataset = TypeEngine.to_python_value(None, literal, StructuredDataset)
    assert TypeEngine.to_literal(None, dataset, Annotated[StructuredDataset, kwtypes(b=str)]) == literal
    fresh = StructuredDataset(dataframe=FRAME)
    first = TypeEngine.to_literal(None, fresh, StructuredDataset)
    assert TypeEngine.to_literal(None, fresh, StructuredDataset) == first
    assert fresh.literal == first.scalar.structured_dataset


def test_a_local_uri_is_uploaded(tmp_path: Path, files: FileAccess) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "mine.parquet")
    literal = TypeEngine.to_literal(None, StructuredDataset(uri=str(tmp_path / "mine.parquet")), StructuredDataset)
    uri = literal.scalar.structured_dataset.uri
    assert uri.startswith(files.raw_output_prefix)
    assert uri.endswith("/mine.parquet")
    assert TypeEngine.to_python_value(None, literal, pa.Table).to_pydict() == {"a": [1]}
    (tmp_path / "folder").mkdir()
    pq.write_table(pa.table({"a": [2]}), tmp_path / "folder" / "part-0")
    literal = TypeEngine.to_literal(None, StructuredDataset(uri=str(tmp_path / "folder")), StructuredDataset)
    assert TypeEngine.to_python_value(None, literal, pa.Table).to_pydict() == {"a": [2]}


def test_a_dataset_that_never_travelled(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    assert StructuredDataset(uri=str(tmp_path / "x.parquet")).open(pa.Table).all().to_pydict() == {"a": [1]}
    dataset = StructuredDataset(dataframe=FRAME)
    assert dataset.open(pd.DataFrame).all() is FRAME
    assert dataset.open(pa.Table).all().column_names == ["a", "b"]
    assert list(dataset.open(pd.DataFrame, columns=["b"]).all().columns) == ["b"]
    with pytest.raises(ValueError, match="the uri should be specified"):
        StructuredDataset().open(pd.DataFrame).all()
    with pytest.raises(StorageNotFoundError):
        StructuredDataset(uri=str(tmp_path / "absent")).open(pa.Table).all()


def test_csv_that_nobody_called_so(tmp_path: Path) -> None:
    (tmp_path / "a.CSV").write_text("n,code\n1,007\n,008\n")
    dataset = StructuredDataset(uri=str(tmp_path / "a.CSV"))
    assert list(dataset.open(pd.DataFrame).all()["code"]) == [7, 8]
    literal = TypeEngine.to_literal(None, dataset, StructuredDataset)
    typed = TypeEngine.to_python_value(None, literal, Annotated[pd.DataFrame, kwtypes(code=str, n=int)])
    assert list(typed.columns) == ["code", "n"]
    assert list(typed["code"]) == ["007", "008"]
    assert typed["n"].dtype == "Int64"
    with pytest.raises(UserError, match="cannot filter rows"):
        dataset.open(pd.DataFrame, filters=[("n", "=", 1)]).all()


def test_several_csv_files(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "part-0.csv").write_text("n,ok\n1,True\n")
    pd.DataFrame({"n": [2], "ok": [None]}).to_csv(folder / "part-1.csv.gz", index=False)
    (folder / "_SUCCESS").touch()
    dataset = StructuredDataset(uri=str(folder), file_format="csv")
    assert list(dataset.open(pd.DataFrame).all()["n"]) == [1, 2]
    declared = Annotated[pd.DataFrame, kwtypes(ok=bool)]
    typed = TypeEngine.to_python_value(None, TypeEngine.to_literal(None, dataset, StructuredDataset), declared)
    assert [None if pd.isna(v) else v for v in typed["ok"]] == [True, None]


@dataclass
class Holder:
    dataset: StructuredDataset
    frame: pd.DataFrame


def test_in_a_dataclass() -> None:
    back = received(Holder(StructuredDataset(dataframe=FRAME), FRAME), Holder, Holder)
    pd.testing.assert_frame_equal(back.dataset.open(pd.DataFrame).all(), FRAME)  # type: ignore[attr-defined]
    pd.testing.assert_frame_equal(back.frame, FRAME)  # type: ignore[attr-defined]


class Model(BaseModel):
    dataset: StructuredDataset
    none: StructuredDataset | None = None


def test_in_a_pydantic_model() -> None:
    model = Model(dataset=StructuredDataset(dataframe=FRAME))
    assert model.model_dump()["dataset"]["file_format"] == "parquet"
    again = Model.model_validate_json(model.model_dump_json())
    pd.testing.assert_frame_equal(again.dataset.open(pd.DataFrame).all(), FRAME)
    assert again.none is None
    back = received(model, Model, Model)
    pd.testing.assert_frame_equal(back.dataset.open(pd.DataFrame).all(), FRAME)  # type: ignore[attr-defined]
    assert Model.model_json_schema()["properties"]["dataset"]["title"] == "StructuredDataset"
    with pytest.raises(ValidationError, match="uri and file format should not be None"):
        Model.model_validate({"dataset": {"file_format": "csv"}})


def test_a_subclass_stays_one() -> None:
    class Sales(StructuredDataset):
        pass

    dataset = received(Sales(dataframe=FRAME), Sales, Sales)
    assert type(dataset) is Sales
    with pytest.raises(TypeTransformerFailedError, match="Did you forget to wrap"):
        TypeEngine.to_literal(None, FRAME, Sales)


def test_equality_and_text() -> None:
    assert StructuredDataset(uri="s3://b/x") == StructuredDataset(uri="s3://b/x")
    assert StructuredDataset(uri="s3://b/x") != StructuredDataset(uri="s3://b/x", file_format="csv")
    assert StructuredDataset(dataframe=FRAME) != StructuredDataset(dataframe=FRAME.copy())
    assert StructuredDataset(uri="s3://b/x") != "s3://b/x"
    assert repr(StructuredDataset(uri="u", file_format="csv")) == "StructuredDataset(uri='u', file_format='csv')"
    with pytest.raises(TypeError):
        StructuredDataset(format="csv")  # type: ignore[call-arg]


def test_pickling() -> None:
    dataset = received()
    back = pickle.loads(pickle.dumps(dataset))
    assert back == dataset
    pd.testing.assert_frame_equal(back.open(pd.DataFrame).all(), FRAME)
    assert pickle.loads(pickle.dumps(StructuredDataset(dataframe=FRAME))).dataframe.equals(FRAME)


def test_a_dataset_that_is_not_open_shows_what_is_declared() -> None:
    declared = kwtypes(**{"<script>": int, "l": list[str], "m": dict[str, float]})
    dataset = StructuredDataset(uri="s3://b/<x>", file_format="parquet")
    literal = TypeEngine.to_literal(None, dataset, Annotated[StructuredDataset, declared])
    markup = TypeEngine.to_html(None, TypeEngine.to_python_value(None, literal, StructuredDataset), StructuredDataset)
    assert "<td>&lt;script&gt;</td><td>integer</td>" in markup
    assert "<td>list of string</td>" in markup
    assert "<td>map of float</td>" in markup
    assert "s3://b/&lt;x&gt;" in markup
    assert "<script>" not in markup


def test_a_frame_in_a_dataset_shows_as_the_frame() -> None:
    shown = TypeEngine.to_html(None, FRAME, pd.DataFrame)
    ctx = FlyteContextManager.current_context()
    transformer = StructuredDatasetTransformer()
    assert "<table" in shown
    assert transformer.to_html(ctx, StructuredDataset(dataframe=FRAME), StructuredDataset) == shown
    assert transformer.to_html(ctx, FRAME, pd.DataFrame) == shown


def test_a_frame_without_a_renderer_is_shown_as_text() -> None:
    class Frame:
        def __repr__(self) -> str:
            return "<b>rows</b>"

    ctx = FlyteContextManager.current_context()
    shown = StructuredDatasetTransformer().to_html(ctx, StructuredDataset(dataframe=Frame()), StructuredDataset)
    assert "&lt;b&gt;rows&lt;/b&gt;" in shown


def test_renderers_can_be_registered() -> None:
    class Frame:
        pass

    class Derived(Frame):
        pass

    class Renderer:
        def to_html(self, python_value: Any) -> str:
            return f"<p>{type(python_value).__name__}</p>"

    StructuredDatasetTransformer.register_renderer(Frame, Renderer())
    shown = TypeEngine.to_html(None, StructuredDataset(dataframe=Derived()), StructuredDataset)
    assert shown == "<p>Derived</p>"


def test_declaring_imports_no_dataframe_library() -> None:
    program = (
        "import sys\n"
        "from typing import Annotated\n"
        "from hardpoint.types import TypeEngine\n"
        "from hardpoint.types.columns import kwtypes\n"
        "from hardpoint.types.structured import StructuredDataset, StructuredDatasetTransformerEngine, WriteOptions\n"
        "TypeEngine.to_literal_type(Annotated[StructuredDataset, kwtypes(a=int), WriteOptions(), 'csv'])\n"
        "print({'pandas', 'pyarrow', 'numpy', 'fsspec', 'pydantic', 'polars'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
