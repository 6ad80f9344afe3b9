"""Secrets: where they are looked up, and how they are kept out of what is written down."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any, Literal, NamedTuple, Protocol, overload
from urllib.parse import quote

from hardpoint._lazy import Ref
from hardpoint.errors import MissingDependencyError, SecretNotFoundError, UserError
from hardpoint.settings import SecretSettings, settings

__all__ = ["RedactingFilter", "SecretProvider", "SecretsManager", "redact", "redact_uri", "remember"]

# Rooms that stand above this one are named, not imported.
_CONTEXT = Ref("hardpoint.context:FlyteContextManager")
_CATALOGUE = Ref("hardpoint.integration:catalogue")

HIDDEN = "***"
REQUESTS = "SECRET_REQUESTS"
"""The attribute of `current_context()` under which the running task's ``secret_requests`` are found."""


class SecretProvider(Protocol):
    """What an integration names in ``secret_providers``: a further place to look. A class is instantiated once."""

    def get(self, group: str | None, key: str | None, group_version: str | None) -> str | bytes | None:
        """The secret's value; None if this provider does not have it."""
        ...


class _Place(NamedTuple):
    """Where a secret may be: the words for it, and how to look."""

    description: str
    look: Callable[[], str | bytes | None]


class SecretsManager:
    """Looks secrets up: ``secrets.get("group", "key")`` or ``secrets.group.key``.

    Searched are, in this order: the variable ``_FSEC_<GROUP>_<VERSION>_<KEY>``; the variable that the task's request
    names as ``env_var``; in local runs the variable ``<GROUP>_<VERSION>_<KEY>``; the file
    ``/etc/secrets/<group>/<version>/<key>``; the providers of integrations; the system's keyring, if enabled. Prefixes
    and folder are ``settings().secrets``.

    Args:
        configuration: Default: the settings in force.
    """

    def __init__(self, configuration: SecretSettings | None = None) -> None:
        self._configuration = configuration

    @property
    def _settings(self) -> SecretSettings:
        return self._configuration or settings().secrets

    @overload
    def get(
        self,
        group: str | None = None,
        key: str | None = None,
        group_version: str | None = None,
        encode_mode: Literal["r"] = "r",
    ) -> str: ...
    @overload
    def get(
        self,
        group: str | None = None,
        key: str | None = None,
        group_version: str | None = None,
        *,
        encode_mode: Literal["rb"],
    ) -> bytes: ...
    def get(
        self,
        group: str | None = None,
        key: str | None = None,
        group_version: str | None = None,
        encode_mode: str = "r",
    ) -> str | bytes:
        """The value of a secret, without white space around it.

        Args:
            group: Name of the group.
            key: Name of the secret within the group.
            group_version: Version of the group.
            encode_mode: ``"r"`` for text (UTF-8), ``"rb"`` for bytes.

        Raises:
            SecretNotFoundError: it is nowhere; the message says where was searched.
        """
        if encode_mode not in ("r", "rb"):
            raise UserError(f"encode_mode should be 'r' or 'rb', but is {encode_mode!r}.")
        _check(group, key, group_version)
        searched: list[str] = []
        for place in self._places(group, key, group_version):
            try:
                value = place.look()
            except MissingDependencyError as missing:
                # A secret that another place has must not depend on this library.
                searched.append(f"{place.description} (not asked: {missing.message})")
                continue
            if value is not None:
                return _hand_out(value, encode_mode, place.description)
            searched.append(place.description)
        raise self._not_found(group, key, group_version, searched)

    def get_secrets_env_var(
        self, group: str | None = None, key: str | None = None, group_version: str | None = None
    ) -> str:
        """The environment variable in which a cluster delivers a secret."""
        return f"{self._settings.env_prefix}{_variable(group, key, group_version)}"

    def get_secrets_file(
        self, group: str | None = None, key: str | None = None, group_version: str | None = None
    ) -> str:
        """The file in which a cluster delivers a secret."""
        _check(group, key, group_version)
        *folders, last = (part.lower() for part in (group, group_version, key) if part)
        return os.path.join(self._settings.default_dir, *folders, f"{self._settings.file_prefix}{last}")

    def __getattr__(self, group: str) -> _Group:
        if group.startswith("_"):  # questions of copy, pickle and notebooks, not names of groups
            raise AttributeError(group)
        return _Group(self, group)

    def _places(self, group: str | None, key: str | None, group_version: str | None) -> Iterator[_Place]:
        name = self.get_secrets_env_var(group, key, group_version)
        yield _Place(f"variable {name}", partial(os.environ.get, name))
        context = _CONTEXT.load().current_context()
        for request in _requests(group, key, group_version):
            if request.env_var:
                yield _Place(f"variable {request.env_var}", partial(os.environ.get, request.env_var))
        if context.mode.is_local:
            plain = _variable(group, key, group_version)
            yield _Place(f"variable {plain}", partial(os.environ.get, plain))
        file = self.get_secrets_file(group, key, group_version)
        yield _Place(f"file {file}", partial(_content, file))
        for title, (integration, path) in _CATALOGUE.load().entries("secret_providers").items():
            yield _Place(title, partial(_provided, integration, path, group, key, group_version))
        if self._settings.keyring:
            yield _Place("the system's keyring", partial(_keyring, group, key, group_version))

    def _not_found(
        self, group: str | None, key: str | None, group_version: str | None, searched: list[str]
    ) -> SecretNotFoundError:
        what = ", ".join(
            f"{name} {value!r}" for name, value in (("group", group), ("version", group_version), ("key", key)) if value
        )
        variable = self.get_secrets_env_var(group, key, group_version)
        arguments = ", ".join(
            f"{name}={value!r}"
            for name, value in (("group", group), ("key", key), ("group_version", group_version))
            if value
        )
        if _CONTEXT.load().current_context().mode.is_local:
            remedy = f"export {variable}=... before a local run."
        elif _requests(group, key, group_version):
            remedy = "The task requests it, so the cluster's secret store does not have it, or not for this project."
        else:
            remedy = (
                f"Add secret_requests=[Secret({arguments})] to the task; outside of a cluster, export {variable}=..."
            )
        return SecretNotFoundError(
            f"There is no secret with {what}. Searched: {'; '.join(searched)}.",
            remedy=remedy,
            group=group,
            key=key,
            group_version=group_version,
            searched=tuple(searched),
        )


class _Group:
    """The secrets of one group as attributes."""

    def __init__(self, manager: SecretsManager, group: str) -> None:
        self._manager, self._group = manager, group

    def __getattr__(self, key: str) -> str:
        if key.startswith("_"):
            raise AttributeError(key)
        return self._manager.get(self._group, key)


def _check(*parts: str | None) -> None:
    if not any(parts):
        raise UserError("A secret is named by a group, a key or both; neither was given.")
    for part in parts:
        if part and ".." in part.split("/"):
            raise UserError(f"{part!r} is no name of a secret; it would lead out of the secrets' folder.")


def _variable(group: str | None, key: str | None, group_version: str | None) -> str:
    return "_".join(part.upper() for part in (group, group_version, key) if part)


def _requests(group: str | None, key: str | None, group_version: str | None) -> list[Any]:
    """Those of the running task's requests that ask for this secret."""
    declared = _CONTEXT.load().current_context().params.attributes.get(REQUESTS, ())
    return [
        request
        for request in declared
        if (request.group or None, request.key or None) == (group or None, key or None)
        and (not group_version or request.group_version == group_version)
    ]


def _content(file: str) -> bytes | None:
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except PermissionError as error:
        raise UserError(f"The file {file} has the secret, but may not be read.") from error


_providers: dict[tuple[str, str], SecretProvider] = {}


def _provided(
    integration: Any, path: str, group: str | None, key: str | None, group_version: str | None
) -> str | bytes | None:
    loaded = integration.load(path)  # whose library may be missing, which is told anew each time
    identity = (integration.package, path)
    if identity not in _providers:
        _providers[identity] = loaded() if isinstance(loaded, type) else loaded
    return _providers[identity].get(group, key, group_version)


def _keyring(group: str | None, key: str | None, group_version: str | None) -> str | None:
    try:
        keyring = import_module("keyring")
    except ImportError:
        raise MissingDependencyError("Looking secrets up in the keyring", "keyring", None) from None
    service = "/".join(part for part in (group, group_version) if part) or "hardpoint"
    password: str | None = keyring.get_password(service, key or "")
    return password


def _hand_out(value: str | bytes, encode_mode: str, place: str) -> str | bytes:
    value = value.strip()
    try:
        text = value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        if encode_mode == "r":
            raise UserError(
                f"The secret in {place} is not text in UTF-8.", remedy='Pass encode_mode="rb" to get its bytes.'
            ) from None
        return value
    remember(text)
    return text if encode_mode == "r" else text.encode()


# Redaction

_LIMIT = 1000
_SHORTEST = 4  # "no", "1" and "abc" would black out half of a log
_SHORT = 8  # "test" stands within other words, where it gives nothing away

_known: OrderedDict[str, None] = OrderedDict()
_pattern: re.Pattern[str] | None = None
_lock = threading.Lock()


def remember(value: str) -> None:
    """From now on `redact` hides this value, also as it looks within a URI, JSON or a Python literal.

    Values of three characters or fewer are not hidden; letters and digits of fewer than eight are where they stand alone. The last
    1000 values are kept.
    """
    global _pattern
    if len(value) < _SHORTEST:
        return
    with _lock:
        _known[value] = None
        _known.move_to_end(value)
        if len(_known) > _LIMIT:
            _known.popitem(last=False)
        _pattern = None


def _forms(value: str) -> set[str]:
    return {value, quote(value), quote(value, safe=""), json.dumps(value)[1:-1], repr(value)[1:-1]}


# Where a word may begin: behind what is no letter or digit, behind %3A, and behind \n, \x00 or \u0000.
_BEGINNING = r"(?:(?<![^\W_])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[abfnrtv0])|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4}))"


def _expression(form: str) -> str:
    escaped = re.escape(form)
    return rf"{_BEGINNING}{escaped}(?![^\W_])" if len(form) < _SHORT and form.isalnum() else escaped


def redact(text: str) -> str:
    """The text with every secret that was handed out replaced by ``***``."""
    global _pattern
    if not _known:
        return text
    with _lock:
        if _pattern is None:
            forms = {form for value in _known for form in _forms(value)}
            # The longest first: of two secrets one may be the beginning of the other.
            _pattern = re.compile("|".join(map(_expression, sorted(forms, key=len, reverse=True))))
        pattern = _pattern
    return pattern.sub(HIDDEN, text)


# The names, in whole or in part, under which web services and stores take keys in a query.
_QUERY = re.compile(
    r"(?i)([?&;](?:[\w.~-]*(?:signature|token|secret|passw|passphrase|credential|api[_-]?key|access[_-]?key|authorization)[\w.~-]*|auth|sig|key|pwd)=)[^&;#\s]*"
)
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^/?#:@\s]*):[^/?#\s]*@")


def redact_uri(uri: str) -> str:
    """The URI without the password of its user and without keys, tokens and signatures of its query."""
    return redact(_QUERY.sub(rf"\1{HIDDEN}", _USERINFO.sub(rf"\1:{HIDDEN}@", uri)))


class RedactingFilter(logging.Filter):
    """Keeps secrets out of a handler's or a logger's records, tracebacks included."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record; it is never dropped."""
        message = record.getMessage()
        if (redacted := redact_uri(message)) != message:
            record.msg, record.args = redacted, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact_uri(record.exc_text)
        if record.stack_info:
            record.stack_info = redact_uri(record.stack_info)
        return True
