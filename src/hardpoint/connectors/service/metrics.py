"""What is counted, for Prometheus. The first four names and their labels are the reference's."""

from __future__ import annotations

import os
import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary

from hardpoint.connectors.service.status import HTTP_STATUS, Refused, refused

__all__ = ["Metrics", "Verb"]

UNKNOWN = "unknown"
"""The task type of calls that name one that is not served: their own words would be labels without end."""


class Metrics:
    """All metrics of one process.

    Several processes that have ``PROMETHEUS_MULTIPROC_DIR`` in their environment write them there, and whoever serves them adds
    them up.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.success = self._make(
            Counter, "flyte_connector_requests_success_total", "Calls that were answered.", ("task_type", "operation")
        )
        self.failure = self._make(
            Counter,
            "flyte_connector_requests_failure_total",
            "Calls that were refused.",
            ("task_type", "operation", "error_code"),
        )
        self.latency = self._make(
            Summary, "flyte_connector_request_latency_seconds", "How long calls took.", ("task_type", "operation")
        )
        self.inputs = self._make(
            Summary, "flyte_connector_input_literal_bytes", "Sizes of tasks' inputs.", ("task_type",)
        )
        self.vendor_calls = self._make(
            Counter,
            "hardpoint_vendor_calls_total",
            "Calls of connectors' methods, and so of the services behind them.",
            ("task_type", "method", "outcome"),
        )
        self.vendor_latency = self._make(
            Summary,
            "hardpoint_vendor_call_latency_seconds",
            "How long connectors' methods took.",
            ("task_type", "method"),
        )
        self.followed = self._make(
            Gauge, "hardpoint_jobs_followed", "Jobs whose state is kept in mind.", ("task_type",)
        )
        self.creating = self._make(Gauge, "hardpoint_creates_in_flight", "Jobs that are being created.")
        self.watcher_lag = self._make(
            Gauge,
            "hardpoint_watcher_lag_seconds",
            "How long the question that has waited the longest has waited for a service's answer.",
            ("task_type",),
        )
        self.journal_latency = self._make(
            Summary, "hardpoint_journal_latency_seconds", "How long reads and writes of the journal took.", ("method",)
        )

    def _make(self, kind: Any, name: str, text: str, labels: tuple[str, ...] = ()) -> Any:
        options: dict[str, Any] = {}
        if kind is Gauge and os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            options["multiprocess_mode"] = "livemax" if name.endswith("_seconds") else "livesum"
        return kind(name, text, labels, registry=self.registry, **options)


class Verb:
    """One thing that callers ask of one task type, and how it is counted.

    Args:
        metrics: Where it is counted.
        task_type: The task type.
        operation: Its name there.
        doing: What is said of it in errors, as in ``create a job of query_v0``.
        where: Who does it.
    """

    __slots__ = ("_failure", "_labels", "_observe", "_succeed", "doing", "where")

    def __init__(self, metrics: Metrics, task_type: str, operation: str, doing: str, where: str) -> None:
        self.doing, self.where = doing, where
        self._labels = (task_type, operation)
        self._failure = metrics.failure
        # A child is found by its labels under a lock; each is found once.
        self._succeed = metrics.success.labels(task_type, operation).inc
        self._observe = metrics.latency.labels(task_type, operation).observe

    def succeeded(self, began: float) -> None:
        """Count a call that began then, by `time.perf_counter`."""
        self._succeed()
        self._observe(time.perf_counter() - began)

    def failed(self, error: Exception, began: float) -> Refused:
        """Count a call that failed: what its caller is told."""
        told = refused(error, self.doing, where=self.where)
        self._failure.labels(*self._labels, HTTP_STATUS.get(told.status, "500")).inc()
        self._observe(time.perf_counter() - began)
        return told
