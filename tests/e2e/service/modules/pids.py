"""A connector that says in which process it runs."""

import os
from typing import Any

from hardpoint.connectors import ConnectorRegistry, Phase, Resource, SyncConnectorBase


class Pid(SyncConnectorBase):
    name = "Pid"
    task_type_name = "pid"

    async def do(self, **kwargs: Any) -> Resource:  # type: ignore[override]
        return Resource(Phase.SUCCEEDED, message=str(os.getpid()))


ConnectorRegistry.register(Pid())
