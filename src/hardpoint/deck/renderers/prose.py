"""Markdown and source code."""

from __future__ import annotations

from hardpoint.deck.markup import escape

__all__ = ["MarkdownRenderer", "SourceCodeRenderer"]


class MarkdownRenderer:
    """Shows Markdown (CommonMark with tables and strikethrough). HTML within it is shown as the text that it is."""

    def to_html(self, text: str) -> str:
        """The text as prose."""
        from markdown_it import MarkdownIt

        return f'<div class="hp-prose">{MarkdownIt("default", {"html": False}).render(text)}</div>'


class SourceCodeRenderer:
    """Shows Python source code in colours that are written into it, so that it looks the same anywhere.

    Args:
        title: A heading above the code; none if empty.
    """

    def __init__(self, title: str = "Source Code") -> None:
        self.title = title

    def to_html(self, source_code: str) -> str:
        """The code, highlighted."""
        from pygments import highlight
        from pygments.formatters.html import HtmlFormatter
        from pygments.lexers.python import PythonLexer
        from pygments.styles.colorful import ColorfulStyle

        # Without the grounds that the style puts behind strings: the page may be dark.
        looks = {token: look.partition("bg:")[0] for token, look in ColorfulStyle.styles.items()}
        style = type("Groundless", (ColorfulStyle,), {"styles": looks})
        formatter = HtmlFormatter(style=style, noclasses=True, nobackground=True)
        code = highlight(source_code, PythonLexer(stripnl=False), formatter)
        return f'<div class="hp-code" role="region" aria-label="{escape(self.title)}" tabindex="0">{code}</div>'
