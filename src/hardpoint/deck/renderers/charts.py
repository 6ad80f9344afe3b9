"""Interactive charts: Plotly, Altair, Bokeh."""

from __future__ import annotations

import io
from typing import Any

from hardpoint.deck.document import PLOTLY_MARK
from hardpoint.deck.markup import framed, image
from hardpoint.deck.renderers.library import library

__all__ = ["AltairRenderer", "BokehRenderer", "BoxRenderer", "GanttChartRenderer", "PlotlyRenderer"]

_PLOTLY = "plotly>=6"

# Within a script, text may neither end it nor begin a comment.
_SCRIPT_SAFE = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "\u2028": r"\u2028", "\u2029": r"\u2029"})


class PlotlyRenderer:
    """Shows a figure of Plotly. The library that draws it is on the page once, however many figures there are."""

    def to_html(self, figure: Any) -> str:
        """The figure's data, and the call that draws it."""
        return (
            f'<div class="{PLOTLY_MARK} hp-chart"></div>'
            f"<script>((place, figure) => {{ window.Plotly"
            "? Plotly.newPlot(place, figure.data, figure.layout, {responsive: true, displaylogo: false})"
            ': place.textContent = "This chart needs plotly.js, which is not on this page: '
            'plotly was not installed where the page was made."; }'
            f")(document.currentScript.previousElementSibling, {figure.to_json().translate(_SCRIPT_SAFE)});</script>"
        )


class BoxRenderer:
    """Shows how the values of a column are distributed, as a box plot.

    Args:
        column_name: The column.
    """

    def __init__(self, column_name: str) -> None:
        self.column_name = column_name

    def to_html(self, df: Any) -> str:
        """The plot."""
        express = library("plotly.express", wants=_PLOTLY, renderer=self)
        return PlotlyRenderer().to_html(express.box(df, y=self.column_name))


class GanttChartRenderer:
    """Shows spans of time below one another, from a frame with the columns ``Start``, ``Finish`` and ``Name``."""

    def to_html(self, df: Any, chart_width: int | None = None) -> str:
        """The chart.

        Args:
            df: The frame.
            chart_width: Width in pixels; that of the page if None.
        """
        express = library("plotly.express", wants=_PLOTLY, renderer=self)
        figure = express.timeline(df, x_start="Start", x_end="Finish", y="Name", color="Name", width=chart_width)
        figure.update_xaxes(
            tickangle=90,
            rangeslider_visible=True,
            tickformatstops=[
                {"dtickrange": [None, 1], "value": "%3f ms"},
                {"dtickrange": [1, 60], "value": "%S:%3f s"},
                {"dtickrange": [60, 3600], "value": "%M:%S m"},
                {"dtickrange": [3600, None], "value": "%H:%M h"},
            ],
        )
        figure.update_yaxes(showticklabels=False, title="")
        figure.update_layout(
            autosize=True,
            margin={"t": 20},
            legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "xanchor": "left", "x": 0},
        )
        return PlotlyRenderer().to_html(figure)


class AltairRenderer:
    """Shows a chart of Altair as a drawing; it needs ``vl-convert-python``."""

    def to_html(self, chart: Any) -> str:
        """The drawing."""
        library("vl_convert", wants="vl-convert-python>=1.6", renderer=self, extra=None)
        out = io.StringIO()
        chart.save(out, format="svg")
        return image(out.getvalue().encode("utf-8"), "image/svg+xml", alt="Chart")


class BokehRenderer:
    """Shows a plot of Bokeh, interactive, in a frame of its own that carries the library."""

    def to_html(self, model: Any) -> str:
        """The frame."""
        embed = library("bokeh.embed", wants="bokeh>=3.4", renderer=self, extra=None)
        resources = library("bokeh.resources", wants="bokeh>=3.4", renderer=self, extra=None)
        return framed(embed.file_html(model, resources.INLINE, "Plot"), title="Plot", scripts=True)
