"""Counts and traces what goes out: calls of connectors' methods, and of the journal."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from hardpoint.connectors.contract import AsyncConnectorBase, ConnectorBase
from hardpoint.connectors.journal import Journal
from hardpoint.connectors.phases import kind_of_error
from hardpoint.connectors.service.metrics import Metrics
from hardpoint.connectors.service.tracing import Tracer

__all__ = ["observe_connector", "observe_journal"]

_METHODS = ("create", "get", "delete", "find", "get_many", "get_metrics", "get_logs", "do")


def observe_connector(connector: ConnectorBase, metrics: Metrics, tracer: Tracer | None) -> None:
    """Have all calls of this connector's methods counted from now on."""
    for name in _METHODS:
        function = getattr(connector, name, None)
        inherited = getattr(type(connector), name, None) is getattr(AsyncConnectorBase, name, None)
        if function is not None and not inherited and not inspect.isasyncgenfunction(function):
            setattr(connector, name, _Watched(connector, name, metrics, tracer).wrap(function))


class _Watched:
    """A method of a connector, and its counters, each found once."""

    def __init__(self, connector: ConnectorBase, name: str, metrics: Metrics, tracer: Tracer | None) -> None:
        self._labels = (connector.task_type_name, name)
        self._connector, self._name, self._tracer = connector, name, tracer
        self._calls = metrics.vendor_calls
        self._succeed = metrics.vendor_calls.labels(*self._labels, "ok").inc
        self._observe = metrics.vendor_latency.labels(*self._labels).observe

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def watched(*positional: Any, **named: Any) -> Any:
                with self._one():
                    return await function(*positional, **named)

            return watched

        @functools.wraps(function)
        def plain(*positional: Any, **named: Any) -> Any:
            with self._one():
                return function(*positional, **named)

        return plain

    def _one(self) -> _Call:
        return _Call(self, None if self._tracer is None else self._tracer.vendor(self._connector, self._name))

    def count(self, error: BaseException | None, seconds: float) -> None:
        """Count a call that has ended."""
        if error is None:
            self._succeed()
        elif isinstance(error, Exception):
            self._calls.labels(*self._labels, kind_of_error(error).status.lower()).inc()
        self._observe(seconds)


class _Call:
    """One call, within which its span is open."""

    __slots__ = ("_began", "_method", "_span")

    def __init__(self, method: _Watched, span: AbstractContextManager[Any] | None) -> None:
        self._method, self._span = method, span

    def __enter__(self) -> None:
        self._began = time.perf_counter()
        if self._span is not None:
            self._span.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if self._span is not None:
            self._span.__exit__(kind, error, trace)
        self._method.count(error, time.perf_counter() - self._began)


def observe_journal(journal: Journal, metrics: Metrics) -> None:
    """Have all reads and writes of this journal timed from now on."""
    for name, _ in inspect.getmembers(type(journal), inspect.isfunction):
        if not name.startswith("_") and name != "close":
            setattr(journal, name, _timed(getattr(journal, name), metrics.journal_latency.labels(name).observe))


def _timed(function: Callable[..., Any], observe: Callable[[float], None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def timed(*positional: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*positional, **named)
        finally:
            observe(time.perf_counter() - began)

    return timed
