"""Files and folders on local disks. What has its final name is whole: it is written beside its place, then renamed."""

from __future__ import annotations

import errno
import io
import os
import secrets
import shutil
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

__all__ = ["Found", "WholeFile", "copy_file", "find", "open_local", "staged_file", "staged_folder"]


class Found(NamedTuple):
    """A file below a folder."""

    relative: str
    """Path below the folder, with forward slashes."""
    size: int
    """In bytes."""


def _beside(target: str) -> str:
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name[:64]}.{secrets.token_hex(6)}.part")


def _is_special(path: str) -> bool:
    """Whether the path is a device or a pipe, which can only be written in place."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextmanager
def staged_file(target: str) -> Iterator[str]:
    """A path to write to, in the folder of `target`, which it replaces when the block ends well.

    The folder is made if need be. When the block raises, nothing remains and what was there before stays.
    """
    target = os.path.realpath(target)  # a link stays a link
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
    part = _beside(target)
    try:
        yield part
        os.replace(part, target)
    except BaseException:
        with _ignored(FileNotFoundError):
            os.unlink(part)
        raise


@contextmanager
def staged_folder(target: str) -> Iterator[str]:
    """An empty folder to fill, which becomes `target` when the block ends well.

    If `target` has content already, the new files are moved over it one by one, each as a whole. When the block raises,
    nothing of the new remains.
    """
    target = os.path.realpath(target)
    if os.path.exists(target) and not os.path.isdir(target):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), target)
    # Inside an existing target the move is within one file system for certain; beside it that need not be so.
    existing = os.path.isdir(target)
    part = _beside(os.path.join(target, "folder") if existing else target)
    os.makedirs(part)
    try:
        yield part
        if existing:
            _merge(part, target)
        else:
            try:
                os.rename(part, target)
            except OSError:  # somebody made it in the meantime
                _merge(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _merge(source: str, target: str) -> None:
    for folder, _, files in os.walk(source):
        into = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(into, exist_ok=True)
        for name in files:
            os.replace(os.path.join(folder, name), os.path.join(into, name))


@contextmanager
def _ignored(*errors: type[BaseException]) -> Iterator[None]:
    try:
        yield
    except errors:
        return


def copy_file(source: str, target: str) -> None:
    """Copy one file, with its modification time and permissions."""
    if _is_special(target):
        with open(source, "rb") as reader, open(target, "wb") as writer:
            shutil.copyfileobj(reader, writer)
        return
    if os.path.exists(target) and os.path.samefile(source, target):
        return
    with staged_file(target) as part:
        shutil.copy2(source, part)


def size_of(path: str) -> int:
    """Bytes of a file."""
    return os.stat(path).st_size


def chunks(stream: Any, encoding: str) -> Iterator[bytes]:
    """What a stream gives until its end, a mebibyte at a time; text is encoded."""
    while chunk := stream.read(1 << 20):
        yield chunk.encode(encoding) if isinstance(chunk, str) else chunk


def take(pieces: Iterator[bytes], limit: int) -> tuple[bytes, bool]:
    """The first pieces, in one, up to the one that passes `limit` bytes; and whether there may be more."""
    taken = bytearray()
    for piece in pieces:
        taken += piece
        if len(taken) > limit:
            return bytes(taken), True
    return bytes(taken), False


@contextmanager
def spooled() -> Iterator[str]:
    """A path for a temporary file, which is removed when the block ends."""
    folder = tempfile.mkdtemp(prefix="hardpoint-")
    try:
        yield os.path.join(folder, "file")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find(folder: str) -> tuple[list[Found], list[str]]:
    """The files below a folder in sorted order, and the relative paths of its empty folders.

    Links are followed, and each folder is entered once on any way down, so that a link to a parent ends there.
    """
    files: list[Found] = []
    empty: list[str] = []

    def visit(path: str, relative: str, above: frozenset[tuple[int, int]]) -> None:
        status = os.stat(path)
        here = (status.st_dev, status.st_ino)
        if here in above:
            return
        with os.scandir(path) as listing:
            children = sorted(listing, key=lambda child: child.name)
        if not children and relative:
            empty.append(relative)
        for child in children:
            name = f"{relative}/{child.name}" if relative else child.name
            if child.is_dir():
                visit(child.path, name, above | {here})
            else:
                files.append(Found(name, child.stat().st_size))

    visit(folder, "", frozenset())
    return files, empty


class WholeFile(io.BufferedIOBase):
    """A binary file that gets its name, or its place in the store, only when it is closed after everything went well.

    Left by an exception, or dropped without `close`, it leaves nothing behind.

    Args:
        raw: The file that is written.
        commit: Called after `raw` was closed, to put it in its place.
        discard: Called instead, to be rid of it.
    """

    def __init__(self, raw: Any, commit: Callable[[], None], discard: Callable[[], None]) -> None:
        self._raw, self._commit, self._discard = raw, commit, discard
        self._done = False

    @property
    def name(self) -> str:
        return str(getattr(self._raw, "name", ""))

    @property
    def mode(self) -> str:
        return str(getattr(self._raw, "mode", "wb"))

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return bool(self._raw.readable())

    def seekable(self) -> bool:
        return bool(self._raw.seekable())

    def write(self, data: Any, /) -> int:
        self._checkClosed()
        written: int = self._raw.write(data)
        return written

    def read(self, size: int | None = -1, /) -> bytes:
        data: bytes = self._raw.read(-1 if size is None else size)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        position: int = self._raw.seek(offset, whence)
        return position

    def tell(self) -> int:
        position: int = self._raw.tell()
        return position

    def truncate(self, size: int | None = None, /) -> int:
        length: int = self._raw.truncate(size)
        return length

    def fileno(self) -> int:
        number: int = self._raw.fileno()
        return number

    def flush(self) -> None:
        if not self._done:
            self._raw.flush()

    def close(self) -> None:
        if self._done:
            return
        self._done = True
        try:
            self._raw.close()
            self._commit()
        except BaseException:
            self._discard()
            raise
        finally:
            super().close()

    def discard(self) -> None:
        """Give up: close without leaving anything behind."""
        if self._done:
            return
        self._done = True
        try:
            self._discard()
        finally:
            super().close()

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        if not getattr(self, "_done", True):
            warnings.warn(f"{self.name} was written but never closed; it is discarded", ResourceWarning, stacklevel=2)
            self.discard()


class WholeText(io.TextIOWrapper):
    """Text over a `WholeFile`, with its promise."""

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if kind is not None:
            whole = self.buffer
            assert isinstance(whole, WholeFile)
            whole.discard()
        else:
            self.close()

    def __del__(self) -> None:
        # The base class would close, and so commit, what was dropped half written.
        if not self.closed:
            whole = self.buffer
            assert isinstance(whole, WholeFile)
            whole.__del__()


def open_local(path: str, mode: str) -> Any:
    """Open a local file in a binary `mode`. Modes that make a new file (``wb``, ``xb``) give a `WholeFile`."""
    if not ("w" in mode or "x" in mode):
        return open(path, mode)
    if _is_special(path):
        return open(path, mode)
    target = os.path.realpath(path)
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if "x" in mode and os.path.exists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    part = _beside(target)
    raw = open(part, mode.replace("w", "x"))

    def commit() -> None:
        if "x" in mode:
            os.link(part, target)  # unlike a rename it refuses to replace
            os.unlink(part)
        else:
            os.replace(part, target)

    def discard() -> None:
        raw.close()
        with _ignored(FileNotFoundError):
            os.unlink(part)

    return WholeFile(raw, commit, discard)
