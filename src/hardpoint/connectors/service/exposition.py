"""Metrics over HTTP, at ``/metrics``: those of this process, or the sum of those that several have written."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from hardpoint.errors import UserError

__all__ = ["serve_metrics", "sum_of"]


def sum_of(folder: str) -> CollectorRegistry:
    """The metrics that processes write into a folder."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
    return registry


def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> int:
    """Serve metrics in a thread: on which port.

    Raises:
        UserError: the port is taken.
    """
    try:
        server, _ = start_http_server(port, host.strip("[]"), registry)
    except OSError as error:
        raise UserError(
            f"Metrics cannot be served on port {port}: {error.strerror}",
            remedy="Name another --prometheus-port, or none.",
        ) from error
    return server.server_port
