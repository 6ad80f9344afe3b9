"""The local cache: outputs of tasks by task, cache version, interface and inputs.

A value that carries its own hash (`HashMethod`) counts by it alone, a file on this machine by its path, size and time of change.
Data that a cached task writes lies beside the cache, not in the folder of the run that happened to write it, so that removing the
run does not break the cache.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hardpoint.engine.store import pack, unpack
from hardpoint.errors import UserError
from hardpoint.idl import Literal, TypedInterface
from hardpoint.settings import settings

__all__ = ["LocalCache", "cache_key"]


def _by_hash(literal: Literal) -> Literal:
    """The literal as it counts for the key: one that has a hash is replaced by it, at any depth."""
    if literal.hash:
        return Literal(hash=literal.hash)
    paths = list(_local_uris(literal)) if literal.HasField("scalar") else ()
    if paths:
        return Literal(hash=f"{literal.SerializeToString(deterministic=True)!r} {[_stamp(path) for path in paths]}")
    kind = literal.WhichOneof("value")
    if kind == "collection":
        out = Literal()
        out.collection.SetInParent()
        for item in literal.collection.literals:
            out.collection.literals.add().CopyFrom(_by_hash(item))
        return out
    if kind == "map":
        out = Literal()
        out.map.SetInParent()
        for key, item in literal.map.literals.items():
            out.map.literals[key].CopyFrom(_by_hash(item))
        return out
    return literal


def _stamp(path: str) -> list[tuple[str, int, int]]:
    """What changes when files on this machine do: their names, sizes and times."""
    found = (
        [path]
        if not os.path.isdir(path)
        else [os.path.join(d, name) for d, _, names in os.walk(path) for name in names]
    )
    stamps: list[tuple[str, int, int]] = []
    for name in sorted(found):
        with contextlib.suppress(FileNotFoundError):  # which the task will say
            stat = os.stat(name)
            stamps.append((name, stat.st_size, stat.st_mtime_ns))
    return stamps


def cache_key(
    task: str, version: str, interface: TypedInterface, inputs: Mapping[str, Literal], ignored: Iterable[str] = ()
) -> str:
    """The key of one call.

    Args:
        task: Name of the task.
        version: Its cache version.
        interface: Types are part of the key, so a task that changed them does not read what it cannot decode.
        inputs: The call's inputs.
        ignored: Inputs that do not count.
    """
    import hashlib

    skip = set(ignored)
    digest = hashlib.sha256()
    for part in (
        task.encode(),
        version.encode(),
        *(v.type.SerializeToString(deterministic=True) for _, v in sorted(interface.outputs.variables.items())),
        pack({name: _by_hash(literal) for name, literal in inputs.items() if name not in skip}),
    ):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def _local_uris(literal: Literal) -> Iterator[str]:
    """Every path on this machine that a literal names."""
    kind = literal.WhichOneof("value")
    if kind == "collection":
        for item in literal.collection.literals:
            yield from _local_uris(item)
    elif kind == "map":
        for item in literal.map.literals.values():
            yield from _local_uris(item)
    elif kind == "scalar":
        scalar = literal.scalar
        which = scalar.WhichOneof("value")
        if which == "union":
            yield from _local_uris(scalar.union.value)
        elif which in ("blob", "structured_dataset", "schema"):
            uri = getattr(scalar, which).uri
            if uri.startswith("file://"):
                uri = uri[len("file://") :]
            if "://" not in uri:
                yield uri


class LocalCache:
    """Outputs by key, in ``<state dir>/cache``."""

    def __init__(self, folder: Path | str | None = None) -> None:
        base = Path(folder) if folder is not None else settings().local.state_path
        self.folder = base / "cache"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                self.folder / "cache.sqlite", timeout=30, isolation_level=None, check_same_thread=False
            )
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            self._db.execute(
                "create table if not exists entries (key text primary key, task text not null, stored real not null, "
                "outputs blob not null) without rowid"
            )
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"The cache in {self.folder} cannot be opened: {error}.",
                remedy="Make the folder writable, or set HARDPOINT_LOCAL_CACHE_ENABLED=0.",
            ) from error
        self._lock = threading.Lock()

    def close(self) -> None:
        self._db.close()

    def __del__(self) -> None:
        if hasattr(self, "_db"):  # it could be opened; Python 3.13 warns of a connection that nobody has closed
            self._db.close()

    def get(self, key: str) -> dict[str, Literal] | None:
        """The outputs of a call, or None. An entry whose files are gone counts as none."""
        with self._lock:
            row = self._db.execute("select outputs from entries where key = ?", (key,)).fetchone()
        if row is None:
            return None
        outputs = unpack(row[0])
        if all(os.path.exists(uri) for literal in outputs.values() for uri in _local_uris(literal)):
            return outputs
        return None

    def put(self, key: str, task: str, outputs: Mapping[str, Literal]) -> None:
        """Store the outputs of a call."""
        with self._lock:
            self._db.execute(
                "insert or replace into entries (key, task, stored, outputs) values (?,?,?,?)",
                (key, task, time.time(), pack(outputs)),
            )

    def data_prefix(self, key: str) -> str:
        """Where the task of that call writes its data."""
        return str(self.folder / "data" / key)

    def clear(self, task: str | None = None) -> int:
        """Forget all entries, or those of one task; returns how many there were."""
        with self._lock:
            where, values = (" where task = ?", (task,)) if task else ("", ())
            keys = [row[0] for row in self._db.execute("select key from entries" + where, values)]
            self._db.execute("delete from entries" + where, values)
        for key in keys:
            shutil.rmtree(self.folder / "data" / key, ignore_errors=True)
        return len(keys)
