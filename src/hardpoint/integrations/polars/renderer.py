"""What decks show of polars frames; no more is computed for it than a head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hardpoint.deck import TableRenderer, TopFrameRenderer
from hardpoint.deck.markup import notice, text
from hardpoint.secrets import redact

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PolarsDataFrameRenderer"]

_MAX_PLAN = 10_000


class PolarsDataFrameRenderer(TopFrameRenderer):
    """Shows a frame's head with statistics of its first rows; of a lazy frame, which is not computed, schema and plan.

    Args:
        max_rows: Rows that are shown.
        max_cols: Columns that are shown.
        max_chars: Characters of a cell that are shown.
        sample_rows: Rows that the statistics are about, from the first on; 0: no statistics.
    """

    def __init__(
        self, max_rows: int = 10, max_cols: int = 100, max_chars: int = 200, sample_rows: int = 10_000
    ) -> None:
        super().__init__(max_rows, max_cols, max_chars)
        self.sample_rows = sample_rows

    def to_html(self, df: Any) -> str:
        """The frame."""
        if hasattr(df, "collect_schema") and hasattr(df, "explain"):
            return self._plan(df)
        head = super().to_html(df)
        if not self.sample_rows or not df.height or not df.width:
            return head
        sample = df.select(df.columns[: self.max_cols]).head(self.sample_rows)
        of = "all" if sample.height == df.height else f"the first {sample.height:,}"
        table = TableRenderer(max_chars=self.max_chars).to_html(sample.describe())
        return f"{head}<h5>Statistics of {of} rows</h5>{table}"

    def _plan(self, frame: pl.LazyFrame) -> str:
        import polars as pl

        columns = frame.collect_schema()
        shown = list(columns.items())[: self.max_cols]
        schema = pl.DataFrame(
            {"column": [name for name, _ in shown], "type": [str(kind) for _, kind in shown]},
            schema={"column": pl.String, "type": pl.String},
        )
        more = f"; the first {len(shown)} are listed" if len(shown) < len(columns) else ""
        plan = redact(frame.explain())
        if len(plan) > _MAX_PLAN:
            plan = f"{plan[:_MAX_PLAN]}…"
        return (
            notice(f"A lazy frame of {len(columns)} columns{more}. Its rows have not been computed.")
            + TableRenderer(max_chars=self.max_chars).to_html(schema)
            + f"<h5>Plan</h5>{text(plan)}"
        )
