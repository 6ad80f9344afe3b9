"""`hardpoint runs`: the record of local runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from hardpoint.cli.shell import Group, length, style, table, task_name

if TYPE_CHECKING:
    from hardpoint.engine.store import NodeRecord, RunRecord, RunStore

__all__ = ["runs"]

_COLORS = {"succeeded": "green", "failed": "red", "running": "cyan", "aborted": "yellow", "interrupted": "yellow"}
_FAILURES_SHOWN = 10
"""Failed elements of a map that are shown one by one."""


def _store() -> RunStore:
    from hardpoint.engine.store import RunStore

    return RunStore()


class _RunName(click.ParamType[str]):
    """A run's id, the beginning of one, or ``latest``."""

    name = "run"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "RUN"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        with closing(_store()) as store:
            known = [CompletionItem("latest"), *(CompletionItem(r.id, help=r.name) for r in store.runs())]
        return [item for item in known if item.value.startswith(incomplete)]


@click.group(cls=Group)
def runs() -> None:
    """List, show and remove local runs.

    A run is named by its id, by the beginning of it if that is unmistakable, or by 'latest'.
    """


# -- list ----------------------------------------------------------------------------------------------------------------


@runs.command(
    "list",
    examples="""
        hardpoint runs list
        hardpoint runs list --limit 100 --json
    """,
)
@click.option("--limit", type=click.IntRange(1), default=20, metavar="N", help="At most so many.  [default: 20]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_runs(limit: int, as_json: bool) -> None:
    """Show the latest runs, the newest first."""
    with closing(_store()) as store:
        found = store.runs(limit)
    if as_json:
        from hardpoint.cli.plain import to_json

        click.echo(to_json([_run_facts(record) for record in found]))
    elif found:
        rows = [[r.id, _state(r.status), ago(r.started), _took(r.started, r.ended, r.status), r.name] for r in found]
        click.echo(table(rows, ("run", "state", "started", "took", "what"), cut=True))
    else:
        click.echo("No runs yet.")


# -- show ----------------------------------------------------------------------------------------------------------------


@runs.command(
    examples="""
        hardpoint runs show                # the latest
        hardpoint runs show 261122-1936    # the beginning of an id
        hardpoint runs show latest --json | jq .outputs
    """
)
@click.argument("run", type=_RunName(), default="latest")
@click.option("--elements", is_flag=True, help="Show each element of a map; otherwise only those that failed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(run: str, elements: bool, as_json: bool) -> None:
    """Show a run: its inputs, its outputs, its nodes."""
    with closing(_store()) as store:
        record = store.run(run)
        nodes = store.nodes(record.id)
    if as_json:
        from hardpoint.cli.plain import to_json

        facts = _run_facts(record) | _values(record) | {"error": record.error}
        click.echo(to_json(facts | {"nodes": [_node_facts(node) for node in nodes]}))
        return
    click.echo(f"{style(record.id, bold=True)}  {record.name}  {_state(record.status)}")
    click.echo(f"started {ago(record.started)}, took {_took(record.started, record.ended, record.status)}")
    if record.source:
        click.echo(f"from {record.source}")
    for title, data in (("inputs", record.inputs), ("outputs", record.outputs)):
        if data:
            click.echo(f"\n{title}:")
            click.echo(_in_short(data))
    if nodes:
        click.echo("\nnodes:")
        click.echo(table(list(_tree(nodes, elements=elements)), cut=True))
    for node in nodes:
        if node.deck:
            click.echo(f"deck of {node.path}: {node.deck}")
    if record.error and record.status != "aborted":
        click.echo(f"\n{record.error}")
    if record.status not in ("succeeded", "running"):
        click.echo(f"\nResume with: hardpoint run --resume {record.id}")


def _in_short(data: bytes) -> str:
    from hardpoint.engine.failure import describe_inputs
    from hardpoint.engine.store import unpack

    return table([["  " + name, text] for name, text in describe_inputs(unpack(data)).items()])


def _tree(nodes: Iterable[NodeRecord], *, elements: bool) -> Iterator[list[str]]:
    """A line a node, indented by depth, each below the node that it is part of."""
    children: dict[str, list[NodeRecord]] = {}
    known = {node.path for node in nodes}
    for node in nodes:
        parent = node.path.rpartition("/")[0]
        while parent and parent not in known:
            parent = parent.rpartition("/")[0]
        children.setdefault(parent, []).append(node)

    def below(parent: str, depth: int) -> Iterator[list[str]]:
        shown = children.get(parent, [])
        mapped = [node for node in shown if _is_element(node)]
        if mapped and not elements:
            failed = [node for node in mapped if node.state != "succeeded"]
            shown = [node for node in shown if not _is_element(node)] + failed[:_FAILURES_SHOWN]
            summary = f"{len(mapped)} elements, {len(mapped) - len(failed)} succeeded"
            yield ["  " * (depth + 1) + "[...]", "", "", "", summary]
        for node in shown:
            notes = [
                f"attempt {node.attempt + 1}" if node.attempt else "",
                "cached" if node.cached else "",
                _headline(node.error or "") if node.state == "failed" else "",
            ]
            yield [
                "  " * (depth + 1) + node.path.rpartition("/")[2],
                task_name(node.name),
                _state(node.state),
                _took(node.started, node.ended, node.state),
                ", ".join(filter(None, notes)),
            ]
            yield from below(node.path, depth + 1)

    return below("", 0)


def _headline(error: str) -> str:
    """The line of a traceback that says what was raised."""
    lines = error.splitlines() or [""]
    frames = [index for index, line in enumerate(lines[:-1]) if line.startswith("  ")]
    return lines[frames[-1] + 1] if frames else lines[0]


def _is_element(node: NodeRecord) -> bool:
    return node.path.rpartition("/")[2].startswith("[")


# -- rm ------------------------------------------------------------------------------------------------------------------


@runs.command(
    examples="""
        hardpoint runs rm 261122-193612-k3fa
        hardpoint runs rm --older-than 7d --yes
    """
)
@click.argument("run", type=_RunName(), nargs=-1)
@click.option("--older-than", metavar="DURATION", help="All runs that started longer ago, such as 7d or 12h.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def rm(run: tuple[str, ...], older_than: str | None, yes: bool) -> None:
    """Remove runs, with the data and the decks that they keep in the state directory."""
    if not run and older_than is None:
        raise click.UsageError("Name the runs to remove, or give --older-than.")
    with closing(_store()) as store:
        found = {record.id: record for record in map(store.run, run)}
        if older_than is not None:
            limit = time.time() - _length(older_than)
            old = [r for r in store.runs(-1) if r.started < limit and r.status != "running"]
            found |= {record.id: record for record in old}
        if not found:
            click.echo("Nothing to remove.")
            return
        count = f"{len(found)} run{'' if len(found) == 1 else 's'}"
        if not yes:
            if not sys.stdin.isatty():
                raise click.UsageError(f"This would remove {count}; add --yes.")
            click.confirm(f"Remove {count} and what they keep?", abort=True)
        for name in found:
            store.remove(name)
    click.echo(f"Removed {count}.")


def _length(text: str) -> float:
    from hardpoint.cli.words import duration

    try:
        return duration(text).total_seconds()
    except ValueError as error:
        raise click.UsageError(
            f"--older-than should be a length of time, such as 7d or 12h, but got {text!r}."
        ) from error


# -- words ---------------------------------------------------------------------------------------------------------------


def _state(state: str) -> str:
    return style(state, fg=_COLORS.get(state))


def _took(started: float, ended: float | None, state: str) -> str:
    if ended is None and state != "running":
        return "-"
    return length((ended if ended is not None else time.time()) - started)


def ago(moment: float) -> str:
    """How long ago a time was; of the day itself from a month on."""
    passed = time.time() - moment
    for limit, unit, word in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h"), (30 * 86400, 86400, "d")):
        if passed < limit:
            return f"{int(max(passed, 0) // unit)} {word} ago"
    return f"{datetime.fromtimestamp(moment, UTC).astimezone():%Y-%m-%d}"


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()


def _run_facts(record: RunRecord) -> dict[str, Any]:
    return {
        "run": record.id,
        "name": record.name,
        "state": record.status,
        "started": _iso(record.started),
        "ended": _iso(record.ended),
        "source": record.source,
    }


def _values(record: RunRecord | NodeRecord) -> dict[str, Any]:
    from hardpoint.cli.plain import plain
    from hardpoint.engine.store import unpack

    return {
        key: None if data is None else {name: plain(literal) for name, literal in sorted(unpack(data).items())}
        for key, data in (("inputs", record.inputs), ("outputs", record.outputs))
    }


def _node_facts(node: NodeRecord) -> dict[str, Any]:
    return {
        "path": node.path,
        "name": node.name,
        "state": node.state,
        "attempt": node.attempt,
        "started": _iso(node.started),
        "ended": _iso(node.ended),
        "cached": bool(node.cached),
        "deck": node.deck,
        **_values(node),
        "error": node.error,
    }
