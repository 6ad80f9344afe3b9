"""Outputs on their way to the engine: as literals, and out of the message where they are too large for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from hardpoint.connectors.pool import Threads
from hardpoint.connectors.resource import Resource
from hardpoint.context import FlyteContextManager
from hardpoint.errors import UserError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.types import TypeEngine

__all__ = ["declared", "move_out", "to_literals"]

_threads = Threads("hardpoint-outputs", 8)


def declared(template: TaskTemplate) -> dict[str, Any]:
    """Python types of a task's outputs, as far as a template tells."""
    found: dict[str, Any] = {}
    for name, variable in template.interface.outputs.variables.items():
        try:
            found[name] = TypeEngine.guess_python_type(variable.type)
        except ValueError:  # the value's own type then decides
            continue
    return found


async def to_literals(resource: Resource, types: Mapping[str, Any] | None = None) -> LiteralMap | None:
    """The outputs of a resource as literals. That may move data, which is done in a thread."""
    if resource.outputs is None or isinstance(resource.outputs, LiteralMap):
        return resource.outputs
    literals: LiteralMap | None = await _threads.run(partial(resource.literals, types))
    return literals


async def move_out(resource: Resource, output_prefix: str, most: int) -> Resource:
    """The resource; if its outputs are larger than `most` bytes, without them: they are then where a job would write them.

    Raises:
        UserError: they are too large, and there is no place for them.
    """
    outputs = resource.outputs
    if not isinstance(outputs, LiteralMap) or outputs.ByteSize() <= most:
        return resource
    if not output_prefix:
        raise UserError(
            f"The outputs are {outputs.ByteSize()} bytes, of which a message holds {most}, and no output prefix was given.",
            remedy="Hand large values on as files or datasets.",
        )
    files = FlyteContextManager.current_context().file_access

    def write() -> None:
        with files.open(f"{output_prefix}/outputs.pb", "wb") as stream:
            stream.write(outputs.SerializeToString())

    await _threads.run(write)
    return replace(resource, outputs=None)
