"""Names that users know from `flytekit.deck.renderer`."""

from hardpoint.deck.markup import Renderable
from hardpoint.deck.renderers.dependencies import PythonDependencyRenderer
from hardpoint.deck.renderers.frames import ArrowRenderer, TopFrameRenderer
from hardpoint.deck.renderers.prose import MarkdownRenderer, SourceCodeRenderer

__all__ = [
    "ArrowRenderer",
    "MarkdownRenderer",
    "PythonDependencyRenderer",
    "Renderable",
    "SourceCodeRenderer",
    "TopFrameRenderer",
]
