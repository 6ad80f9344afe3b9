"""`hardpoint run`: a workflow, a task or a launch plan of a file, run on this machine."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

import click

from hardpoint.cli.shell import Command, Group

__all__ = ["run"]

_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--inputs-file",), {"metavar": "FILE", "help": "Inputs by name, as JSON or YAML; options win over it."}),
    (("--resume",), {"metavar": "RUN", "help": "Take up this run again: its id, the beginning of it, or 'latest'."}),
    (("--max-parallelism",), {"type": click.IntRange(1), "metavar": "N", "help": "How many tasks run at once."}),
    (("--raw-output-prefix",), {"metavar": "URI", "help": "Where files and tables that tasks make are written."}),
    (("--no-record",), {"is_flag": True, "help": "Leave no trace in the run store; the run cannot be resumed."}),
    (("--no-cache",), {"is_flag": True, "help": "Run cached tasks as if they were not."}),
    (("--overwrite-cache",), {"is_flag": True, "help": "Run cached tasks again and keep their new results."}),
    (
        ("--output",),
        {
            "type": click.Choice(["table", "json"]),
            "help": "How outputs are printed on standard output.  [default: table]",
        },
    ),
    (
        ("--on-interrupt",),
        {
            "type": click.Choice(["ask", "leave", "cancel"]),
            "help": "What becomes of external jobs that still run after Ctrl-C; without a terminal they are left.  [default: ask]",
        },
    ),
    (("--quiet", "-q"), {"is_flag": True, "help": "Show no progress."}),
)


def _options(prefix: str = "", *, hidden: bool = False, taken: frozenset[str] = frozenset()) -> list[click.Option]:
    """The options of a run. After the name of a workflow they are understood as well, where no input has their name."""
    made: list[click.Option] = []
    for spellings, settings in _OPTIONS:
        if spellings[0] not in taken:
            name = prefix + spellings[0].lstrip("-").replace("-", "_")
            made.append(click.Option([*spellings, name], default=None, hidden=hidden, **settings))
    return made


class RunGroup(Group):
    """Its commands are files and modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return []

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from hardpoint.cli.target import Loaded, Target

        _set_environment(ctx.params.get("environment") or ())
        try:
            target = Target.parse(cmd_name)
            # What a file prints on import must not be taken for outputs or completions.
            with contextlib.redirect_stdout(sys.stderr):
                return FileGroup(Loaded(target, target.load()))
        except click.ClickException:
            if ctx.resilient_parsing:
                return None
            raise

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        return [*click.Command.shell_complete(self, ctx, incomplete), CompletionItem(incomplete, type="file")]


class FileGroup(Group):
    """Its commands are the workflows, tasks and launch plans of one module."""

    def __init__(self, loaded: Any) -> None:
        text = (loaded.module.__doc__ or "").strip().partition("\n")[0]
        super().__init__(
            loaded.target.argument,
            help=text or f"What {loaded.target.label} has.",
            params=_options("run__", hidden=True),
            subcommand_metavar="[NAME] [INPUT]...",
            options_metavar="",
            no_args_is_help=False,
        )
        self.loaded = loaded

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.loaded.own)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        try:
            return EntityCommand(cmd_name, self.loaded)
        except click.UsageError:
            if ctx.resilient_parsing:
                return None
            raise

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = self._name_at(args)
        following = args[at] if at < len(args) else ""
        wants_help = following in ctx.help_option_names
        if not wants_help and (following.startswith("-") or (not following and not ctx.resilient_parsing)):
            args.insert(at, self._name(ctx, args))
        return super().parse_args(ctx, args)

    def _name_at(self, args: list[str]) -> int:
        """Where in the arguments the name stands, or should: after the options of the run that come first."""
        flags = {spelling: isinstance(p, click.Option) and p.is_flag for p in self.params for spelling in p.opts}
        at = 0
        while at < len(args):
            spelling, mark, _ = args[at].partition("=")
            if spelling not in flags:
                break
            at += 1 if flags[spelling] or mark else 2
        return min(at, len(args))

    def _name(self, ctx: click.Context, args: list[str]) -> Any:
        """What is meant where no name is given: what the run that is resumed was a run of, else the one workflow."""
        resumed = ctx.parent.params.get("resume") if ctx.parent is not None else None
        if "--resume" in args[:-1]:
            resumed = args[args.index("--resume") + 1]
        if resumed:
            from hardpoint.cli.launch import record_of

            wanted = record_of(resumed).name
            for name, entity in self.loaded.own.items():
                if entity.name == wanted:
                    return name
        return self.loaded.default()

    def summary(self, ctx: click.Context, name: str) -> str:
        return self.loaded.own[name].python_interface.docstring.short or ""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for kind in ("workflow", "task", "launch plan"):
            found = self.loaded.named(kind)
            if found:
                with formatter.section(f"{kind.capitalize()}s"):
                    formatter.write_dl([(name, self.summary(ctx, name)) for name in found])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        if incomplete.startswith("-"):
            with contextlib.suppress(click.UsageError):
                return EntityCommand(self.loaded.default(), self.loaded).shell_complete(ctx, incomplete)
        return super().shell_complete(ctx, incomplete)


class EntityCommand(Command):
    """One workflow, task or launch plan; its options are its inputs."""

    def __init__(self, name: str, loaded: Any) -> None:
        from hardpoint.cli.parameters import parameters_of

        self.loaded, self.entity = loaded, loaded.entity(name)
        self.interface = self.entity.python_interface
        self.inputs = parameters_of(self.interface)
        options = [parameter.to_click() for parameter in self.inputs.values()]
        taken = frozenset(spelling for option in options for spelling in (*option.opts, *option.secondary_opts))
        docs = self.interface.docstring
        super().__init__(
            name,
            params=[*options, *_options("run__", hidden=True, taken=taken)],
            help="\n\n".join(part for part in (docs.short, docs.long) if part) or None,
            options_metavar="[INPUT]..." if options else "",
        )

    def invoke(self, ctx: click.Context) -> int:
        from hardpoint.cli.launch import Launch
        from hardpoint.cli.parameters import read_inputs

        settings = run_settings(ctx)
        given = {name: ctx.params.get(name) for name in self.inputs}
        launch = Launch(self.loaded.target, self.name or "", self.entity, settings)
        if settings["resume"]:
            told = [self.inputs[name].option for name, value in given.items() if value is not None]
            if settings["inputs_file"]:
                told.append("--inputs-file")
            if told:
                raise click.UsageError(f"A run that is resumed has its inputs already; leave out {', '.join(told)}.")
            return launch.resume()
        return launch.start(read_inputs(self.name or "", self.interface, self.inputs, given, settings["inputs_file"]))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        # The spellings with underscores are for those who know them.
        return [item for item in super().shell_complete(ctx, incomplete) if "_" not in item.value or "_" in incomplete]


def run_settings(ctx: click.Context) -> dict[str, Any]:
    """The options of a run, from wherever on the line they were given; the later ones win."""
    found: dict[str, Any] = {}
    context: click.Context | None = ctx
    while context is not None:
        for spellings, _ in _OPTIONS:
            name = spellings[0].lstrip("-").replace("-", "_")
            value = context.params.get(f"run__{name}")
            if value is None and isinstance(context.command, RunGroup):
                value = context.params.get(name)
            if value is not None and found.get(name) is None:
                found[name] = value
        if isinstance(context.command, RunGroup):
            found["environment"] = context.params["environment"]
        context = context.parent
    return {spellings[0].lstrip("-").replace("-", "_"): None for spellings, _ in _OPTIONS} | found


def _set_environment(pairs: tuple[str, ...]) -> None:
    for pair in pairs:
        name, mark, value = pair.partition("=")
        if not mark or not name:
            raise click.UsageError(f"-e should be KEY=VALUE, but got {pair!r}.")
        os.environ[name] = value


@click.command(
    cls=RunGroup,
    params=_options(),
    invoke_without_command=True,
    no_args_is_help=True,
    subcommand_metavar="FILE [NAME] [INPUT]...",
    examples="""
        hardpoint run flow.py                                  # the one workflow of the file
        hardpoint run flow.py train --epochs 3 --lr 1e-3       # a task or workflow by name
        hardpoint run flow.py train --help                     # its inputs
        hardpoint run package.module train --config @cfg.yaml  # a module; data from a file
        hardpoint run --output json flow.py score | jq .outputs
        hardpoint run --resume latest                          # only what has not succeeded yet
    """,
    statuses=True,
)
@click.option("-e", "environment", metavar="KEY=VALUE", multiple=True, help="Set an environment variable for the run.")
@click.pass_context
def run(ctx: click.Context, /, **_: Any) -> int | None:
    """Run a workflow or a task on this machine.

    FILE is a Python file or the name of a module, NAME a workflow, a task or a launch plan in it; it may be left out where
    there is one workflow. Inputs are options: text, numbers, true and false, times and choices as they are, lists,
    objects and dataclasses as JSON or YAML or as @FILE, files and tables by path or URI.
    """
    if ctx.invoked_subcommand is not None:
        return None
    settings = run_settings(ctx)
    if not settings["resume"]:
        raise click.UsageError("FILE is missing: hardpoint run FILE [NAME].")
    from hardpoint.cli.launch import Launch

    _set_environment(settings["environment"])
    return Launch.of_run(settings).resume()
