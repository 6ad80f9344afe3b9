from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest
from polars.io.plugins import register_io_source

from hardpoint.deck import ArrowRenderer, TableRenderer, TopFrameRenderer, render
from hardpoint.errors import TypeTransformerFailedError
from tests.unit.deck.conftest import PAYLOAD, harmless


def shown(html: str) -> tuple[str, list[str], list[list[str]]]:
    """The summary, the headings and the cells, as text."""
    summary = re.search(r'<p class="hp-summary">(.*?)</p>', html)
    text = lambda cell: re.sub(r"<small>.*?</small>|<[^>]*>", "", cell)  # noqa: E731
    head, _, body = html.partition("<tbody>")
    rows = [re.findall(r"<t[hd].*?</t[hd]>", row) for row in re.findall(r"<tr>.*?</tr>", body)]
    headings = [text(cell) for cell in re.findall(r"<th\b.*?</th>", head)]
    return text(summary[1]) if summary else "", headings, [[text(cell) for cell in row] for row in rows]


NUMBERS = {"n": list(range(50)), "word": [f"w{i}" for i in range(50)]}


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(pd.DataFrame(NUMBERS), id="pandas"),
        pytest.param(pa.table(NUMBERS), id="arrow"),
        pytest.param(pa.record_batch(NUMBERS), id="batch"),
        pytest.param(pl.DataFrame(NUMBERS), id="polars"),
    ],
)
def test_every_library_looks_the_same(frame: Any) -> None:
    summary, headings, rows = shown(TopFrameRenderer().to_html(frame))
    assert summary == "50 rows by 2 columns; shown: the first 10 rows"
    assert headings == ["n", "word"]
    assert rows == [[str(i), f"w{i}"] for i in range(10)]


@pytest.mark.parametrize(
    ("frame", "dtypes"),
    [
        (pd.DataFrame({"a": [1], "b": [True]}), ["int64", "bool"]),
        (pa.table({"a": [1], "b": ["x"]}), ["int64", "string"]),
        (pl.DataFrame({"a": [1], "b": ["x"]}), ["Int64", "String"]),
        (lambda: duckdb.sql("select 1::int as a, 'x' as b"), ["INTEGER", "VARCHAR"]),
    ],
)
def test_columns_have_the_types_that_the_library_says(frame: Any, dtypes: list[str]) -> None:
    html = TopFrameRenderer().to_html(frame() if callable(frame) else frame)
    assert re.findall(r"<small>(.*?)</small>", html) == dtypes
    assert html.count('<td class="hp-num">') == 1


def test_frames_are_found_without_being_told() -> None:
    class Special(pd.DataFrame):
        """GeoPandas and others derive theirs."""

    assert shown(render(Special({"a": [1]})))[2] == [["1"]]
    assert shown(render(pd.Series([1, 2], name="s")))[1] == ["s"]
    assert shown(render(pa.table({"a": [1]})))[2] == [["1"]]


def test_limits_of_rows_columns_and_cells() -> None:
    frame = pd.DataFrame({f"c{i}": ["x" * 500] * 5 for i in range(7)})
    summary, headings, rows = shown(TopFrameRenderer(max_rows=2, max_cols=3, max_chars=10).to_html(frame))
    assert summary == "5 rows by 7 columns; shown: the first 2 rows and the first 3 columns"
    assert headings == ["c0", "c1", "c2"]
    assert rows == [["x" * 10 + "…"] * 3] * 2
    assert shown(ArrowRenderer(max_cols=1).to_html(pa.table({"a": [1], "b": [2]})))[1] == ["a"]


def test_a_whole_frame_says_only_its_size() -> None:
    assert shown(TopFrameRenderer().to_html(pd.DataFrame({"a": [1]})))[0] == "1 row by 1 column"
    assert shown(TopFrameRenderer().to_html(pd.DataFrame()))[0] == "0 rows by 0 columns"
    assert shown(TopFrameRenderer().to_html(pa.table({})))[0] == "0 rows by 0 columns"


def test_labels_of_rows_are_shown_unless_they_only_count() -> None:
    assert shown(render(pd.DataFrame({"a": [1]}, index=["row"])))[2] == [["row", "1"]]
    assert shown(render(pd.DataFrame({"a": [1, 2]}).iloc[1:]))[2] == [["1", "2"]]
    assert shown(render(pd.DataFrame({"a": [1]})))[2] == [["1"]]


def test_cells() -> None:
    nested = {"list": list(range(1000))}
    frame = pd.DataFrame(
        {"a": [None, pd.NA, pd.NaT, float("nan"), 0.1 + 0.2, b"\x00\xff", nested, 10**30]}, dtype=object
    )
    cells = [row[0] for row in shown(render(frame))[2]]
    assert cells[:6] == ["null", "null", "null", "NaN", "0.3", "00 ff"]
    assert cells[6].startswith("{&#x27;list&#x27;: [0, 1, 2")
    assert len(cells[6]) < 300
    assert cells[7] == str(10**30)


def test_values_that_python_has_none_for() -> None:
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff"))
    far = pa.array([2**62], pa.timestamp("s"))
    cells = shown(render(pa.table({"broken": broken, "far": far})))[2][0]
    assert cells[0].startswith("(UnicodeDecodeError: ")
    assert cells[1].startswith("(OverflowError: ")


def test_duplicate_columns() -> None:
    assert shown(render(pd.DataFrame([[1, 2]], columns=["a", "a"])))[2] == [["1", "2"]]
    assert shown(render(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])))[2] == [["1", "2"]]


class TestLazySources:
    """Constant work, whatever the size."""

    def test_a_billion_rows_of_duckdb(self) -> None:
        summary, _, rows = shown(TopFrameRenderer(3).to_html(duckdb.sql("select range as i from range(1000000000)")))
        assert summary == "1 column, rows not counted; shown: the first 3 rows"
        assert rows == [["0"], ["1"], ["2"]]

    def test_a_scan_of_polars_is_asked_for_the_head_only(self) -> None:
        asked: list[int | None] = []

        def source(
            columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
        ) -> Iterator[pl.DataFrame]:
            asked.append(n_rows)
            yield pl.DataFrame({"i": range(n_rows or 1_000_000)})

        lazy = register_io_source(source, schema={"i": pl.Int64})
        summary, _, rows = shown(TopFrameRenderer(4).to_html(lazy))
        assert summary == "1 column, rows not counted; shown: the first 4 rows"
        assert asked == [4]
        assert len(rows) == 4

    def test_a_short_lazy_source_is_counted(self) -> None:
        assert shown(TopFrameRenderer().to_html(pl.LazyFrame({"a": [1, 2]})))[0] == "2 rows by 1 column"

    def test_a_dataset_of_arrow(self) -> None:
        dataset = pyarrow.dataset.dataset(pa.table({"a": [1, 2]}))
        assert shown(TopFrameRenderer().to_html(dataset))[2] == [["1"], ["2"]]

    def test_a_stream_is_not_consumed(self) -> None:
        reader = pa.table({"a": [1, 2]}).to_reader()
        assert shown(TopFrameRenderer().to_html(reader))[:2] == (
            "1 column, rows not counted; shown: the first 0 rows",
            ["a"],
        )
        assert reader.read_all().num_rows == 2

    def test_batches_are_read_until_there_is_enough(self) -> None:
        class Stream:
            read = 0

            def __arrow_c_stream__(self, requested_schema: object = None) -> object:
                def batches() -> Iterator[pa.RecordBatch]:
                    while True:
                        self.read += 1
                        yield pa.record_batch({"a": [1, 2]})

                reader = pa.RecordBatchReader.from_batches(pa.schema({"a": pa.int64()}), batches())
                return reader.__arrow_c_stream__(requested_schema)

        stream = Stream()
        assert len(shown(TopFrameRenderer(5).to_html(stream))[2]) == 5
        assert stream.read == 3

    def test_the_interchange_protocol(self) -> None:
        class Exchanged:
            def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> Any:
                return pa.table({"a": [1, 2, 3]}).__dataframe__(nan_as_null, allow_copy)

        assert shown(TopFrameRenderer(2).to_html(Exchanged()))[2] == [["1"], ["2"]]


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(TypeTransformerFailedError, match="A int is not a table"):
        TopFrameRenderer().to_html(3)


class TestTableRenderer:
    FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", PAYLOAD]}, index=["i", "j"])

    def test_rows_without_labels_or_types(self) -> None:
        html = TableRenderer().to_html(self.FRAME)
        assert "<small>" not in html
        assert "<summary" not in html
        assert harmless(html)
        assert shown(html)[2][0] == ["1", "x"]

    def test_headings_and_width(self) -> None:
        html = TableRenderer().to_html(self.FRAME, header_labels=["Ä", PAYLOAD], table_width=300)
        assert shown(html)[1][0] == "Ä"
        assert 'style="width:300px"' in html
        assert harmless(html)

    def test_headings_of_another_number_are_left_out_and_said_so(self) -> None:
        html = TableRenderer().to_html(self.FRAME, header_labels=["only"])
        assert "1 labels were given for 2 columns" in html
        assert shown(html)[1] == ["a", "b"]

    def test_a_long_table_says_what_is_missing(self) -> None:
        summary, _, rows = shown(TableRenderer(max_rows=1).to_html(self.FRAME))
        assert summary == "2 rows by 2 columns; shown: the first row"
        assert len(rows) == 1
