"""One run: its id, where its data goes, what it may do at once, and how its nodes are recorded."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hardpoint.context import DeckLike, ExecutionParameters, FlyteContext, FlyteContextManager, Mode, TaskIdentity
from hardpoint.engine.cache import LocalCache
from hardpoint.engine.events import Listener, NodeEvent, Silent
from hardpoint.engine.store import EndedNode, RunStore, StartedNode, pack, unpack
from hardpoint.engine.workers import Workers
from hardpoint.errors import UserError
from hardpoint.idl import Literal
from hardpoint.secrets import REQUESTS, redact_uri
from hardpoint.settings import settings
from hardpoint.storage import FileAccess

if TYPE_CHECKING:
    from hardpoint.engine.elements import Elements

__all__ = ["DECK_FILE", "Run", "RunOptions", "new_run_id"]


logger = logging.getLogger(__name__)

DECK_FILE = "deck.html"
"""Name of the page with all decks of a run, in the folder of its data."""
_MOST_DECKS = 200
"""Nodes whose decks are shown on the page of the run; each has its own page anyway."""
_MOST_PAGES = 200
"""Runs that are not recorded and whose decks are kept nevertheless; the oldest go."""
_MOST_JOBS = 256
"""External jobs that are waited for at once where nobody has said; each costs a thread that sleeps."""
_UNWRITTEN = 0.05
"""Seconds for which the start of a node may be unwritten: one that ends sooner is written once."""


def new_run_id() -> str:
    """A run's id: when it started, in UTC, and four letters that tell it from others of that second."""
    alphabet = "abcdefghijkmnpqrstuvwxyz23456789"  # 32, so that every byte gives each letter with equal chance
    letters = "".join(alphabet[byte % 32] for byte in os.urandom(4))
    return f"{datetime.now(UTC):%y%m%d-%H%M%S}-{letters}"


def default_parallelism() -> int:
    """How many nodes run at once where nobody has said."""
    return min(32, 4 * (os.cpu_count() or 1))


def _prompt(question: str) -> str:
    return input(question)


class RunOptions(msgspec.Struct):
    """How a run is to be made.

    Attributes:
        record: Whether it is written to the run store.
        decks: Whether decks are kept where it is not: those of the last runs, in the folder ``decks`` of the state directory.
        resume: Id of the run to take up again; nodes that succeeded there, with equal inputs, are not run again.
        listener: Who is told about nodes.
        max_parallelism: How many tasks run, or wait for their external jobs, at once; 0 for the defaults: 4 a processor, and 256.
        prompt: How a person is asked at a gate.
        source: The file that the run was started from.
        command: What is needed to start it again, as JSON data.
        run_id: The id, where the caller has one already.
        state_dir: The state directory; None for the configured one.
    """

    record: bool = True
    decks: bool = False
    resume: str | None = None
    listener: Listener = msgspec.field(default_factory=Silent)
    max_parallelism: int = 0
    prompt: Callable[[str], str] = _prompt
    source: str = ""
    command: Mapping[str, Any] | None = None
    run_id: str | None = None
    state_dir: str | None = None


class Run:
    """The state of one run while it goes on."""

    def __init__(self, options: RunOptions) -> None:
        self.options = options
        self.listens = type(options.listener) is not Silent
        self._told = threading.Lock()
        self._starting = threading.Lock()
        self._started: dict[str, StartedNode] = {}
        self._ended: list[EndedNode] = []
        self._maps: list[Elements] = []
        self.store = RunStore(options.state_dir) if options.record or options.resume else None
        self.done: dict[str, tuple[str, bytes, bytes]] = {}
        if options.resume and self.store is not None:
            self.id = self._resumable(self.store, options.resume)
            self.done = self.store.finished(self.id)
        else:
            self.id = options.run_id or new_run_id()
        limit = options.max_parallelism or settings().local.max_parallelism
        self.workers = Workers(limit or default_parallelism())
        self._waiters = Workers(limit or _MOST_JOBS)
        self.slots = asyncio.Semaphore(self.workers.limit)
        self._decks: dict[str, tuple[str, list[DeckLike]]] = {}
        self._cache: LocalCache | None = None
        self.started = datetime.now(UTC)
        prefix = settings().local.raw_output_prefix
        if prefix:
            self.prefix = f"{prefix.rstrip('/')}/{self.id}"
        elif self.store is not None:
            self.prefix = str(self.store.folder_of(self.id) / "data")
        else:
            self.prefix = ""
        outer = FlyteContextManager.current_context()
        self.files = FileAccess(self.prefix) if self.prefix else outer.file_access
        self._outer, self._tell_job = outer, self._job

    @staticmethod
    def _resumable(store: RunStore, run: str) -> str:
        """The id of a run that can be taken up again."""
        record = store.run(run)
        # A process of the same number as this one is this one's forerunner in a container, or this one itself.
        if record.status == "running" and record.pid != os.getpid():
            store.close()
            raise UserError(
                f"Run {record.id} is still running (process {record.pid}).",
                remedy="Wait for it, or stop that process first.",
            )
        return record.id

    def workers_for(self, task: Any) -> Workers:
        """The threads for a task. What waits for a job elsewhere holds none of those that work."""
        return self._waiters if getattr(task, "waits", False) else self.workers

    @property
    def cache(self) -> LocalCache:
        """The local cache, opened when a task first asks for it."""
        with self._starting:
            if self._cache is None:
                self._cache = LocalCache(self.options.state_dir)
            return self._cache

    def context(self, path: str, task: Any, attempt: int, prefix: str = "") -> FlyteContext:
        """The context in which one attempt of a node runs.

        Args:
            path: The node.
            task: Its task.
            attempt: 0 for the first.
            prefix: Where its raw data goes; empty for the run's own folder.
        """
        deck = task.enable_deck
        files = FileAccess(prefix) if prefix else self.files
        folder = f"{self.prefix}/{path}" if self.prefix else None
        params = ExecutionParameters(
            TaskIdentity(execution=self.id, node=path, attempt=attempt, task_name=task.name),
            raw_output_prefix=files.raw_output_prefix,
            output_metadata_prefix=f"{self.deck_prefix}/{path}" if deck and self.deck_prefix else None,
            checkpoint_prefix=f"{folder}/checkpoint-{attempt}" if folder else None,
            previous_checkpoint=f"{folder}/checkpoint-{attempt - 1}" if folder and attempt else None,
            enable_deck=deck,
            execution_date=self.started,
            **{REQUESTS: getattr(task, "secret_requests", ())},
        )
        return FlyteContext(
            Mode.LOCAL_WORKFLOW_EXECUTION,
            params,
            files,
            serialization=self._outer.serialization,
            tell_job=self._tell_job,
        )

    def _job(self, of: TaskIdentity, state: str, message: str, links: Mapping[str, str]) -> None:
        """Tell and record how the external job of a node stands."""
        told = "  ".join((f"{state}: {message}" if message else state, *links.values()))
        self.tell(NodeEvent(of.node, of.task_name, "waiting", of.attempt, message=told))
        if self.store is not None:
            self.flush(0)
            self.store.set_external(self.id, of.node, {"state": state, "message": redact_uri(message), "links": links})

    def deck_of(self, path: str) -> str | None:
        """Where the deck of a node is written."""
        return f"{self.deck_prefix}/{path}/deck.html" if self.deck_prefix else None

    @cached_property
    def deck_prefix(self) -> str:
        """The folder of the decks: that of the data, if it is kept; empty where no decks are."""
        if self.prefix or not self.options.decks:
            return self.prefix
        state_dir = self.options.state_dir
        return str((Path(state_dir) if state_dir else settings().local.state_path) / "decks" / self.id)

    def collect(self, path: str, task: str, decks: Sequence[DeckLike]) -> None:
        """Keep the decks of a node for the page of the whole run."""
        if decks and len(self._decks) < _MOST_DECKS:
            self._decks[path] = (task.rpartition(".")[2], list(decks))

    def write_deck(self) -> None:
        """Write the page with the decks of all nodes, if there are any, beside the run's data."""
        if not self._decks or not self.deck_prefix:
            return
        from hardpoint.deck import Deck, write

        names = Counter(task for task, _ in self._decks.values())
        pages = [
            Deck(f"{task if names[task] == 1 else f'{task} {path}'}: {deck.name}", deck.html, auto_add_to_deck=False)
            for path, (task, decks) in reversed(self._decks.items())  # the last is what the others led to
            for deck in decks
        ]
        try:
            page = write(pages, f"{self.deck_prefix}/{DECK_FILE}", self.files, title=f"Run {self.id}")
            logger.info("The decks of run %s: %s", self.id, page)
            if not self.prefix:
                _forget(Path(self.deck_prefix).parent)
        except Exception:
            logger.warning("The deck of run %s could not be written.", self.id, exc_info=True)

    # -- the record ----------------------------------------------------------------------------------------------------

    def tell(self, event: NodeEvent) -> None:
        """Tell the listener, whatever thread this is. One that fails is told no more; the run goes on."""
        if not self.listens:
            return
        if event.message:
            event = msgspec.structs.replace(event, message=redact_uri(event.message))
        with self._told:
            try:
                self.options.listener.node(event)
            except Exception:
                self.listens = False
                logger.warning("The listener of run %s failed and is not told any more.", self.id, exc_info=True)

    def start(self, name: str, inputs: Mapping[str, Literal]) -> None:
        """Record that the run starts."""
        if self.store is not None:
            self.store.start_run(self.id, name, self.options.source, pack(inputs), self.options.command)

    def finish(self, state: str, outputs: Mapping[str, Literal] | None = None, error: str | None = None) -> None:
        """Record how the run ended."""
        if self.store is not None:
            self.flush(0)
            if state != "succeeded":
                self.store.abort_nodes(self.id)
            self.store.end_run(self.id, state, pack(outputs) if outputs is not None else None, error)

    def node_started(self, path: str, name: str, attempt: int, inputs: Mapping[str, Literal]) -> None:
        """Record that a node starts; it is written at the latest by the next `flush`, or together with its end."""
        if self.store is not None:
            row = StartedNode(path, name, attempt, time.time(), pack(inputs))
            with self._starting:
                self._started[path] = row

    def node_succeeded(
        self,
        path: str,
        outputs: Mapping[str, Literal],
        *,
        cached: bool = False,
        deck: str | None = None,
        later: bool = False,
    ) -> None:
        """Record that a node has succeeded.

        It is written when this returns; with `later` by the next `flush`, where nothing depends on this node alone.
        """
        if self.store is not None:
            self._end(path, "succeeded", pack(outputs), None, cached, deck, later)

    def node_failed(self, path: str, error: str, *, deck: str | None = None) -> None:
        """Record that a node has failed."""
        if self.store is not None:
            self._end(path, "failed", None, error, False, deck)

    def _end(
        self,
        path: str,
        state: str,
        outputs: bytes | None,
        error: str | None,
        cached: bool,
        deck: str | None,
        later: bool = False,
    ) -> None:
        if self.store is None:
            return
        with self._starting:
            start = self._started.pop(path, None)
            if start is not None:
                row = EndedNode(start, state, time.time(), outputs, error, cached, deck)
                if later:
                    self._ended.append(row)
                else:
                    self.store.add_nodes(self.id, [row])
                return
        self.store.end_node(self.id, path, state, outputs, error, cached=cached, deck=deck)

    @contextmanager
    def recording(self, elements: Elements) -> Iterator[None]:
        """A block in which what becomes of the elements of a map is written by each `flush`, the last one at its end."""
        self._maps.append(elements)
        try:
            yield
        finally:
            self.flush(0)
            self._maps.remove(elements)

    def flush(self, older_than: float = _UNWRITTEN) -> None:
        """Write the starts of nodes that have been running for some time, and the ends that are still to be written."""
        if self.store is None or not (self._started or self._ended or self._maps):
            return
        limit = time.time() - older_than
        with self._starting:
            if self._ended:
                self.store.add_nodes(self.id, self._ended)
                self._ended = []
            due = [row for row in self._started.values() if row.started <= limit]
            for row in due:
                del self._started[row.path]
            for elements in self._maps:
                due += elements.write(self.store, limit)
            if due:
                self.store.start_nodes(self.id, due)

    async def keep_flushing(self) -> None:
        """Flush again and again; to be cancelled."""
        while True:
            await asyncio.sleep(_UNWRITTEN)
            self.flush()

    def forget(self, path: str) -> None:
        """Let a node, and all within it, run even if it has succeeded in the run that is resumed."""
        for known in [known for known in self.done if known == path or known.startswith(f"{path}/")]:
            del self.done[known]

    def recall(self, path: str, name: str, inputs: Mapping[str, Literal]) -> dict[str, Literal] | None:
        """The outputs that a node had in the run that is resumed, if it ran the same task on the same inputs."""
        found = self.done.get(path)
        if found is None or found[0] != name or found[1] != pack(inputs):
            return None
        return unpack(found[2])

    def close(self) -> None:
        self.workers.close()
        self._waiters.close()
        if self._cache is not None:
            self._cache.close()
        if self.store is not None:
            self.store.close()


def _forget(folder: Path) -> None:
    """Remove the decks of the oldest runs; their ids begin with the time."""
    for old in sorted(folder.iterdir())[:-_MOST_PAGES]:
        shutil.rmtree(old, ignore_errors=True)  # another process may remove it as well


def clock() -> float:
    return time.perf_counter()
