"""Images, scaled to what a page needs."""

from __future__ import annotations

import io
import os
from typing import Any

from hardpoint.context import FlyteContextManager
from hardpoint.deck.markup import image
from hardpoint.deck.renderers.library import library
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.settings import settings

__all__ = ["ImageRenderer"]


class ImageRenderer:
    """Shows an image: one of Pillow, the path or URI of a file, a `FlyteFile`, or the bytes of one.

    It is scaled down to ``settings().deck.max_image_edge``, and its metadata, such as where a photo was
    taken, is left out.

    Args:
        alt: What a screen reader says in its place.
    """

    def __init__(self, alt: str = "Rendered Image") -> None:
        self.alt = alt

    def to_html(self, image_src: Any) -> str:
        """The image, as part of the page; the first frame of an animation.

        Raises:
            TypeTransformerFailedError: it is none of these, or not in a format that Pillow reads.
            MissingDependencyError: Pillow is not installed.
        """
        pil = library("PIL.Image", wants="pillow>=11", renderer=self)
        if isinstance(image_src, pil.Image):
            return self._embedded(image_src)
        if isinstance(image_src, (bytes, bytearray)):
            source: Any = io.BytesIO(image_src)
        elif isinstance(image_src, (str, os.PathLike)):
            path = os.fspath(image_src)  # a FlyteFile is downloaded here
            source = FlyteContextManager.current_context().file_access.open(path) if "://" in path else path
        else:
            raise TypeTransformerFailedError(f"Unsupported image source type: {type(image_src).__qualname__}")
        try:
            with pil.open(source) as opened:
                return self._embedded(opened)
        except library("PIL", wants="pillow>=11", renderer=self).UnidentifiedImageError as error:
            raise TypeTransformerFailedError(f"This is no image in a format that Pillow reads: {error}") from error
        finally:
            if hasattr(source, "close"):
                source.close()

    def _embedded(self, original: Any) -> str:
        from PIL import ImageOps

        # Photos stay photos: as PNG they would take ten times the space.
        kind = "JPEG" if original.format == "JPEG" else "PNG"
        edge = settings().deck.max_image_edge
        if kind == "JPEG":
            original.draft(None, (edge, edge))  # decode no more pixels than are needed
        shown = ImageOps.exif_transpose(original)  # a copy, always
        shown.thumbnail((edge, edge))
        allowed = ("RGB", "L") if kind == "JPEG" else ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
        if shown.mode not in allowed:
            shown = shown.convert("RGB")
        shown.info = {key: value for key, value in shown.info.items() if key == "transparency"}
        out = io.BytesIO()
        shown.save(out, format=kind)
        return image(out.getvalue(), f"image/{kind.lower()}", self.alt)
