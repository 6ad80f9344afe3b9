from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.deck.balance import balanced

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Nesting(HTMLParser):
    """Fails where an end tag does not close what was opened last."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(html)
        assert [tag for tag in self.open if tag != "p"] == []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open[-1] == "p" != tag:
            self.open.pop()
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<b>x</b>", "<b>x</b>"),
        ("<b><i>x</b></i>y", "<b><i>x</i></b>y"),
        ("</div>a<div>b", "a<div>b</div>"),
        ("<p>a<p>b", "<p>a<p>b"),
        ("<br/>x</br>", "<br/>x"),
        ("<script>if (a<b) {}</script>x", "<script>if (a<b) {}</script>x"),
        ("<a title=it's>x", "<a title=it's>x</a>"),
        ("<a title='>'>x", "<a title='>'>x</a>"),
        ("<!DOCTYPE html><!-- <b> -->text", "<!DOCTYPE html><!-- <b> -->text"),
        ("1 < 2 & 3", "1 < 2 & 3"),
        ("<DIV>x</div>", "<DIV>x</div>"),
    ],
)
def test_a_whole_fragment(html: str, expected: str) -> None:
    assert balanced(html) == (expected, False)


@pytest.mark.parametrize(
    ("html", "limit", "expected"),
    [
        ("<p>text</p>", 5, "<p>te"),
        ("<b>text</b>", 5, "<b>te</b>"),
        ("ab<div>", 5, "ab"),
        ("ab<div class='x'>y", 12, "ab"),
        ("a<script>1</script>b", 12, "a"),
        ("ab &amp; c", 6, "ab "),
        ("ab<!-- c -->d", 8, "ab"),
        ("", 0, ""),
        ("x", 0, ""),
    ],
)
def test_a_cut_fragment(html: str, limit: int, expected: str) -> None:
    assert balanced(html, limit) == (expected, len(html) > limit)


TAGS = ["div", "b", "p", "li", "ul", "a"]
PIECES = st.sampled_from(
    [
        *(f"<{tag}>" for tag in TAGS),
        *(f"</{tag}>" for tag in TAGS),
        *("<br>", "text", "&lt;", '<i title="x>y">', "<script>1<2</script>", "<!-- c -->", "< ", "&"),
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join), st.none() | st.integers(0, 80))
def test_any_fragment_comes_out_nested(html: str, limit: int | None) -> None:
    result, cut = balanced(html, limit)
    Nesting(result)
    assert cut or limit is None or len(html) <= limit
    if limit is None:
        assert balanced(result)[0] == result


@pytest.mark.parametrize(
    "piece", ["<a ", "<!--", "<a b='", "<a b='>' ", "</b>", "<p></b>", "<b><i></b>", "<script>", "<", "&"]
)
def test_the_work_grows_with_the_length_and_no_faster(piece: str) -> None:
    def seconds(count: int) -> float:
        start = time.process_time()
        balanced(piece * count)
        return time.process_time() - start

    assert seconds(80_000) < 20 * max(min(seconds(10_000) for _ in range(3)), 0.005)
