"""Connectors as they are written for Flytekit, in each of the forms that its documentation shows; only the imports differ."""

from dataclasses import dataclass
from typing import Any, Optional

from flyteidl.core.execution_pb2 import TaskExecution

from hardpoint import kwtypes
from hardpoint.core.base_task import PythonTask
from hardpoint.core.interface import Interface
from hardpoint.extend.backend.base_connector import (
    AsyncConnectorBase,
    ConnectorRegistry,
    Resource,
    ResourceMeta,
    SyncConnectorBase,
    SyncConnectorExecutorMixin,
)


@dataclass
class Metadata(ResourceMeta):
    job_id: str
    output_path: Optional[str] = None
    task_name: Optional[str] = None


class PortedConnector(AsyncConnectorBase):
    name = "Ported Connector"

    def __init__(self):
        super().__init__(task_type_name="ported", metadata_type=Metadata)

    def create(
        self, task_template, output_prefix, inputs: Any = None, task_execution_metadata=None, **kwargs
    ) -> Metadata:
        name = task_execution_metadata.task_execution_id.task_id.name if task_execution_metadata else None
        return Metadata(str(len(inputs.literals)), f"{output_prefix}/out", name)

    def get(self, resource_meta: Metadata, **kwargs) -> Resource:
        return Resource(
            phase=TaskExecution.SUCCEEDED, outputs={"path": resource_meta.output_path}, message=resource_meta.task_name
        )

    def delete(self, resource_meta: Metadata, **kwargs):
        pass


class AsyncPortedConnector(AsyncConnectorBase):
    name = "Async Ported Connector"

    def __init__(self):
        super().__init__(task_type_name="ported_async", metadata_type=Metadata)

    async def create(self, task_template, inputs=None, output_prefix=None, task_execution_metadata=None) -> Metadata:
        return Metadata(task_template.custom["job"], output_prefix, task_template.type)

    async def get(self, resource_meta: Metadata) -> Resource:
        return Resource(phase=TaskExecution.RUNNING, message=resource_meta.job_id)

    async def delete(self, resource_meta: Metadata):
        pass


class PortedSync(SyncConnectorBase):
    name = "Ported Sync Connector"

    def __init__(self):
        super().__init__(task_type_name="ported_sync")

    def do(self, task_template, output_prefix, inputs=None, **kwargs) -> Resource:
        return Resource(phase=TaskExecution.SUCCEEDED, outputs={"o0": 7})


class AsyncPortedSync(SyncConnectorBase):
    name = "Ported Sync Connector"

    def __init__(self):
        super().__init__("ported_async_sync", 3)

    async def do(self, task_template, output_prefix, inputs=None) -> Resource:
        return Resource(phase=TaskExecution.SUCCEEDED, outputs={"o0": 8})


ConnectorRegistry.register(PortedConnector())
ConnectorRegistry.register(AsyncPortedConnector())
ConnectorRegistry.register(PortedSync())
ConnectorRegistry.register(AsyncPortedSync())


class PortedTask(SyncConnectorExecutorMixin, PythonTask):
    def __init__(self, name: str):
        super().__init__("ported_sync", name, None, Interface(inputs=kwtypes(n=int), outputs=kwtypes(o0=int)))


if __name__ == "__main__":
    print(PortedTask("ported.task")(n=1))
