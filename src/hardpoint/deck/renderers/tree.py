"""JSON-like data as a tree that folds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import islice
from typing import Any

from hardpoint.deck.markup import escape

__all__ = ["JSONRenderer"]


class JSONRenderer:
    """Shows dicts, lists and what they hold as a tree whose branches fold.

    Args:
        max_items: Entries of one branch that are shown.
        max_depth: Levels that are shown.
        max_nodes: Entries that are shown altogether.
        max_chars: Characters of one text that are shown.
        open_depth: Levels that are unfolded to begin with.
    """

    def __init__(
        self,
        max_items: int = 100,
        max_depth: int = 20,
        max_nodes: int = 5000,
        max_chars: int = 2000,
        open_depth: int = 2,
    ) -> None:
        self.max_items, self.max_depth, self.max_nodes = max_items, max_depth, max_nodes
        self.max_chars, self.open_depth = max_chars, open_depth

    def to_html(self, python_value: Any) -> str:
        """The tree; keys stand in the order that the value has them."""
        return f'<div class="hp-tree">{"".join(self._node("", python_value, 0, [self.max_nodes]))}</div>'

    def _node(self, key: str, value: Any, depth: int, left: list[int]) -> Iterator[str]:
        left[0] -= 1
        if isinstance(value, Mapping):
            brackets = "{}"
        elif isinstance(value, (Sequence, Set)) and not isinstance(value, (str, bytes, bytearray, memoryview)):
            brackets = "[]"
        else:
            yield f"{key}{self._leaf(value)}"
            return
        count = len(value)
        kind = f'<span class="hp-kind">{brackets[0]}{count}{brackets[1]}</span>'
        if count == 0 or depth >= self.max_depth:
            yield f"{key}{kind}"
            return
        unfolded = " open" if depth < self.open_depth else ""
        yield f"<details{unfolded}><summary>{key}{kind}</summary><ul>"
        shown = 0
        entries = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, item in islice(entries, self.max_items):
            if left[0] <= 0:
                break
            shown += 1
            label = f'<span class="hp-key">{escape(self._short(str(name)))}</span>: '
            yield "<li>"
            yield from self._node(label, item, depth + 1, left)
            yield "</li>"
        if shown < count:
            yield f'<li class="hp-kind">{count - shown:,} more</li>'
        yield "</ul></details>"

    def _leaf(self, value: Any) -> str:
        if value is None or isinstance(value, (bool, int, float)):
            return escape(str(value))
        if isinstance(value, str):
            return f"&quot;{escape(self._short(value))}&quot;"
        return escape(self._short(str(value)))

    def _short(self, value: str) -> str:
        if len(value) <= self.max_chars:
            return value
        return f"{value[: self.max_chars]}… ({len(value):,} characters)"
