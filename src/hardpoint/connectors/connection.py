"""Credentials and settings of one task: what its own connection brings, else what this process has.

A task brings them in its template's ``custom``: ``secrets`` maps what a connector calls a secret to the name under which
it is kept, ``configs`` maps names to text. Flyte 2 looks the secrets up and sends their values along with each call
(``flyteidl2.core.Connection``); Flyte 1 sends nothing, so that they are looked up here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from urllib.parse import urlsplit

from hardpoint.context import FlyteContextManager
from hardpoint.errors import UserError
from hardpoint.idl import TaskTemplate
from hardpoint.secrets import remember
from hardpoint.settings import settings

__all__ = ["Connection", "ForeignEndpointError", "connection", "get_connector_secret", "use_connection"]


class ForeignEndpointError(UserError, PermissionError):
    """Credentials that many tasks share would have gone to an address that one of them named."""

    code = "USER:ForeignEndpoint"


@dataclass(frozen=True)
class Connection:
    """What one task brings.

    Attributes:
        secrets: Values, by what the connector calls them.
        names: Names under which secrets are kept here, by what the connector calls them.
        configs: Settings.
        shared: Whether this process serves tasks of many, so that what a task may ask for is limited to the settings
            ``connectors.task_secrets`` and ``connectors.endpoints``.
    """

    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    names: Mapping[str, str] = field(default_factory=dict)
    configs: Mapping[str, str] = field(default_factory=dict)
    shared: bool = False

    @classmethod
    def of(
        cls, template: TaskTemplate | None, *, secrets: Mapping[str, str] | None = None, shared: bool = False
    ) -> Connection:
        """The connection of a task.

        Args:
            template: The task; None if it is not known.
            secrets: Values that the control plane sent. They are kept out of logs from now on.
            shared: As the attribute.
        """
        for value in (secrets or {}).values():
            remember(value)
        custom = template.custom.fields if template is not None else {}
        if not (secrets or "secrets" in custom or "configs" in custom):
            return _BARE[shared]
        named = {
            part: {key: value.string_value for key, value in custom[part].struct_value.fields.items()}
            for part in ("secrets", "configs")
            if part in custom
        }
        return cls(secrets or {}, named.get("secrets", {}), named.get("configs", {}), shared)

    @cached_property
    def identity(self) -> tuple[object, ...]:
        """The same for connections that are the same; it can be hashed."""
        return (*(frozenset(part.items()) for part in (self.secrets, self.names, self.configs)), self.shared)

    def secret(self, key: str, *, group: str | None = None, endpoint: str | None = None) -> str:
        """The value of a secret.

        Args:
            key: What the connector calls it.
            group: Its group, where it is looked up here.
            endpoint: The URL that it is for, if it is the task that says so. Credentials of this process go to no address that is
                not in the setting ``connectors.endpoints``.

        Raises:
            SecretNotFoundError: it is nowhere.
            ForeignEndpointError: it is not for this endpoint.
            UserError: the task asks for a secret of this process that is not for tasks.
        """
        if key in self.secrets:
            return self.secrets[key]
        if endpoint is not None:
            self.check_endpoint(endpoint)
        name = self.names.get(key)
        if name is None:
            return FlyteContextManager.current_context().params.secrets.get(group, key)
        if self.shared and not _fits(name, settings().connectors.task_secrets):
            raise UserError(
                f"The task asks for the secret {name!r}, which the connector service does not keep for tasks.",
                remedy="Ask whoever runs the service to add it to its setting connectors.task_secrets.",
                secret=name,
            )
        return FlyteContextManager.current_context().params.secrets.get(None, name)

    def config(self, key: str, default: str = "") -> str:
        """A setting that the task brings."""
        return self.configs.get(key, default)

    def check_endpoint(self, endpoint: str) -> None:
        """Raise unless credentials of this process may go to an address that a task names.

        Raises:
            ForeignEndpointError: they may not.
        """
        host = (urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").hostname or "").lower()
        if self.shared and not _fits(host, settings().connectors.endpoints):
            raise ForeignEndpointError(
                f"The connector service does not send its own credentials to {host or endpoint!r}, which the task names.",
                remedy="Give the task a connection with its own secrets, or ask whoever runs the service to add the host to "
                "its setting connectors.endpoints.",
                host=host,
            )


def _fits(text: str, patterns: str) -> bool:
    """Whether one of the comma-separated patterns (``*`` for anything) fits the whole text."""
    return any(fnmatchcase(text, pattern.strip()) for pattern in patterns.split(",") if pattern.strip())


_BARE = {shared: Connection(shared=shared) for shared in (False, True)}
_current: ContextVar[Connection] = ContextVar("hardpoint_connection", default=_BARE[False])


def connection() -> Connection:
    """The connection of the task for which a connector is called."""
    return _current.get()


class use_connection:
    """Within the block, connectors are called for a task with this connection."""

    __slots__ = ("_made", "_token")

    def __init__(self, made: Connection) -> None:
        self._made = made

    def __enter__(self) -> Connection:
        self._token = _current.set(self._made)
        return self._made

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def get_connector_secret(secret_key: str) -> str:
    """The value of a secret for a connector; the task's own connection first."""
    return connection().secret(secret_key)
