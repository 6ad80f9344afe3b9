"""The resolver for tasks that are defined in a notebook: they travel as pickles, since no module holds them."""

from __future__ import annotations

import gzip
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardpoint.errors import UserError
from hardpoint.tasks.resolver import TaskResolverMixin

if TYPE_CHECKING:
    from hardpoint.tasks.base import PythonTask
    from hardpoint.tasks.serialization import SerializationSettings

__all__ = [
    "PICKLE_FILE_NAME",
    "PickledEntity",
    "PickledEntityMetadata",
    "default_notebook_task_resolver",
    "pickle_entities",
]

PICKLE_FILE_NAME = "pkl.gz"


@dataclass
class PickledEntityMetadata:
    """By what the pickle was written."""

    python_version: str


@dataclass
class PickledEntity:
    """What the pickle holds."""

    metadata: PickledEntityMetadata
    entities: dict[str, Any]


def _python_version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def pickle_entities(entities: dict[str, Any], folder: str | os.PathLike[str]) -> Path:
    """Write tasks and workflows, by name, to the file that the container's resolver reads."""
    import cloudpickle

    path = Path(folder) / PICKLE_FILE_NAME
    with gzip.GzipFile(path, "wb", mtime=0) as stream:
        cloudpickle.dump(PickledEntity(PickledEntityMetadata(_python_version()), entities), stream)
    return path


class DefaultNotebookTaskResolver(TaskResolverMixin):
    """Takes the task from a pickle in the working directory."""

    def name(self) -> str:
        return "DefaultNotebookTaskResolver"

    def loader_args(self, settings: SerializationSettings, t: PythonTask[Any]) -> list[str]:
        return ["entity-name", t.name]

    def load_task(self, loader_args: list[str]) -> Any:
        """The task.

        Raises:
            UserError: another minor version of Python wrote the pickle, or it does not hold the task.
        """
        import cloudpickle

        _, name = loader_args
        with gzip.open(PICKLE_FILE_NAME, "rb") as stream:
            loaded: PickledEntity = cloudpickle.load(stream)
        written, here = loaded.metadata.python_version.split("."), _python_version().split(".")
        if written[:2] != here[:2]:
            raise UserError(
                f"The notebook ran Python {'.'.join(written)}, but this image has {'.'.join(here)}; "
                "pickles of functions cannot be read across minor versions.",
                remedy="Give an image with the notebook's version of Python, or put the tasks in a module.",
            )
        if name not in loaded.entities:
            raise UserError(f"The pickle holds no {name}, only {', '.join(loaded.entities)}.")
        return loaded.entities[name]


default_notebook_task_resolver = DefaultNotebookTaskResolver()
