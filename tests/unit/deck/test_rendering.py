from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
import pytest

from hardpoint.deck import Renderable, SafeHtml, register_renderer, render
from hardpoint.deck.rendering import _registered
from hardpoint.errors import MissingDependencyError, UserError
from hardpoint.idl import Literal, LiteralType
from hardpoint.integration import Integration, catalogue
from hardpoint.secrets import remember
from hardpoint.types import TypeEngine, TypeTransformer
from tests.unit.deck.conftest import PAYLOAD, harmless


@dataclass(frozen=True)
class Says:
    """A renderer that shows who was asked."""

    word: str

    def to_html(self, python_value: Any) -> str:
        return f"<i>{self.word}</i>"


class Base:
    pass


class Derived(Base):
    pass


class Declared:
    """What a manifest declares a renderer for."""


class Transformed:
    """What has a transformer that renders."""


class TransformedTransformer(TypeTransformer[Transformed]):
    def __init__(self) -> None:
        super().__init__("transformed", Transformed)

    def get_literal_type(self, t: Any) -> LiteralType:
        return LiteralType(simple="NONE")

    def to_literal(self, ctx: Any, python_val: Any, python_type: Any, expected: Any) -> Literal:
        raise NotImplementedError

    def to_html(self, ctx: Any, python_val: Any, expected_python_type: Any) -> str:
        return "<i>transformer</i>"


integration = Integration(
    name="deck-test",
    title="Deck test",
    summary="Declares a renderer.",
    renderers={f"{__name__}.Declared": f"{__name__}:Says_it"},
)


class Says_it(Says):
    def __init__(self) -> None:
        super().__init__("manifest")


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hardpoint.deck.rendering._registered", dict(_registered))


class TestOrder:
    def test_a_renderer_in_the_type_comes_first(self) -> None:
        register_renderer(Base, Says("registered"))
        assert render(Base(), Annotated[Base, "note", Says("first"), Says("second")]) == "<i>first</i>"

    def test_a_class_in_the_type_is_no_renderer(self) -> None:
        register_renderer(Base, Says("registered"))
        assert render(Base(), Annotated[Base, Says]) == "<i>registered</i>"

    def test_a_subclass_is_rendered_like_its_base(self) -> None:
        register_renderer(Base, Says("base"))
        assert render(Derived()) == "<i>base</i>"
        register_renderer(Derived, Says("derived"))
        assert render(Derived()) == "<i>derived</i>"
        assert render(Base()) == "<i>base</i>"

    def test_a_class_can_be_named_by_its_path(self) -> None:
        register_renderer(f"{__name__}.Base", Says("path"))
        assert render(Derived()) == "<i>path</i>"

    def test_a_built_in_renderer_can_be_replaced(self) -> None:
        register_renderer("pandas.DataFrame", Says("mine"))
        assert render(pd.DataFrame()) == "<i>mine</i>"

    def test_a_manifest_declares_renderers(self) -> None:
        catalogue.add(integration)
        assert render(Declared()) == "<i>manifest</i>"

    def test_the_transformer_comes_after_them(self) -> None:
        TypeEngine.register(TransformedTransformer())
        assert render(Transformed(), Transformed) == "<i>transformer</i>"
        register_renderer(Transformed, Says("registered"))
        assert render(Transformed(), Transformed) == "<i>registered</i>"

    def test_the_default_of_a_transformer_is_the_text(self) -> None:
        assert render(3, int) == render(3) == '<div class="hp-text">3</div>'

    def test_what_notebooks_show_is_shown_in_a_frame_without_scripts(self) -> None:
        class Rich:
            def _repr_html_(self) -> str:
                return PAYLOAD

        html = render(Rich())
        assert html.startswith('<iframe class="hp-frame" sandbox="allow-same-origin" title="Rich" srcdoc="&lt;script')
        assert harmless(html)

    def test_text_is_escaped_and_trusted_markup_is_not(self) -> None:
        assert render("<b>\nx</b>", str) == '<div class="hp-text">&lt;b&gt;\nx&lt;/b&gt;</div>'
        assert render(SafeHtml("<b>x</b>"), str) == "<b>x</b>"
        assert SafeHtml("<b>").__html__() == "<b>"


class TestFailure:
    """Whatever a renderer does, there is something to see, and the task goes on."""

    @staticmethod
    def failing(error: Exception) -> Renderable:
        class Fails:
            def to_html(self, python_value: Any) -> str:
                raise error

        return Fails()

    def test_a_box_shows_the_error(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            html = render(Base(), Annotated[Base, self.failing(ValueError(PAYLOAD))])
        assert "A value of type Base could not be rendered" in html
        assert "ValueError: &lt;script&gt;" in html
        assert harmless(html)
        assert "could not be rendered" in caplog.text

    def test_the_remedy_stands_alone(self) -> None:
        error = UserError("It broke.", remedy="hardpoint mend <it>")
        html = render(Base(), Annotated[Base, self.failing(error)])
        assert "<pre>UserError: It broke.</pre><p><code>hardpoint mend &lt;it&gt;</code></p>" in html

    def test_secrets_are_not_told(self) -> None:
        remember("hunter2-hunter2")
        html = render(Base(), Annotated[Base, self.failing(ValueError("no login with hunter2-hunter2"))])
        assert "hunter2" not in html
        assert "no login with ***" in html

    def test_an_error_without_words(self) -> None:
        class Mute(Exception):
            def __str__(self) -> str:
                raise KeyError

        assert "Mute: (its text could not be had: KeyError)" in render(Base(), Annotated[Base, self.failing(Mute())])

    def test_a_value_without_text(self) -> None:
        class Mute:
            def __str__(self) -> str:
                raise ValueError("speechless")

        assert "ValueError: speechless" in render(Mute())

    def test_a_renderer_that_gives_no_text(self) -> None:
        class Gives:
            def to_html(self, python_value: Any) -> Any:
                return 3

        assert "Gives.to_html gave a int, not text" in render(Base(), Annotated[Base, Gives()])

    def test_a_missing_library(self) -> None:
        error = MissingDependencyError("PlotlyRenderer", "plotly>=6", "deck")
        html = render(Base(), Annotated[Base, self.failing(error)])
        assert "PlotlyRenderer needs plotly&gt;=6" in html
        assert "pip install &#x27;hardpoint[deck]&#x27;" in html

    def test_a_type_that_nobody_can_carry(self) -> None:
        assert render(Base(), object()).startswith('<div class="hp-text">&lt;')
