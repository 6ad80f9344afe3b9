"""How a run is shown while it goes on: live on a terminal, else a line for each change."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

import click
import msgspec

from hardpoint.cli.shell import length, task_name
from hardpoint.engine.events import NodeEvent
from hardpoint.errors import UserError

if TYPE_CHECKING:
    from rich.live import Live

__all__ = ["Lines", "LiveView", "Quiet", "View", "view"]

_COLORS = {"succeeded": "green", "failed": "red", "running": "cyan", "retrying": "yellow", "waiting": "yellow"}
_MARKS = {"succeeded": "✓", "failed": "✗", "running": "●", "retrying": "↻", "waiting": "…", "skipped": "-"}
_ASCII = {"✓": "+", "✗": "x", "●": "*", "↻": "~", "…": "."}
_MAP_INTERVAL = 5.0
"""Seconds between two lines about the same map."""
_NAME_WIDTH = 32
_REFRESH = 8
"""Pictures a second."""


class View(Protocol):
    """A listener that is opened before a run and closed after it."""

    def __enter__(self) -> View: ...
    def __exit__(self, *_: object) -> None: ...
    def node(self, event: NodeEvent) -> None: ...
    def ask(self, question: str) -> str: ...


def view(*, quiet: bool) -> View:
    """The view that fits what standard error is."""
    if quiet:
        return Quiet()
    return LiveView() if sys.stderr.isatty() else Lines()


def element_of_map(path: str) -> bool:
    """Whether a path leads to an element of a map, or to something inside of one."""
    return "/[" in path


class Quiet:
    """Nothing is shown; questions are asked all the same."""

    def __enter__(self) -> Quiet:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def node(self, event: NodeEvent) -> None:
        return None

    def ask(self, question: str) -> str:
        sys.stderr.write(question)
        sys.stderr.flush()
        answer = sys.stdin.readline()
        if not answer:
            raise UserError(
                "The run asks something, but its standard input has ended.",
                remedy="Run it in a terminal, or pipe the answers in.",
            )
        return answer.rstrip("\n")


class Lines(Quiet):
    """A line on standard error for each change of a node; of a map, a line now and then."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def node(self, event: NodeEvent) -> None:
        if element_of_map(event.path) and event.state != "failed":
            return
        if event.total:
            now = time.monotonic()
            if event.done < event.total and now - self._told.get(event.path, 0.0) < _MAP_INTERVAL:
                return
            self._told[event.path] = now
        click.echo("  ".join(describe(event)), err=True)


def describe(event: NodeEvent) -> list[str]:
    """An event in words: node, task, state, and what else there is to say."""
    parts = [f"{event.path:6}", task_name(event.name), event.state]
    if event.total:
        parts.append(f"{event.done}/{event.total}")
    if event.cached:
        parts.append("cached" if not event.message else event.message)
    elif event.state in ("succeeded", "failed", "retrying"):
        parts.append(length(event.seconds))
    if event.attempt and event.state in ("running", "failed", "succeeded"):
        parts.append(f"attempt {event.attempt + 1}")
    if event.message and not event.cached:
        parts.append(event.message.splitlines()[0])
    return parts


class _Row(msgspec.Struct):
    event: NodeEvent
    since: float


class LiveView(Quiet):
    """A line for each node on the terminal, kept up to date; those that run first, if there is no room for all."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._lock = threading.Lock()
        self._live: Live | None = None

    def __enter__(self) -> LiveView:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False)
        self._live = Live(
            console=console,
            get_renderable=self._picture,
            refresh_per_second=_REFRESH,
            # What a task prints goes above the picture, unless it goes to a file.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=True,
            vertical_overflow="crop",
        )
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def node(self, event: NodeEvent) -> None:
        if element_of_map(event.path) and event.state != "failed":
            return
        with self._lock:
            known = self._rows.get(event.path)
            if known is None:
                self._rows[event.path] = _Row(event, time.monotonic())
                return
            if not event.total and known.event.total and event.state != "running":
                done = known.event.total if event.state == "succeeded" else known.event.done
                event = msgspec.structs.replace(event, total=known.event.total, done=done)
            known.event = event

    def ask(self, question: str) -> str:
        if self._live is None:
            return super().ask(question)
        self._live.stop()
        try:
            return super().ask(question)
        finally:
            self._live.start()

    def _picture(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            rows = list(self._rows.values())
        console = self._live.console if self._live is not None else None
        room = max((console.height if console is not None else 24) - 3, 4)
        shown = rows
        if len(rows) > room:
            busy = [row for row in rows if row.event.state not in ("succeeded", "skipped")][: room - 1]
            ended = [row for row in rows if row.event.state in ("succeeded", "skipped")]
            keep = {id(row) for row in (*busy, *ended[len(ended) - (room - 1 - len(busy)) :])}
            shown = [row for row in rows if id(row) in keep]
        grid = Table.grid(padding=(0, 2), pad_edge=False)
        for _ in range(4):
            grid.add_column(no_wrap=True, overflow="ellipsis")
        ascii_only = console is not None and not console.encoding.lower().startswith("utf")
        for row in shown:
            event = row.event
            name = task_name(event.name).rpartition(".")[2]
            name = name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 3]}..."
            mark = _MARKS.get(event.state, " ")
            mark = _ASCII.get(mark, mark) if ascii_only else mark
            color = _COLORS.get(event.state, "")
            grid.add_row(
                Text(f"{mark} {event.path}", color),
                Text(name),
                Text(event.state, color),
                self._detail(row, ascii_only),
            )
        if len(shown) < len(rows):
            done = sum(row.event.state == "succeeded" for row in rows)
            grid.add_row("", Text(f"and {len(rows) - len(shown)} more; {done} of {len(rows)} succeeded", "dim"))
        return grid

    @staticmethod
    def _detail(row: _Row, ascii_only: bool) -> Any:
        from rich.text import Text

        event = row.event
        took = event.seconds or (time.monotonic() - row.since if event.state in ("running", "waiting") else 0.0)
        words = [] if event.cached else [length(took)]
        if event.total:
            width = 20
            full = width * event.done // event.total
            bar = ("#" * full + "." * (width - full)) if ascii_only else ("━" * full + "╌" * (width - full))
            words.insert(0, f"{bar} {event.done}/{event.total}")
        words += describe(event)[3 + bool(event.total) :][bool(event.seconds) and not event.cached :]
        return Text("  ".join(words), "dim")
