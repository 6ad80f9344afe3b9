"""What a service is started with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

__all__ = ["TOKEN_VARIABLE", "ServiceOptions"]

TOKEN_VARIABLE = "HARDPOINT_SERVICE_TOKEN"
"""The environment variable with the token that callers have to bring, where no file has it."""


@dataclass(frozen=True)
class ServiceOptions:
    """How a service is started. No secret is among it, so it may be shown.

    Attributes:
        host: The address to listen on; ``[::]`` is every one.
        port: The port; 0 for a free one.
        prometheus_port: Where metrics are served; 0 for a free port, None for nowhere.
        modules: Modules that are imported first.
        only: Task types and names of connectors that are served; all if empty.
        without: Those that are not.
        tls_cert, tls_key: Files with the server's certificate chain and key, in PEM.
        client_ca: The file with the authorities of whose clients one has to be.
        token_file: The file with the token that callers have to bring.
        max_message_size: Bytes of one message, received or sent.
        drain_timeout: Seconds that calls and creations have to finish when the service ends.
        timeout: Seconds after which it ends by itself; None: never.
        workers: Processes.
        journal: Where jobs are written down; as the settings say if empty.
        log_format: ``text`` or ``json``.
        debug: Whether it logs each call, and an asynchronous connector that blocks is an error.
    """

    host: str = "[::]"
    port: int = 8000
    prometheus_port: int | None = 9090
    modules: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    tls_cert: str = ""
    tls_key: str = ""
    client_ca: str = ""
    token_file: str = ""
    max_message_size: int = 64 * 1024 * 1024
    drain_timeout: float = 30.0
    timeout: float | None = None
    workers: int = 1
    journal: str = ""
    log_format: str = "text"
    debug: bool = False

    def to_json(self) -> str:
        """All of it, for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The reverse of `to_json`."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{name: _frozen(v) for name, v in fields.items()})

    @property
    def address(self) -> str:
        """Host and port, as gRPC writes them."""
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return f"{host}:{self.port}"


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
