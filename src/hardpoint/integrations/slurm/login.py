"""Who logs in where, and by which key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from hardpoint.connectors.connection import connection
from hardpoint.errors import FlyteValidationException, SecretNotFoundError, UserError

__all__ = ["SLURM_PRIVATE_KEY", "Login", "SSHConfig"]

SLURM_PRIVATE_KEY = "FLYTE_SLURM_PRIVATE_KEY"
"""The secret with the private key, as ``ssh-keygen`` writes it, without a passphrase."""

_PUBLIC_KEY = re.compile(r"^(ssh-|ecdsa-|sk-)\S+\s+\S+")


@dataclass(frozen=True)
class SSHConfig:
    """How a cluster's login host is reached.

    Args:
        host: Its name.
        username: The user there; default: that of ``~/.ssh/config``, else the one of the same name as here.
        client_keys: Files with private keys, where the connector runs. The secret `SLURM_PRIVATE_KEY` comes first.
        port: Its port; default: that of ``~/.ssh/config``, else 22.
        known_hosts: A file of known hosts, or the host's public key itself (``ssh-ed25519 AAAA...``), or several; default:
            ``~/.ssh/known_hosts``.
        verify_host_key: False lets anybody answer in the host's stead, and read and change what is sent.
    """

    host: str
    username: str | None = None
    client_keys: tuple[str, ...] = ()
    port: int | None = None
    known_hosts: tuple[str, ...] = ()
    verify_host_key: bool = True

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> SSHConfig:
        """The configuration of a task's ``ssh_config``; what is None counts as not given.

        Raises:
            FlyteValidationException: there is no host, or a key that does not belong there (also a ValueError).
        """
        given = {name: value for name, value in config.items() if value is not None}
        known = [f.name for f in fields(cls)]
        strangers = sorted(set(given) - set(known))
        if strangers:
            raise FlyteValidationException(
                f"ssh_config has {', '.join(strangers)}, which it does not know; it knows {', '.join(known)}."
            )
        if not given.get("host") or not isinstance(given["host"], str):
            raise FlyteValidationException("ssh_config names no host.", remedy='Write ssh_config={"host": "login..."}.')
        for name in ("client_keys", "known_hosts"):
            given[name] = _several(given.get(name, ()))
        if any("PRIVATE KEY" in key for key in given["client_keys"]):
            raise FlyteValidationException(
                "client_keys holds a private key; it would be stored in the task's template.",
                remedy=f"Name the file, or put the key in the secret {SLURM_PRIVATE_KEY}.",
            )
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` takes, without what is at its default."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @property
    def endpoint(self) -> str:
        """The place and the user, for people and for those who group jobs by it."""
        user = f"{self.username}@" if self.username else ""
        return f"{user}{self.host}:{self.port or 22}"

    def trusted_hosts(self) -> list[str] | bytes | tuple[()] | None:
        """What asyncssh shall check the host's key against."""
        if not self.verify_host_key:
            return None
        if not self.known_hosts:
            return ()
        if all(_PUBLIC_KEY.match(entry) for entry in self.known_hosts):
            return "".join(f"* {entry.strip()}\n" for entry in self.known_hosts).encode()
        files = [os.path.expanduser(entry) for entry in self.known_hosts]
        for file in files:
            _check_readable(file, "known_hosts")
        return files


def _several(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _check_readable(file: str, name: str) -> None:
    if not os.access(file, os.R_OK):
        raise UserError(
            f"{name} names {file}, which cannot be read where the connector runs.", remedy="Name another file."
        )


@dataclass(frozen=True)
class Login:
    """A configuration with the key that belongs to it. Equal ones share a connection.

    Attributes:
        config: The configuration.
        key: The private key of the secret; empty: there is none.
        own: Whether the task brings the key itself. The files and agents of this process are then none of its business.
    """

    config: SSHConfig
    key: str = field(repr=False)
    own: bool = False

    @classmethod
    def of(cls, config: SSHConfig) -> Login:
        """The login of the task for which a connector is called.

        Raises:
            ForeignEndpointError: the service's credentials are not for this host.
        """
        here = connection()
        try:
            key = here.secret(SLURM_PRIVATE_KEY, endpoint=config.host)
        except SecretNotFoundError:
            key = ""
        return cls(config, key, own=here.shared and SLURM_PRIVATE_KEY in here.secrets)

    def options(self) -> dict[str, Any]:
        """The arguments of ``asyncssh.connect``.

        Raises:
            UserError: a key cannot be read.
        """
        import asyncssh

        config = self.config
        options: dict[str, Any] = {"known_hosts": config.trusted_hosts()}
        if config.port is not None:
            options["port"] = config.port
        if config.username is not None:
            options["username"] = config.username
        keys: list[Any] = []
        if self.key:
            try:
                keys.append(asyncssh.import_private_key(self.key + "\n"))
            except ValueError as error:  # also of a key with a passphrase
                raise UserError(
                    f"The secret {SLURM_PRIVATE_KEY} is not a private key: {error}",
                    remedy="It has to hold all lines of a file that ssh-keygen wrote with an empty passphrase.",
                ) from None
        if self.own:
            return {**options, "client_keys": keys, "agent_path": None}
        for file in map(os.path.expanduser, config.client_keys):
            _check_readable(file, "client_keys")
            keys.append(file)
        return {**options, "client_keys": keys} if keys else options
