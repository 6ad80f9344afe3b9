from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hardpoint.context import ExecutionParameters, FlyteContextManager
from hardpoint.deck import Deck, PlotlyRenderer, page, write
from hardpoint.settings import override
from hardpoint.storage import FileAccess
from tests.services.s3 import S3
from tests.unit.deck.conftest import PAYLOAD, harmless


class Outline(HTMLParser):
    """The tabs and the panels of a page, and everything that it would fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tabs: list[str] = []
        self.panels: list[str] = []
        self.fetched: list[str] = []
        self.scripts = 0
        self._inside: list[tuple[str, str | None]] = []
        self.feed(html)
        assert self._inside == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.scripts += tag == "script"
        if tag in ("script", "img", "iframe", "link", "object"):
            self.fetched += [v for k, v in attrs if k in ("src", "href", "data") and v and not v.startswith("data:")]
        if attributes.get("role") == "tab":
            self.tabs.append("")
            assert attributes["onclick"] == "handleLinkClick(this)"
        if attributes.get("role") == "tabpanel":
            self.panels.append(attributes.get("class") or "")
            assert self._inside[-1] == ("div", "flyte-frame-container")
        if tag not in ("meta", "br", "img"):
            self._inside.append((tag, attributes.get("id")))

    def handle_endtag(self, tag: str) -> None:
        assert self._inside.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self._inside and self._inside[-1][0] == "li" and (self._inside[-1][1] or "").startswith("flyte-tab-"):
            self.tabs[-1] += data


def deck(name: str, html: str = "") -> Deck:
    return Deck(name, html, auto_add_to_deck=False)


def test_a_tab_and_a_panel_for_each_deck_in_their_order() -> None:
    outline = Outline(page([deck("b", "<p>1</p>"), deck("a", "<p>2</p>")]))
    assert outline.tabs == ["b", "a"]
    assert outline.panels == ["active", ""]


def test_the_layout_that_tools_look_for() -> None:
    html = page([deck("a")])
    assert '<nav id="flyte-frame-nav" aria-label="Decks"><ul id="flyte-frame-tabs" role="tablist">' in html
    assert '<div id="flyte-frame-container">' in html


def test_names_and_title_are_escaped() -> None:
    html = page([deck(PAYLOAD)], title=PAYLOAD)
    assert harmless(html)
    assert Outline(html).tabs == [PAYLOAD]


def test_decks_of_one_name_share_a_tab() -> None:
    html = page([deck("a", "<p>first</p>"), deck("b", "<p>other</p>"), deck("a", "<p>second</p>")])
    assert Outline(html).tabs == ["a", "b"]
    assert html.index("first") < html.index("second") < html.index("other")


def test_no_decks_and_no_name() -> None:
    assert "has left no decks" in page([])
    assert Outline(page([deck("")])).tabs == ["(unnamed)"]


def test_nothing_is_fetched_and_nothing_may_be() -> None:
    html = page([deck("a", "<p>x</p>")])
    assert Outline(html).fetched == []
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"https?:|\*", policy)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", html)


def test_the_same_decks_make_the_same_page() -> None:
    decks = [deck("a", "<p>é 漢</p>"), deck("b")]
    assert page(decks) == page(decks)
    assert page(decks).encode("utf-8").decode("utf-8") == page(decks)


def test_a_lone_surrogate_can_be_stored() -> None:
    assert "a?b" in page([deck("a", "a\udc80b")]).encode("utf-8").decode("utf-8")


@pytest.mark.parametrize(
    "body", ["</div></div></section>", "<div><section><b>", "<script>never closed", "<!-- never", "<p <a"]
)
def test_a_body_cannot_spill_over_its_neighbours(body: str) -> None:
    outline = Outline(page([deck("a", body), deck("b", "<p>whole</p>")]))
    assert len(outline.panels) == 2


class TestBudget:
    def test_a_long_deck_is_cut_with_a_notice(self) -> None:
        with override(deck={"max_bytes": 1000}):
            html = page([deck("long", "<ul>" + "<li>item</li>" * 1000 + "</ul>"), deck("short", "<p>whole</p>")])
        assert html.count("<li>item</li>") == 77  # the last one is closed where it was cut
        assert "Cut: this deck has 13.0 kB, and 1.0 kB may be shown. HARDPOINT_DECK_MAX_BYTES" in html
        assert "<p>whole</p>" in html
        assert len(Outline(html).panels) == 2

    def test_later_pieces_are_not_shown(self) -> None:
        with override(deck={"max_bytes": 100}):
            html = page([deck("long", "<p>early</p>").append("x" * 200).append("<p>late</p>")])
        assert "<p>early</p>" in html
        assert "<p>late</p>" not in html
        assert html.count("Cut:") == 1

    def test_bytes_count_not_characters(self) -> None:
        with override(deck={"max_bytes": 90}):
            assert "Cut:" not in page([deck("a", "漢" * 30)])
            assert page([deck("a", "漢" * 31)]).count("漢") == 30

    def test_a_deck_within_the_budget_is_whole(self) -> None:
        with override(deck={"max_bytes": 12}):
            assert "Cut:" not in page([deck("a", "<p>12345</p>")])


class TestPlotly:
    def test_the_library_is_on_the_page_once(self) -> None:
        import plotly.graph_objects as go
        from plotly.offline import get_plotlyjs

        figure = go.Figure(go.Scatter(y=[1, 2]))
        theirs = figure.to_html(full_html=False, include_plotlyjs=True)
        html = page([deck("a", PlotlyRenderer().to_html(figure)), deck("b", theirs).append(theirs)])
        assert html.count(get_plotlyjs()) == 1
        assert html.index(get_plotlyjs()) < html.index("<body>")
        assert html.count("Plotly.newPlot") == 3 + get_plotlyjs().count("Plotly.newPlot")

    def test_a_page_without_charts_does_not_carry_it(self) -> None:
        assert len(page([deck("a", "<p>plain</p>")])) < 30_000


class TestWrite:
    def test_a_folder_or_a_file(self, tmp_path: Path) -> None:
        files = FileAccess(str(tmp_path / "raw"))
        assert write([deck("a")], tmp_path / "out", files) == f"{tmp_path}/out/deck.html"
        assert write([deck("a")], f"{tmp_path}/report.html", files, title="Ü") == f"{tmp_path}/report.html"
        assert "<title>Ü</title>" in (tmp_path / "report.html").read_text(encoding="utf-8")

    def test_stores_are_told_that_it_is_html(self, s3: S3, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        params = ExecutionParameters(enable_deck=True, output_metadata_prefix=f"{s3_bucket}/meta")
        files = FileAccess(f"{s3_bucket}/raw")
        with FlyteContextManager.use(params=params, files=files):
            Deck("a", "<p>stored</p>")
            assert Deck.publish() == f"{s3_bucket}/meta/deck.html"
        stored = files.filesystem(s3_bucket)
        assert stored.info(f"{s3_bucket}/meta/deck.html")["ContentType"] == "text/html"
        assert b"<p>stored</p>" in stored.cat_file(f"{s3_bucket}/meta/deck.html")


def test_importing_the_room_loads_no_library_and_no_renderer() -> None:
    probe = (
        "import sys, hardpoint.deck as d; d.render;"
        "print([m for m in sys.modules if m.partition('.')[0] in"
        "('pandas', 'pyarrow', 'pygments', 'markdown_it', 'PIL', 'plotly', 'matplotlib', 'numpy', 'fsspec', 'asyncio')"
        " or m.startswith('hardpoint.deck.renderers')])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_exported_name_is_there() -> None:
    import hardpoint.deck

    assert all(getattr(hardpoint.deck, name).__module__ for name in hardpoint.deck.__all__ if name != "DECK_FILE_NAME")
    assert set(hardpoint.deck.__all__) <= set(dir(hardpoint.deck))
