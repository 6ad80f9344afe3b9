"""Tables of any library, of which only the head is ever read."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hardpoint.deck.markup import escape, notice
from hardpoint.deck.renderers.library import library
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.integration import public_path

__all__ = ["ArrowRenderer", "TableRenderer", "TopFrameRenderer"]

DEFAULT_MAX_ROWS = 10
DEFAULT_MAX_COLS = 100
DEFAULT_MAX_CHARS = 200


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    dtype: str
    numeric: bool


@dataclass(frozen=True, slots=True)
class Head:
    """The top left corner of a table.

    Attributes:
        columns: The columns that are shown.
        rows: Their cells.
        labels: What the rows are called; None if they are only numbered.
        row_count: Rows of the whole table; None if nobody knows without computing it.
        column_count: Columns of the whole table.
    """

    columns: list[Column]
    rows: list[Sequence[Any]]
    labels: list[Any] | None
    row_count: int | None
    column_count: int


class TopFrameRenderer:
    """Shows the head of a table, with its size and its columns' types.

    It takes frames of pandas and Arrow, and any other that has ``__arrow_c_stream__`` or ``__dataframe__``, or whose
    ``head`` or ``limit`` has. Only the rows that are shown are asked for: a lazy source of any size is not computed as
    a whole, and its rows are not counted.

    Args:
        max_rows: Rows that are shown.
        max_cols: Columns that are shown.
        max_chars: Characters of a cell that are shown.
    """

    def __init__(
        self,
        max_rows: int = DEFAULT_MAX_ROWS,
        max_cols: int = DEFAULT_MAX_COLS,
        max_chars: int = DEFAULT_MAX_CHARS,
    ) -> None:
        self.max_rows, self.max_cols, self.max_chars = max_rows, max_cols, max_chars

    def to_html(self, df: Any) -> str:
        """The head as a table.

        Raises:
            TypeTransformerFailedError: the value is not a table.
            MissingDependencyError: it is one that only Arrow can read, and pyarrow is not installed.
        """
        head = head_of(df, self.max_rows, self.max_cols, self)
        return _summary(head) + _table(head, self.max_chars, dtypes=True)


class ArrowRenderer(TopFrameRenderer):
    """The renderer of Arrow tables; the same as that of any other."""


class TableRenderer:
    """Shows a table as one: its rows, without types or row labels.

    Args:
        max_rows: Rows that are shown.
        max_chars: Characters of a cell that are shown.
    """

    def __init__(self, max_rows: int = 1000, max_chars: int = 2000) -> None:
        self.max_rows, self.max_chars = max_rows, max_chars

    def to_html(self, df: Any, header_labels: Sequence[str] | None = None, table_width: int | None = None) -> str:
        """The table.

        Args:
            df: The table.
            header_labels: Headings in place of the columns' names; they are used only if there is one for each column.
            table_width: Width in pixels; that of the content if None.
        """
        head = replace(head_of(df, self.max_rows, None, self), labels=None)
        notices = ""
        if header_labels is not None and len(header_labels) == head.column_count:
            named = zip(header_labels, head.columns, strict=True)
            head = replace(head, columns=[replace(column, name=str(label)) for label, column in named])
        elif header_labels is not None:
            notices = notice(
                f"{len(header_labels)} labels were given for {head.column_count} columns, and are not used."
            )
        if head.row_count != len(head.rows):
            notices += _summary(head)
        return notices + _table(head, self.max_chars, dtypes=False, width=table_width)


def head_of(value: Any, max_rows: int, max_cols: int | None, renderer: object) -> Head:
    """The head of any table; the work depends on what is shown, not on the size of the table."""
    if _is_a(value, "pandas.Series"):
        value = value.to_frame()
    if _is_a(value, "pandas.DataFrame"):
        return _pandas_head(value.iloc[:max_rows], max_cols, len(value))
    if hasattr(value, "__next__") and hasattr(value, "schema"):
        return _arrow_head(value.schema.empty_table(), max_cols, None)  # to read a stream would take its rows away
    count = _known_rows(value)
    top = _top(value, max_rows)
    if _is_a(top, "pandas.DataFrame"):  # some lazy frames hand out pandas
        return _pandas_head(top, max_cols, len(top) if count is None and len(top) < max_rows else count)
    table = _arrow(top, max_rows, renderer)
    if count is None and table.num_rows < max_rows:
        count = table.num_rows
    return _arrow_head(table, max_cols, count, _own_dtypes(top))


def _is_a(value: Any, path: str) -> bool:
    return any(path in public_path(cls) for cls in type(value).__mro__)


def _known_rows(value: Any) -> int | None:
    """The number of rows, if the table has it at hand; `len` would make some lazy tables count."""
    for attribute in ("num_rows", "height"):
        count = getattr(value, attribute, None)
        if isinstance(count, int):
            return count
    return None


def _top(value: Any, max_rows: int) -> Any:
    """The first rows in whatever form the library gives them."""
    for method, arguments in (("head", (max_rows,)), ("limit", (max_rows,)), ("slice", (0, max_rows))):
        take = getattr(value, method, None)
        if callable(take):
            top = take(*arguments)
            lazy = hasattr(top, "collect") and not hasattr(top, "__arrow_c_stream__")
            return top.collect() if lazy else top
    return value


def _own_dtypes(top: Any) -> list[str] | None:
    """What the library itself calls the types, where it lists them."""
    dtypes = getattr(top, "dtypes", None)
    return [str(dtype) for dtype in dtypes] if isinstance(dtypes, list) else None


def _arrow(value: Any, max_rows: int, renderer: object) -> Any:
    """The first rows as an Arrow table."""
    pa = library("pyarrow", wants="pyarrow>=22", renderer=renderer, extra=None)
    if isinstance(value, (pa.Table, pa.RecordBatch)):
        return value.slice(0, max_rows)
    if hasattr(value, "__arrow_c_stream__"):
        with pa.RecordBatchReader.from_stream(value) as reader:
            batches, missing = [], max_rows
            while missing > 0:
                try:
                    batch = reader.read_next_batch().slice(0, missing)
                except StopIteration:
                    break
                batches.append(batch)
                missing -= batch.num_rows
            return pa.Table.from_batches(batches, schema=reader.schema)
    if hasattr(value, "__dataframe__"):
        interchange = library("pyarrow.interchange", wants="pyarrow>=22", renderer=renderer, extra=None)
        return interchange.from_dataframe(value).slice(0, max_rows)
    raise TypeTransformerFailedError(f"A {type(value).__qualname__} is not a table that can be read.")


def _arrow_head(table: Any, max_cols: int | None, count: int | None, dtypes: list[str] | None = None) -> Head:
    from pyarrow import types

    fields = list(table.schema)[:max_cols]
    columns = [
        Column(
            field.name,
            dtypes[i] if dtypes is not None and len(dtypes) == len(table.schema) else str(field.type),
            types.is_integer(field.type) or types.is_floating(field.type) or types.is_decimal(field.type),
        )
        for i, field in enumerate(fields)
    ]
    cells = [[_plain(scalar) for scalar in table.column(i)] for i in range(len(fields))]
    rows: list[Sequence[Any]] = list(zip(*cells, strict=True)) if cells else [()] * table.num_rows
    return Head(columns, rows, None, count, len(table.schema))


def _plain(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError, NotImplementedError) as error:  # not UTF-8, or a time past Python's last year
        return f"({type(error).__name__}: {error})"


def _pandas_head(top: Any, max_cols: int | None, count: int | None) -> Head:
    shown = top.iloc[:, :max_cols]
    columns = [
        Column(str(name), str(dtype), getattr(dtype, "kind", "O") in "iufc")
        for name, dtype in zip(shown.columns, shown.dtypes, strict=True)
    ]
    numbered = _is_a(top.index, "pandas.RangeIndex") and top.index.name is None
    labels = None if numbered and top.index.start == 0 and top.index.step == 1 else list(top.index)
    rows = list(shown.itertuples(index=False, name=None))
    return Head(columns, rows, labels, count, len(top.columns))


def _summary(head: Head) -> str:
    shown = len(head.rows)
    columns = f"<strong>{head.column_count:,}</strong> column{'' if head.column_count == 1 else 's'}"
    if head.row_count is None:
        size = f"{columns}, rows not counted"
    else:
        size = f"<strong>{head.row_count:,}</strong> row{'' if head.row_count == 1 else 's'} by {columns}"
    hidden = []
    if head.row_count is None or head.row_count > shown:
        hidden.append(f"the first {shown:,} rows" if shown != 1 else "the first row")
    if len(head.columns) < head.column_count:
        hidden.append(f"the first {len(head.columns):,} columns")
    part = f"; shown: {' and '.join(hidden)}" if hidden else ""
    return f'<p class="hp-summary">{size}{part}</p>'


def _table(head: Head, max_chars: int, *, dtypes: bool, width: int | None = None) -> str:
    show = reprlib.Repr()
    show.maxother = show.maxlong = show.maxstring = max_chars
    show.maxlevel, show.maxlist, show.maxtuple, show.maxdict, show.maxset = 4, 20, 20, 20, 20
    corner = '<th class="hp-index"></th>' if head.labels is not None else ""
    headings = "".join(_heading(column, max_chars, dtypes) for column in head.columns)
    lines: list[str] = []
    for i, row in enumerate(head.rows):
        label = ""
        if head.labels is not None:
            label = f'<th scope="row" class="hp-index">{_cell(head.labels[i], max_chars, show)}</th>'
        cells = "".join(
            f"<td{_NUMERIC if column.numeric else ''}>{_cell(value, max_chars, show)}</td>"
            for column, value in zip(head.columns, row, strict=True)
        )
        lines.append(f"<tr>{label}{cells}</tr>")
    style = f' style="width:{int(width)}px"' if width is not None else ""
    return (
        f'<div class="hp-scroll" tabindex="0" role="region" aria-label="Table"><table class="hp-table"{style}>'
        f"<thead><tr>{corner}{headings}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


_NUMERIC = ' class="hp-num"'


def _heading(column: Column, max_chars: int, dtypes: bool) -> str:
    dtype = f"<small>{escape(_short(column.dtype, max_chars))}</small>" if dtypes else ""
    return f'<th scope="col"{_NUMERIC if column.numeric else ""}>{escape(_short(column.name, max_chars))}{dtype}</th>'


def _cell(value: Any, max_chars: int, show: reprlib.Repr) -> str:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return '<span class="hp-null">null</span>'
    if isinstance(value, str):
        return escape(_short(value, max_chars))
    if isinstance(value, float):
        return f"{value:.10g}" if value == value else '<span class="hp-null">NaN</span>'
    if isinstance(value, (bytes, bytearray)):
        return escape(_short(bytes(value[:max_chars]).hex(" "), max_chars))
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        return escape(_short(show.repr(value), max_chars))
    return escape(_short(str(value), max_chars))


def _short(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else f"{text[:max_chars]}…"
