"""`hardpoint completion`: the script that lets a shell complete commands, names in files, and options."""

from __future__ import annotations

import click

from hardpoint.cli.shell import Command

__all__ = ["completion"]

_COMPLETE_VARIABLE = "_HARDPOINT_COMPLETE"


@click.command(
    cls=Command,
    examples="""
        hardpoint completion bash > ~/.local/share/bash-completion/completions/hardpoint
        hardpoint completion zsh > ~/.zfunc/_hardpoint            # a folder of $fpath
        hardpoint completion fish > ~/.config/fish/completions/hardpoint.fish
    """,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands in a shell.

    It completes commands, options, the names of workflows and tasks in a file, and what they take.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, f"click knows {shell}"
    click.echo(kind(ctx.find_root().command, {}, "hardpoint", _COMPLETE_VARIABLE).source())
