"""The connectors of connectors_ours.py, for the reference."""

import os
import time
from dataclasses import dataclass

from flyteidl.core.execution_pb2 import TaskExecution
from flytekit.extend.backend.base_connector import AsyncConnectorBase, ConnectorRegistry, Resource, ResourceMeta


@dataclass
class Meta(ResourceMeta):
    job_id: str


class Noop(AsyncConnectorBase):
    name = "Noop"

    def __init__(self, task_type="noop"):
        super().__init__(task_type_name=task_type, metadata_type=Meta)

    async def create(self, task_template, output_prefix, **kwargs):
        return Meta(output_prefix)

    async def get(self, resource_meta, **kwargs):
        return Resource(TaskExecution.RUNNING, message="RUNNING")

    async def delete(self, resource_meta, **kwargs): ...


class Slow(Noop):
    name = "Slow"

    def __init__(self):
        super().__init__("slow")

    def get(self, resource_meta, **kwargs):
        descriptor = os.open(os.environ["VENDOR_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, b".")
        os.close(descriptor)
        time.sleep(0.2)
        return Resource(TaskExecution.RUNNING, message="RUNNING")


ConnectorRegistry.register(Noop())
ConnectorRegistry.register(Slow())
