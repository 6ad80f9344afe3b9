"""Who may call: certificates, and a token."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grpc

from hardpoint.connectors.service.options import TOKEN_VARIABLE, ServiceOptions
from hardpoint.errors import UserError
from hardpoint.secrets import remember

__all__ = ["TokenCheck", "credentials", "token_check"]


class TokenCheck:
    """Compares what callers bring with a token, in a time that does not tell how much of it was right."""

    def __init__(self, token: str) -> None:
        remember(token)
        self._expected = f"Bearer {token}".encode()

    def allows(self, metadata: Iterable[tuple[str, Any]] | None) -> bool:
        """Whether the token is in a call's metadata."""
        for name, value in metadata or ():
            if name == "authorization":
                brought = value.encode() if isinstance(value, str) else bytes(value)
                return hmac.compare_digest(brought, self._expected)
        return False


def token_check(options: ServiceOptions) -> TokenCheck | None:
    """The check of the token that the options, or the environment, name; None if there is none.

    Raises:
        UserError: the file cannot be read, or is empty.
    """
    if options.token_file:
        token = _read(options.token_file, "--token-file").decode(errors="replace").strip()
        if not token:
            raise UserError(f"The file {options.token_file} is empty.", remedy="Write the token into it.")
        return TokenCheck(token)
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    return TokenCheck(token) if token else None


def credentials(options: ServiceOptions) -> Any | None:
    """The server's credentials; None where it serves without TLS. Files that are replaced are read anew.

    Raises:
        UserError: a file cannot be read, or one of a pair is missing.
    """
    if not (options.tls_cert or options.tls_key or options.client_ca):
        return None
    if not (options.tls_cert and options.tls_key):
        raise UserError("TLS needs both a certificate and its key.", remedy="Give --tls-cert and --tls-key.")
    files = _Certificates(options)
    first = files.read()
    required = bool(options.client_ca)
    return grpc.dynamic_ssl_server_credentials(first, files.if_changed, require_client_authentication=required)


class _Certificates:
    """The files of the server's certificates; whoever renews them need not restart the service."""

    def __init__(self, options: ServiceOptions) -> None:
        self._options = options
        self._seen: tuple[int, ...] = ()

    def read(self) -> Any:
        """What they say now."""
        options = self._options
        self._seen = self._stamps()
        return grpc.ssl_server_certificate_configuration(
            [(_read(options.tls_key, "--tls-key"), _read(options.tls_cert, "--tls-cert"))],
            root_certificates=_read(options.client_ca, "--client-ca") if options.client_ca else None,
        )

    def if_changed(self) -> Any:
        """What they say now; None if that is what they said before, or if they are just being replaced."""
        try:
            return self.read() if self._stamps() != self._seen else None
        except (OSError, UserError):
            return None

    def _stamps(self) -> tuple[int, ...]:
        options = self._options
        names = filter(None, (options.tls_cert, options.tls_key, options.client_ca))
        return tuple(Path(name).stat().st_mtime_ns for name in names)


def _read(name: str, option: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UserError(f"The file {name} of {option} cannot be read: {error.strerror}.") from error
