"""Moving files and folders between local disks and a store, many at once."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from hardpoint.errors import PermanentError, TransientError, UserError
from hardpoint.secrets import redact_uri
from hardpoint.storage import local
from hardpoint.storage.filesystems import Runtime
from hardpoint.storage.local import Found
from hardpoint.storage.options import canonical
from hardpoint.storage.uris import join, protocol

__all__ = ["OnProgress", "Progress", "copy_tree", "find", "get_file", "get_tree", "put_bytes", "put_file", "put_tree"]

T = TypeVar("T")
OnProgress = Callable[[int, int], None]
"""Told how many bytes have moved, of how many. Called from the threads that move them."""

_PARTS = 4 << 20
"""Bytes above which a client may fetch a file by several requests, and so parts of two versions of it."""
_OBJECT_STORES = frozenset({"s3", "gs", "abfs", "http", "memory"})


class Stored(NamedTuple):
    """A file below a remote folder."""

    relative: str
    """Path below the folder."""
    info: dict[str, Any]
    """What the store says of it."""

    @property
    def size(self) -> int:
        """In bytes."""
        return int(self.info.get("size") or 0)


class Progress:
    """Sums up what has moved of several files; a file that is tried again is counted once."""

    def __init__(self, hook: OnProgress | None, total: int) -> None:
        self._hook, self._total = hook, total
        self._done: dict[str, int] = {}
        self._sum = 0
        self._lock = threading.Lock()

    def report(self, name: str, done: int) -> None:
        """`done` bytes of the file `name` have moved by now."""
        if self._hook is None:
            return
        with self._lock:
            self._sum += done - self._done.get(name, 0)
            self._done[name] = done
            self._hook(self._sum, self._total)

    def callback(self, name: str) -> Any:
        """The progress hook of one file, as fsspec wants it."""
        from fsspec.callbacks import DEFAULT_CALLBACK, Callback

        if self._hook is None:
            return DEFAULT_CALLBACK
        report = self.report

        class PerFile(Callback):  # type: ignore[misc]
            def call(self, hook_name: str | None = None, **kwargs: Any) -> None:
                report(name, self.value)

        return PerFile()


async def each(items: Iterable[T], do: Callable[[T], Awaitable[None]], limit: int) -> None:
    """Do something with every item, at most `limit` at once. The first failure stops the others and is raised."""
    import asyncio

    queue: Iterator[T] = iter(items)

    async def worker() -> None:
        for item in queue:
            await do(item)

    workers = [asyncio.ensure_future(worker()) for _ in range(limit)]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        # They must have let go of the staging folder before it is removed.
        await asyncio.gather(*workers, return_exceptions=True)


def _relative(name: str, base: str) -> str:
    """The path of `name` below `base`; refused if it leads elsewhere, as a hostile key like ``a/../../x`` does."""
    name, base = name.strip("/"), base.strip("/")
    relative = name[len(base) :].strip("/") if name.startswith(base) else name
    parts = relative.split("/")
    if ".." in parts or "." in parts or (os.sep != "/" and any(os.sep in part or ":" in part for part in parts)):
        raise PermanentError(f"The store names a file {name!r}, which would be written outside of its folder.")
    return relative


async def find(runtime: Runtime, filesystem: Any, path: str) -> list[Stored]:
    """All files below a remote folder, in the order of their names."""
    listing: dict[str, dict[str, Any]] = await runtime.call(filesystem, "find", path, detail=True)
    if isinstance(listing, list):  # what the client of Azure says of a file
        return []
    files = []
    for name, info in listing.items():
        if info.get("type") == "directory" or name.endswith("/"):
            continue  # a marker that some tools leave for an empty folder
        relative = _relative(name, path)
        if relative:
            files.append(Stored(relative, info))
    return sorted(files, key=lambda file: file.relative)


def _tag(info: dict[str, Any]) -> str:
    return str(info.get("ETag") or info.get("etag") or "").strip('"')


def _size(info: dict[str, Any], uri: str) -> int | None:
    """How many bytes a download has to give; None if that cannot be told."""
    if canonical(protocol(uri)) == "http" or info.get("contentEncoding"):
        return None  # of the first a listing knows nothing; the second is what Google unpacks on the way
    size = info.get("size")
    return None if size is None else int(size)


async def get_file(
    runtime: Runtime, filesystem: Any, path: str, target: str, uri: str, info: dict[str, Any], progress: Progress
) -> None:
    """Download one file to `target`, which appears when it is whole.

    Args:
        runtime: What runs it.
        filesystem: Where the file is.
        path: Its path there.
        target: Local path.
        uri: Its URI.
        info: What the store says of it beforehand.
        progress: Told of it.

    Raises:
        TransientError: fewer or more bytes came than the store has, or the file was replaced meanwhile.
    """
    with local.staged_file(target) as part:
        async with runtime.slots:
            await runtime.call(filesystem, "get_file", path, part, callback=progress.callback(target))
        local.require_file(part)  # for a folder some clients make nothing, others a folder
        got = local.size_of(part)
        size = _size(info, uri)
        if size is not None and got != size:
            raise TransientError(f"{redact_uri(uri)} has {size} bytes, but {got} came.")
        if got > _PARTS and (tag := _tag(info)) and tag != _tag(await runtime.call(filesystem, "info", path)):
            raise TransientError(f"{redact_uri(uri)} was replaced while it was read.")
        progress.report(target, got)


async def get_tree(
    runtime: Runtime, filesystem: Any, path: str, target: str, hook: OnProgress | None, uri: str
) -> None:
    """Download all files below a remote folder to the local folder `target`, which changes only when all have come."""
    files = await find(runtime, filesystem, path)
    if not files:
        info = await runtime.call(filesystem, "info", path)
        if info.get("type") != "directory":
            raise UserError(f"{redact_uri(uri)} is a file, not a directory.")
    progress = Progress(hook, sum(file.size for file in files))
    with local.staged_folder(target) as stage:

        async def one(file: Stored) -> None:
            name = f"{path.rstrip('/')}/{file.relative}"
            place = os.path.join(stage, *file.relative.split("/"))
            await get_file(runtime, filesystem, name, place, join(uri, file.relative), file.info, progress)

        await each(files, one, runtime.concurrency)


def _hints(uri: str, hints: dict[str, Any]) -> dict[str, Any]:
    """What may be said along with an upload. Only S3 keeps a ``ContentEncoding`` and serves the bytes unchanged."""
    if canonical(protocol(uri)) == "s3":
        return hints
    return {name: value for name, value in hints.items() if name not in ("ContentEncoding", "ContentType")}


async def _make_parent(runtime: Runtime, filesystem: Any, path: str, uri: str) -> None:
    if canonical(protocol(uri)) not in _OBJECT_STORES:
        await runtime.call(filesystem, "makedirs", filesystem._parent(path), exist_ok=True)


async def put_file(
    runtime: Runtime, filesystem: Any, source: str, path: str, uri: str, progress: Progress, **hints: Any
) -> None:
    """Upload one file."""
    async with runtime.slots:
        await _make_parent(runtime, filesystem, path, uri)
        await runtime.call(filesystem, "put_file", source, path, callback=progress.callback(path), **_hints(uri, hints))
    progress.report(path, local.size_of(source))


async def put_bytes(runtime: Runtime, filesystem: Any, data: bytes, path: str, uri: str, **hints: Any) -> None:
    """Store bytes as one file."""
    async with runtime.slots:
        await _make_parent(runtime, filesystem, path, uri)
        await runtime.call(filesystem, "pipe_file", path, data, **_hints(uri, hints))


async def _make_folder(runtime: Runtime, filesystem: Any, path: str, uri: str) -> None:
    """Make an empty folder: in an object store, as their consoles do, an empty object whose key ends with a slash."""
    match canonical(protocol(uri)):
        case "s3":
            bucket, key, _ = filesystem.split_path(path)
            await filesystem._call_s3("put_object", Bucket=bucket, Key=f"{key}/")
        case "gs":
            from gcsfs.core import simple_upload

            bucket, key, _ = filesystem.split_path(path)
            await simple_upload(filesystem, bucket, f"{key}/", b"")
        case "abfs":
            bucket, key, _ = filesystem.split_path(path)
            await filesystem.service_client.get_container_client(bucket).upload_blob(f"{key}/", b"", overwrite=True)
        case _:
            await runtime.call(filesystem, "makedirs", path, exist_ok=True)


async def put_tree(
    runtime: Runtime, filesystem: Any, source: str, path: str, uri: str, hook: OnProgress | None, **hints: Any
) -> None:
    """Upload all files of a local folder."""
    files, _ = await runtime.in_thread(local.find, source)
    if not files:
        async with runtime.slots:
            await _make_folder(runtime, filesystem, path, uri)
    progress = Progress(hook, sum(file.size for file in files))

    async def one(file: Found) -> None:
        name = f"{path.rstrip('/')}/{file.relative}"
        await put_file(
            runtime, filesystem, os.path.join(source, *file.relative.split("/")), name, uri, progress, **hints
        )

    await each(files, one, runtime.concurrency)


def copy_tree(source: str, target: str, hook: OnProgress | None) -> None:
    """Copy a local folder to another place on local disks, empty folders included."""
    if os.path.exists(target) and os.path.samefile(source, target):
        return
    if os.path.isfile(source):
        raise UserError(f"{source} is a file, not a directory.")
    files, empty = local.find(source)  # before the stage is made, which may lie inside of the source
    progress = Progress(hook, sum(file.size for file in files))
    with local.staged_folder(target) as stage:
        for folder in empty:
            os.makedirs(os.path.join(stage, folder))
        for file in files:
            made = os.path.join(stage, file.relative)
            os.makedirs(os.path.dirname(made), exist_ok=True)
            shutil.copy2(os.path.join(source, file.relative), made)
            progress.report(file.relative, file.size)
