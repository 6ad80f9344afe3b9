"""Connectors that cost nothing, so that what is measured is the service."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hardpoint.connectors import AsyncConnectorBase, Capabilities, ConnectorRegistry, Phase, Resource, ResourceMeta


@dataclass
class Meta(ResourceMeta):
    job_id: str


class Noop(AsyncConnectorBase[Meta]):
    """Answers at once."""

    name = "Noop"
    task_type_name = "noop"
    metadata_type = Meta

    async def create(self, task_template: Any, output_prefix: str, **kwargs: Any) -> Meta:
        return Meta(output_prefix)

    async def get(self, resource_meta: Meta, **kwargs: Any) -> Resource:
        return Resource(Phase.RUNNING, message="RUNNING")

    async def delete(self, resource_meta: Meta, **kwargs: Any) -> None: ...


def count() -> None:
    """One more call of the vendor; the file is as long as there were."""
    descriptor = os.open(os.environ["VENDOR_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, b".")
    os.close(descriptor)


class Slow(Noop):
    """Its vendor's library blocks."""

    name = "Slow"
    task_type_name = "slow"

    def get(self, resource_meta: Meta, **kwargs: Any) -> Resource:  # type: ignore[override]
        count()
        time.sleep(0.2)
        return Resource(Phase.RUNNING, message="RUNNING")


class Many(Noop):
    """Its vendor tells of many jobs at once, and says when."""

    name = "Many"
    task_type_name = "many"
    capabilities = Capabilities(batches_polls=True)

    async def get(self, resource_meta: Meta, **kwargs: Any) -> Resource:
        count()
        return Resource(Phase.RUNNING, message=str(time.time()))

    async def get_many(self, metas: Sequence[Meta], **kwargs: Any) -> list[Resource]:
        count()
        return [Resource(Phase.RUNNING, message=str(time.time())) for _ in metas]


for made in (Noop, Slow, Many):
    ConnectorRegistry.register(made())
