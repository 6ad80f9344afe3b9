"""Decks: the HTML that a task leaves beside its outputs, the renderers that make it, and the page that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardpoint._lazy import attach
from hardpoint.deck.deck import Deck, DeckField, TimeLineDeck, timeit
from hardpoint.deck.document import DECK_FILE_NAME, page, write
from hardpoint.deck.markup import Renderable, SafeHtml
from hardpoint.deck.rendering import register_renderer, render

if TYPE_CHECKING:
    from hardpoint.deck.renderers.charts import (
        AltairRenderer,
        BokehRenderer,
        BoxRenderer,
        GanttChartRenderer,
        PlotlyRenderer,
    )
    from hardpoint.deck.renderers.dependencies import PythonDependencyRenderer
    from hardpoint.deck.renderers.figures import MatplotlibRenderer
    from hardpoint.deck.renderers.frames import ArrowRenderer, TableRenderer, TopFrameRenderer
    from hardpoint.deck.renderers.images import ImageRenderer
    from hardpoint.deck.renderers.notebook import NotebookRenderer
    from hardpoint.deck.renderers.profiling import FrameProfilingRenderer
    from hardpoint.deck.renderers.prose import MarkdownRenderer, SourceCodeRenderer
    from hardpoint.deck.renderers.tree import JSONRenderer

__all__ = [
    "DECK_FILE_NAME",
    "AltairRenderer",
    "ArrowRenderer",
    "BokehRenderer",
    "BoxRenderer",
    "Deck",
    "DeckField",
    "FrameProfilingRenderer",
    "GanttChartRenderer",
    "ImageRenderer",
    "JSONRenderer",
    "MarkdownRenderer",
    "MatplotlibRenderer",
    "NotebookRenderer",
    "PlotlyRenderer",
    "PythonDependencyRenderer",
    "Renderable",
    "SafeHtml",
    "SourceCodeRenderer",
    "TableRenderer",
    "TimeLineDeck",
    "TopFrameRenderer",
    "page",
    "register_renderer",
    "render",
    "timeit",
    "write",
]

__getattr__, __dir__, _ = attach(
    __name__,
    {
        "AltairRenderer": ".renderers.charts:AltairRenderer",
        "ArrowRenderer": ".renderers.frames:ArrowRenderer",
        "BokehRenderer": ".renderers.charts:BokehRenderer",
        "BoxRenderer": ".renderers.charts:BoxRenderer",
        "FrameProfilingRenderer": ".renderers.profiling:FrameProfilingRenderer",
        "GanttChartRenderer": ".renderers.charts:GanttChartRenderer",
        "ImageRenderer": ".renderers.images:ImageRenderer",
        "JSONRenderer": ".renderers.tree:JSONRenderer",
        "MarkdownRenderer": ".renderers.prose:MarkdownRenderer",
        "MatplotlibRenderer": ".renderers.figures:MatplotlibRenderer",
        "NotebookRenderer": ".renderers.notebook:NotebookRenderer",
        "PlotlyRenderer": ".renderers.charts:PlotlyRenderer",
        "PythonDependencyRenderer": ".renderers.dependencies:PythonDependencyRenderer",
        "SourceCodeRenderer": ".renderers.prose:SourceCodeRenderer",
        "TableRenderer": ".renderers.frames:TableRenderer",
        "TopFrameRenderer": ".renderers.frames:TopFrameRenderer",
    },
)
