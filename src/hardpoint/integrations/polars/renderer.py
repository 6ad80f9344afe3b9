"""What decks show of polars frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hardpoint.deck import TopFrameRenderer

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PolarsDataFrameRenderer"]


class PolarsDataFrameRenderer(TopFrameRenderer):
    """Shows the head of a frame."""

    def to_html(self, df: pl.DataFrame | pl.LazyFrame | Any) -> str:
        return super().to_html(df)
