"""The server of one process: from its start to the end of its last job's creation."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import grpc

from hardpoint.connectors.jobs import Jobs
from hardpoint.connectors.journal import open_journal
from hardpoint.connectors.pool import guard_loop
from hardpoint.connectors.service import flyte1, flyte2, health, reflection
from hardpoint.connectors.service.access import credentials, token_check
from hardpoint.connectors.service.calls import Calls
from hardpoint.connectors.service.directory import Directory, Problem
from hardpoint.connectors.service.dispatch import Dispatch
from hardpoint.connectors.service.exposition import serve_metrics
from hardpoint.connectors.service.health import Health
from hardpoint.connectors.service.metrics import Metrics
from hardpoint.connectors.service.observe import observe_connector, observe_journal
from hardpoint.connectors.service.options import ServiceOptions
from hardpoint.connectors.service.tracing import Tracer, tracer
from hardpoint.errors import MissingDependencyError, UserError

__all__ = ["Service", "Started", "serve"]

logger = logging.getLogger(__name__)

_AGE = 10 * 60 * 1000
"""Milliseconds after which a client is asked to connect anew, so that replicas that were added get their share."""

_GARBAGE = (10_000, 20, 100)
"""When garbage is looked for, as by `gc.set_threshold`: a process that keeps jobs in mind makes many objects and little garbage."""

_GAUGE = 0.5
"""Seconds between two looks at what is gauged."""


@dataclass(frozen=True)
class Started:
    """What there is to say of a service that listens.

    Attributes:
        port: Where it listens.
        metrics: Where its metrics are; None: nowhere.
        directory: What it serves.
    """

    port: int
    metrics: int | None
    directory: Directory


class Service:
    """A server, ready to start.

    Args:
        options: How it is started.
        directory: What it serves.
    """

    def __init__(self, options: ServiceOptions, directory: Directory) -> None:
        self.options, self.directory = options, directory
        self.metrics = Metrics()
        self.tracer = self._tracer()
        journal = open_journal(options.journal or None)
        observe_journal(journal, self.metrics)
        for connector in directory.connectors.values():
            observe_connector(connector, self.metrics, self.tracer)
        self.jobs = Jobs(journal, shared=True)
        self.calls = Calls(directory, self.jobs, self.metrics)
        services = (*flyte1.SERVICES, *flyte2.SERVICES)
        categories = [str(connector.task_category) for connector in directory.connectors.values()]
        self.health = Health((*services, *categories), directory.broken())
        self.server = grpc.aio.server(options=self._channel_options())
        handlers = {
            **flyte1.handlers(self.calls),
            **flyte2.handlers(self.calls),
            **self.health.handlers(),
            **reflection.handlers((*services, health.SERVICE)),
        }
        dispatch = Dispatch(
            handlers, token_check(options), self.tracer, is_open=lambda name: name.startswith(f"/{health.SERVICE}/")
        )
        self.server.add_generic_rpc_handlers((dispatch,))

    def _tracer(self) -> Tracer | None:
        try:
            return tracer()
        except MissingDependencyError as error:
            self.directory.problems.append(Problem("tracing", error))
            return None

    def _channel_options(self) -> list[tuple[str, int]]:
        most = self.options.max_message_size
        return [
            ("grpc.max_receive_message_length", most),
            ("grpc.max_send_message_length", most),
            # Processes of one service share its port; two services do not.
            ("grpc.so_reuseport", int(self.options.workers > 1)),
            # Flyte 2 pings every 30 seconds during a call, which a server otherwise takes for an attack.
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000),
            ("grpc.http2.max_ping_strikes", 0),
            ("grpc.max_connection_age_ms", _AGE),
            ("grpc.max_connection_age_grace_ms", _AGE),
        ]

    async def start(self) -> int:
        """Listen: on which port.

        Raises:
            UserError: the port is taken, or the certificates are none.
        """
        secure = credentials(self.options)
        address = self.options.address
        try:
            if secure is None:
                port: int = self.server.add_insecure_port(address)
            else:
                port = self.server.add_secure_port(address, secure)
        except RuntimeError as error:
            raise UserError(
                f"The service cannot listen on {address}: {error}",
                remedy="Name another --port, or end what listens there.",
            ) from error
        await self.server.start()
        return port

    async def gauge(self) -> None:
        """Say again and again how many jobs there are."""
        while True:
            self.metrics.creating.set(self.jobs.creating)
            for task_type, (count, lag) in self.jobs.followed().items():
                self.metrics.followed.labels(task_type).set(count)
                self.metrics.watcher_lag.labels(task_type).set(lag)
            await asyncio.sleep(_GAUGE)

    async def drain(self) -> None:
        """End: take no more calls, answer those that there are, and let creations get as far as the journal."""
        until = time.monotonic() + self.options.drain_timeout
        self.health.end()
        await self.server.stop(self.options.drain_timeout)
        left = await self.jobs.drain(max(0.0, until - time.monotonic()))
        if left:
            logger.warning(
                "Jobs whose creation has not ended, and is looked up by whoever asks next: %s", ", ".join(left)
            )
        if self.tracer is not None:
            await asyncio.to_thread(self.tracer.close)


def serve(options: ServiceOptions, announce: Callable[[Started], Any], end: Callable[[int], Any] = os._exit) -> None:
    """Serve until a signal, or the time that the options give, and end this process.

    Args:
        options: How.
        announce: Told once it listens.
        end: Ends the process. Nothing that still goes on is cancelled, as it would be if the loop were closed: a job that is being
            created is left as a crash would leave it, and not half undone.
    """
    with ExitStack() as stack:
        if options.debug:
            stack.enter_context(guard_loop())
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(options, announce, end))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the event loop: uvloop, where there is one and grpc leaves its children alone; None: what Python has."""
    if os.environ["GRPC_ENABLE_FORK_SUPPORT"].lower() not in ("0", "false"):
        return None
    with suppress(ImportError):
        import uvloop

        made: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
        return made
    return None


async def _serve(options: ServiceOptions, announce: Callable[[Started], Any], end: Callable[[int], Any]) -> None:
    service = Service(options, Directory.survey(options.only, options.without))
    port, metrics = await service.start(), options.prometheus_port
    if metrics is not None and options.workers == 1:  # of several, who started them serves the sum
        metrics = serve_metrics(service.metrics.registry, options.host, metrics)
    announce(Started(port, metrics, service.directory))
    gc.collect()
    gc.freeze()  # what was imported stays; to look at it again and again would make calls wait
    gc.set_threshold(*_GARBAGE)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    gauging = loop.create_task(service.gauge())

    def told() -> None:
        if stop.is_set():
            end(130)  # a second time means now
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    if options.workers > 1:
        # Nothing more is sent: it is readable when whoever started this process is gone.
        loop.add_reader(sys.stdin.fileno(), stop.set)
    try:
        async with asyncio.timeout(options.timeout):
            await stop.wait()
    except TimeoutError:
        logger.info("The service has run for %g s, as it was told to.", options.timeout)
        stop.set()
    logger.info("The service takes no more calls, and ends when the last is answered.")
    await service.drain()
    gauging.cancel()
    sys.stdout.flush()
    sys.stderr.flush()
    end(0)
