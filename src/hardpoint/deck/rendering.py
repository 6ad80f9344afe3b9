"""`render`: any value as HTML for a deck, whatever happens."""

from __future__ import annotations

import logging
from typing import Any

from hardpoint._lazy import Ref
from hardpoint.context import FlyteContextManager
from hardpoint.deck.markup import Renderable, SafeHtml, error_box, text
from hardpoint.errors import HardpointError
from hardpoint.integration import catalogue, public_path

__all__ = ["register_renderer", "render"]

logger = logging.getLogger(__name__)

_registered: dict[type | str, Renderable] = {}

_HERE = "hardpoint.deck.renderers"
_BUILT_IN = {
    path: Ref(f"{_HERE}.{target}")
    for path, target in {
        "pandas.DataFrame": "frames:TopFrameRenderer",
        "pandas.Series": "frames:TopFrameRenderer",
        "pyarrow.Table": "frames:ArrowRenderer",
        "pyarrow.lib.Table": "frames:ArrowRenderer",
        "pyarrow.RecordBatch": "frames:ArrowRenderer",
        "builtins.dict": "tree:JSONRenderer",
        "builtins.list": "tree:JSONRenderer",
        "builtins.tuple": "tree:JSONRenderer",
        "PIL.Image.Image": "images:ImageRenderer",
        "matplotlib.figure.Figure": "figures:MatplotlibRenderer",
        "plotly.basedatatypes.BaseFigure": "charts:PlotlyRenderer",
        "altair.TopLevelMixin": "charts:AltairRenderer",
        "bokeh.model.Model": "charts:BokehRenderer",
    }.items()
}


def register_renderer(python_type: type | str, renderer: Renderable) -> None:
    """Render the values of a class, and of its subclasses, with `renderer` from now on.

    Args:
        python_type: The class, or its public path (``"polars.DataFrame"``), which spares importing it.
        renderer: What renders them; it takes the place of an earlier one.
    """
    _registered[python_type] = renderer


def render(value: Any, python_type: Any = None) -> str:
    """The value as HTML; never raises: a renderer that fails leaves a box with its error in the deck.

    The first of these that exists renders: a `Renderable` in the type's `Annotated`; the renderer registered for the
    value's class or the nearest of its bases, by hand or by a manifest; `to_html` of the type's transformer, where it
    has its own; what the value shows in notebooks, in a frame without scripts; its text, escaped.

    Args:
        value: The value.
        python_type: Its declared type, with `Annotated` extras; the value's class if None.
    """
    if isinstance(value, SafeHtml):
        return value
    try:
        return _render(value, type(value) if python_type is None else python_type)
    except Exception as error:
        what = f"A value of type {type(value).__qualname__} could not be rendered"
        logger.warning("%s", what, exc_info=True)
        return error_box(error, what)


def _render(value: Any, python_type: Any) -> str:
    renderer = _annotated(python_type) or _for_class(type(value))
    if renderer is not None:
        return _checked(renderer.to_html(value), renderer)
    transformer = _transformer(python_type)
    if transformer is not None:
        return _checked(transformer.to_html(FlyteContextManager.current_context(), value, python_type), transformer)
    if hasattr(value, "_repr_mimebundle_") or hasattr(value, "_repr_html_"):
        from hardpoint.deck.renderers.notebook import NotebookRenderer

        return NotebookRenderer().to_html(value)
    return text(str(value))


def _checked(markup: Any, source: Any) -> str:
    if not isinstance(markup, str):
        raise TypeError(f"{type(source).__qualname__}.to_html gave a {type(markup).__qualname__}, not text")
    return markup


def _annotated(python_type: Any) -> Renderable | None:
    for extra in getattr(python_type, "__metadata__", ()):
        if isinstance(extra, Renderable) and not isinstance(extra, type):
            return extra
    return None


def _for_class(cls: type) -> Renderable | None:
    for base in cls.__mro__:
        if base in _registered:
            return _registered[base]
        for path in public_path(base):
            if path in _registered:
                return _registered[path]
            owned = catalogue.find("renderers", path)
            if owned is not None:
                integration, target = owned
                return _made(integration.load(target))
            if path in _BUILT_IN:
                return _made(_BUILT_IN[path].load())
    return None


def _made(renderer: Any) -> Renderable:
    made: Renderable = renderer() if isinstance(renderer, type) else renderer
    return made


def _transformer(python_type: Any) -> Any:
    """The type's transformer, if it renders in a way of its own."""
    from hardpoint.types import TypeEngine
    from hardpoint.types.transformer import TypeTransformer

    try:
        transformer = TypeEngine.get_transformer(python_type)
    except HardpointError:  # no transformer, or an unusable type: the text of the value says enough
        return None
    return transformer if type(transformer).to_html is not TypeTransformer.to_html else None
