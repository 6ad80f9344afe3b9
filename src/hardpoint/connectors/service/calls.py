"""What the service does, whichever protocol it is asked in. Messages are those of Flyte 1, of which those of Flyte 2 are a part."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from flyteidl.admin.agent_pb2 import (
    Agent,
    CreateRequestHeader,
    CreateTaskRequest,
    DeleteTaskRequest,
    GetTaskLogsRequest,
    GetTaskLogsResponse,
    GetTaskLogsResponseBody,
    GetTaskLogsResponseHeader,
    GetTaskMetricsRequest,
    GetTaskMetricsResponse,
    GetTaskRequest,
)
from flyteidl.admin.agent_pb2 import Resource as ResourceMessage

from hardpoint.connectors.connection import Connection, use_connection
from hardpoint.connectors.contract import AsyncConnectorBase, ConnectorBase, SyncConnectorBase
from hardpoint.connectors.identity import JobOwner
from hardpoint.connectors.jobs import Jobs
from hardpoint.connectors.pool import Threads, call
from hardpoint.connectors.registry import agent_named
from hardpoint.connectors.resource import Resource
from hardpoint.connectors.service.directory import Directory
from hardpoint.connectors.service.metrics import UNKNOWN, Metrics, Verb
from hardpoint.connectors.service.outputs import move_out, to_literals
from hardpoint.connectors.service.rpc import Rpc
from hardpoint.connectors.service.sync_jobs import SyncJobs, do
from hardpoint.idl import LiteralMap
from hardpoint.secrets import redact, redact_uri

__all__ = ["Calls"]

logger = logging.getLogger(__name__)

_LARGEST = 3_500_000
"""Bytes of outputs in an answer; engines take messages of 4 MiB."""


_PATIENCE = 30.0
"""Seconds after which a caller that sets no deadline is told how far its job has come."""


def margin(remaining: float | None) -> float | None:
    """The seconds that may be used of those that the caller waits, so that an answer still arrives."""
    return None if remaining is None else max(0.0, remaining - min(1.0, max(0.1, remaining * 0.1)))


def _by(rpc: Rpc) -> float:
    """The seconds within which the caller is told how its job stands: what takes longer goes on without it."""
    seconds = margin(rpc.context.time_remaining())
    return _PATIENCE if seconds is None else seconds


@dataclass(frozen=True)
class _Served:
    """A connector, and what is asked of it.

    Attributes:
        connector: The connector.
        jobs: As one that starts jobs.
    """

    connector: ConnectorBase
    jobs: AsyncConnectorBase[Any]
    category: str
    observe_inputs: Any
    create: Verb
    get: Verb
    delete: Verb
    do: Verb
    metrics: Verb
    logs: Verb


_WORDS = {
    "create": "create a job of {}",
    "get": "say how a job of {} stands",
    "delete": "end a job of {}",
    "do": "run a task of {}",
    "metrics": "say what a job of {} has used",
    "logs": "say what a job of {} has logged",
}


class Calls:
    """Answers calls.

    Args:
        directory: The connectors that are served.
        jobs: Their jobs.
        metrics: Where calls are counted.
    """

    def __init__(self, directory: Directory, jobs: Jobs, metrics: Metrics) -> None:
        self.directory, self.jobs, self.metrics = directory, jobs, metrics
        self._served = {category: self._serve(connector) for category, connector in directory.connectors.items()}
        self._unknown = {
            name: Verb(metrics, UNKNOWN, name, words.format("this type"), "The connector service")
            for name, words in _WORDS.items()
        }
        self._threads = Threads("hardpoint-logs", 32)

    def _serve(self, connector: ConnectorBase) -> _Served:
        category = str(connector.task_category)
        verbs = {
            name: Verb(self.metrics, connector.task_type_name, name, words.format(category), connector.name)
            for name, words in _WORDS.items()
        }
        jobs = connector if isinstance(connector, AsyncConnectorBase) else SyncJobs(_sync(connector))
        inputs = self.metrics.inputs.labels(connector.task_type_name).observe
        return _Served(connector, jobs, category, inputs, **verbs)

    def _find(self, rpc: Rpc, verb: str, task_type: str, version: int) -> _Served:
        found = self._served.get((task_type, version))
        if found is None:
            try:
                self.directory.get(task_type, version)
            except Exception as error:  # that it is not served, and why
                raise self._unknown[verb].failed(error, perf_counter()) from error
            raise AssertionError("what the directory has is served")
        rpc.task_type = found.category
        return found

    def _of(self, rpc: Rpc, verb: str, request: Any) -> _Served:
        """The connector of a job; engines that know no categories name the type alone."""
        category = request.task_category
        if category.name:
            return self._find(rpc, verb, category.name, category.version)
        return self._find(rpc, verb, request.task_type, 0)

    # -- jobs ----------------------------------------------------------------------------------------------------------

    async def create(self, rpc: Rpc, request: CreateTaskRequest, connection: Connection | None) -> bytes:
        """The metadata of the job that there is now, encoded."""
        began, template = perf_counter(), request.template
        served = self._find(rpc, "create", template.type, template.task_type_version)
        metadata = request.task_execution_metadata if request.HasField("task_execution_metadata") else None
        if metadata is not None:
            rpc.find_key = lambda: JobOwner.of(metadata, request.output_prefix).idempotency_key
        inputs = request.inputs
        served.observe_inputs(inputs.ByteSize())
        try:
            meta = await self.jobs.create_or_adopt(
                served.jobs,
                template,
                inputs,
                request.output_prefix,
                metadata,
                deadline=_by(rpc),
                connection=connection,
            )
        except Exception as error:
            raise served.create.failed(error, began) from error
        served.create.succeeded(began)
        return meta

    async def get(
        self,
        rpc: Rpc,
        request: GetTaskRequest,
        connection: Connection | None,
        encode: Callable[[ResourceMessage], bytes],
    ) -> bytes:
        """How a job stands, encoded."""
        began, served = perf_counter(), self._of(rpc, "get", request)
        try:
            resource = await self.jobs.state(
                served.jobs,
                request.resource_meta,
                request.output_prefix,
                deadline=_by(rpc),
                connection=connection,
            )
            # An answer is encoded once for as long as nothing new is known of the job.
            encoded = vars(resource).get("_encoded") if resource.outputs is None else None
            if encoded is None or encoded[0] is not encode:
                encoded = encode, encode(await _message(resource, request.output_prefix))
                if resource.outputs is None:
                    vars(resource)["_encoded"] = encoded
        except Exception as error:
            raise served.get.failed(error, began) from error
        served.get.succeeded(began)
        answer: bytes = encoded[1]
        return answer

    async def delete(self, rpc: Rpc, request: DeleteTaskRequest, connection: Connection | None) -> None:
        """End a job."""
        began, served = perf_counter(), self._of(rpc, "delete", request)
        try:
            await self.jobs.cancel(
                served.jobs,
                request.resource_meta,
                deadline=_by(rpc),
                connection=connection,
            )
        except Exception as error:
            raise served.delete.failed(error, began) from error
        served.delete.succeeded(began)

    async def metrics_of(self, rpc: Rpc, request: GetTaskMetricsRequest) -> GetTaskMetricsResponse:
        """What a job has used."""
        began, served = perf_counter(), self._of(rpc, "metrics", request)
        try:
            meta, brought = await self.jobs.job(served.jobs, request.resource_meta)
            with use_connection(brought):
                answer: GetTaskMetricsResponse = await call(
                    served.jobs,
                    "get_metrics",
                    meta,
                    deadline=margin(rpc.context.time_remaining()),
                    queries=list(request.queries),
                    start_time=request.start_time,
                    end_time=request.end_time,
                    step=request.step,
                )
        except Exception as error:
            raise served.metrics.failed(error, began) from error
        served.metrics.succeeded(began)
        return answer

    async def logs(self, rpc: Rpc, request: GetTaskLogsRequest) -> AsyncIterator[GetTaskLogsResponse]:
        """What a job has logged, part by part; the last part has the token with which to go on, empty at the end."""
        began, served, token = perf_counter(), self._of(rpc, "logs", request), ""
        try:
            meta, brought = await self.jobs.job(served.jobs, request.resource_meta)
            with use_connection(brought):
                answer = await call(served.jobs, "get_logs", meta, lines=request.lines, token=request.token)
                async for part in self._parts(answer):
                    if part.HasField("body"):
                        yield GetTaskLogsResponse(body=_redacted(part.body))
                    elif part.HasField("header"):
                        token = part.header.token
        except Exception as error:
            raise served.logs.failed(error, began) from error
        served.logs.succeeded(began)
        yield GetTaskLogsResponse(header=GetTaskLogsResponseHeader(token=token))

    async def _parts(self, answer: Any) -> AsyncIterator[GetTaskLogsResponse]:
        """What a connector's `get_logs` returned, in whichever way it was written."""
        if isinstance(answer, AsyncIterator):
            async for part in answer:
                yield part
        elif isinstance(answer, Iterator):
            end = object()
            while (part := await self._threads.run(lambda: next(answer, end))) is not end:
                yield part
        elif answer is not None:
            yield answer

    # -- at once -------------------------------------------------------------------------------------------------------

    async def execute(self, rpc: Rpc, header: CreateRequestHeader, inputs: LiteralMap) -> ResourceMessage:
        """What a task has come to whose connector answers at once."""
        began, template = perf_counter(), header.template
        served = self._find(rpc, "do", template.type, template.task_type_version)
        served.observe_inputs(inputs.ByteSize())
        connector = served.connector
        try:
            if not isinstance(connector, SyncConnectorBase):
                raise NotImplementedError(f"{connector.name} starts jobs, and does not answer at once.")
            with use_connection(Connection.of(template, shared=True)):
                resource = await do(
                    connector,
                    template,
                    header.output_prefix,
                    inputs,
                    deadline=margin(rpc.context.time_remaining()),
                    task_execution_metadata=(
                        header.task_execution_metadata if header.HasField("task_execution_metadata") else None
                    ),
                )
            message = await _message(resource, header.output_prefix)
        except Exception as error:
            raise served.do.failed(error, began) from error
        served.do.succeeded(began)
        return message

    # -- connectors ----------------------------------------------------------------------------------------------------

    def agents(self) -> list[Agent]:
        """The connectors that are served."""
        return self.directory.agents()

    def agent(self, name: str) -> Agent:
        """The connector of that name.

        Raises:
            FlyteConnectorNotFound: there is none.
        """
        return agent_named(name, self.directory.agents())


def _sync(connector: ConnectorBase) -> SyncConnectorBase:
    assert isinstance(connector, SyncConnectorBase), f"{connector.name} is of neither kind"
    return connector


async def _message(resource: Resource, output_prefix: str) -> ResourceMessage:
    if resource.outputs is not None:
        resource.outputs = await to_literals(resource)
        resource = await move_out(resource, output_prefix, _LARGEST)
    message = resource.proto()
    message.message = redact_uri(message.message)
    return message


def _redacted(body: GetTaskLogsResponseBody) -> GetTaskLogsResponseBody:
    made = GetTaskLogsResponseBody(results=[redact(line) for line in body.results])
    for line in body.structured_lines:
        made.structured_lines.add(timestamp=line.timestamp, message=redact(line.message), originator=line.originator)
    return made
