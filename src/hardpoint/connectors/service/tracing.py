"""Spans for OpenTelemetry: one for each call that is answered, and one for each call of a connector's method.

They are sent where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says; the other variables of OpenTelemetry hold as well.
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hardpoint.connectors.service.rpc import current
from hardpoint.errors import MissingDependencyError

__all__ = ["Tracer", "tracer"]

_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def tracer() -> Tracer | None:
    """What makes spans, if the environment says where they go.

    Raises:
        MissingDependencyError: it does, but OpenTelemetry is not installed.
    """
    if not any(os.environ.get(name) for name in _VARIABLES):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MissingDependencyError(
            "Tracing the connector service", "opentelemetry-exporter-otlp-proto-http", "otel"
        ) from error
    name = os.environ.get("OTEL_SERVICE_NAME") or "hardpoint-connector"
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracer(provider)


class Tracer:
    """Makes spans.

    Args:
        provider: The provider of OpenTelemetry's SDK.
    """

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("hardpoint")

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def unary(self, name: str, answer: Callable[[bytes, Any], Awaitable[bytes]]) -> Any:
        """What answers a call, within a span."""

        async def traced(data: bytes, context: Any) -> bytes:
            with self._call(name, context):
                return await answer(data, context)

        return traced

    def many(self, name: str, answer: Callable[[Any, Any], AsyncIterator[bytes]]) -> Any:
        """As `unary`, for a call that is answered with many messages."""

        async def traced(request: Any, context: Any) -> AsyncIterator[bytes]:
            with self._call(name, context):
                async for part in answer(request, context):
                    yield part

        return traced

    @contextmanager
    def _call(self, name: str, context: Any) -> Iterator[None]:
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        service, _, method = name[1:].rpartition("/")
        # A binary value is none of a trace's.
        sent = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        with self._tracer.start_as_current_span(
            name[1:],
            context=extract(sent),
            kind=SpanKind.SERVER,
            attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": method},
            record_exception=False,  # errors' own words may be for the log alone
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            finally:
                code = context.code()
                number = code if isinstance(code, int) else code.value[0] if code is not None else 0
                span.set_attribute("rpc.grpc.status_code", number)
                if number:
                    self._failed(span, str(number))
                rpc = current.get()
                if rpc is not None and rpc.task_type:
                    span.set_attribute("hardpoint.task_type", rpc.task_type)

    @contextmanager
    def vendor(self, connector: Any, method: str) -> Iterator[None]:
        """A span for a call of a connector's method."""
        from opentelemetry.trace import SpanKind

        with self._tracer.start_as_current_span(
            f"{type(connector).__qualname__}.{method}",
            kind=SpanKind.CLIENT,
            attributes={"hardpoint.task_type": str(connector.task_category), "hardpoint.connector": connector.name},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                self._failed(span, type(error).__name__)
                raise

    @staticmethod
    def _failed(span: Any, why: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        span.set_status(Status(StatusCode.ERROR, why))
