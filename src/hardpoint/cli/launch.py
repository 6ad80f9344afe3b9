"""Starts a run, or takes one up again, shows it, and says how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click
import msgspec

from hardpoint.cli import progress, report
from hardpoint.cli.interruption import see_to_jobs
from hardpoint.cli.shell import FAILED, INTERRUPTED, MISSING
from hardpoint.cli.target import Loaded, Target
from hardpoint.engine.local import execute_literals
from hardpoint.engine.run import RunOptions, new_run_id
from hardpoint.engine.store import RunRecord, RunStore, unpack
from hardpoint.errors import MissingDependencyError
from hardpoint.idl import Literal
from hardpoint.secrets import redact_uri
from hardpoint.settings import override

__all__ = ["Launch", "record_of"]


class Launch(msgspec.Struct, frozen=True):
    """Something that is about to be run.

    Attributes:
        target: The module that it is in.
        name: Its name there.
        entity: The workflow, task or launch plan.
        settings: The options of `hardpoint run`, by name; None where one was not given.
    """

    target: Target
    name: str
    entity: Any
    settings: Mapping[str, Any]

    @classmethod
    def of_run(cls, settings: Mapping[str, Any]) -> Launch:
        """What the run that is to be resumed was a run of.

        Raises:
            UserError: there is no such run.
            click.UsageError: it was not started by this command, or what it ran is not there any more.
        """
        record = record_of(settings["resume"])
        if record.command is None:
            raise click.UsageError(
                f"Run {record.id} was not started by hardpoint run; name its file: "
                f"hardpoint run --resume {record.id} FILE NAME."
            )
        command = json.loads(record.command)
        target = Target.from_command(command)
        if target.file is not None and not os.path.isfile(target.file):
            raise click.UsageError(
                f"{target.file}, of run {record.id}, is gone; name the file: "
                f"hardpoint run --resume {record.id} FILE {command['name']}."
            )
        absent = [name for name in command["environment"] if name not in os.environ]
        if absent:  # values may be secret, so they are not in the record
            told = " ".join(f"-e {name}=..." for name in absent)
            raise click.UsageError(f"Run {record.id} was started with {told}; give it again.")
        entity = Loaded(target, target.load()).entity(command["name"])
        return cls(target, command["name"], entity, settings)

    def start(self, inputs: Mapping[str, Literal]) -> int:
        """Run it on these inputs; the exit status."""
        return self._execute(inputs, new_run_id())

    def resume(self) -> int:
        """Take up the run that the settings name, on the inputs that it had; the exit status.

        Raises:
            UserError: there is no such run.
            click.UsageError: it is of something else, or it still goes on.
        """
        record = record_of(self.settings["resume"])
        if record.name != self.entity.name:
            raise click.UsageError(f"Run {record.id} is one of {record.name}, not of {self.entity.name}.")
        if record.status == "running":
            raise click.UsageError(f"Run {record.id} is still running (process {record.pid}).")
        return self._execute(unpack(record.inputs), record.id, resumed=True)

    @property
    def _command(self) -> dict[str, Any]:
        """What is needed to start it again."""
        pairs: tuple[str, ...] = self.settings["environment"]
        return {
            "module": self.target.module,
            "root": self.target.root,
            "file": self.target.file,
            "name": self.name,
            "environment": [pair.partition("=")[0] for pair in pairs],
        }

    def _execute(self, inputs: Mapping[str, Literal], run: str, *, resumed: bool = False) -> int:
        as_json = self.settings["output"] == "json"
        recorded = resumed or not self.settings["no_record"]
        again = f"hardpoint run --resume {run}" if recorded else None
        view = progress.view(quiet=bool(self.settings["quiet"]))
        options = RunOptions(
            record=recorded,
            resume=run if resumed else None,
            run_id=run,
            listener=view,
            max_parallelism=self.settings["max_parallelism"] or 0,
            prompt=view.ask,
            source=self.target.file or self.target.module,
            command=self._command,
        )
        try:
            with (
                override(local=self._local()),
                _stdout_is_ours() if as_json else contextlib.nullcontext(),
                view,
                _termination_interrupts() as told,
            ):
                result = execute_literals(self.entity, inputs, options)
        except KeyboardInterrupt:
            see_to_jobs(run, self.settings["on_interrupt"], resumable=recorded, may_ask=not told)
            click.echo(report.interrupted(run if recorded else None), err=True)
            if as_json:
                click.echo(report.outcome(run, "aborted", resume=again))
            return INTERRUPTED
        except (Exception, SystemExit) as error:  # a task that calls sys.exit() has failed
            click.echo(report.failure(error, report.decks_of(run) if recorded else {}, again), err=True)
            if as_json:
                click.echo(
                    report.outcome(run, "failed", error=redact_uri(f"{type(error).__name__}: {error}"), resume=again)
                )
            return MISSING if isinstance(error, MissingDependencyError) else FAILED
        decks = report.decks_of(run) if recorded else {}
        text = report.success(result, decks, as_json=as_json)
        if text:
            click.echo(text)
        return 0

    def _local(self) -> dict[str, Any]:
        """What the options change in the settings of local runs."""
        changed: dict[str, Any] = {}
        if self.settings["raw_output_prefix"]:
            prefix = self.settings["raw_output_prefix"]
            changed["raw_output_prefix"] = prefix if "://" in prefix else os.path.abspath(prefix)
        if self.settings["no_cache"]:
            changed["cache_enabled"] = False
        if self.settings["overwrite_cache"]:
            changed["cache_overwrite"] = True
        return changed


def record_of(run: str) -> RunRecord:
    """The record of a run."""
    store = RunStore()
    try:
        return store.run(run)
    finally:
        store.close()


@contextlib.contextmanager
def _termination_interrupts() -> Iterator[list[int]]:
    """A block in which SIGTERM does what Ctrl-C does; the list then holds it."""
    told: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        told.append(number)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _stdout_is_ours() -> Iterator[None]:
    """Send what tasks and their child processes print to standard error, so that the JSON stands alone."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
