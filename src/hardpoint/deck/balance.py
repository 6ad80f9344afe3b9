"""Closes what a fragment of HTML leaves open, and cuts one that is too long: it cannot spill over its neighbours."""

from __future__ import annotations

import re
from collections import Counter

__all__ = ["balanced"]

_TOKEN = re.compile(
    r"<!--.*?-->"
    r"|<(?:!(?!--)|\?|/(?![a-zA-Z]))[^>]*+>"  # a doctype, or what browsers take for a comment
    r"|<(?P<end>/?)(?P<tag>[a-zA-Z][^\s/>]*+)(?:[^>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')|=)*+>"
    r"|<(?P<unfinished>[a-zA-Z/!?])",
    re.DOTALL,
)
# https://html.spec.whatwg.org/multipage/syntax.html#void-elements
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"},
)
# What stands inside of these is text up to their end tag, whatever it looks like.
_RAW = frozenset({"script", "style", "textarea", "title", "iframe", "xmp", "noembed", "noframes"})


def balanced(html: str, limit: int | None = None) -> tuple[str, bool]:
    """The fragment with each element closed, and whether it was cut.

    End tags that close nothing are left out; what is open at the end is closed.

    Args:
        html: A fragment.
        limit: How many characters may be taken from it. A cut falls between two pieces of markup or within text, never
            inside of a tag, a script or a style.
    """
    end = len(html) if limit is None else min(limit, len(html))
    open_tags: list[str] = []
    counts: Counter[str] = Counter()  # of each in `open_tags`
    kept: list[str] = []
    position = 0  # up to here the fragment is in `kept`
    cursor = 0
    while (token := _TOKEN.search(html, cursor)) is not None and token.start() < end:
        if token["unfinished"] or token.end() > end:
            end = token.start()  # of an unfinished tag, browsers take all that follows for a part
            break
        cursor = token.end()
        tag = (token["tag"] or "").lower()
        if token["end"]:
            kept.append(html[position : token.start()])
            opened = counts[tag] > 0
            position = token.start() if opened else cursor
            while opened:
                inner = open_tags.pop()
                counts[inner] -= 1
                if inner == tag:
                    break
                kept.append(_closed(inner))
        elif tag in _RAW:
            closing = re.compile(rf"</{tag}(?=[\s/>])[^>]*>", re.IGNORECASE).search(html, cursor)
            if closing is None or closing.end() > end:
                end = token.start()
                break
            cursor = closing.end()
        elif tag and tag not in _VOID:
            open_tags.append(tag)
            counts[tag] += 1
    stop = _text_end(html, cursor, end)
    kept.append(html[position:stop])
    kept.extend(_closed(tag) for tag in reversed(open_tags))
    return "".join(kept), stop < len(html)


def _closed(tag: str) -> str:
    return "" if tag == "p" else f"</{tag}>"  # to close a paragraph that something else has closed would make a new one


def _text_end(html: str, start: int, end: int) -> int:
    """Where the text between two places has to stop, so that no character reference is cut in two."""
    if end < len(html):
        reference = html.rfind("&", max(start, end - 32), end)
        if reference != -1 and ";" not in html[reference:end]:
            return reference
    return end
