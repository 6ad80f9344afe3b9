"""Trusted markup, and the small pieces of HTML that several renderers share.

A fragment carries classes that begin with ``hp-`` and no looks of its own; `page.css` gives them.
"""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import Any, Protocol, runtime_checkable

from hardpoint.errors import HardpointError

__all__ = ["Renderable", "SafeHtml", "error_box", "escape", "framed", "image", "notice", "text"]


class SafeHtml(str):
    """Markup that its author vouches for: `render` hands it on as it is, where other text is escaped."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


@runtime_checkable
class Renderable(Protocol):
    """What turns a value into HTML. An instance inside `Annotated[...]` renders the values of that type."""

    def to_html(self, python_value: Any) -> str:
        """The value as markup; whatever of it is text must be escaped."""
        ...


def text(value: str) -> SafeHtml:
    """Plain text with its line breaks kept."""
    return SafeHtml(f'<div class="hp-text">{escape(value)}</div>')


def notice(message: str) -> SafeHtml:
    """A line that tells the reader what is not shown."""
    return SafeHtml(f'<p class="hp-notice">{escape(message)}</p>')


def error_box(error: BaseException, what: str) -> SafeHtml:
    """What is shown in place of something that could not be rendered; never fails, and tells no secret."""
    from hardpoint.secrets import redact

    try:
        message = str(error)
    except Exception as inner:  # a stranger's __str__ may do anything
        message = f"(its text could not be had: {type(inner).__name__})"
    remedy = error.remedy if isinstance(error, HardpointError) else None
    if remedy:
        message = message.removesuffix(f"\n  -> {remedy}")
    message = redact(message)
    mend = f"<p><code>{escape(remedy)}</code></p>" if remedy else ""
    return SafeHtml(
        f'<div class="hp-error" role="alert"><strong>{escape(what)}</strong>'
        f"<pre>{escape(type(error).__name__)}: {escape(message)}</pre>{mend}</div>"
    )


def image(data: bytes, mime: str, alt: str) -> SafeHtml:
    """An image that is part of the page. As an image, SVG runs no scripts."""
    source = f"data:{mime};base64,{b64encode(data).decode('ascii')}"
    return SafeHtml(f'<figure class="hp-figure"><img src="{source}" alt="{escape(alt)}"></figure>')


def framed(document: str, *, title: str, scripts: bool = False) -> SafeHtml:
    """A whole HTML document, or markup nobody vouches for, in a frame that cannot touch the page.

    Args:
        document: The markup.
        title: What a screen reader calls the frame.
        scripts: Let its scripts run, in an origin of their own. Without them the page fits its height to the
            content.
    """
    sandbox = "allow-scripts" if scripts else "allow-same-origin"
    kind = "hp-frame hp-frame-live" if scripts else "hp-frame"
    return SafeHtml(
        f'<iframe class="{kind}" sandbox="{sandbox}" title="{escape(title)}" srcdoc="{escape(document)}"></iframe>'
    )
