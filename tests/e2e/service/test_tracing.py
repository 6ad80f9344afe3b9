"""Spans, as a collector receives them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.e2e.service import messages
from tests.e2e.service.conftest import CANARY, Service

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
METADATA = (("traceparent", f"00-{TRACE}-{PARENT}-01"),)


class Collector:
    """Receives spans over HTTP, as the OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> dict[str, Span]:
        return {
            span.name: span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_spans(start: Callable[..., Service], collector: Collector) -> None:
    service = start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    service.v1.CreateTask(messages.create(execution="traced"), metadata=METADATA)
    list(service.v1_sync.ExecuteTaskSync(iter(messages.sync())))
    with pytest.raises(grpc.RpcError):
        service.v1.GetTask(messages.get(b"{}"), metadata=METADATA)
    service.end()
    until = time.monotonic() + 20
    while len(collector.spans()) < 5 and time.monotonic() < until:
        time.sleep(0.05)
    spans = collector.spans()
    call, vendor = spans["flyteidl.service.AsyncAgentService/CreateTask"], spans["Jobs.create"]
    assert call.trace_id.hex() == vendor.trace_id.hex() == TRACE
    assert call.parent_span_id.hex() == PARENT
    assert vendor.parent_span_id == call.span_id
    facts = {fact.key: fact.value for fact in call.attributes}
    assert facts["rpc.method"].string_value == "CreateTask"
    assert facts["hardpoint.task_type"].string_value == "jobs_v0"
    assert facts["rpc.grpc.status_code"].int_value == 0
    assert spans["Now.do"].trace_id != call.trace_id
    failed = spans["flyteidl.service.AsyncAgentService/GetTask"]
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert {fact.key: fact.value.int_value for fact in failed.attributes}["rpc.grpc.status_code"] == 3
    assert not any(CANARY.encode() in body for body in collector.bodies)
