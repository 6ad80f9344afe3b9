"""Shows intervals in decks."""

from hardpoint.deck import SafeHtml
from lakeq import Interval


class IntervalRenderer:
    """An interval as the two numbers with a line between them."""

    def to_html(self, python_value: Interval) -> SafeHtml:
        # Two numbers, so there is nothing to escape.
        return SafeHtml(f"<p>{python_value.low} &mdash; {python_value.high}</p>")
