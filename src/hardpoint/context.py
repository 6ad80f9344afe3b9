"""What runs right now: the mode, the task's own facts, its secrets, decks, checkpoint and working directory.

`current_context()` is what user code calls. `FlyteContextManager` and `FlyteContext` are what integrations use. The
state is a context variable, so threads and coroutines that run tasks side by side do not see each other's.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from hardpoint._lazy import Ref

if TYPE_CHECKING:
    import logging
    from pathlib import Path

    from hardpoint.secrets import SecretsManager

__all__ = [
    "Checkpoint",
    "DeckLike",
    "ExecutionParameters",
    "ExecutionState",
    "FileAccessLike",
    "FlyteContext",
    "FlyteContextManager",
    "Mode",
    "NoStats",
    "TaskIdentity",
    "current_context",
    "new_context",
]


class Mode(enum.Enum):
    """Under what circumstances code runs."""

    NONE = 0
    """Outside of any execution, as in a REPL or while a module is imported."""
    TASK_EXECUTION = 1
    """In a container on a cluster."""
    LOCAL_WORKFLOW_EXECUTION = 2
    """A node of a workflow that the local engine runs."""
    LOCAL_TASK_EXECUTION = 3
    """A task that was called by itself, locally."""
    DYNAMIC_TASK_EXECUTION = 4
    """The body of a dynamic task on a cluster, which is compiled."""
    EAGER_EXECUTION = 5
    EAGER_LOCAL_EXECUTION = 6
    LOCAL_DYNAMIC_TASK_EXECUTION = 7

    @property
    def is_local(self) -> bool:
        return self in _LOCAL


_LOCAL = frozenset(
    {
        Mode.LOCAL_WORKFLOW_EXECUTION,
        Mode.LOCAL_TASK_EXECUTION,
        Mode.EAGER_LOCAL_EXECUTION,
        Mode.LOCAL_DYNAMIC_TASK_EXECUTION,
    }
)


class FileAccessLike(Protocol):
    """What the rest of the package expects of `hardpoint.storage.FileAccess`."""

    raw_output_prefix: str

    def get_random_local_path(self, file_path_or_file_name: str | None = None) -> str: ...
    def get_random_local_directory(self) -> str: ...
    def get_random_remote_path(self, file_path_or_file_name: str | None = None) -> str: ...
    def get_random_remote_directory(self) -> str: ...
    def is_remote(self, path: str) -> bool: ...
    def put_data(self, local_path: str, remote_path: str, is_multipart: bool = False, **kwargs: Any) -> str: ...
    def get_data(self, remote_path: str, local_path: str, is_multipart: bool = False, **kwargs: Any) -> str: ...
    def put_raw_data(
        self, lpath: Any, upload_prefix: str | None = None, file_name: str | None = None, **kwargs: Any
    ) -> str: ...
    def open(self, uri: str, mode: str = "rb", **kwargs: Any) -> Any: ...
    def exists(self, uri: str) -> bool: ...
    def list(self, uri: str) -> Any: ...
    def walk(self, uri: str, maxdepth: int | None = None, topdown: bool = True) -> Iterator[tuple[str, Any, Any]]: ...
    def filesystem(self, uri: str, anonymous: bool = False) -> Any: ...


class DeckLike(Protocol):
    """What the rest of the package expects of `hardpoint.deck.Deck`."""

    @property
    def name(self) -> str: ...
    @property
    def html(self) -> str: ...


class TaskIdentity(NamedTuple):
    """Which execution a task belongs to. Locally the project is ``local`` and the execution is the run's id."""

    project: str = "local"
    domain: str = "local"
    execution: str = "local"
    node: str = ""
    attempt: int = 0
    task_name: str = ""
    task_version: str = ""

    @property
    def name(self) -> str:
        """The execution's name; kept for code that asks ``current_context().execution_id.name``."""
        return self.execution

    def __str__(self) -> str:
        return f"{self.project}:{self.domain}:{self.execution}"


class Checkpoint:
    """Bytes that a task keeps between its attempts.

    Args:
        destination: URI prefix where this attempt writes.
        source: URI prefix that the previous attempt wrote, if there was one.
        files: Storage access.
    """

    FILE = "_flytecheckpoints"

    def __init__(self, destination: str, source: str | None, files: Callable[[], FileAccessLike]) -> None:
        self._destination, self._source, self._files = destination, source, files

    def prev_exists(self) -> bool:
        """Whether an earlier attempt left a checkpoint."""
        return self._source is not None and self._files().exists(f"{self._source}/{self.FILE}")

    def read(self) -> bytes | None:
        """What the previous attempt wrote, or None."""
        if not self.prev_exists():
            return None
        with self._files().open(f"{self._source}/{self.FILE}", "rb") as stream:
            data: bytes = stream.read()
            return data

    def write(self, b: bytes) -> None:
        """Replace this attempt's checkpoint."""
        with self._files().open(f"{self._destination}/{self.FILE}", "wb") as stream:
            stream.write(b)

    def restore(self, path: str | os.PathLike[str]) -> Path | None:
        """Download the previous attempt's checkpoint folder to `path`; None if there was none."""
        if self._source is None or not self._files().exists(self._source):
            return None
        from pathlib import Path

        self._files().get_data(self._source, os.fspath(path), is_multipart=True)
        return Path(path)

    def save(self, cp: str | os.PathLike[str] | bytes) -> None:
        """Upload a file or a folder (or plain bytes) as this attempt's checkpoint."""
        if isinstance(cp, bytes):
            self.write(cp)
            return
        from pathlib import Path

        path = Path(cp)
        if path.is_dir():
            self._files().put_data(str(path), self._destination, is_multipart=True)
        else:
            self._files().put_data(str(path), f"{self._destination}/{self.FILE if not path.name else path.name}")


class NoStats:
    """Takes measurements and does nothing with them: ``current_context().stats.incr("rows", 3)``.

    Code that was written for Flytekit may send StatsD metrics in this way. Nobody listens for them here; what a task took is in its
    record and in its timeline deck.
    """

    def incr(self, stat: str, count: int = 1, rate: float = 1, **_: Any) -> None:
        """Add to a counter, which there is none."""

    def decr(self, stat: str, count: int = 1, rate: float = 1, **_: Any) -> None:
        """Subtract from a counter, which there is none."""

    def gauge(self, stat: str, value: float, rate: float = 1, delta: bool = False, **_: Any) -> None:
        """Set a value that nobody reads."""

    def set(self, stat: str, value: object, rate: float = 1, **_: Any) -> None:
        """Count a value that nobody reads."""

    def timing(self, stat: str, delta: float, rate: float = 1, **_: Any) -> None:
        """Record a duration that nobody reads."""

    @contextmanager
    def timer(self, stat: str, rate: float = 1, **_: Any) -> Iterator[None]:
        """A block, or a decorated function, that is not timed."""
        yield

    def get_stats(self, name: str, copy_tags: bool = True) -> NoStats:
        """The same, under a longer prefix."""
        return self

    @contextmanager
    def pipeline(self) -> Iterator[NoStats]:
        """The same, several at once."""
        yield self

    def extend_tags(self, tags: Mapping[str, str]) -> None:
        """Tag what is not sent."""

    def clear_tags(self) -> None:
        """Tag it no more."""


class ExecutionParameters:
    """What user code gets from `current_context()`.

    Attributes:
        execution_id: `TaskIdentity` of the execution.
        execution_date: When the execution started, in UTC.
        attempt: 0 for the first attempt.
        raw_output_prefix: URI prefix for data that the task writes itself.
        decks: The decks made so far.
        logging: A logger for the task.
    """

    def __init__(
        self,
        execution_id: TaskIdentity | None = None,
        *,
        raw_output_prefix: str = "",
        output_metadata_prefix: str | None = None,
        checkpoint_prefix: str | None = None,
        previous_checkpoint: str | None = None,
        enable_deck: bool = False,
        execution_date: datetime | None = None,
        **attributes: Any,
    ) -> None:
        self.execution_id = execution_id or TaskIdentity()
        self.raw_output_prefix = raw_output_prefix
        self.output_metadata_prefix = output_metadata_prefix
        self.enable_deck = enable_deck
        self.execution_date = execution_date or datetime.now(UTC)
        self.decks: list[DeckLike] = []
        self.attributes = attributes
        self._checkpoint_prefix, self._previous_checkpoint = checkpoint_prefix, previous_checkpoint
        self._working_directory: str | None = None

    @property
    def attempt(self) -> int:
        return self.execution_id.attempt

    @property
    def task_id(self) -> TaskIdentity:
        return self.execution_id

    @property
    def logging(self) -> logging.Logger:
        import logging

        return logging.getLogger("hardpoint.user")

    @property
    def stats(self) -> NoStats:
        """Takes measurements, and does nothing with them."""
        return NoStats()

    @property
    def working_directory(self) -> str:
        """A fresh folder for this task, made when it is first asked for."""
        if self._working_directory is None:
            import tempfile

            self._working_directory = tempfile.mkdtemp(prefix="hardpoint-")
        return self._working_directory

    @property
    def checkpoint(self) -> Checkpoint:
        """Where this task keeps what its next attempt needs."""
        prefix = self._checkpoint_prefix or os.path.join(self.working_directory, "__cp")
        return Checkpoint(prefix, self._previous_checkpoint, lambda: FlyteContextManager.current_context().file_access)

    @property
    def secrets(self) -> SecretsManager:
        """Look-up of secrets: ``secrets.get(group, key)`` or ``secrets.group.key``."""
        from hardpoint.secrets import SecretsManager

        return SecretsManager()

    def _deck(self, name: str, kind: Ref) -> Any:
        for deck in self.decks:
            if deck.name == name:
                return deck
        deck = kind.load()(name, auto_add_to_deck=False)  # it would join the current task's, which may be another
        self.decks.append(deck)
        return deck

    @property
    def default_deck(self) -> Any:
        """The deck named ``default``, made when it is first asked for."""
        return self._deck("default", _DECK)

    @property
    def timeline_deck(self) -> Any:
        """The deck that records how long the parts of the task took."""
        return self._deck("Timeline", _TIMELINE)

    def has_attr(self, name: str) -> bool:
        """Whether an integration has put something under that name (for example ``SPARK_SESSION``)."""
        return name.upper() in self.attributes

    def get(self, key: str) -> Any:
        """What an integration has put under that name."""
        return self.__getattr__(key)

    def __getattr__(self, name: str) -> Any:
        attributes = self.__dict__.get("attributes", {})
        if name.upper() in attributes:
            return attributes[name.upper()]
        raise AttributeError(
            f"current_context() has no attribute {name!r}; integrations have added {sorted(attributes)}"
        )

    def with_attributes(self, **attributes: Any) -> ExecutionParameters:
        """A copy that also answers to these names, upper-cased; decks and directories are shared."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.attributes = {**self.attributes, **{k.upper(): v for k, v in attributes.items()}}
        return copy


# Rooms that stand above this one are named, not imported.
_DECK = Ref("hardpoint.deck:Deck")
_TIMELINE = Ref("hardpoint.deck:TimeLineDeck")
_DEFAULT_FILES = Ref("hardpoint.storage:default_file_access")


class ExecutionState(NamedTuple):
    """Under what circumstances code runs, as code asks that was written for Flytekit."""

    mode: Mode

    def is_local_execution(self) -> bool:
        return self.mode.is_local


class FlyteContext:
    """The state of the moment. It does not change; `FlyteContextManager.use` makes another one for a block.

    Attributes:
        mode: Under what circumstances code runs.
        params: What `current_context()` answers.
        files: Storage of this execution; None until it is first needed.
        compilation: The workflow that is being compiled, if any (a `hardpoint.workflows.compilation.Compilation`).
        serialization: `SerializationSettings` in force, if any.
        tell_job: Who wants to know how the external job of a task stands, if anybody: called, from any thread, with the attempt
            that the job is of, its state in a word, what there is to say, and links by name.
    """

    __slots__ = ("compilation", "files", "mode", "params", "serialization", "tell_job")

    def __init__(
        self,
        mode: Mode = Mode.NONE,
        params: ExecutionParameters | None = None,
        files: FileAccessLike | None = None,
        compilation: Any = None,
        serialization: Any = None,
        tell_job: Callable[[TaskIdentity, str, str, Mapping[str, str]], None] | None = None,
    ) -> None:
        self.mode: Final = mode
        self.params: Final = params if params is not None else ExecutionParameters()
        self.files: Final = files
        self.compilation: Final = compilation
        self.serialization: Final = serialization
        self.tell_job: Final = tell_job

    @property
    def file_access(self) -> FileAccessLike:
        """Storage of this execution."""
        if self.files is not None:
            return self.files
        shared: FileAccessLike = _DEFAULT_FILES.load()()
        return shared

    @property
    def user_space_params(self) -> ExecutionParameters:
        return self.params

    @property
    def execution_state(self) -> ExecutionState:
        """The mode, where code that was written for Flytekit looks for it."""
        return ExecutionState(self.mode)

    @property
    def serialization_settings(self) -> Any:
        return self.serialization

    def new(self, **changes: Any) -> FlyteContext:
        """A copy with changes."""
        return FlyteContext(**{name: getattr(self, name) for name in self.__slots__} | changes)


_ROOT = FlyteContext()
_current: ContextVar[FlyteContext] = ContextVar("hardpoint_context", default=_ROOT)


class FlyteContextManager:
    """Reads and changes the state of the moment."""

    @staticmethod
    def current_context() -> FlyteContext:
        return _current.get()

    @staticmethod
    def push(context: FlyteContext) -> Token[FlyteContext]:
        """Make `context` the current one; give the token to `pop`. For hot paths; otherwise `use`."""
        return _current.set(context)

    @staticmethod
    def pop(token: Token[FlyteContext]) -> None:
        _current.reset(token)

    @staticmethod
    @contextmanager
    def use(context: FlyteContext | None = None, **changes: Any) -> Iterator[FlyteContext]:
        """Run a block under `context` (default: the current one) with `changes`."""
        changed = (context or _current.get()).new(**changes)
        token = _current.set(changed)
        try:
            yield changed
        finally:
            _current.reset(token)

    with_context = use


def current_context() -> ExecutionParameters:
    """What the running task can ask: its execution id, attempt, working directory, secrets, decks and checkpoint."""
    return _current.get().params


def new_context() -> AbstractContextManager[FlyteContext]:
    """A block under a context of its own, which is as the current one: ``with new_context() as ctx: ...``."""
    return FlyteContextManager.use()
