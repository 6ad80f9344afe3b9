"""The `hardpoint` command: its sub-commands, loaded when they are called, and what the exit status says."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

import hardpoint
from hardpoint._lazy import Ref
from hardpoint.cli.shell import Group, complain, status_of, warn

__all__ = ["cli", "main"]

# Name -> (where it is, what `--help` says of it), so that the list of commands needs none of them.
_COMMANDS = {
    "run": ("hardpoint.cli.run:run", "Run a workflow or a task on this machine."),
    "runs": ("hardpoint.cli.runs:runs", "List, show and remove local runs."),
    "jobs": ("hardpoint.cli.jobs:jobs", "List, show, follow and cancel external jobs."),
    "serve": ("hardpoint.cli.serve:serve", "Serve connectors to a Flyte backend."),
    "cache": ("hardpoint.cli.cache:cache", "Look after the local cache."),
    "doctor": ("hardpoint.cli.doctor:doctor", "Say which integrations can be used here, and what mends the others."),
    "new": ("hardpoint.cli.new:new", "Begin an integration."),
    "completion": ("hardpoint.cli.completion:completion", "Print the script that completes commands in a shell."),
}


class Main(Group):
    """The commands of the table above, and those that integrations name in their manifests."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS, *sorted(set(_plugins()) - set(_COMMANDS))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _COMMANDS:
            command: click.Command = Ref(_COMMANDS[cmd_name][0]).load()
            return command
        owner = _plugins().get(cmd_name)
        if owner is None:
            return None
        integration, path = owner
        loaded: click.Command = integration.load(path)
        return loaded

    def summary(self, ctx: click.Context, name: str) -> str:
        if name in _COMMANDS:
            return _COMMANDS[name][1]
        text: str = _plugins()[name][0].summary
        return text


def _plugins() -> dict[str, Any]:
    """Sub-command -> (integration, where the command is)."""
    from hardpoint.integration import catalogue

    return dict(catalogue.entries("cli"))


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    click.echo(f"hardpoint {hardpoint.__version__}")
    ctx.exit()


@click.command(
    "hardpoint",
    cls=Main,
    no_args_is_help=True,
    context_settings={"max_content_width": 100},
    examples="""
        hardpoint run flow.py                         # the one workflow of a file
        hardpoint run flow.py train --epochs 3        # a task of it, by itself
        hardpoint run flow.py train --help            # what train takes
        hardpoint run --resume latest                 # go on where the last run stopped
        hardpoint doctor
    """,
    statuses=True,
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def cli() -> None:
    """Typed Python workflows, attached to what lies outside of them."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status.

    Args:
        args: Words after the program's name; those of this process if None.
    """
    warnings.showwarning = warn
    try:
        result = cli.main(args=None if args is None else list(args), prog_name="hardpoint", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except (Exception, KeyboardInterrupt) as error:
        complain(error)
        return status_of(error)


if __name__ == "__main__":
    sys.exit(main())
