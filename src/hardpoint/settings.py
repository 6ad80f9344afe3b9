"""Configuration: defaults < file < environment < arguments.

The file is ``hardpoint.toml`` in the working directory or above it, else ``~/.config/hardpoint/config.toml``; the
variable ``HARDPOINT_CONFIG`` names another. Each section of the file is one class below, each of its keys a field. The
environment variable of a field is ``HARDPOINT_<SECTION>_<FIELD>``; some fields also listen to the reference's variable.
An empty variable counts as not set.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from hardpoint.errors import UserError

__all__ = [
    "ConnectorSettings",
    "DeckSettings",
    "LocalSettings",
    "SecretSettings",
    "Settings",
    "StorageSettings",
    "TypeSettings",
    "load",
    "override",
    "settings",
    "truthy",
]


def _env(*names: str, default: Any) -> Any:
    """A field that also listens to these environment variables."""
    return field(default=default, metadata={"env": names})


_YES = ("true", "t", "1", "yes", "y", "on")
_NO = ("false", "f", "0", "no", "n", "off")


def truthy(text: str) -> bool:
    """Whether a word in the environment means yes: ``true``, ``t``, ``1``, ``yes``, ``y``, ``on`` in any case."""
    return text.strip().lower() in _YES


def _state_home() -> str:
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "hardpoint")


@dataclass(frozen=True)
class LocalSettings:
    """Local runs."""

    state_dir: str = ""
    """Where the run store, the cache and the runs' data live; ``$XDG_STATE_HOME/hardpoint`` if empty."""
    raw_output_prefix: str = ""
    """Where outputs of local runs go; a folder of the run below `state_dir` if empty."""
    max_parallelism: int = 0
    """How many nodes run at once; 0: as many as a small machine bears (4 times the cores, at most 32)."""
    cache_enabled: bool = _env("FLYTE_LOCAL_CACHE_ENABLED", default=True)
    """Whether tasks with ``cache=True`` answer from the local cache."""
    cache_overwrite: bool = _env("FLYTE_LOCAL_CACHE_OVERWRITE", default=False)
    """Run cached tasks anyway and store their new results."""

    @property
    def state_path(self) -> Path:
        return Path(self.state_dir or _state_home()).expanduser()


@dataclass(frozen=True)
class SecretSettings:
    """Where secrets are looked up."""

    env_prefix: str = _env("FLYTE_SECRETS_ENV_PREFIX", default="_FSEC_")
    default_dir: str = _env("FLYTE_SECRETS_DEFAULT_DIR", default="/etc/secrets")
    file_prefix: str = _env("FLYTE_SECRETS_FILE_PREFIX", default="")
    keyring: bool = False
    """Also ask the system's keyring (needs the package ``keyring``)."""


@dataclass(frozen=True)
class StorageSettings:
    """Access to object stores; what is empty is left to the store's own client to find."""

    s3_endpoint: str = _env("FLYTE_AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", default="")
    s3_access_key_id: str = _env("FLYTE_AWS_ACCESS_KEY_ID", default="")
    s3_secret_access_key: str = _env("FLYTE_AWS_SECRET_ACCESS_KEY", default="")
    s3_region: str = _env("AWS_REGION", "AWS_DEFAULT_REGION", default="")
    s3_anonymous: bool = False
    gcs_project: str = _env("GOOGLE_CLOUD_PROJECT", default="")
    gcs_endpoint: str = _env("STORAGE_EMULATOR_HOST", default="")
    gcs_anonymous: bool = False
    azure_account_name: str = _env("AZURE_STORAGE_ACCOUNT_NAME", default="")
    azure_account_key: str = _env("AZURE_STORAGE_ACCOUNT_KEY", default="")
    azure_tenant_id: str = _env("AZURE_TENANT_ID", default="")
    azure_client_id: str = _env("AZURE_CLIENT_ID", default="")
    azure_client_secret: str = _env("AZURE_CLIENT_SECRET", default="")
    retries: int = _env("FLYTE_AWS_RETRIES", default=3)
    """Attempts of one request before it fails."""
    concurrency: int = 32
    """Files that are moved at once when a directory is uploaded or downloaded."""

    def __repr__(self) -> str:  # keys must not reach a log
        shown = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        secret = ("key", "secret")
        parts = (f"{k}={'***' if any(s in k for s in secret) else repr(v)}" for k, v in shown.items())
        return f"StorageSettings({', '.join(parts)})"


@dataclass(frozen=True)
class TypeSettings:
    """The type engine."""

    pickle: Literal["allow", "warn", "deny"] = "warn"
    """For types without a transformer: ``allow``, ``warn`` (once a type) or ``deny``."""
    max_concurrency: int = _env("_F_TE_MAX_COROS", default=10)
    """Elements of a container that are moved at once when each needs I/O."""
    validate_files: Literal["off", "warn", "raise"] = "warn"
    """What to do when a file's first bytes contradict its declared format: ``off``, ``warn`` or ``raise``."""


@dataclass(frozen=True)
class DeckSettings:
    """Decks."""

    max_bytes: int = 20_000_000
    """Size of one deck's HTML past which it is cut, with a notice."""
    max_image_edge: int = 1024
    """Longest edge, in pixels, of an image in a deck; larger ones are scaled down."""


@dataclass(frozen=True)
class ConnectorSettings:
    """External jobs."""

    journal: str = ""
    """Where they are written down: a path, or the URL of a PostgreSQL database; ``jobs.sqlite`` in the state
    directory if empty."""
    endpoints: str = ""
    """Hosts, separated by commas and with ``*`` for anything, to which a connector service sends its own credentials
    when it is a task that names the host; none if empty."""
    task_secrets: str = ""
    """Names of secrets, separated by commas and with ``*`` for anything, that tasks may have a connector service look
    up; none if empty."""

    def __repr__(self) -> str:  # a URL may hold a password
        journal = "***" if "://" in self.journal else repr(self.journal)
        return f"ConnectorSettings(journal={journal}, endpoints={self.endpoints!r}, task_secrets={self.task_secrets!r})"


@dataclass(frozen=True)
class Settings:
    """All sections."""

    local: LocalSettings = field(default_factory=LocalSettings)
    secrets: SecretSettings = field(default_factory=SecretSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    types: TypeSettings = field(default_factory=TypeSettings)
    deck: DeckSettings = field(default_factory=DeckSettings)
    connectors: ConnectorSettings = field(default_factory=ConnectorSettings)
    source: str = ""
    """The file that was read, if any."""


def _find_file(environment: Mapping[str, str]) -> Path | None:
    named = environment.get("HARDPOINT_CONFIG")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise UserError(
                f"HARDPOINT_CONFIG names {named}, which is not a file.", remedy="Correct the variable or unset it."
            )
        return path
    try:
        here = Path.cwd()
    except FileNotFoundError:  # the working directory was removed
        here = Path("/")
    for folder in (here, *here.parents):
        if (folder / "hardpoint.toml").is_file():
            return folder / "hardpoint.toml"
    base = environment.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    home = Path(base, "hardpoint", "config.toml")
    return home if home.is_file() else None


def _convert(text: Any, kind: Any, where: str) -> Any:
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise UserError(f"{where} should be one of {', '.join(get_args(kind))}, but is {text!r}.")
        return text
    if kind is bool and isinstance(text, str):
        if text.strip().lower() not in (*_YES, *_NO):
            raise UserError(f"{where} should be true or false, but is {text!r}.")
        return truthy(text)
    if kind is int and isinstance(text, str):
        try:
            return int(text)
        except ValueError:
            raise UserError(f"{where} should be a whole number, but is {text!r}.") from None
    if not isinstance(text, kind) or (kind is int and isinstance(text, bool)):
        raise UserError(f"{where} should be of type {kind.__name__}, but is {text!r}.")
    return text


def load(environment: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """Read the configuration anew.

    Raises:
        UserError: an unknown section or key in the file, or a value of the wrong type; the message names it.
    """
    env = os.environ if environment is None else environment
    path = file or _find_file(env)
    from_file: dict[str, Any] = {}
    if path is not None:
        import tomllib

        try:
            from_file = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UserError(f"{path} is not valid TOML: {error}") from error
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
    sections: dict[str, Any] = {}
    for section in fields(Settings):
        if section.name == "source":
            continue
        cls = get_type_hints(Settings)[section.name]
        hints = get_type_hints(cls)
        given = from_file.pop(section.name, {})
        if not isinstance(given, dict):
            raise UserError(f"{path}: {section.name} should be a section, [{section.name}], but is {given!r}.")
        values: dict[str, Any] = {}
        for f in fields(cls):
            if f.name in given:
                values[f.name] = _convert(given.pop(f.name), hints[f.name], f"{path}: [{section.name}] {f.name}")
            for name in (*reversed(f.metadata.get("env", ())), f"HARDPOINT_{section.name}_{f.name}".upper()):
                if env.get(name):
                    values[f.name] = _convert(env[name], hints[f.name], name)
        if given:
            raise UserError(
                f"{path}: section [{section.name}] has no key {next(iter(given))!r}.",
                remedy=f"It has {', '.join(f.name for f in fields(cls))}.",
            )
        sections[section.name] = cls(**values)
    if from_file:
        raise UserError(
            f"{path}: there is no section [{next(iter(from_file))}].", remedy=f"There are {', '.join(sections)}."
        )
    return Settings(**sections, source=str(path or ""))


_loaded: Settings | None = None
_override: ContextVar[Settings | None] = ContextVar("hardpoint_settings", default=None)


def settings() -> Settings:
    """The configuration in force here; read once a process."""
    overridden = _override.get()
    if overridden is not None:
        return overridden
    global _loaded
    if _loaded is None:
        _loaded = load()
    return _loaded


@contextmanager
def override(**sections: Mapping[str, Any]) -> Iterator[Settings]:
    """Change settings inside a block: ``with override(local={"cache_enabled": False}): ...``.

    Other threads and tasks do not see the change, unless they are started in the block's context.
    """
    base = settings()
    changed = replace(base, **{name: replace(getattr(base, name), **dict(values)) for name, values in sections.items()})
    token = _override.set(changed)
    try:
        yield changed
    finally:
        _override.reset(token)
