"""What `hardpoint run` is pointed at: a file or a module, and the workflows, tasks and launch plans in it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import click
import msgspec

from hardpoint.cli.shell import MISSING, USAGE, nearest

__all__ = ["LoadError", "Loaded", "Target", "kind_of_entity"]

_MACHINERY = ("<frozen importlib", os.path.dirname(importlib.__file__), __file__)
"""Where the frames of an import are that are not the user's."""


class LoadError(click.ClickException):
    """The user's module could not be imported.

    Args:
        where: What it is called.
        cause: What it raised.
    """

    def __init__(self, where: str, cause: BaseException) -> None:
        super().__init__(f"{where} cannot be imported.")
        self.cause = cause
        self.status = MISSING if isinstance(cause, ImportError) else USAGE

    def format_message(self) -> str:
        return f"{self.message}\n{''.join(self._lines()).rstrip()}"

    def _lines(self) -> list[str]:
        """The traceback, from the user's module on, without the import system's own frames."""
        frames: list[TracebackType] = []
        tb = self.cause.__traceback__
        while tb is not None:
            file = tb.tb_frame.f_code.co_filename
            if not file.startswith(_MACHINERY):
                frames.append(tb)
            tb = tb.tb_next
        kept: TracebackType | None = None
        for tb in reversed(frames):
            kept = TracebackType(kept, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)
        return traceback.format_exception(type(self.cause), self.cause, kept)


def kind_of_entity(value: Any) -> str | None:
    """``workflow``, ``task``, ``launch plan``, or None for anything else."""
    from hardpoint.tasks.base import PythonTask
    from hardpoint.workflows.launch_plan import LaunchPlan
    from hardpoint.workflows.workflow import WorkflowBase

    if isinstance(value, WorkflowBase):
        return "workflow"
    if isinstance(value, LaunchPlan):
        return "launch plan"
    return "task" if isinstance(value, PythonTask) else None


class Target(msgspec.Struct, frozen=True):
    """A module to be run.

    Attributes:
        module: Its name.
        root: The folder that it is imported from.
        file: Its file, where it was named by that.
    """

    module: str
    root: str
    file: str | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """What a word of the command line names.

        Raises:
            click.UsageError: neither a Python file nor the name of a module.
        """
        path = Path(text)
        if path.suffix == ".py" or path.is_file():
            if not path.is_file():
                raise click.UsageError(f"There is no file {text}.")
            return cls.of_file(path.resolve())
        if path.is_dir() and os.sep in text:
            raise click.UsageError(f"{text} is a folder; name a Python file in it.")
        if all(part.isidentifier() for part in text.split(".")):
            return cls(text, os.getcwd())
        raise click.UsageError(f"{text!r} is neither a Python file nor the name of a module, such as package.module.")

    @classmethod
    def of_file(cls, path: Path) -> Target:
        """The module of a file: the packages that it lies in belong to its name."""
        parts, folder = [path.stem], path.parent
        while (folder / "__init__.py").is_file():
            parts.insert(0, folder.name)
            folder = folder.parent
        if len(parts) == 1:
            parts = [re.sub(r"\W", "_", path.stem)]
        elif parts[-1] == "__init__":
            parts.pop()
        return cls(".".join(parts), str(folder), str(path))

    @classmethod
    def from_command(cls, command: Mapping[str, Any]) -> Target:
        """The target of a recorded run."""
        return cls(command["module"], command["root"], command["file"])

    @property
    def label(self) -> str:
        """What people call it."""
        return os.path.basename(self.file) if self.file else self.module

    @property
    def argument(self) -> str:
        """How it is named on a command line."""
        return os.path.relpath(self.file) if self.file else self.module

    def load(self) -> ModuleType:
        """Import it.

        Raises:
            LoadError: it raises an error when it is imported.
            click.UsageError: another module has its name.
        """
        if self.root not in sys.path:
            sys.path.insert(0, self.root)
        try:
            if self.file is None or "." in self.module:
                module = importlib.import_module(self.module)
            else:
                module = self._from_file(self.file)
        except KeyboardInterrupt:
            raise
        except click.ClickException:
            raise
        except BaseException as error:  # a module may even call sys.exit()
            raise LoadError(self.label, error) from error
        if self.file is not None and not _same_file(module, self.file):
            raise click.UsageError(f"{self.label} cannot be imported: another module is named {self.module!r}.")
        return module

    def _from_file(self, file: str) -> ModuleType:
        known = sys.modules.get(self.module)
        if known is not None and _same_file(known, file):
            return known
        if known is not None or self.module in sys.stdlib_module_names:
            raise click.UsageError(
                f"{self.label} cannot be imported: a library has a module named {self.module!r} too. Rename the file."
            )
        spec = importlib.util.spec_from_file_location(self.module, file)
        if spec is None or spec.loader is None:
            raise click.UsageError(f"{self.label} is no Python file.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.module] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[self.module]
            raise
        return module


class Loaded(msgspec.Struct, frozen=True, dict=True):
    """A target that was imported."""

    target: Target
    module: ModuleType

    @cached_property
    def own(self) -> dict[str, Any]:
        """Name -> workflow, task or launch plan that the module itself defines."""
        found: dict[str, Any] = {}
        for name, value in vars(self.module).items():
            kind = kind_of_entity(value)
            if kind is None or name.startswith("_") or any(value is other for other in found.values()):
                continue
            if kind == "launch plan" or value.name.startswith(f"{self.module.__name__}."):
                found[name] = value
        return found

    def named(self, kind: str) -> dict[str, Any]:
        """Those of one kind."""
        return {name: value for name, value in self.own.items() if kind_of_entity(value) == kind}

    def entity(self, name: str) -> Any:
        """The workflow, task or launch plan of that name, also one that the module has imported.

        Raises:
            click.UsageError: there is none; the message says what there is.
        """
        value = getattr(self.module, name, None)
        if kind_of_entity(value) is not None:
            return value
        if callable(value):
            raise click.UsageError(
                f"{name} in {self.target.label} is neither a workflow nor a task; decorate it with @task or @workflow."
            )
        there = f"It has {', '.join(self.own)}." if self.own else "It has no workflow and no task."
        hint = nearest(name, self.own)
        raise click.UsageError(f"There is nothing named {name!r} in {self.target.label}{hint} {there}")

    def default(self) -> str:
        """The name of the one workflow.

        Raises:
            click.UsageError: there are none or several.
        """
        workflows = list(self.named("workflow"))
        if len(workflows) == 1:
            return workflows[0]
        if not self.own:
            raise click.UsageError(f"{self.target.label} has no workflow and no task.")
        raise click.UsageError(f"Say which one of {self.target.label} to run: {', '.join(workflows or self.own)}.")


def _same_file(module: ModuleType, file: str) -> bool:
    there = getattr(module, "__file__", None)
    return there is not None and os.path.realpath(there) == os.path.realpath(file)
