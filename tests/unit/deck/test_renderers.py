from __future__ import annotations

import base64
import io
import json
import re
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import PIL.Image
import pytest
from bokeh.plotting import figure as bokeh_figure
from matplotlib import pyplot
from matplotlib.figure import Figure

from hardpoint.context import ExecutionParameters, FlyteContextManager
from hardpoint.deck import (
    BoxRenderer,
    FrameProfilingRenderer,
    GanttChartRenderer,
    ImageRenderer,
    JSONRenderer,
    MarkdownRenderer,
    MatplotlibRenderer,
    NotebookRenderer,
    PlotlyRenderer,
    PythonDependencyRenderer,
    Renderable,
    SourceCodeRenderer,
    render,
)
from hardpoint.deck.renderers.library import library
from hardpoint.errors import MissingDependencyError, TypeTransformerFailedError, UserError
from hardpoint.settings import override
from hardpoint.storage import FileAccess
from tests.unit.deck.conftest import PAYLOAD, harmless


def embedded(html: str) -> tuple[str, bytes]:
    """The kind and the bytes of the one image in the markup."""
    ((kind, data),) = re.findall(r'<img src="data:image/([a-z+]+);base64,([^"]*)"', html)
    return kind, base64.b64decode(data)


def opened(html: str) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(embedded(html)[1]))


def test_every_renderer_keeps_the_contract() -> None:
    import hardpoint.deck

    names = [name for name in hardpoint.deck.__all__ if name.endswith("Renderer")]
    assert len(names) == 16
    for name in names:
        renderer = getattr(hardpoint.deck, name)
        assert isinstance(renderer("column") if name == "BoxRenderer" else renderer(), Renderable)


class TestMarkdown:
    def test_prose_with_tables(self) -> None:
        html = MarkdownRenderer().to_html("# Title\n\n*soft*\n\n|a|\n|-|\n|1|")
        assert "<h1>Title</h1>" in html
        assert "<em>soft</em>" in html
        assert "<td>1</td>" in html

    @pytest.mark.parametrize("text", [PAYLOAD, f"`{PAYLOAD}`", f"[x]({PAYLOAD})", f"```{PAYLOAD}\n{PAYLOAD}\n```"])
    def test_html_is_shown_as_text(self, text: str) -> None:
        assert harmless(MarkdownRenderer().to_html(text))

    def test_links_run_nothing(self) -> None:
        assert "href" not in MarkdownRenderer().to_html("[x](javascript:alert(1))")


class TestSourceCode:
    def test_colours_are_written_into_the_code(self) -> None:
        html = SourceCodeRenderer().to_html("def f() -> str:\n    return 'x'\n")
        assert re.search(r'<span style="color: #080; font-weight: bold">def</span>', html)
        assert "background" not in html

    def test_code_and_title_are_escaped(self) -> None:
        html = SourceCodeRenderer(title=f'">{PAYLOAD}').to_html(f"x = {PAYLOAD!r}  # {PAYLOAD}")
        assert harmless(html)


class TestDependencies:
    @staticmethod
    def install(folder: Path, name: str, version: str, direct_url: object = None) -> None:
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        if direct_url is not None:
            text = direct_url if isinstance(direct_url, str) else json.dumps(direct_url)
            (info / "direct_url.json").write_text(text)

    @pytest.fixture
    def requirements(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second")])

        def listed() -> list[str]:
            html = PythonDependencyRenderer().to_html()
            assert harmless(html)
            (lines,) = re.findall(r"<pre>(.*?)</pre>", html, re.DOTALL)
            return str(lines).splitlines()

        return listed

    def test_names_in_order_and_each_once(self, tmp_path: Path, requirements: Any) -> None:
        self.install(tmp_path / "first", "b_b", "1.0")
        self.install(tmp_path / "second", "B-B", "2.0")
        self.install(tmp_path / "second", "A", "3.0")
        (tmp_path / "second" / "leftover-1.0.dist-info").mkdir()
        assert requirements() == ["A==3.0", "b_b==1.0"]

    @pytest.mark.parametrize(
        ("direct_url", "line"),
        [
            (
                {"url": "https://token@git.example/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
                "x @ git+https://git.example/r.git@abc",
            ),
            (
                {"url": "ssh://git:password@git.example/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
                "x @ git+ssh://git@git.example/r.git@abc",
            ),
            (
                {"url": "https://u:p@files.example/x.whl?sig=1#token", "archive_info": {}},
                "x @ https://files.example/x.whl",
            ),
            (
                {"url": "file:///home/me/x", "dir_info": {"editable": True}},
                "# x==1.0 was installed from a local folder",
            ),
            ("not json", "x==1.0"),
            ({"no": "url"}, "x==1.0"),
            ([], "x==1.0"),
        ],
    )
    def test_where_it_came_from_without_credentials(
        self, tmp_path: Path, requirements: Any, direct_url: object, line: str
    ) -> None:
        self.install(tmp_path / "first", "x", "1.0", direct_url)
        assert requirements() == [line]

    def test_versions_are_escaped(self, tmp_path: Path, requirements: Any) -> None:
        info = tmp_path / "first" / "x-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: x\nVersion: {PAYLOAD}\n")
        assert requirements()[0].startswith("x==&lt;script&gt;")

    def test_this_environment(self) -> None:
        html = PythonDependencyRenderer().to_html()
        assert re.search(r'<th scope="row">pytest</th><td>\d', html)
        assert "Copy table as requirements.txt" in html


class TestImage:
    IMAGE = PIL.Image.new("RGB", (40, 20), "red")

    def test_every_source(self, tmp_path: Path) -> None:
        path = tmp_path / "red.png"
        self.IMAGE.save(path)

        class FileLike:
            def __fspath__(self) -> str:
                return str(path)

        for source in (self.IMAGE, path, str(path), path.read_bytes(), FileLike()):
            html = ImageRenderer().to_html(source)
            assert opened(html).size == (40, 20)
            assert 'alt="Rendered Image"' in html

    def test_a_uri_is_read_through_storage(self, tmp_path: Path) -> None:
        files = FileAccess(str(tmp_path))
        with files.open("memory://deck/red.png", "wb") as stream:
            self.IMAGE.save(stream, "png")
        with FlyteContextManager.use(files=files):
            assert opened(ImageRenderer().to_html("memory://deck/red.png")).size == (40, 20)

    def test_images_are_found_without_being_told(self) -> None:
        assert embedded(render(self.IMAGE))[0] == "png"

    def test_large_ones_are_scaled_and_the_original_is_left_alone(self) -> None:
        large = PIL.Image.new("RGB", (400, 100))
        with override(deck={"max_image_edge": 200}):
            assert opened(ImageRenderer().to_html(large)).size == (200, 50)
        assert large.size == (400, 100)

    @pytest.mark.parametrize(
        "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "F", "I", "I;16", "HSV", "LAB", "YCbCr"]
    )
    def test_every_mode(self, mode: str) -> None:
        assert opened(ImageRenderer().to_html(PIL.Image.new(mode, (4, 4)))).size == (4, 4)

    def test_photos_stay_small_upright_and_tell_nothing(self) -> None:
        exif = PIL.Image.Exif()
        exif[0x0112] = 6  # lying on its side
        exif[0x010E] = "where it was taken"
        out = io.BytesIO()
        self.IMAGE.save(out, "JPEG", exif=exif)
        assert b"where it was taken" in out.getvalue()
        kind, data = embedded(ImageRenderer().to_html(out.getvalue()))
        assert kind == "jpeg"
        assert b"where it was taken" not in data
        assert PIL.Image.open(io.BytesIO(data)).size == (20, 40)

    @pytest.mark.parametrize("source", [3, None, object()])
    def test_other_sources_are_refused(self, source: object) -> None:
        with pytest.raises(TypeTransformerFailedError, match="Unsupported image source type"):
            ImageRenderer().to_html(source)

    def test_what_is_no_image_is_refused(self) -> None:
        with pytest.raises(TypeTransformerFailedError, match="no image in a format"):
            ImageRenderer().to_html(b"<svg/>")

    def test_the_alternative_text_is_escaped(self) -> None:
        assert harmless(ImageRenderer(alt=f'">{PAYLOAD}').to_html(self.IMAGE))


class TestMatplotlib:
    @staticmethod
    def drawn(title: str = "t") -> Figure:
        made = Figure()
        axes = made.subplots()
        axes.plot([1, 2], label=title)
        axes.set_title(title)
        return made

    def test_a_drawing_that_is_the_same_each_time(self) -> None:
        first = render(self.drawn())
        assert embedded(first)[0] == "svg+xml"
        assert first == render(self.drawn())

    def test_pixels(self) -> None:
        html = MatplotlibRenderer(format="png").to_html(self.drawn())
        assert embedded(html)[0] == "png"

    def test_a_drawing_of_very_many_marks_becomes_pixels(self) -> None:
        made = Figure()
        made.subplots().scatter(range(20_000), range(20_000))
        assert embedded(MatplotlibRenderer().to_html(made))[0] == "png"

    def test_axes_have_a_figure(self) -> None:
        assert embedded(MatplotlibRenderer().to_html(self.drawn().axes[0]))[0] == "svg+xml"

    def test_the_figure_is_closed_only_if_asked(self) -> None:
        with pyplot.rc_context({"backend": "agg"}):
            made, _ = pyplot.subplots()
            MatplotlibRenderer().to_html(made)
            assert pyplot.fignum_exists(made.number)
            MatplotlibRenderer(close=True).to_html(made)
            assert not pyplot.fignum_exists(made.number)

    def test_text_in_a_drawing_runs_nothing(self) -> None:
        assert harmless(MatplotlibRenderer(alt=PAYLOAD).to_html(self.drawn(PAYLOAD)))

    def test_what_is_wrong_is_said(self) -> None:
        with pytest.raises(UserError, match="svg or png, not as 'gif'"):
            MatplotlibRenderer(format="gif")
        with pytest.raises(TypeTransformerFailedError, match="neither"):
            MatplotlibRenderer().to_html(3)


class TestCharts:
    FRAME = pd.DataFrame(
        {
            "Start": pd.to_datetime(["2024-01-01", "2024-01-02"]),
            "Finish": pd.to_datetime(["2024-01-02", "2024-01-04"]),
            "Name": ["load", PAYLOAD],
            "n": [1, 2],
        }
    )

    @staticmethod
    def data(html: str) -> Any:
        """The figure that the script draws."""
        return json.loads(re.search(r"previousElementSibling, (\{.*\})\);</script>", html, re.DOTALL)[1])  # type: ignore[index]

    def test_a_figure_of_plotly(self) -> None:
        import plotly.graph_objects as go

        html = render(go.Figure(go.Scatter(y=[1, 2]), layout={"title": {"text": f"</script>{PAYLOAD}"}}))
        assert 'class="plotly-graph-div' in html
        assert html.count("</script>") == 1
        assert harmless(html)
        assert self.data(html)["layout"]["title"]["text"] == f"</script>{PAYLOAD}"
        assert len(html) < 20_000  # the library is not in it

    def test_the_same_figure_twice_draws_twice(self) -> None:
        import plotly.graph_objects as go

        figure = go.Figure(go.Scatter(y=[1]))
        assert PlotlyRenderer().to_html(figure) == PlotlyRenderer().to_html(figure)
        assert " id=" not in PlotlyRenderer().to_html(figure)

    def test_a_box_plot(self) -> None:
        (trace,) = self.data(BoxRenderer("n").to_html(self.FRAME))["data"]
        assert trace["type"] == "box"

    def test_a_gantt_chart(self) -> None:
        html = GanttChartRenderer().to_html(self.FRAME, chart_width=500)
        assert harmless(html)
        figure = self.data(html)
        assert [trace["name"] for trace in figure["data"]] == ["load", PAYLOAD]
        layout = figure["layout"]
        assert layout["width"] == 500
        assert layout["xaxis"]["tickangle"] == 90
        assert layout["xaxis"]["rangeslider"]["visible"] is True
        assert layout["yaxis"]["showticklabels"] is False
        assert (layout["legend"]["orientation"], layout["legend"]["y"]) == ("h", 1.02)

    def test_altair_is_drawn_or_says_what_it_needs(self) -> None:
        import altair

        html = render(altair.Chart(pd.DataFrame({"a": [PAYLOAD], "b": [1]})).mark_bar().encode(x="a", y="b"))
        assert harmless(html)
        assert embedded(html)[0] == "svg+xml"

    def test_bokeh_is_framed_with_its_library(self) -> None:
        plot = bokeh_figure(title=PAYLOAD)
        plot.line([1, 2], [1, 2])
        html = render(plot)
        assert html.startswith('<iframe class="hp-frame hp-frame-live" sandbox="allow-scripts" title="Plot"')
        assert harmless(html)
        assert not re.search(r"<(script|link)[^>]*(src|href)=", unescape(html))


class TestNotebook:
    def test_the_best_kind_is_taken(self) -> None:
        class Rich:
            def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Any:
                return {"text/plain": "x", "text/html": "<b>", "image/png": base64.b64encode(b"png").decode()}, {}

            def _repr_svg_(self) -> str | None:
                return None

        assert embedded(NotebookRenderer().to_html(Rich())) == ("png", b"png")

    def test_a_drawing_is_an_image_and_runs_nothing(self) -> None:
        class Drawing:
            def _repr_svg_(self) -> str:
                return f"<svg>{PAYLOAD}</svg>"

        html = NotebookRenderer().to_html(Drawing())
        assert harmless(html)
        assert embedded(html) == ("svg+xml", f"<svg>{PAYLOAD}</svg>".encode())

    def test_text_only(self) -> None:
        class Plain:
            def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Any:
                return {"text/plain": PAYLOAD}

        assert harmless(NotebookRenderer().to_html(Plain()))

    def test_scripts_run_only_if_asked_for(self) -> None:
        class Rich:
            def _repr_html_(self) -> str:
                return "<b>x</b>"

        assert 'sandbox="allow-same-origin"' in NotebookRenderer().to_html(Rich())
        assert 'sandbox="allow-scripts"' in NotebookRenderer(scripts=True).to_html(Rich())

    def test_nothing_to_show(self) -> None:
        with pytest.raises(TypeTransformerFailedError, match="int offers nothing"):
            NotebookRenderer().to_html(3)


class TestTree:
    def test_a_tree(self) -> None:
        html = JSONRenderer().to_html({"a": [1, None, True], "b": {}, "c": "x"})
        text = re.sub(r"<[^>]*>", "", re.sub(r"</li>|<ul>", "; ", html))
        assert text == "{3}; a: [3]; 0: 1; 1: None; 2: True; ; b: {0}; c: &quot;x&quot;; "

    def test_keys_and_values_are_escaped(self) -> None:
        assert harmless(JSONRenderer().to_html({PAYLOAD: [PAYLOAD, Path(PAYLOAD)]}))

    def test_limits(self) -> None:
        assert "90 more" in JSONRenderer(max_items=10).to_html(list(range(100)))
        assert JSONRenderer(max_depth=1).to_html([[1]]).count("<details") == 1
        assert "… (50 characters)" in JSONRenderer(max_chars=10).to_html(["x" * 50])
        assert JSONRenderer(max_nodes=50).to_html([[1] * 20] * 20).count("<li>") <= 50

    def test_a_list_within_itself_ends(self) -> None:
        endless: list[Any] = []
        endless.append(endless)
        assert JSONRenderer().to_html(endless).count("<details") == 20

    def test_containers_are_found_without_being_told(self) -> None:
        assert all(render(value).startswith('<div class="hp-tree">') for value in ({}, [], (1,)))


class TestMissingLibraries:
    def test_the_error_names_the_extra(self) -> None:
        with pytest.raises(
            MissingDependencyError, match=r"PlotlyRenderer needs x>=1.*\n.*pip install 'hardpoint\[deck\]'"
        ):
            library("no_such_library", wants="x>=1", renderer=PlotlyRenderer())

    def test_what_belongs_to_no_extra_is_named_itself(self) -> None:
        with pytest.raises(MissingDependencyError, match=r"pip install 'ydata-profiling>=4.12'"):
            FrameProfilingRenderer().to_html(pd.DataFrame())

    def test_a_library_that_is_broken_says_so_itself(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "broken_library.py").write_text("import no_such_library")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(ModuleNotFoundError, match="no_such_library") as raised:
            library("broken_library", wants="broken-library", renderer=PlotlyRenderer())
        assert not isinstance(raised.value, MissingDependencyError)


def test_rendering_in_a_task_needs_nothing_else(task: ExecutionParameters) -> None:
    task.default_deck.append(render({"a": pd.DataFrame({"x": [1]})}))
    assert task.decks[0].html.startswith('<div class="hp-tree">')
