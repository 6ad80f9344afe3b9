"""From memray's recording to what is shown: its reporters are run as a program of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hardpoint.deck.markup import SafeHtml, framed, notice
from hardpoint.errors import FlyteValidationException

__all__ = ["REPORTERS", "UnknownReporterError", "check_arguments", "report"]

REPORTERS = ("flamegraph", "table")
"""Those that make HTML: https://bloomberg.github.io/memray/flamegraph.html and .../table.html"""
_OURS = ("-o", "--output", "-f", "--force", "--no-web")
_PATIENCE = 600.0


class UnknownReporterError(FlyteValidationException, ValueError):
    """A reporter that makes no HTML, or arguments that are none."""


def check_arguments(reporter: str, arguments: Sequence[str]) -> list[str]:
    """The arguments, if each is an option or the value of the option before it.

    Raises:
        UnknownReporterError: there is no such reporter, or an argument is neither.
    """
    if reporter not in REPORTERS:
        raise UnknownReporterError(
            f"{reporter} is not a supported html reporter.", remedy=f"Use {' or '.join(REPORTERS)}."
        )
    takes_value = False
    for argument in arguments:
        option = isinstance(argument, str) and argument.startswith("-") and argument.strip("-") != ""
        if not isinstance(argument, str) or not (option or (takes_value and argument)):
            raise UnknownReporterError(
                f"unrecognized arguments for {reporter} reporter: {argument!r} is neither an option nor the value of one.",
                remedy=f"See https://bloomberg.github.io/memray/{reporter}.html; each word is an argument for itself.",
            )
        if option and argument.partition("=")[0] in _OURS:
            raise UnknownReporterError(
                f"unrecognized arguments for {reporter} reporter: {argument!r} is for the decorator to say.",
                remedy="Leave it out: the report goes into the deck, and is whole without a network.",
            )
        takes_value = option and "=" not in argument
    return list(arguments)


def report(
    recording: Path, reporter: str, arguments: Sequence[str], max_bytes: float
) -> tuple[SafeHtml, Path | None, str]:
    """What the deck shows, the file with the report, and what went wrong, if anything did.

    A flamegraph that is larger than `max_bytes` is replaced by a table, and that by a notice.
    """
    problem = ""
    kinds = {reporter: arguments}
    kinds.setdefault("table", ())
    for kind, given in kinds.items():
        page, problem = _render(recording, kind, given)
        if page is None:
            break
        size = page.stat().st_size
        if size <= max_bytes:
            document = page.read_text(encoding="utf-8", errors="replace")
            return framed(document, title=f"memray's {kind}", scripts=True), page, ""
        problem = f"it has {size / 1e6:.1f} MB, more than max_report_mb={max_bytes / 1e6:g} allows"
    return notice(f"There is no memray report: {problem}"), None, problem


def _render(recording: Path, reporter: str, arguments: Sequence[str]) -> tuple[Path | None, str]:
    """The page that memray has written, or what it said instead."""
    page = recording.with_name(f"{recording.stem}.{reporter}.html")
    command = [
        sys.executable,
        "-m",
        "memray",
        reporter,
        "--no-web",
        "--force",
        "-o",
        str(page),
        *arguments,
        str(recording),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=_PATIENCE)
    except (OSError, subprocess.SubprocessError) as error:
        return None, str(error)
    if done.returncode or not page.exists():
        return None, (done.stderr or done.stdout).strip()[-2000:] or f"memray ended with exit status {done.returncode}"
    return page, ""
