"""`FileAccess`: all that a task does with files, wherever they are."""

from __future__ import annotations

import atexit
import io
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

from hardpoint.errors import UserError
from hardpoint.secrets import redact_uri
from hardpoint.settings import StorageSettings
from hardpoint.settings import settings as current_settings
from hardpoint.storage import uris, whole
from hardpoint.storage.filesystems import Runtime, Work
from hardpoint.storage.operations import Entry, Operations
from hardpoint.storage.transfer import OnProgress

__all__ = ["FileAccess", "default_file_access"]

# Inside of the class, `list` is a method.
_Listing = list[Entry]
_Names = list[str]


class FileAccess:
    """Storage of one execution.

    Every URI may be a plain path, ``file://``, ``memory://``, ``s3://``, ``gs://``, ``abfs://``, ``http(s)://`` (to
    read) or of a scheme that an integration adds. Each operation raises `StorageNotFoundError` (a `FileNotFoundError`),
    `StorageAccessError` (a `PermissionError`), `TransientError` when the network failed, and `MissingDependencyError`
    when the store's client is not installed. Reading without credentials falls back to anonymous access.

    Args:
        raw_output_prefix: URI below which outputs are put.
        local_sandbox: Folder for downloads; default: a temporary one, removed when the process ends.
        settings: Default: ``settings().storage``.
    """

    def __init__(
        self, raw_output_prefix: str, local_sandbox: str | None = None, settings: StorageSettings | None = None
    ) -> None:
        self.raw_output_prefix = raw_output_prefix
        self.settings = current_settings().storage if settings is None else settings
        self._local_sandbox = local_sandbox
        self._runtime = Runtime(self.settings.concurrency)
        self._do = Operations(self.settings, self._runtime)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"FileAccess({redact_uri(self.raw_output_prefix)!r})"

    # Names and places

    @property
    def local_sandbox(self) -> str:
        """The folder for downloads."""
        with self._lock:
            if self._local_sandbox is None:
                self._local_sandbox = _temporary_folder()
            return self._local_sandbox

    @staticmethod
    def get_random_string() -> str:
        """32 hexadecimal digits."""
        return os.urandom(16).hex()

    @staticmethod
    def is_remote(path: str | os.PathLike[str]) -> bool:
        """Whether a URI is anywhere but on this machine's disks."""
        return uris.is_remote(path)

    @staticmethod
    def protocol(uri: str | os.PathLike[str]) -> str:
        """The scheme of a URI; ``file`` for a plain path."""
        return uris.protocol(uri)

    @staticmethod
    def join(base: str | os.PathLike[str], *parts: str) -> str:
        """`base` and `parts` with exactly one slash between them."""
        return uris.join(base, *parts)

    def get_random_local_path(self, file_path_or_file_name: str | None = None) -> str:
        """A fresh path in the sandbox that ends in the given path's file name. Its folder exists, it does not."""
        folder = os.path.join(self.local_sandbox, self.get_random_string())
        name = uris.file_name(file_path_or_file_name) if file_path_or_file_name else ""
        os.makedirs(folder if name else self.local_sandbox, exist_ok=True)
        return os.path.join(folder, name) if name else folder

    def get_random_local_directory(self) -> str:
        """A fresh, empty folder in the sandbox."""
        folder = self.get_random_local_path()
        os.makedirs(folder)
        return folder

    def get_random_remote_path(self, file_path_or_file_name: str | None = None) -> str:
        """A fresh URI below the raw output prefix that ends in the given path's file name."""
        name = uris.file_name(file_path_or_file_name) if file_path_or_file_name else ""
        return uris.join(self.raw_output_prefix, self.get_random_string(), name)

    def get_random_remote_directory(self) -> str:
        """A fresh URI below the raw output prefix."""
        return self.get_random_remote_path()

    def filesystem(self, uri: str, anonymous: bool = False) -> Any:
        """The fsspec file system of a URI, made once.

        Args:
            uri: Any URI on it.
            anonymous: Without credentials.
        """
        return self._do.filesystem(uri, anonymous)

    # Up

    def put_data(
        self,
        local_path: str | os.PathLike[str],
        remote_path: str,
        is_multipart: bool = False,
        *,
        on_progress: OnProgress | None = None,
        **kwargs: Any,
    ) -> str:
        """Upload a file, or with `is_multipart` a folder, and return its URI.

        Args:
            local_path: What to upload.
            remote_path: Its new URI. The files of a folder come directly below it.
            is_multipart: Whether it is a folder.
            on_progress: Told how many bytes have moved, of how many; from another thread.
            kwargs: Said to the store with each file, for example ``ContentEncoding="gzip"`` to S3.
        """
        return self._runtime.finish(self._do.put(os.fspath(local_path), remote_path, is_multipart, on_progress, kwargs))

    async def async_put_data(
        self,
        local_path: str | os.PathLike[str],
        remote_path: str,
        is_multipart: bool = False,
        *,
        on_progress: OnProgress | None = None,
        **kwargs: Any,
    ) -> str:
        """`put_data` without blocking the loop."""
        return await self._runtime.finish_async(
            self._do.put(os.fspath(local_path), remote_path, is_multipart, on_progress, kwargs)
        )

    def upload(self, file_path: str | os.PathLike[str], to_path: str, **kwargs: Any) -> str:
        """Upload a file or a folder, whichever it is."""
        return self.put_data(file_path, to_path, is_multipart=os.path.isdir(uris.local_path(file_path)), **kwargs)

    def put_raw_data(
        self,
        lpath: Any,
        upload_prefix: str | None = None,
        file_name: str | None = None,
        *,
        encoding: str = "utf-8",
        skip_raw_data_prefix: bool = False,
        on_progress: OnProgress | None = None,
        **kwargs: Any,
    ) -> str:
        """Upload an output to ``<raw output prefix>/<random>/<file name>`` and return its URI.

        Args:
            lpath: Path of a file or a folder, bytes, or a stream that is open for reading.
            upload_prefix: Instead of the random component.
            file_name: Default: the name of the file or folder; random for bytes and streams.
            encoding: For streams of text.
            skip_raw_data_prefix: `upload_prefix` is a whole URI.
            on_progress: As in `put_data`; for files and folders.
            kwargs: As in `put_data`.
        """
        folder = self._raw_folder(upload_prefix, skip_raw_data_prefix)
        return self._runtime.finish(self._put_raw(lpath, folder, file_name, encoding, on_progress, kwargs))

    async def async_put_raw_data(
        self,
        lpath: Any,
        upload_prefix: str | None = None,
        file_name: str | None = None,
        *,
        encoding: str = "utf-8",
        skip_raw_data_prefix: bool = False,
        on_progress: OnProgress | None = None,
        **kwargs: Any,
    ) -> str:
        """`put_raw_data` without blocking the loop."""
        folder = self._raw_folder(upload_prefix, skip_raw_data_prefix)
        return await self._runtime.finish_async(self._put_raw(lpath, folder, file_name, encoding, on_progress, kwargs))

    def _raw_folder(self, upload_prefix: str | None, is_whole: bool) -> str:
        if upload_prefix and is_whole:
            return upload_prefix
        return uris.join(self.raw_output_prefix, upload_prefix or self.get_random_string())

    def _put_raw(
        self,
        source: Any,
        folder: str,
        name: str | None,
        encoding: str,
        on_progress: OnProgress | None,
        hints: dict[str, Any],
    ) -> Work[str]:
        if isinstance(source, str | os.PathLike):
            path = uris.local_path(source)
            uri = uris.join(folder, name or uris.file_name(os.path.abspath(path)))
            return self._do.put(path, uri, os.path.isdir(path), on_progress, hints)
        uri = uris.join(folder, name or self.get_random_string())
        if isinstance(source, bytes | bytearray | memoryview):
            return self._do.put_bytes(bytes(source), uri, hints)
        if hasattr(source, "read"):
            return self._do.put_stream(source, uri, encoding, on_progress, hints)
        raise UserError(f"A {type(source).__name__} cannot be uploaded; a path, bytes or an open file is wanted.")

    # Down

    def get_data(
        self,
        remote_path: str,
        local_path: str | os.PathLike[str],
        is_multipart: bool = False,
        *,
        on_progress: OnProgress | None = None,
        **kwargs: Any,
    ) -> str:
        """Download a file, or with `is_multipart` all files below a URI, and return the local path.

        What appears at `local_path` is whole: a download that fails, or is killed, leaves what was there before.
        Further arguments are accepted for compatibility and have no effect.
        """
        return self._runtime.finish(self._do.get(remote_path, os.fspath(local_path), is_multipart, on_progress))

    async def async_get_data(
        self,
        remote_path: str,
        local_path: str | os.PathLike[str],
        is_multipart: bool = False,
        *,
        on_progress: OnProgress | None = None,
        **kwargs: Any,
    ) -> str:
        """`get_data` without blocking the loop."""
        work = self._do.get(remote_path, os.fspath(local_path), is_multipart, on_progress)
        return await self._runtime.finish_async(work)

    def download(self, remote_path: str, local_path: str | os.PathLike[str], **kwargs: Any) -> str:
        """Download one file."""
        return self.get_data(remote_path, local_path, **kwargs)

    # Streams

    def open(
        self,
        uri: str,
        mode: str = "rb",
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Open a file as a stream; text is UTF-8 unless said otherwise.

        A file that is written appears when it is closed. If the ``with`` block raises, or the stream is dropped without
        having been closed, there is no file, and what was there before stays. `kwargs` are caching options for the
        store's file system (``cache_type``, ``block_size``, ...); they are of no use on local disks.
        """
        binary = mode.replace("t", "") + ("" if "b" in mode else "b")
        stream = self._runtime.finish(self._do.open(uri, binary, kwargs))
        if "b" in mode:
            return stream
        text = whole.WholeText if isinstance(stream, whole.WholeFile) else io.TextIOWrapper
        return text(stream, encoding=encoding or "utf-8", errors=errors, newline=newline)

    # What there is

    def info(self, uri: str) -> Entry:
        """What there is at a URI."""
        return self._runtime.finish(self._do.info(uri))

    def exists(self, uri: str) -> bool:
        """Whether there is a file or a folder. Not knowing is an error, not an absence."""
        try:
            self.info(uri)
        except FileNotFoundError:
            return False
        return True

    def is_dir(self, uri: str) -> bool:
        """Whether there is a folder."""
        try:
            return self.info(uri).is_dir
        except FileNotFoundError:
            return False

    def size(self, uri: str) -> int:
        """How many bytes a file has, or all files below a folder."""
        return self._runtime.finish(self._do.size(uri))

    def list(self, uri: str) -> _Listing:
        """What lies directly in a folder, by name.

        Raises:
            UserError: it is a file.
        """
        return self._runtime.finish(self._do.list(uri))

    def walk(self, uri: str, maxdepth: int | None = None, topdown: bool = True) -> Iterator[tuple[str, _Names, _Names]]:
        """Like `os.walk`: for each folder its URI, the names of its folders and those of its files.

        Args:
            uri: Where to begin.
            maxdepth: How many levels to go down; None: all.
            topdown: A folder before those in it; the caller may then remove names to leave them out.
        """
        listing = self.list(uri)
        folders = [entry.name for entry in listing if entry.is_dir]
        files = [entry.name for entry in listing if not entry.is_dir]
        if topdown:
            yield uri, folders, files
        if maxdepth is None or maxdepth > 1:
            for name in folders:
                yield from self.walk(uris.join(uri, name), None if maxdepth is None else maxdepth - 1, topdown)
        if not topdown:
            yield uri, folders, files

    def rm(self, uri: str, recursive: bool = False) -> None:
        """Remove a file, or with `recursive` a folder and all that is in it."""
        self._runtime.finish(self._do.remove(uri, recursive))


def _temporary_folder() -> str:
    folder = tempfile.mkdtemp(prefix="hardpoint-")
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # a forked child must leave its parent's data alone
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


_default: FileAccess | None = None
_default_lock = threading.Lock()


def default_file_access() -> FileAccess:
    """The process-wide storage for code that runs outside of any execution: a temporary folder, removed at exit."""
    global _default
    with _default_lock:
        if _default is None:
            folder = _temporary_folder()
            _default = FileAccess(os.path.join(folder, "raw"), os.path.join(folder, "local"))
        return _default
