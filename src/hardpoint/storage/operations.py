"""Each thing that can be done at a URI, as `Work` that a caller with or without a loop finishes."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Awaitable, Callable
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from hardpoint.errors import StorageAccessError, StorageNotFoundError, TransientError, UserError
from hardpoint.secrets import redact_uri
from hardpoint.settings import StorageSettings
from hardpoint.storage import local, transfer
from hardpoint.storage.filesystems import Runtime, Work, make_filesystem
from hardpoint.storage.options import canonical
from hardpoint.storage.problems import problem, reraise
from hardpoint.storage.transfer import OnProgress, Progress
from hardpoint.storage.uris import file_name, is_remote, join, local_path, protocol
from hardpoint.storage.whole import WholeFile, open_local

__all__ = ["Entry", "Operations"]

T = TypeVar("T")

_SERVE_STRANGERS = ("s3", "gs", "abfs")
"""Stores that have public data for callers without credentials."""
_DO_NOT_RETRY = ("http",)
"""Protocols whose client gives up at the first failure."""
_IN_MEMORY = 8 << 20
"""Bytes of a stream up to which it is sent without a copy on disk."""


class Entry(NamedTuple):
    """A file or a folder in a listing."""

    uri: str
    name: str
    """The last component of the URI."""
    is_dir: bool
    size: int
    """In bytes; 0 for a folder."""


class Operations:
    """Makes the work; holds the clients.

    Args:
        settings: Configuration of the stores.
        runtime: What runs the work.
    """

    def __init__(self, settings: StorageSettings, runtime: Runtime) -> None:
        self.settings = settings
        self._runtime = runtime
        self._filesystems: dict[tuple[str, ...], Any] = {}
        self._public: set[str] = set()
        self._lock = threading.Lock()

    def filesystem(self, uri: str, anonymous: bool) -> Any:
        """The fsspec file system of a URI, made once."""
        scheme = protocol(uri)
        # Servers and accounts stand in the URI of the other protocols, and each needs a client of its own.
        authority = "" if canonical(scheme) in ("file", "memory", "s3", "gs", "http") else uri.split("/", 3)[2]
        key = (scheme, authority, str(anonymous))
        with self._lock:
            found = self._filesystems.get(key)
            if found is None:
                found = self._filesystems[key] = make_filesystem(uri, anonymous, self.settings)
            return found

    async def _reading(self, uri: str, doing: str, do: Callable[[Any, str], Awaitable[T]]) -> T:
        """Do something that reads; where credentials are missing or refused, once more as a stranger."""
        bucket = "/".join(uri.split("/", 3)[:3])
        public = bucket in self._public
        try:
            return await self._trying(uri, doing, do, anonymous=public)
        except StorageAccessError as refused:
            if public or canonical(protocol(uri)) not in _SERVE_STRANGERS:
                raise
            try:
                result = await self._trying(uri, doing, do, anonymous=True)
            except Exception:
                raise refused from refused.__cause__  # what the user can mend are the credentials
            self._public.add(bucket)
            return result

    async def _trying(self, uri: str, doing: str, do: Callable[[Any, str], Awaitable[T]], anonymous: bool = False) -> T:
        filesystem = self.filesystem(uri, anonymous)
        attempts = max(self.settings.retries, 1) if canonical(protocol(uri)) in _DO_NOT_RETRY else 1
        for attempt in range(1, attempts + 1):
            try:
                return await do(filesystem, filesystem._strip_protocol(uri))
            except Exception as error:
                named = problem(error, uri, doing)
                if attempt < attempts and isinstance(named, TransientError):
                    await _pause(named.retry_after or 0.1 * 2**attempt)
                    continue
                reraise(error, named)
        raise AssertionError("the last attempt returns or raises")

    @staticmethod
    def _blocking(uri: str, doing: str, do: Callable[..., T], *args: Any) -> Callable[[], T]:
        def run() -> T:
            try:
                return do(*args)
            except Exception as error:
                reraise(error, problem(error, uri, doing))

        return run

    # Up

    def put(
        self, source: str, uri: str, is_multipart: bool, on_progress: OnProgress | None, hints: dict[str, Any]
    ) -> Work[str]:
        """Upload a local file or folder."""
        if is_remote(source):
            raise UserError(f"{redact_uri(source)} is not a local path; only local files are uploaded.")
        source = local_path(source)
        if not os.path.exists(source):
            raise StorageNotFoundError(source)
        if is_multipart != os.path.isdir(source):
            raise UserError(f"{source} is a {'file, not a directory' if is_multipart else 'directory, not a file'}.")
        if not is_remote(uri):
            return self._blocking(uri, "write", _copy, source, uri, is_multipart, on_progress)

        async def send(filesystem: Any, path: str) -> str:
            if is_multipart:
                await transfer.put_tree(self._runtime, filesystem, source, path, uri, on_progress, **hints)
            else:
                progress = Progress(on_progress, local.size_of(source))
                await transfer.put_file(self._runtime, filesystem, source, path, uri, progress, **hints)
            return uri

        return self._trying(uri, "write", send)

    def put_bytes(self, data: bytes, uri: str, hints: dict[str, Any]) -> Work[str]:
        """Store bytes."""
        if not is_remote(uri):
            return self._blocking(uri, "write", _write, [data], uri)

        async def send(filesystem: Any, path: str) -> str:
            await transfer.put_bytes(self._runtime, filesystem, data, path, uri, **hints)
            return uri

        return self._trying(uri, "write", send)

    def put_stream(
        self, stream: Any, uri: str, encoding: str, on_progress: OnProgress | None, hints: dict[str, Any]
    ) -> Work[str]:
        """Store what a stream of bytes or text gives until its end."""
        chunks = local.chunks(stream, encoding)
        if not is_remote(uri):
            return self._blocking(uri, "write", _write, chunks, uri)

        async def send() -> str:
            # The user's stream blocks. A long one goes by way of a file, so that its parts can be sent side by side.
            head, more = await self._runtime.in_thread(local.take, chunks, _IN_MEMORY)
            if not more:
                return await _within_loop(self.put_bytes(head, uri, hints))
            with local.spooled() as copy:
                await self._runtime.in_thread(_write, chain([head], chunks), copy)
                return await _within_loop(self.put(copy, uri, False, on_progress, hints))

        return send()

    # Down

    def get(self, uri: str, target: str, is_multipart: bool, on_progress: OnProgress | None) -> Work[str]:
        """Download a file or a folder to a local path."""
        if is_remote(target):
            raise UserError(f"{redact_uri(target)} is not a local path; downloads go to local disks.")
        target = local_path(target)
        if not is_remote(uri):
            return self._blocking(uri, "read", _copy, local_path(uri), target, is_multipart, on_progress)

        async def receive(filesystem: Any, path: str) -> str:
            if is_multipart:
                await transfer.get_tree(self._runtime, filesystem, path, target, on_progress, uri)
                return target
            info: dict[str, Any] = {}
            if (
                on_progress is not None or canonical(protocol(uri)) != "http"
            ):  # many a web server cannot tell beforehand
                info = await self._runtime.call(filesystem, "info", path)
            if info.get("type") == "directory":
                raise _is_folder(uri)
            progress = Progress(on_progress, int(info.get("size") or 0))
            await transfer.get_file(self._runtime, filesystem, path, target, uri, info, progress)
            return target

        return self._reading(uri, "read", receive)

    # Streams

    def open(self, uri: str, mode: str, options: dict[str, Any]) -> Work[Any]:
        """Open in a binary mode. What is written comes into being when it is closed."""
        if not is_remote(uri):
            return self._blocking(uri, "open", open_local, local_path(uri), mode)

        async def opened(filesystem: Any, path: str) -> Any:
            # The method blocks, also that of an asynchronous file system, which waits for the loop that we are on.
            return await self._runtime.in_thread(filesystem.open, path, mode, **options)

        if mode == "rb":
            return self._reading(uri, "read", opened)

        async def whole(filesystem: Any, path: str) -> WholeFile:
            if mode == "wb" and not filesystem.async_impl:
                return self._spooled(uri)
            raw = await opened(filesystem, path)

            def discard() -> None:
                raw.discard()
                raw.closed = True  # else its finalizer would upload what there is

            return WholeFile(raw, commit=self._blocking(uri, "write", raw.close), discard=discard)

        return self._trying(uri, "write", whole)

    def _spooled(self, uri: str) -> WholeFile:
        """A file to write that is sent when it is closed, for stores where what is being written can be seen."""
        raw = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # the WholeFile closes it

        def commit() -> None:
            raw.seek(0)
            self._runtime.finish(self.put_stream(raw, uri, "", None, {}))
            raw.close()

        return WholeFile(raw, commit, raw.close)

    # What there is

    def info(self, uri: str) -> Work[Entry]:
        """What there is at a URI."""
        if not is_remote(uri):
            return self._blocking(uri, "read", _local_entry, uri, local_path(uri))

        async def ask(filesystem: Any, path: str) -> Entry:
            return _entry(uri, await self._runtime.call(filesystem, "info", path))

        return self._reading(uri, "read", ask)

    def size(self, uri: str) -> Work[int]:
        """Bytes of a file, or of all files below a folder."""
        if not is_remote(uri):
            return self._blocking(uri, "read", _local_size, uri)

        async def ask(filesystem: Any, path: str) -> int:
            entry = _entry(uri, await self._runtime.call(filesystem, "info", path))
            if not entry.is_dir:
                return entry.size
            return sum(file.size for file in await transfer.find(self._runtime, filesystem, path))

        return self._reading(uri, "read", ask)

    def list(self, uri: str) -> Work[list[Entry]]:
        """What lies directly in a folder, by name."""
        if not is_remote(uri):
            return self._blocking(uri, "list", _local_listing, uri)

        async def ask(filesystem: Any, path: str) -> Any:
            listed = await self._runtime.call(filesystem, "ls", path, detail=True)
            entries = [_entry(uri, info, path) for info in listed]
            below = sorted(entry for entry in entries if entry.name)  # some clients list the folder itself
            if not below and not _entry(uri, await self._runtime.call(filesystem, "info", path)).is_dir:
                raise UserError(f"{redact_uri(uri)} is a file, not a directory.")
            return below

        return self._reading(uri, "list", ask)

    def remove(self, uri: str, recursive: bool) -> Work[None]:
        """Remove a file, or a folder and all that is in it."""
        if not is_remote(uri):
            return self._blocking(uri, "remove", _local_remove, uri, recursive)

        async def ask(filesystem: Any, path: str) -> None:
            if _entry(uri, await self._runtime.call(filesystem, "info", path)).is_dir and not recursive:
                raise _not_recursive(uri)
            await self._runtime.call(filesystem, "rm", path, recursive=recursive)

        return self._trying(uri, "remove", ask)


async def _pause(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(min(seconds, 30.0))


async def _within_loop(work: Work[T]) -> T:
    """Finish work for a remote URI from within the storage loop."""
    assert not callable(work)
    return await work


def _entry(uri: str, info: dict[str, Any], base: str | None = None) -> Entry:
    """An entry for what fsspec says of `uri` itself, or with `base` of something below it."""
    is_dir = info.get("type") == "directory"
    name = file_name(uri)
    if base is not None:
        found = str(info["name"])
        name = "" if found.strip("/") == base.strip("/") else file_name(found)
        uri = join(uri, name)
    return Entry(uri, name, is_dir, 0 if is_dir else int(info.get("size") or 0))


def _is_folder(uri: str) -> UserError:
    return UserError(f"{redact_uri(uri)} is a directory, not a file.", remedy="Pass is_multipart=True to move it.")


def _not_recursive(uri: str) -> UserError:
    return UserError(f"{redact_uri(uri)} is a directory.", remedy="Pass recursive=True to remove it.")


# Local disks


def _copy(source: str, target: str, is_multipart: bool, on_progress: OnProgress | None) -> str:
    path = local_path(target)
    if is_multipart:
        transfer.copy_tree(source, path, on_progress)
    else:
        if os.path.isdir(source):
            raise _is_folder(source)
        local.copy_file(source, path)
        size = local.size_of(source)
        Progress(on_progress, size).report(source, size)
    return target


def _write(chunks: Any, uri: str) -> str:
    with open_local(local_path(uri), "wb") as stream:
        for chunk in chunks:
            stream.write(chunk)
    return uri


def _local_entry(uri: str, path: str) -> Entry:
    size = local.size_of(path)
    is_dir = os.path.isdir(path)
    return Entry(uri, file_name(uri), is_dir, 0 if is_dir else size)


def _local_size(uri: str) -> int:
    entry = _local_entry(uri, local_path(uri))
    return sum(file.size for file in local.find(local_path(uri))[0]) if entry.is_dir else entry.size


def _local_listing(uri: str) -> list[Entry]:
    path = local_path(uri)
    if os.path.isfile(path):
        raise UserError(f"{path} is a file, not a directory.")
    return sorted(_local_entry(join(uri, name), os.path.join(path, name)) for name in os.listdir(path))


def _local_remove(uri: str, recursive: bool) -> None:
    path = local_path(uri)
    if os.path.isdir(path) and not os.path.islink(path):
        if not recursive:
            raise _not_recursive(uri)
        shutil.rmtree(path)
    else:
        os.unlink(path)
