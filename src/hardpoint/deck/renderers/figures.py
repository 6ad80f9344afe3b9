"""Figures of Matplotlib."""

from __future__ import annotations

import io
import sys
from typing import Any

from hardpoint.deck.markup import image
from hardpoint.deck.renderers.library import library
from hardpoint.errors import TypeTransformerFailedError, UserError

__all__ = ["MatplotlibRenderer"]

# A drawing of more marks than this is smaller, and faster to show, as pixels.
_LARGEST_SVG = 1_000_000


class MatplotlibRenderer:
    """Shows a figure of Matplotlib, or of a library built on it.

    Args:
        format: ``svg`` (as PNG if that would exceed 1 MB) or ``png``.
        close: Whether the figure is closed afterwards; pyplot keeps every figure until then.
        alt: What a screen reader says in its place.

    Raises:
        UserError: an unknown format.
    """

    def __init__(self, format: str = "svg", close: bool = False, alt: str = "Figure") -> None:
        if format not in ("svg", "png"):
            raise UserError(f"A figure can be shown as svg or png, not as {format!r}.")
        self.format, self.close, self.alt = format, close, alt

    def to_html(self, figure: Any) -> str:
        """The figure as an image.

        Args:
            figure: A figure, or something that has one as its ``figure``, such as axes.

        Raises:
            TypeTransformerFailedError: it is neither.
        """
        figure = figure if hasattr(figure, "savefig") else getattr(figure, "figure", None)
        if figure is None:
            raise TypeTransformerFailedError("This has neither savefig() nor a figure.")
        data, kind = (self._svg(figure), "svg+xml") if self.format == "svg" else (b"", "png")
        if kind == "png" or len(data) > _LARGEST_SVG:
            data, kind = self._saved(figure, "png", dpi=144), "png"
        if self.close and "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close(figure)
        return image(data, f"image/{kind}", self.alt)

    def _svg(self, figure: Any) -> bytes:
        matplotlib = library("matplotlib", wants="matplotlib>=3.9", renderer=self)
        with matplotlib.rc_context({"svg.hashsalt": "hardpoint"}):  # else ids are random
            return self._saved(figure, "svg", metadata={"Date": None})

    @staticmethod
    def _saved(figure: Any, kind: str, **options: Any) -> bytes:
        out = io.BytesIO()
        figure.savefig(out, format=kind, bbox_inches="tight", **options)
        return out.getvalue()
