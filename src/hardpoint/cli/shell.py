"""What the commands have in common: help with examples, one-line complaints, exit statuses, plain tables."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import click

import hardpoint
from hardpoint.errors import HardpointError, MissingDependencyError

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "MISSING",
    "USAGE",
    "Command",
    "Group",
    "complain",
    "length",
    "nearest",
    "say",
    "status_of",
    "table",
]

FAILED, USAGE, MISSING, INTERRUPTED = 1, 2, 3, 130
_PACKAGE = os.path.dirname(hardpoint.__file__)
# The names of map tasks, as `hardpoint.workflows.map_task` makes them.
_MAP_NAME = re.compile(r"map_(\w+?)_[0-9a-f]{32}(?:-arraynode)?$")
_STATUSES = (
    ("0", "It went well."),
    (str(FAILED), "The workflow or task failed."),
    (str(USAGE), "Something is wrong with the command or its input."),
    (str(MISSING), "A library or an integration that is needed is missing."),
    (str(INTERRUPTED), "It was interrupted."),
)


class _Documented(click.Command):
    """A command whose help ends with examples and, where asked for, with what the exit status says."""

    def __init__(self, *args: Any, examples: str = "", statuses: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples, self.statuses = inspect.cleandoc(examples), statuses

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples.splitlines():
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        if self.statuses:
            with formatter.section("Exit status"):
                formatter.write_dl(list(_STATUSES))


class Command(_Documented):
    """A command with examples in its help."""


class Group(_Documented, click.Group):
    """A group with examples in its help, which lists its commands in the order in which they were added."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def summary(self, ctx: click.Context, name: str) -> str:
        """What the list of commands says of one of them."""
        command = self.get_command(ctx, name)
        return command.get_short_help_str(limit=100) if command is not None else ""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, self.summary(ctx, name)) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            raise self.unknown(ctx, args[0])
        return args[0], command, args[1:]

    def unknown(self, ctx: click.Context, name: str) -> click.UsageError:
        """The complaint about a command that is not there."""
        return click.UsageError(f"There is no command {name!r}{nearest(name, self.list_commands(ctx))}", ctx)


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about a word that is not known: a question whether one of the known words was meant."""
    import difflib

    found = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else "."


# -- what went wrong -----------------------------------------------------------------------------------------------------


def status_of(error: BaseException) -> int:
    """The exit status that an error stands for."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return INTERRUPTED
    if isinstance(error, MissingDependencyError):
        return MISSING
    if isinstance(error, click.ClickException):
        return int(getattr(error, "status", error.exit_code))
    if isinstance(error, HardpointError):
        return USAGE
    return FAILED


def complain(error: BaseException) -> None:
    """Say on standard error what went wrong, in as few lines as it takes."""
    if isinstance(error, click.exceptions.Exit):
        return
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.ctx.get_help() if error.ctx is not None else error.message, err=True)
    elif isinstance(error, KeyboardInterrupt | click.Abort):
        say("interrupted")
    elif isinstance(error, click.ClickException):
        say(error.format_message())
    elif isinstance(error, HardpointError):
        say(error.message, error.remedy)
    else:
        raise error


def say(message: str, remedy: str | None = None) -> None:
    """One complaint, and what mends it."""
    click.echo(f"{style('error:', fg='red', bold=True)} {message}", err=True)
    if remedy:
        click.echo(f"  -> {remedy}", err=True)


def warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """Show a warning on standard error: one that this package gives as a sentence, others as Python shows them."""
    if filename.startswith(_PACKAGE):
        click.echo(f"{style('warning:', fg='yellow', bold=True)} {message}", err=True)
    else:
        click.echo(warnings.formatwarning(message, category, filename, lineno, line), nl=False, err=True)


# -- words and tables ----------------------------------------------------------------------------------------------------


def length(seconds: float) -> str:
    """A length of time in few characters."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f}ms"
    if seconds < 59.95:
        return f"{seconds:.2f}s" if seconds < 10 else f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"


def style(text: str, **looks: Any) -> str:
    """The text in color or bold; as it is where NO_COLOR is set."""
    return text if os.environ.get("NO_COLOR") else click.style(text, **looks)


def task_name(name: str) -> str:
    """The name of a task for people: that of a map without its hash."""
    return _MAP_NAME.sub(r"map_\1", name)


def table(rows: Sequence[Sequence[str]], header: Sequence[str] = (), *, cut: bool = False) -> str:
    """Aligned columns.

    Args:
        rows: The cells, line by line.
        header: The line above them.
        cut: Whether the last column ends where the terminal does, if there is a terminal.
    """
    lines = [[style(cell, bold=True) for cell in header], *rows] if header else list(rows)
    if not lines:
        return ""
    widths = [max(_width(line[i]) for line in lines) for i in range(len(lines[0]))]
    room = shutil.get_terminal_size().columns if cut and sys.stdout.isatty() else 0
    out: list[str] = []
    for line in lines:
        cells = [cell + " " * (width - _width(cell)) for cell, width in zip(line[:-1], widths, strict=False)]
        used, last = sum(widths[:-1]) + 2 * len(cells), line[-1]
        if room and _width(last) > max(room - used, 10):
            last = f"{click.unstyle(last)[: max(room - used, 10) - 3]}..."
        out.append("  ".join([*cells, last]).rstrip())
    return "\n".join(out)


def _width(cell: str) -> int:
    return len(click.unstyle(cell))
