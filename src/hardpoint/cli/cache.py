"""`hardpoint cache`: the local cache."""

from __future__ import annotations

import click

from hardpoint.cli.shell import Group

__all__ = ["cache"]


@click.group(cls=Group)
def cache() -> None:
    """Look after the local cache."""


@cache.command(
    examples="""
        hardpoint cache clear
        hardpoint cache clear --task flow.train
    """
)
@click.option("--task", metavar="NAME", help="Only the entries of this task, by its full name.")
def clear(task: str | None) -> None:
    """Forget what tasks with cache=True have computed."""
    from hardpoint.engine.cache import LocalCache

    local = LocalCache()
    try:
        count = local.clear(task)
    finally:
        local.close()
    click.echo(f"Removed {count} {'entry' if count == 1 else 'entries'}{f' of {task}' if task else ''}.")
