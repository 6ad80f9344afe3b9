"""The page that shows a task's decks: one HTML file that needs nothing else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardpoint.deck.balance import balanced
from hardpoint.deck.markup import escape, notice
from hardpoint.settings import settings

if TYPE_CHECKING:
    from hardpoint.context import DeckLike, FileAccessLike

__all__ = ["DECK_FILE_NAME", "page", "write"]

DECK_FILE_NAME = "deck.html"

# Nothing is fetched and nothing is sent: a deck may show data that must not leave. Scripts of the page itself may
# run, because charts are made of them; `unsafe-eval` is for the expressions of chart libraries that compile theirs.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:; media-src data: blob:; worker-src blob:; base-uri 'none'; form-action 'none'"
)

# Every store has its own word for it.
_CONTENT_TYPE: dict[str, dict[str, Any]] = {
    "s3": {"ContentType": "text/html"},
    "gs": {"content_type": "text/html"},
    "abfs": {"content_settings": {"content_type": "text/html"}},
}

PLOTLY_MARK = "plotly-graph-div"
"""The class that marks a chart of plotly.js, which the page then carries once."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>
{style}</style>
<noscript><style>
{noscript}</style></noscript>
{library}</head>
<body>
<nav id="flyte-frame-nav" aria-label="Decks"><ul id="flyte-frame-tabs" role="tablist">
{tabs}
</ul></nav>
<div id="flyte-frame-container">
{panels}
</div>
<script>
{script}</script>
</body>
</html>
"""


@cache
def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def page(decks: Iterable[DeckLike], title: str = "Deck") -> str:
    """One HTML page with a tab for each deck.

    It fetches nothing, works without scripts and in print (decks below one another), and is the same for the same
    decks. Decks of one name share a tab; a deck past ``settings().deck.max_bytes`` is cut, with a notice.

    Args:
        decks: The decks, in the order of their tabs.
        title: The page's title.
    """
    bodies: dict[str, list[str]] = {}
    for deck in decks:
        bodies.setdefault(deck.name, []).append(deck.html)
    library = _plotly_library() if any(PLOTLY_MARK in body for pieces in bodies.values() for body in pieces) else ""
    tabs: list[str] = []
    panels: list[str] = []
    for number, (name, pieces) in enumerate(bodies.items()):
        label = escape(name) or "(unnamed)"
        chosen = ' class="active"' if number == 0 else ""
        state = 'aria-selected="true" tabindex="0"' if number == 0 else 'aria-selected="false" tabindex="-1"'
        tabs.append(
            f'<li id="flyte-tab-{number}"{chosen} role="tab" aria-controls="flyte-deck-{number}" {state} '
            f'onclick="handleLinkClick(this)">{label}</li>'
        )
        panels.append(
            f'<div id="flyte-deck-{number}"{chosen} role="tabpanel" aria-labelledby="flyte-tab-{number}" tabindex="0">'
            f'<h2 class="hp-heading">{label}</h2>\n{_body(pieces, library)}\n</div>'
        )
    if not panels:
        panels.append('<p class="hp-empty">This task has left no decks.</p>')
    return _PAGE.format(
        policy=CONTENT_SECURITY_POLICY,
        title=escape(title),
        style=_asset("page.css"),
        noscript=_asset("noscript.css"),
        library=f"<script>{library}</script>\n" if library else "",
        tabs="\n".join(tabs),
        panels="\n".join(panels),
        script=_asset("page.js"),
    )


def write(decks: Iterable[DeckLike], uri: str | os.PathLike[str], files: FileAccessLike, title: str = "Deck") -> str:
    """Store the page of the decks, and return where it is.

    Args:
        decks: The decks, in the order of their tabs.
        uri: The folder that ``deck.html`` goes to, or the file's own place if it ends in ``.html``.
        files: Storage access.
        title: The page's title.
    """
    from hardpoint.storage.options import canonical
    from hardpoint.storage.uris import join, protocol

    target = os.fspath(uri)
    if not target.endswith(".html"):
        target = join(target, DECK_FILE_NAME)
    with tempfile.TemporaryDirectory(prefix="hardpoint-deck-") as folder:
        local = Path(folder) / DECK_FILE_NAME
        local.write_text(page(decks, title), encoding="utf-8", newline="\n")
        files.put_data(str(local), target, **_CONTENT_TYPE.get(canonical(protocol(target)), {}))
    return target


def _body(pieces: list[str], library: str) -> str:
    """The markup of one tab, within its budget."""
    budget = settings().deck.max_bytes
    shown: list[str] = []
    left = budget
    for piece in pieces:
        if library:
            # Charts that bring plotly.js along would each add some megabytes.
            piece = piece.replace(library, "")
        # Lone surrogates, which no UTF-8 file can hold, become question marks.
        encoded = piece.encode("utf-8", "replace")
        limit = None if len(encoded) <= left else len(encoded[: max(left, 0)].decode("utf-8", "ignore"))
        fragment, cut = balanced(encoded.decode("utf-8"), limit)
        shown.append(fragment)
        if cut and limit is not None:
            whole = sum(len(p.encode("utf-8", "replace")) for p in pieces)
            shown.append(
                notice(
                    f"Cut: this deck has {_size(whole)}, and {_size(budget)} may be shown. "
                    "HARDPOINT_DECK_MAX_BYTES raises the limit."
                )
            )
            break
        left -= len(encoded)
    return "\n".join(shown)


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def _plotly_library() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:  # the decks were made elsewhere; their charts say that they need it
        return ""
    library: str = get_plotlyjs()
    return library
