"""The client: it asks as a Flyte engine does, which takes any error of a creation for a failed attempt and makes the next."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
from flyteidl.admin.agent_pb2 import CreateTaskRequest, DeleteTaskRequest, GetTaskRequest, TaskCategory
from flyteidl.service.agent_pb2_grpc import AsyncAgentServiceStub

from hardpoint.connectors import Phase
from hardpoint.idl import TaskTemplate
from tests.unit.connectors.owners import metadata

_TIMEOUT = 10.0
_PAUSE = 0.3


@dataclass
class Node:
    """One node, and what has become of it.

    Attributes:
        name: Its id.
        task: Its task.
        is_cancelled: Whether it is aborted while its job runs.
        attempts: How many there were.
        phase: The last that the service said.
        said: Why attempts have failed.
    """

    name: str
    task: TaskTemplate
    is_cancelled: bool = False
    attempts: int = 0
    phase: Phase = Phase.UNDEFINED
    meta: bytes = b""
    said: list[str] = field(default_factory=list)


class Engine:
    """Runs nodes against whichever service there is at the moment.

    Args:
        stub: Gives the stub of the service that lives.
        seed: Of the time between its questions.
    """

    def __init__(self, stub: Callable[[], AsyncAgentServiceStub], seed: int) -> None:
        self.stub, self.random = stub, random.Random(seed)

    async def run(self, node: Node) -> None:
        """Run a node to its end."""
        while True:
            await self._create(node)
            while True:
                await asyncio.sleep(self.random.uniform(0.05, 0.3))
                if node.is_cancelled:
                    await self._delete(node)
                    return
                request = GetTaskRequest(
                    task_category=TaskCategory(name=node.task.type),
                    resource_meta=node.meta,
                    output_prefix=self._prefix(node),
                )
                try:
                    resource = (await self.stub().GetTask(request, timeout=_TIMEOUT)).resource
                except grpc.aio.AioRpcError:
                    continue  # counted by the engine, and asked again
                node.phase = Phase(resource.phase)
                if node.phase is Phase.RETRYABLE_FAILED:
                    node.said.append(resource.message)
                    break
                if node.phase.is_terminal:
                    node.said.append(resource.message)
                    return

    async def _create(self, node: Node) -> None:
        while True:
            attempt, node.attempts = node.attempts, node.attempts + 1
            request = CreateTaskRequest(
                template=node.task,
                output_prefix=self._prefix(node),
                task_execution_metadata=metadata(node=node.name, attempt=attempt),
            )
            try:
                node.meta = (await self.stub().CreateTask(request, timeout=_TIMEOUT)).resource_meta
                return
            except grpc.aio.AioRpcError as error:
                node.said.append(f"{error.code()}: {error.details()}")
                await asyncio.sleep(_PAUSE)

    async def _delete(self, node: Node) -> None:
        request = DeleteTaskRequest(task_category=TaskCategory(name=node.task.type), resource_meta=node.meta)
        while True:
            try:
                await self.stub().DeleteTask(request, timeout=_TIMEOUT)
                return
            except grpc.aio.AioRpcError:
                await asyncio.sleep(_PAUSE)

    @staticmethod
    def _prefix(node: Node) -> str:
        return f"s3://bucket/{node.name}/{max(node.attempts - 1, 0)}"
