"""`FileAccess`: all that a task does with files, wherever they are."""

from __future__ import annotations

import atexit
import io
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from hardpoint.errors import StorageAccessError, StorageNotFoundError, UserError
from hardpoint.secrets import redact_uri
from hardpoint.settings import StorageSettings
from hardpoint.settings import settings as current_settings
from hardpoint.storage import local, transfer, uris
from hardpoint.storage.filesystems import Runtime, Work, make_filesystem
from hardpoint.storage.options import canonical
from hardpoint.storage.problems import problem
from hardpoint.storage.transfer import OnProgress, Progress

__all__ = ["Entry", "FileAccess", "default_file_access"]

T = TypeVar("T")
_PUBLIC_READS = ("s3", "gs", "abfs")  # stores that serve public data to callers without credentials
_CHUNK = 1 << 20


class Entry(NamedTuple):
    """A file or a folder in a listing."""

    uri: str
    name: str
    """The last component of the URI."""
    is_dir: bool
    size: int
    """In bytes; 0 for a folder."""


Listing = list[Entry]  # inside of the class, `list` is a method
Names = list[str]


class FileAccess:
    """Storage of one execution.

    Every URI may be a plain path, ``file://``, ``memory://``, ``s3://``, ``gs://``, ``abfs://``, ``http(s)://`` (to read)
    or of a scheme that an integration adds. Each operation raises `StorageNotFoundError`, `StorageAccessError`,
    `TransientError` when the network failed, and `MissingDependencyError` when the store's client is not installed.

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
        self._filesystems: dict[tuple[str, ...], Any] = {}
        self._public: set[str] = set()
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
        return secrets.token_hex(16)

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
        scheme = uris.protocol(uri)
        # Servers and accounts stand in the URI of the other protocols, and each needs a client of its own.
        authority = "" if canonical(scheme) in ("file", "memory", "s3", "gs", "http") else uri.split("/", 3)[2]
        key = (scheme, authority, str(anonymous))
        with self._lock:
            found = self._filesystems.get(key)
            if found is None:
                found = self._filesystems[key] = make_filesystem(uri, anonymous, self.settings)
            return found

    # How operations run

    async def _reading(self, uri: str, doing: str, do: Callable[[Any, str], Awaitable[T]]) -> T:
        """Do something that reads; where credentials are missing or refused, once more as a stranger."""
        scheme = uris.protocol(uri)
        bucket = "/".join(uri.split("/", 3)[:3])
        public = bucket in self._public
        filesystem = self.filesystem(uri, anonymous=public)
        try:
            return await do(filesystem, filesystem._strip_protocol(uri))
        except Exception as error:
            refused = problem(error, uri, doing)
            if public or canonical(scheme) not in _PUBLIC_READS or not isinstance(refused, StorageAccessError):
                raise refused from error
            stranger = self.filesystem(uri, anonymous=True)
            try:
                result = await do(stranger, stranger._strip_protocol(uri))
            except Exception:
                raise refused from error  # what the user can mend are the credentials
            self._public.add(bucket)
            return result

    async def _writing(self, uri: str, doing: str, do: Callable[[Any, str], Awaitable[T]]) -> T:
        filesystem = self.filesystem(uri)
        try:
            return await do(filesystem, filesystem._strip_protocol(uri))
        except Exception as error:
            raise problem(error, uri, doing) from error

    @staticmethod
    def _on_disk(uri: str, doing: str, do: Callable[..., T], *args: Any) -> Callable[[], T]:
        def run() -> T:
            try:
                return do(*args)
            except OSError as error:
                raise problem(error, uri, doing) from error

        return run

    # Upload

    def _put(
        self,
        local_path: str,
        remote_path: str,
        is_multipart: bool,
        on_progress: OnProgress | None,
        hints: dict[str, Any],
    ) -> Work[str]:
        source = uris.local_path(local_path)
        if uris.is_remote(source):
            raise UserError(f"{redact_uri(source)} is not a local path; only local files are uploaded.")
        if not os.path.exists(source):
            raise StorageNotFoundError(source)
        if is_multipart != os.path.isdir(source):
            raise UserError(f"{source} is {'a file, not' if is_multipart else ''} a directory.")
        if not uris.is_remote(remote_path):
            return self._on_disk(remote_path, "write", _copy, source, remote_path, is_multipart, on_progress)

        async def send(filesystem: Any, path: str) -> str:
            if is_multipart:
                await transfer.put_tree(self._runtime, filesystem, source, path, remote_path, on_progress, **hints)
            else:
                progress = Progress(on_progress, os.path.getsize(source))
                await transfer.put_file(self._runtime, filesystem, source, path, remote_path, progress, **hints)
            return remote_path

        return self._writing(remote_path, "write", send)

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
        return self._runtime.finish(self._put(os.fspath(local_path), remote_path, is_multipart, on_progress, kwargs))

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
        work = self._put(os.fspath(local_path), remote_path, is_multipart, on_progress, kwargs)
        return await self._runtime.finish_async(work)

    def upload(self, file_path: str | os.PathLike[str], to_path: str, **kwargs: Any) -> str:
        """Upload a file or a folder, whichever it is."""
        return self.put_data(file_path, to_path, is_multipart=os.path.isdir(file_path), **kwargs)

    def _raw(
        self,
        lpath: Any,
        upload_prefix: str | None,
        file_name: str | None,
        encoding: str,
        skip_raw_data_prefix: bool,
        on_progress: OnProgress | None,
        hints: dict[str, Any],
    ) -> Work[str]:
        folder = upload_prefix or self.get_random_string()
        if not (skip_raw_data_prefix and upload_prefix):
            folder = uris.join(self.raw_output_prefix, folder)
        if isinstance(lpath, str | os.PathLike):
            source = uris.local_path(lpath)
            name = file_name or uris.file_name(os.path.abspath(source))
            return self._put(source, uris.join(folder, name), os.path.isdir(source), on_progress, hints)
        uri = uris.join(folder, file_name or self.get_random_string())
        if isinstance(lpath, bytes | bytearray | memoryview):
            lpath = io.BytesIO(lpath)
        elif not hasattr(lpath, "read"):
            raise UserError(
                f"A {type(lpath).__name__} cannot be uploaded; a path, bytes or an open file is wanted.",
                value_type=type(lpath),
            )
        if not uris.is_remote(uri):
            return self._on_disk(uri, "write", self._pour, lpath, uri, encoding)

        async def pour() -> str:
            # A stream of the user's blocks, and so does fsspec's file object, which itself waits for the storage loop.
            return await self._runtime.in_thread(self._pour, lpath, uri, encoding)

        return pour()

    def _pour(self, stream: Any, uri: str, encoding: str) -> str:
        with self.open(uri, "wb") as target:
            while chunk := stream.read(_CHUNK):
                target.write(chunk.encode(encoding) if isinstance(chunk, str) else chunk)
        return uri

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
            on_progress: As in `put_data`; not called for bytes and streams.
            kwargs: As in `put_data`.
        """
        work = self._raw(lpath, upload_prefix, file_name, encoding, skip_raw_data_prefix, on_progress, kwargs)
        return self._runtime.finish(work)

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
        work = self._raw(lpath, upload_prefix, file_name, encoding, skip_raw_data_prefix, on_progress, kwargs)
        return await self._runtime.finish_async(work)

    # Download

    def _get(self, remote_path: str, target: str, is_multipart: bool, on_progress: OnProgress | None) -> Work[str]:
        if uris.is_remote(target):
            raise UserError(f"{redact_uri(target)} is not a local path; downloads go to local disks.")
        if not uris.is_remote(remote_path):
            return self._on_disk(
                remote_path, "read", _copy, uris.local_path(remote_path), target, is_multipart, on_progress
            )

        async def receive(filesystem: Any, path: str) -> str:
            if is_multipart:
                await transfer.get_tree(self._runtime, filesystem, path, target, on_progress, remote_path)
                return target
            total = 0
            if on_progress is not None:
                total = int((await self._runtime.call(filesystem, "info", path)).get("size") or 0)
            await transfer.get_file(self._runtime, filesystem, path, target, Progress(on_progress, total))
            return target

        return self._reading(remote_path, "read", receive)

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
        """
        work = self._get(remote_path, uris.local_path(local_path), is_multipart, on_progress)
        return self._runtime.finish(work)

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
        work = self._get(remote_path, uris.local_path(local_path), is_multipart, on_progress)
        return await self._runtime.finish_async(work)

    def download(self, remote_path: str, local_path: str | os.PathLike[str], **kwargs: Any) -> str:
        """Download one file."""
        return self.get_data(remote_path, local_path, **kwargs)

    # Single files

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
        if uris.is_remote(uri):
            stream = self._open_remote(uri, binary, kwargs)
        else:
            path = uris.local_path(uri)
            stream = self._on_disk(uri, "open", local.open_local, path, binary)()
        if "b" in mode:
            return stream
        kind = local.WholeText if isinstance(stream, local.WholeFile) else io.TextIOWrapper
        return kind(stream, encoding=encoding or "utf-8", errors=errors, newline=newline)

    def _open_remote(self, uri: str, mode: str, options: dict[str, Any]) -> Any:
        async def opened(filesystem: Any, path: str) -> Any:
            # The method blocks, also that of an asynchronous file system, which waits for the loop that we are on.
            return await self._runtime.in_thread(filesystem.open, path, mode, **options)

        if "r" in mode and "+" not in mode:
            return self._runtime.finish(self._reading(uri, "read", opened))
        raw = self._runtime.finish(self._writing(uri, "write", opened))

        def discard() -> None:
            raw.discard()
            raw.closed = True  # else its finalizer would upload what there is

        return local.WholeFile(raw, commit=lambda: None, discard=discard)

    def exists(self, uri: str) -> bool:
        """Whether there is a file or a folder. Not knowing is an error, not an absence."""
        try:
            self._runtime.finish(self._info(uri))
        except FileNotFoundError:
            return False
        return True

    def _info(self, uri: str) -> Work[Entry]:
        if not uris.is_remote(uri):
            return self._on_disk(uri, "read", _local_entry, uri, uris.local_path(uri))

        async def ask(filesystem: Any, path: str) -> Entry:
            info = await self._runtime.call(filesystem, "info", path)
            return _entry(uri, info)

        return self._reading(uri, "read", ask)

    def info(self, uri: str) -> Entry:
        """What there is at a URI."""
        return self._runtime.finish(self._info(uri))

    def is_dir(self, uri: str) -> bool:
        """Whether there is a folder."""
        try:
            return self.info(uri).is_dir
        except FileNotFoundError:
            return False

    def size(self, uri: str) -> int:
        """How many bytes a file has, or all files below a folder."""
        if not uris.is_remote(uri):
            path = uris.local_path(uri)
            entry = self.info(uri)
            return sum(file.size for file in local.find(path)[0]) if entry.is_dir else entry.size

        async def ask(filesystem: Any, path: str) -> int:
            entry = _entry(uri, await self._runtime.call(filesystem, "info", path))
            if not entry.is_dir:
                return entry.size
            return sum(file.size for file in await transfer.find(self._runtime, filesystem, path))

        return self._runtime.finish(self._reading(uri, "read", ask))

    # Folders

    def list(self, uri: str) -> Listing:
        """What lies directly in a folder, by name.

        Raises:
            UserError: it is a file.
        """
        if not uris.is_remote(uri):
            return self._on_disk(uri, "list", _local_listing, uri)()

        async def ask(filesystem: Any, path: str) -> Listing:
            found = [_entry(uri, info, path) for info in await self._runtime.call(filesystem, "ls", path, detail=True)]
            if len(found) == 1 and not found[0].name:  # listing a file gives the file itself
                info = await self._runtime.call(filesystem, "info", path)
                if info.get("type") != "directory":
                    raise UserError(f"{redact_uri(uri)} is a file, not a directory.")
            return sorted(entry for entry in found if entry.name)

        return self._runtime.finish(self._reading(uri, "list", ask))

    def walk(self, uri: str, maxdepth: int | None = None, topdown: bool = True) -> Iterator[tuple[str, Names, Names]]:
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
        if not uris.is_remote(uri):
            path = uris.local_path(uri)
            remove = shutil.rmtree if recursive and os.path.isdir(path) and not os.path.islink(path) else os.unlink
            self._on_disk(uri, "remove", remove, path)()
            return

        async def remove_there(filesystem: Any, path: str) -> None:
            info = await self._runtime.call(filesystem, "info", path)
            if info.get("type") == "directory" and not recursive:
                raise UserError(f"{redact_uri(uri)} is a directory.", remedy="Pass recursive=True to remove it.")
            await self._runtime.call(filesystem, "rm", path, recursive=recursive)

        self._runtime.finish(self._writing(uri, "remove", remove_there))


def _copy(source: str, target: str, is_multipart: bool, on_progress: OnProgress | None) -> str:
    path = uris.local_path(target)
    if not os.path.exists(source):
        raise FileNotFoundError(source)
    if is_multipart:
        if not os.path.isdir(source):
            raise UserError(f"{source} is a file, not a directory.")
        transfer.copy_tree(source, path, on_progress)
        return target
    local.copy_file(source, path)
    size = os.path.getsize(source)
    Progress(on_progress, size).report(source, size)
    return target


def _entry(uri: str, info: dict[str, Any], base: str | None = None) -> Entry:
    """An entry for what fsspec says of `uri` itself, or with `base` of something below it."""
    is_dir = info.get("type") == "directory"
    name = uris.file_name(uri)
    if base is not None:
        found = str(info["name"]).rstrip("/")
        name = "" if found.strip("/") == base.strip("/") else uris.file_name(found)
        uri = uris.join(uri, name)
    return Entry(uri, name, is_dir, 0 if is_dir else int(info.get("size") or 0))


def _local_entry(uri: str, path: str) -> Entry:
    status = os.stat(path)
    is_dir = os.path.isdir(path)
    return Entry(uri, uris.file_name(uri), is_dir, 0 if is_dir else status.st_size)


def _local_listing(uri: str) -> Listing:
    path = uris.local_path(uri)
    if os.path.isfile(path):
        raise UserError(f"{path} is a file, not a directory.")
    return sorted(_local_entry(uris.join(uri, name), os.path.join(path, name)) for name in os.listdir(path))


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
