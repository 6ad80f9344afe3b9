"""A connector that answers at once, as one that starts jobs: for callers that know no other kind.

Flyte 2 has no calls for the first kind, and an engine of Flyte 1 that has lost its list of connectors forgets which they are.
The work is done while the job is "created", and what came of it travels in the job's metadata.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from typing import Any

from flyteidl.admin.agent_pb2 import Resource as ResourceMessage

from hardpoint.connectors.contract import AsyncConnectorBase, Capabilities, SyncConnectorBase
from hardpoint.connectors.phases import Phase
from hardpoint.connectors.pool import call
from hardpoint.connectors.resource import Resource, ResourceMeta
from hardpoint.connectors.service.outputs import declared, move_out, to_literals
from hardpoint.errors import PermanentError
from hardpoint.idl import LiteralMap, TaskTemplate

__all__ = ["DoneMeta", "SyncJobs", "do"]

_MOST = 64 * 1024
"""Bytes of outputs that travel in a job's metadata, which an engine keeps in etcd; larger ones are written to a file."""


class UnfinishedError(PermanentError):
    """A connector that answers at once says that its work is not done."""

    code = "SYSTEM:Unfinished"


@dataclass
class DoneMeta(ResourceMeta):
    """What came of it: a `flyteidl.admin.Resource`, in base64."""

    resource: str


class SyncJobs(AsyncConnectorBase[DoneMeta]):
    """The connector `inner`, whose jobs have ended when they are created.

    Args:
        inner: Who does the work.
    """

    metadata_type = DoneMeta
    capabilities = Capabilities(cancels=False)

    def __init__(self, inner: SyncConnectorBase) -> None:
        super().__init__(task_type_name=inner.task_type_name, task_type_version=inner.task_type_version)
        self.inner = inner
        self.name = inner.name  # type: ignore[misc]  # whom errors speak of

    async def create(
        self,
        task_template: TaskTemplate,
        output_prefix: str,
        inputs: LiteralMap | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> DoneMeta:
        resource = await do(self.inner, task_template, output_prefix, inputs or LiteralMap(), **kwargs)
        resource = await move_out(resource, output_prefix, _MOST)
        return DoneMeta(b64encode(resource.proto().SerializeToString()).decode())

    async def get(self, resource_meta: DoneMeta, **kwargs: Any) -> Resource:
        return Resource.of_proto(ResourceMessage.FromString(b64decode(resource_meta.resource)))

    async def delete(self, resource_meta: DoneMeta, **kwargs: Any) -> None:
        """There is nothing to end."""


async def do(
    connector: SyncConnectorBase,
    template: TaskTemplate,
    output_prefix: str,
    inputs: LiteralMap,
    deadline: float | None = None,
    **kwargs: Any,
) -> Resource:
    """What a connector answers, with its outputs as literals.

    Raises:
        UnfinishedError: it names a phase that is not an end, which an engine would wait for in vain.
        Exception: whatever it raised.
    """
    resource: Resource = await call(
        connector,
        "do",
        deadline=deadline,
        task_template=template,
        output_prefix=output_prefix,
        inputs=inputs,
        **kwargs,
    )
    if not Phase(resource.phase).is_terminal:
        raise UnfinishedError(
            f"It answered with the phase {Phase(resource.phase).name}, which is not an end. {resource.message or ''}".strip(),
            remedy="A connector whose work goes on after the call is an AsyncConnectorBase.",
        )
    return replace(resource, outputs=await to_literals(resource, declared(template)))
