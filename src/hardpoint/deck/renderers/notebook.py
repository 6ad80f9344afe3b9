"""Values that know how to show themselves in notebooks."""

from __future__ import annotations

import base64
from typing import Any

from hardpoint.deck.markup import framed, image, text
from hardpoint.errors import TypeTransformerFailedError

__all__ = ["NotebookRenderer"]

# https://ipython.readthedocs.io/en/stable/config/integrating.html#rich-display
_IMAGES = ("image/svg+xml", "image/png", "image/jpeg")


class NotebookRenderer:
    """Shows a value by its MIME bundle or ``_repr_html_``.

    An image is embedded as one; HTML goes into a frame in which no script runs and that cannot reach the page, since
    nobody vouches for what its author has put there unescaped.

    Args:
        scripts: Let scripts of the HTML run, inside of the frame.
    """

    def __init__(self, scripts: bool = False) -> None:
        self.scripts = scripts

    def to_html(self, python_value: Any) -> str:
        """The first of SVG, PNG, JPEG, HTML and text that the value offers.

        Raises:
            TypeTransformerFailedError: it offers none.
        """
        bundle = _bundle(python_value)
        name = type(python_value).__name__
        for mime in _IMAGES:
            if mime in bundle:
                data = bundle[mime]
                if isinstance(data, str):
                    data = data.encode("utf-8") if mime == "image/svg+xml" else base64.b64decode(data)
                return image(data, mime, alt=name)
        if "text/html" in bundle:
            return framed(str(bundle["text/html"]), title=name, scripts=self.scripts)
        if "text/plain" in bundle:
            return text(str(bundle["text/plain"]))
        raise TypeTransformerFailedError(f"{name} offers nothing for a notebook that a deck can show.")


def _bundle(value: Any) -> dict[str, Any]:
    make = getattr(value, "_repr_mimebundle_", None)
    made = make() if make is not None else None
    if isinstance(made, tuple):  # (data, metadata)
        made = made[0]
    bundle = dict(made or {})
    for mime, method in (
        ("image/svg+xml", "_repr_svg_"),
        ("image/png", "_repr_png_"),
        ("image/jpeg", "_repr_jpeg_"),
        ("text/html", "_repr_html_"),
    ):
        offer = getattr(value, method, None)
        data = offer() if mime not in bundle and offer is not None else None
        if data is not None:
            bundle[mime] = data[0] if isinstance(data, tuple) else data
    return bundle
