"""Configuration: defaults < file < environment < arguments.

The file is ``hardpoint.toml`` in the working directory or above it, else ``~/.config/hardpoint/config.toml``; the
variable ``HARDPOINT_CONFIG`` names another. Each section of the file is one class below, each of its keys a field. The
environment variable of a field is ``HARDPOINT_<SECTION>_<FIELD>``; some fields also listen to the reference's variable.
An empty variable counts as not set.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

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


class Env:
    """Further environment variables that a field listens to; the first of them that is set counts."""

    def __init__(self, *names: str) -> None:
        self.names = names


_YES = ("true", "t", "1", "yes", "y", "on")
_NO = ("false", "f", "0", "no", "n", "off")


def truthy(text: str) -> bool:
    """Whether a word in the environment means yes: ``true``, ``t``, ``1``, ``yes``, ``y``, ``on`` in any case."""
    return text.strip().lower() in _YES


def _state_home() -> str:
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "hardpoint")


class LocalSettings(msgspec.Struct, frozen=True):
    """Local runs."""

    state_dir: str = ""
    """Where the run store, the cache and the runs' data live; ``$XDG_STATE_HOME/hardpoint`` if empty."""
    raw_output_prefix: str = ""
    """Where outputs of local runs go; a folder of the run below `state_dir` if empty."""
    max_parallelism: int = 0
    """How many nodes run at once; 0: as many as a small machine bears (4 times the cores, at most 32)."""
    cache_enabled: Annotated[bool, Env("FLYTE_LOCAL_CACHE_ENABLED")] = True
    """Whether tasks with ``cache=True`` answer from the local cache."""
    cache_overwrite: Annotated[bool, Env("FLYTE_LOCAL_CACHE_OVERWRITE")] = False
    """Run cached tasks anyway and store their new results."""

    @property
    def state_path(self) -> Path:
        return Path(self.state_dir or _state_home()).expanduser()


class SecretSettings(msgspec.Struct, frozen=True):
    """Where secrets are looked up."""

    env_prefix: Annotated[str, Env("FLYTE_SECRETS_ENV_PREFIX")] = "_FSEC_"
    default_dir: Annotated[str, Env("FLYTE_SECRETS_DEFAULT_DIR")] = "/etc/secrets"
    file_prefix: Annotated[str, Env("FLYTE_SECRETS_FILE_PREFIX")] = ""
    keyring: bool = False
    """Also ask the system's keyring (needs the package ``keyring``)."""


class StorageSettings(msgspec.Struct, frozen=True):
    """Access to object stores; what is empty is left to the store's own client to find."""

    s3_endpoint: Annotated[str, Env("FLYTE_AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")] = ""
    s3_access_key_id: Annotated[str, Env("FLYTE_AWS_ACCESS_KEY_ID")] = ""
    s3_secret_access_key: Annotated[str, Env("FLYTE_AWS_SECRET_ACCESS_KEY")] = ""
    s3_region: Annotated[str, Env("AWS_REGION", "AWS_DEFAULT_REGION")] = ""
    s3_anonymous: bool = False
    gcs_project: Annotated[str, Env("GOOGLE_CLOUD_PROJECT")] = ""
    gcs_endpoint: Annotated[str, Env("STORAGE_EMULATOR_HOST")] = ""
    gcs_anonymous: bool = False
    azure_account_name: Annotated[str, Env("AZURE_STORAGE_ACCOUNT_NAME")] = ""
    azure_account_key: Annotated[str, Env("AZURE_STORAGE_ACCOUNT_KEY")] = ""
    azure_connection_string: Annotated[str, Env("AZURE_STORAGE_CONNECTION_STRING")] = ""
    azure_tenant_id: Annotated[str, Env("AZURE_TENANT_ID")] = ""
    azure_client_id: Annotated[str, Env("AZURE_CLIENT_ID")] = ""
    azure_client_secret: Annotated[str, Env("AZURE_CLIENT_SECRET")] = ""
    retries: Annotated[int, Env("FLYTE_AWS_RETRIES")] = 3
    """Attempts of one request before it fails."""
    concurrency: int = 32
    """Files that are moved at once when a directory is uploaded or downloaded."""

    def __repr__(self) -> str:  # keys must not reach a log
        default = StorageSettings()
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        secret = ("key", "secret", "connection")
        parts = (
            f"{name}={'***' if any(word in name for word in secret) else repr(value)}"
            for name, value in shown.items()
            if value != getattr(default, name)
        )
        return f"StorageSettings({', '.join(parts)})"


class TypeSettings(msgspec.Struct, frozen=True):
    """The type engine."""

    pickle: Literal["allow", "warn", "deny"] = "warn"
    """For types without a transformer: ``allow``, ``warn`` (once a type) or ``deny``."""
    max_concurrency: Annotated[int, Env("_F_TE_MAX_COROS")] = 10
    """Elements of a container that are moved at once when each needs I/O."""
    old_format: Annotated[bool, Env("FLYTE_USE_OLD_DC_FORMAT")] = False
    """Whether dataclasses, pydantic models and untyped dicts are written as a ``Struct``, for readers of Flytekit before 1.14. Read
    when a type is met first."""
    validate_files: Literal["off", "warn", "raise"] = "warn"
    """What to do when a file's first bytes contradict its declared format: ``off``, ``warn`` or ``raise``."""


class DeckSettings(msgspec.Struct, frozen=True):
    """Decks."""

    max_bytes: int = 20_000_000
    """Size of one deck's HTML past which it is cut, with a notice."""
    max_image_edge: int = 1024
    """Longest edge, in pixels, of an image in a deck; larger ones are scaled down."""


class ConnectorSettings(msgspec.Struct, frozen=True):
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
    keep_days: int = 30
    """Days for which jobs that have ended stay written down."""
    pool_size: int = 0
    """Threads of each connector that is written in plain methods; what it says itself, or 64, if 0."""
    poll_budget: int = 1800
    """Seconds for which nothing is learned of a job before it counts as lost."""
    poll_rate: int = 0
    """Calls in a second, at most, that ask one service how its jobs stand; what its connector says if 0."""

    def __repr__(self) -> str:  # a URL may hold a password
        journal = "***" if "://" in self.journal else repr(self.journal)
        return (
            f"ConnectorSettings(journal={journal}, endpoints={self.endpoints!r}, task_secrets={self.task_secrets!r}, "
            f"keep_days={self.keep_days!r}, pool_size={self.pool_size!r}, poll_budget={self.poll_budget!r}, "
            f"poll_rate={self.poll_rate!r})"
        )


class Settings(msgspec.Struct, frozen=True):
    """All sections."""

    local: LocalSettings = LocalSettings()
    secrets: SecretSettings = SecretSettings()
    storage: StorageSettings = StorageSettings()
    types: TypeSettings = TypeSettings()
    deck: DeckSettings = DeckSettings()
    connectors: ConnectorSettings = ConnectorSettings()
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
            text = int(text)
        except ValueError:
            raise UserError(f"{where} should be a whole number, but is {text!r}.") from None
    if not isinstance(text, kind) or (kind is int and isinstance(text, bool)):
        raise UserError(f"{where} should be of type {kind.__name__}, but is {text!r}.")
    if kind is int and text < 0:
        raise UserError(f"{where} should not be negative, but is {text}.")
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
    for section, cls in get_type_hints(Settings).items():
        if section == "source":
            continue
        given = from_file.pop(section, {})
        if not isinstance(given, dict):
            raise UserError(f"{path}: {section} should be a section, [{section}], but is {given!r}.")
        values: dict[str, Any] = {}
        for key, hint in get_type_hints(cls, include_extras=True).items():
            kind, names = (hint.__origin__, hint.__metadata__[0].names) if get_origin(hint) is Annotated else (hint, ())
            if key in given:
                values[key] = _convert(given.pop(key), kind, f"{path}: [{section}] {key}")
            for name in (*reversed(names), f"HARDPOINT_{section}_{key}".upper()):
                if env.get(name):
                    values[key] = _convert(env[name], kind, name)
        if given:
            raise UserError(
                f"{path}: section [{section}] has no key {next(iter(given))!r}.",
                remedy=f"It has {', '.join(cls.__struct_fields__)}.",
            )
        sections[section] = cls(**values)
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
    changed = msgspec.structs.replace(
        base, **{name: msgspec.structs.replace(getattr(base, name), **values) for name, values in sections.items()}
    )
    token = _override.set(changed)
    try:
        yield changed
    finally:
        _override.reset(token)
