"""`hardpoint doctor`: what is installed here, what is usable, and what mends the rest."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

import click

from hardpoint.cli.shell import MISSING, Command, say, style, table
from hardpoint.errors import UserError
from hardpoint.integration import Broken, Integration, catalogue

__all__ = ["doctor"]


@dataclass(frozen=True)
class Report:
    """What there is to say of one integration.

    Attributes:
        name: Its name.
        title: Its name for people.
        usable: Whether all that it needs is there.
        found: Library -> version, for those that are installed.
        supports: The versions that it works with.
        missing: One sentence for each library that is missing or unsuitable.
        remedy: The command that mends it.
    """

    name: str
    title: str
    usable: bool
    found: dict[str, str] = field(default_factory=dict)
    supports: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    remedy: str | None = None


def _report(integration: Integration) -> Report:
    problems = list(integration.problems())
    return Report(
        name=integration.name,
        title=integration.title,
        usable=not problems,
        found=_versions(integration),
        supports=integration.supports,
        missing=tuple(problem.message for problem in problems),
        remedy=problems[0].remedy if problems else None,
    )


def _versions(integration: Integration) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import Requirement

    found: dict[str, str] = {}
    for name in (Requirement(text).name for text in integration.supports):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _surroundings() -> dict[str, str]:
    """Python, this package, its configuration and its state."""
    from importlib.metadata import version

    from hardpoint.settings import settings

    try:
        configured = settings()
        file, state = configured.source or "none", str(configured.local.state_path)
    except UserError as error:  # to say what is wrong with it is what this command is for
        file, state = f"broken: {error.message}", "unknown"
    return {
        "hardpoint": version("hardpoint"),
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "configuration": file,
        "state": state,
    }


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _as_json(reports: list[Report], broken: list[Broken], disputes: list[UserError]) -> str:
    data: dict[str, Any] = {
        **_surroundings(),
        "integrations": [asdict(report) for report in reports],
        "broken": [{"name": b.name, "target": b.target, "error": _words(b.error)} for b in broken],
        "disputed": [error.message for error in disputes],
    }
    return json.dumps(data, indent=2)


def _show(reports: list[Report], broken: list[Broken], disputes: list[UserError]) -> None:
    for key, value in _surroundings().items():
        click.echo(f"{key + ':':15} {value}")
    click.echo()
    rows = [
        [
            report.name,
            style("ok", fg="green") if report.usable else style("missing", fg="yellow"),
            ", ".join(f"{name} {version}" for name, version in report.found.items()) or "-",
            ", ".join(report.supports) or "-",
            report.remedy or "",
        ]
        for report in reports
    ]
    if rows:
        click.echo(table(rows, ("integration", "state", "found", "supported", "to mend it")))
    elif not broken:
        click.echo("No integrations are installed.")
    for item in broken:
        click.echo(f"{style('broken', fg='red')}  {item.name} ({item.target}): {_words(item.error)}")
    for error in disputes:
        click.echo(f"{style('disputed', fg='red')}  {error.message} {error.remedy}")


@click.command(
    cls=Command,
    examples="""
        hardpoint doctor
        hardpoint doctor polars           # status 3 unless it can be used
        hardpoint doctor --json
    """,
    statuses=True,
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("name", required=False)
def doctor(as_json: bool, name: str | None) -> int:
    """Say which integrations can be used here, and what mends the others.

    With NAME, only that one.
    """
    integrations, broken, disputes = catalogue.all(), catalogue.broken, catalogue.disputes()
    if name is not None:
        disputes = []
        broken = [b for b in broken if b.name == name]
        integrations = [] if broken else [catalogue.get(name)]
    reports = [_report(integration) for integration in integrations]
    if as_json:
        click.echo(_as_json(reports, broken, disputes))
    else:
        _show(reports, broken, disputes)
    unusable = name is not None and (bool(broken) or not reports[0].usable)
    if unusable and not as_json:
        for sentence in reports[0].missing if reports else ():
            say(sentence)
    return MISSING if unusable else 0
