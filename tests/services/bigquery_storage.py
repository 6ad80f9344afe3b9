"""The Storage Read API of the stand-in for BigQuery, over gRPC.

https://cloud.google.com/bigquery/docs/reference/storage/rpc/google.cloud.bigquery.storage.v1
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pyarrow as pa
from google.cloud.bigquery_storage_v1.types import (
    ArrowRecordBatch,
    ArrowSchema,
    CreateReadSessionRequest,
    DataFormat,
    ReadRowsRequest,
    ReadRowsResponse,
    ReadSession,
    ReadStream,
)

from tests.services.bigquery import BigQuery
from tests.services.bigquery_sql import Failure

_PATH = re.compile(r"projects/([^/]+)/datasets/([^/]+)/tables/([^/]+)")


class BigQueryStorage:
    """The server.

    Args:
        bigquery: Whose tables it reads.

    Attributes:
        url: Where it listens.
        sessions: What was asked for.
        streams: How many streams a session has, at most.
        batch_rows: How many rows are sent at once.
        forbidden: Projects that may not have sessions.
        forgets: How many rows of each batch are lost on their way.
        breaks_after: After how many batches each stream breaks once, as long ones do.
    """

    def __init__(self, bigquery: BigQuery) -> None:
        self.bigquery = bigquery
        self.sessions: list[Any] = []
        self.streams, self.batch_rows, self.forgets = 3, 2, 0
        self.forbidden: set[str] = set()
        self.breaks_after: int | None = None
        self._parts: dict[str, pa.Table] = {}
        self._broken: set[str] = set()
        self._server = grpc.server(ThreadPoolExecutor(16))
        self._server.add_generic_rpc_handlers([_handler(self)])
        self.url = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        self._server.stop(0).wait()

    def create(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.sessions.append(request)
        project = request.parent.removeprefix("projects/")
        if project in self.forbidden:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, f"No bigquery.readsessions.create in {project}")
        if request.read_session.data_format != DataFormat.ARROW:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The stand-in gives ARROW alone")
        match = _PATH.fullmatch(request.read_session.table)
        if match is None or match.groups() not in self.bigquery.warehouse.tables:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Not found: Table {request.read_session.table}")
        options = request.read_session.read_options
        try:
            rows = self.bigquery.warehouse.arrow(match.groups(), options.row_restriction)  # type: ignore[union-attr, arg-type]
        except Failure as failure:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, failure.message)
        wanted = list(options.selected_fields) or rows.schema.names
        if unknown := [name for name in wanted if name not in rows.schema.names]:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"The field {unknown[0]} is not in the table")
        rows = rows.select([name for name in rows.schema.names if name in wanted])
        count = min(self.streams, request.max_stream_count or self.streams, -(-rows.num_rows // self.batch_rows))
        name = f"projects/{project}/locations/us/sessions/{len(self.sessions)}"
        streams = []
        for number in range(count):
            share = -(-rows.num_rows // count)
            streams.append(ReadStream(name=f"{name}/streams/{number}"))
            self._parts[streams[-1].name] = rows.slice(number * share, share)
        schema = ArrowSchema(serialized_schema=rows.schema.serialize().to_pybytes())
        return ReadSession(
            name=name,
            data_format=DataFormat.ARROW,
            arrow_schema=schema,
            table=request.read_session.table,
            read_options=options,
            streams=streams,
            estimated_row_count=rows.num_rows,
        )

    def read(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        part = self._parts[request.read_stream].slice(request.offset).combine_chunks()
        for sent, batch in enumerate(part.to_batches(self.batch_rows)):
            if sent == self.breaks_after and request.read_stream not in self._broken:
                self._broken.add(request.read_stream)
                context.abort(grpc.StatusCode.UNAVAILABLE, "The stream is broken.")
            data = batch.slice(0, batch.num_rows - self.forgets).serialize().to_pybytes()
            yield ReadRowsResponse(
                arrow_record_batch=ArrowRecordBatch(serialized_record_batch=data, row_count=batch.num_rows),
                row_count=batch.num_rows,
                arrow_schema=ArrowSchema(serialized_schema=batch.schema.serialize().to_pybytes()),
            )


def _handler(service: BigQueryStorage) -> grpc.GenericRpcHandler:
    create = grpc.unary_unary_rpc_method_handler(
        service.create, CreateReadSessionRequest.deserialize, ReadSession.serialize
    )
    read = grpc.unary_stream_rpc_method_handler(service.read, ReadRowsRequest.deserialize, ReadRowsResponse.serialize)
    return grpc.method_handlers_generic_handler(
        "google.cloud.bigquery.storage.v1.BigQueryRead", {"CreateReadSession": create, "ReadRows": read}
    )


@contextmanager
def bigquery_storage(bigquery: BigQuery) -> Iterator[BigQueryStorage]:
    """A server of one's own."""
    server = BigQueryStorage(bigquery)
    try:
        yield server
    finally:
        server.close()
