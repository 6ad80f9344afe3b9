"""A profile of a data frame."""

from __future__ import annotations

from typing import Any

from hardpoint.deck.markup import framed
from hardpoint.deck.renderers.library import library

__all__ = ["FrameProfilingRenderer"]


class FrameProfilingRenderer:
    """Shows the report that ``ydata-profiling`` makes of a pandas data frame, in a frame of its own.

    Args:
        title: The report's title.
    """

    def __init__(self, title: str = "Pandas Profiling Report") -> None:
        self.title = title

    def to_html(self, df: Any) -> str:
        """The report.

        Raises:
            MissingDependencyError: ydata-profiling is not installed.
        """
        profiling = library("ydata_profiling", wants="ydata-profiling>=4.12", renderer=self, extra=None)
        return framed(profiling.ProfileReport(df, title=self.title).to_html(), title=self.title, scripts=True)
