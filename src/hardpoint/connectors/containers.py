"""What a task's container leaves where it was told to write: outputs, or an error.

Wire facts: flyteidl/core/errors.proto, `ErrorDocument`; the container writes ``outputs.pb`` or ``error.pb``, and may end well after
either.
"""

from __future__ import annotations

from dataclasses import replace

from flyteidl.core.errors_pb2 import ContainerError, ErrorDocument

from hardpoint.connectors.phases import Phase
from hardpoint.connectors.resource import Resource
from hardpoint.context import FlyteContextManager
from hardpoint.errors import StorageNotFoundError

__all__ = ["as_written"]


def as_written(resource: Resource, output_prefix: str, has_outputs: bool) -> Resource:
    """How a container's job stands, by what it has written to storage.

    Args:
        resource: How the service says that it stands, at its end.
        output_prefix: Where the container writes.
        has_outputs: Whether the task has outputs.
    """
    files = FlyteContextManager.current_context().file_access
    try:
        with files.open(f"{output_prefix}/error.pb", "rb") as stream:
            error = ErrorDocument.FromString(stream.read()).error
    except StorageNotFoundError:
        if resource.phase is Phase.SUCCEEDED and has_outputs and not files.exists(f"{output_prefix}/outputs.pb"):
            said = f"{resource.message or ''}\nThe job has written no outputs to {output_prefix}.".strip()
            return replace(resource, phase=Phase.FAILED, message=said)
        return resource
    if resource.phase in (Phase.ABORTED, Phase.RETRYABLE_FAILED):
        return resource
    phase = Phase.RETRYABLE_FAILED if error.kind == ContainerError.RECOVERABLE else Phase.FAILED
    return replace(resource, phase=phase, message=f"{error.message.strip()}\n{resource.message or ''}".strip())
