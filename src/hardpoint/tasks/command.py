"""The command line of a task's container, in one place.

The control plane fills in what stands in braces; the programs are this package's entry points in the image. Order and
spelling are stored in registered templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hardpoint.tasks.serialization import SerializationSettings

__all__ = [
    "EXECUTE",
    "FAST_EXECUTE",
    "MAP_EXECUTE",
    "TASK_TEMPLATE_PATH",
    "execute_command",
    "fast_prefix",
    "map_execute_command",
    "shim_command",
]

EXECUTE = "hardpoint-execute"
MAP_EXECUTE = "hardpoint-map-execute"
FAST_EXECUTE = "hardpoint-fast-execute"
TASK_TEMPLATE_PATH = "{{.taskTemplatePath}}"

_DATA = (
    *("--inputs", "{{.input}}"),
    *("--output-prefix", "{{.outputPrefix}}"),
    *("--raw-output-data-prefix", "{{.rawOutputDataPrefix}}"),
)
_CHECKPOINT = ("--checkpoint-path", "{{.checkpointOutputPrefix}}", "--prev-checkpoint", "{{.prevCheckpointPrefix}}")


def execute_command(resolver: str, loader_args: Sequence[str]) -> list[str]:
    """Run the task that a resolver finds.

    Args:
        resolver: Location of the resolver, as ``module.variable``.
        loader_args: What it needs to find the task.
    """
    return [EXECUTE, *_DATA, *_CHECKPOINT, "--resolver", resolver, "--", *loader_args]


def map_execute_command(resolver: str, loader_args: Sequence[str]) -> list[str]:
    """Run one element of a map task."""
    return [MAP_EXECUTE, *_DATA, *_CHECKPOINT, "--resolver", resolver, "--", *loader_args]


def shim_command(resolver: str, loader_args: Sequence[str]) -> list[str]:
    """Run a task from its template alone."""
    return [EXECUTE, *_DATA, "--resolver", resolver, "--", *loader_args]


def fast_prefix(settings: SerializationSettings) -> list[str]:
    """What comes before a command so that the user's code is fetched first; nothing if it is in the image."""
    fast = settings.fast_serialization_settings
    if fast is None or not fast.enabled:
        return []
    distribution = fast.distribution_location or "{{ .remote_package_path }}"
    destination = fast.destination_dir or "{{ .dest_dir }}"
    return [FAST_EXECUTE, "--additional-distribution", distribution, "--dest-dir", destination, "--"]
