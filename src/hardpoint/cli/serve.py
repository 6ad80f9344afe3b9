"""`hardpoint serve`: the connector service, which a Flyte backend calls."""

from __future__ import annotations

import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from hardpoint.cli.shell import Group, complain, status_of, style, table, warn
from hardpoint.errors import MissingDependencyError

if TYPE_CHECKING:
    from hardpoint.connectors.service.options import ServiceOptions
    from hardpoint.connectors.service.server import Started

__all__ = ["serve"]


@click.group(cls=Group)
def serve() -> None:
    """Serve connectors to a Flyte backend."""


class _Port(click.ParamType[Any]):
    """A port, or ``none``."""

    name = "port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value is None or value == "none":
            return None
        try:
            port = int(value)
        except ValueError:
            port = -1
        if not 0 <= port <= 65535:
            self.fail(f"{value!r} is no port; write 0 to 65535, or none.", param, ctx)
        return port


def _parameters(function: Any) -> Any:
    for option in reversed(
        (
            click.option("--host", default="[::]", show_default=True, help="The address to listen on."),
            click.option(
                "--port",
                default=8000,
                show_default=True,
                type=click.IntRange(0, 65535),
                help="Its port; 0: a free one.",
            ),
            click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Processes."),
            click.option("--modules", multiple=True, help="A module to import first; may be repeated."),
            click.option("--only", multiple=True, help="Serve this task type or connector only; may be repeated."),
            click.option("--except", "without", multiple=True, help="Do not serve this one; may be repeated."),
            click.option("--journal", default="", help="Where jobs are written down: a path or a postgresql:// URL."),
            click.option("--tls-cert", type=_file(), default=None, help="The server's certificates, PEM."),
            click.option("--tls-key", type=_file(), default=None, help="Their key, PEM."),
            click.option(
                "--client-ca", type=_file(), default=None, help="Demand certificates of these authorities, PEM."
            ),
            click.option("--token-file", type=_file(), default=None, help="Demand the token in this file."),
            click.option(
                "--max-message-size",
                default=64 * 1024 * 1024,
                show_default=True,
                type=click.IntRange(1024, 2**31 - 1),
                help="Bytes of one message.",
            ),
            click.option(
                "--drain-timeout",
                default=30.0,
                show_default=True,
                type=click.FloatRange(0),
                help="Seconds that calls have to finish on SIGTERM.",
            ),
            click.option(
                "--prometheus-port",
                "--prometheus_port",
                default="9090",
                show_default=True,
                type=_Port(),
                help="Where metrics are served; 0: a free port; none: nowhere.",
            ),
            click.option(
                "--log-format",
                default="text",
                show_default=True,
                type=click.Choice(["text", "json"]),
                help="On stderr.",
            ),
            click.option("--timeout", type=click.FloatRange(0), help="Seconds after which the service ends by itself."),
            click.option("--debug", is_flag=True, help="Log each call; a connector that blocks the loop is an error."),
            # The reference's; a connector here has its own threads.
            click.option("--worker", type=int, hidden=True, expose_value=False),
        )
    ):
        function = option(function)
    return function


def _file() -> click.Path:
    return click.Path(exists=True, dir_okay=False)


_EXAMPLES = """
    hardpoint serve connector
    hardpoint serve connector --port 0 --prometheus-port none --modules my_connectors
    hardpoint serve connector --workers 4 --journal postgresql://jobs@db/jobs --token-file /etc/token
"""


@serve.command(examples=_EXAMPLES)
@_parameters
def connector(**given: Any) -> int:
    """Serve connectors over gRPC, to Flyte 1 and Flyte 2."""
    return _run(given)


@serve.command()
@_parameters
def agent(**given: Any) -> int:
    """The old name of `hardpoint serve connector`."""
    return _run(given)


_NONE = ("prometheus_port", "timeout")
"""Options of which None says something."""


def _run(given: dict[str, Any]) -> int:
    from hardpoint.connectors.service.options import ServiceOptions

    options = ServiceOptions(**{name: value for name, value in given.items() if value is not None or name in _NONE})
    _check()
    if options.workers == 1:
        _work(options, announce=True)
        return 0
    from hardpoint.connectors.service.logs import set_up
    from hardpoint.connectors.service.supervisor import Supervisor

    set_up(options.log_format, debug=options.debug)
    return Supervisor(options, [sys.executable, "-m", "hardpoint.cli.serve"]).run()


def _check() -> None:
    """Raise unless the service's libraries are there."""
    from importlib.util import find_spec

    for module in ("grpc", "grpc_health", "grpc_reflection", "prometheus_client", "flyteidl2"):
        if find_spec(module) is None:
            raise MissingDependencyError("The connector service", module.replace("_", "-"), "connector")


def _work(options: ServiceOptions, *, announce: bool) -> None:
    """Serve in this process, until it ends."""
    from hardpoint.connectors.service.directory import import_modules
    from hardpoint.connectors.service.logs import set_up

    set_up(options.log_format, debug=options.debug)
    import_modules(options.modules)
    from hardpoint.connectors.service.server import serve as serve_here

    serve_here(options, partial(_announce, options) if announce else lambda started: None)


def _announce(options: ServiceOptions, started: Started) -> None:
    rows = [
        [connector.name, str(connector.task_category), "at once" if connector.is_sync else "jobs"]
        for connector in started.directory.connectors.values()
    ]
    if rows:
        click.echo(table(rows, ("connector", "task type", "answers")))
    else:
        click.echo("No connectors are served.")
    for problem in started.directory.problems:
        click.echo(f"{style('not served', fg='red')}  {problem.what}: {problem.sentence}\n  -> {problem.remedy}")
    processes = f" with {options.workers} processes" if options.workers > 1 else ""
    metrics = f" Metrics are on port {started.metrics}." if started.metrics is not None else ""
    click.echo(f"Listening on port {started.port}{processes}.{metrics}")
    sys.stdout.flush()


def main() -> int:
    """One of several processes: its options are on standard input."""
    from hardpoint.connectors.service.options import ServiceOptions

    warnings.showwarning = warn
    try:
        options = ServiceOptions.from_json(sys.stdin.readline())
        _work(options, announce="--announce" in sys.argv)
    except (Exception, KeyboardInterrupt) as error:
        complain(error)
        return status_of(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
