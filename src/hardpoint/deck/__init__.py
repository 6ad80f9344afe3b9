"""Decks: the HTML that a task leaves beside its outputs, the renderers that make it, and the page that shows it."""

from __future__ import annotations

from hardpoint.deck.deck import Deck, DeckField, TimeLineDeck, timeit
from hardpoint.deck.document import DECK_FILE_NAME, page, write
from hardpoint.deck.markup import Renderable, SafeHtml
from hardpoint.deck.rendering import register_renderer, render

__all__ = [
    "DECK_FILE_NAME",
    "Deck",
    "DeckField",
    "Renderable",
    "SafeHtml",
    "TimeLineDeck",
    "page",
    "register_renderer",
    "render",
    "timeit",
    "write",
]
