"""`Deck`: a tab of HTML that a task leaves beside its outputs; and the timeline of a task."""

from __future__ import annotations

import enum
import functools
import inspect
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from hardpoint.context import FlyteContextManager, current_context
from hardpoint.deck.markup import escape
from hardpoint.errors import UserError

__all__ = ["Deck", "DeckField", "TimeLineDeck", "timeit"]

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)


class DeckField(enum.StrEnum):
    """The decks that a task with decks enabled makes by itself."""

    INPUT = "Input"
    OUTPUT = "Output"
    SOURCE_CODE = "Source Code"
    TIMELINE = "Timeline"
    DEPENDENCIES = "Dependencies"


def _markup(html: Any) -> str:
    if not isinstance(html, str):
        raise UserError(
            f"A deck holds HTML, but was given a {type(html).__qualname__}.",
            remedy="deck.append(hardpoint.deck.render(value)) renders any value.",
        )
    return html


class Deck:
    """A named tab of the task's HTML report.

    Args:
        name: What the tab is called. Decks of one name share a tab.
        html: Its first piece of markup. It is trusted: give values through `render`, which escapes them.
        auto_add_to_deck: Whether it joins the decks of the running task.
    """

    def __init__(self, name: str, html: str | None = "", auto_add_to_deck: bool = True) -> None:
        self._name = name
        self._pieces = [_markup(html)] if html else []
        if auto_add_to_deck:
            current_context().decks.append(self)

    @property
    def name(self) -> str:
        return self._name

    @property
    def html(self) -> str:
        """All pieces, a line break between any two."""
        return "\n".join(self._pieces)

    def append(self, html: str) -> Deck:
        """Add a piece of markup below the others, and return the deck.

        Raises:
            UserError: it is not text.
        """
        self._pieces.append(_markup(html))
        return self

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self.html)} characters)"

    @staticmethod
    def publish() -> str | None:
        """Store the decks made so far, before the task ends, and return where; None if that was not possible.

        A deck is a view of a run and no part of its result, so what goes wrong is logged and does not fail the task.
        Without a place that the control plane reads, the page goes to the task's working directory.
        """
        from hardpoint.deck.document import write

        context = FlyteContextManager.current_context()
        params = context.params
        if not params.enable_deck:
            logger.warning("Deck.publish() does nothing here, since the task was not declared with enable_deck=True.")
            return None
        try:
            return write(params.decks, params.output_metadata_prefix or params.working_directory, context.file_access)
        except Exception:
            logger.warning("The deck could not be stored.", exc_info=True)
            return None


class TimeLineDeck(Deck):
    """The deck that records how long the parts of a task took."""

    def __init__(self, name: str = DeckField.TIMELINE, html: str | None = "", auto_add_to_deck: bool = True) -> None:
        super().__init__(name, html, auto_add_to_deck)
        self.time_info: list[Mapping[str, Any]] = []

    def append_time_info(self, info: Mapping[str, Any]) -> None:
        """Record one part.

        Args:
            info: ``Name``, ``WallTime`` and ``ProcessTime`` (seconds); ``Start`` and ``Finish`` if known.

        Raises:
            UserError: one of the first three is missing.
        """
        missing = [key for key in ("Name", "WallTime", "ProcessTime") if key not in info]
        if missing:
            raise UserError(f"An entry of the timeline lacks {', '.join(missing)}; it has {sorted(info)}.")
        self.time_info.append(dict(info))

    @property
    def html(self) -> str:
        """What was appended, and a table of the recorded parts."""
        own = super().html
        if not self.time_info:
            return own
        entries = list(self.time_info)
        longest = max(float(entry["WallTime"]) for entry in entries)
        rows = "".join(_timeline_row(entry, longest) for entry in entries)
        table = (
            '<div class="hp-scroll"><table class="hp-table hp-timeline"><thead><tr><th scope="col">Name</th>'
            '<th scope="col" class="hp-num">Wall Time(s)</th><th scope="col" class="hp-num">Process Time(s)</th>'
            f'<th aria-hidden="true"></th></tr></thead><tbody>{rows}</tbody></table></div>'
            '<p class="hp-note">Wall time is what a clock shows; process time is what processors worked for the task. '
            "Parts may contain one another or run side by side, so their times need not add up.</p>"
        )
        return f"{own}\n{table}" if own else table


def _timeline_row(entry: Mapping[str, Any], longest: float) -> str:
    wall, cpu = float(entry["WallTime"]), float(entry["ProcessTime"])
    share = 100 * wall / longest if longest > 0 else 0
    return (
        f'<tr><th scope="row">{escape(str(entry["Name"]))}</th><td class="hp-num">{wall:.6f}</td>'
        f'<td class="hp-num">{cpu:.6f}</td><td class="hp-bar" aria-hidden="true">'
        f'<i style="width:{share:.1f}%"></i></td></tr>'
    )


class timeit:
    """Record how long a block or a function takes in the task's timeline.

    ``with timeit("load"): ...`` or ``@timeit("load")``, also over a coroutine function.

    Args:
        name: What the timeline calls it; a function's own name if empty.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._start = (datetime.now(UTC), time.perf_counter(), time.process_time())

    def __enter__(self) -> timeit:
        self._start = (datetime.now(UTC), time.perf_counter(), time.process_time())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        started, wall, cpu = self._start
        entry = {
            "Name": self.name,
            "Start": started,
            "Finish": datetime.now(UTC),
            "WallTime": time.perf_counter() - wall,
            "ProcessTime": time.process_time() - cpu,
        }
        current_context().timeline_deck.append_time_info(entry)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        name = self.name or function.__name__
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def timed_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
                with timeit(name):
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", timed_coroutine)

        @functools.wraps(function)
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            with timeit(name):
                return function(*args, **kwargs)

        return timed
