"""Files and folders on local disks. What has its final name is whole: it is written beside its place, then renamed."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

__all__ = [
    "Found",
    "beside",
    "chunks",
    "copy_file",
    "find",
    "is_special",
    "require_file",
    "size_of",
    "spooled",
    "staged_file",
    "staged_folder",
    "take",
]


class Found(NamedTuple):
    """A file below a folder."""

    relative: str
    """Path below the folder, with forward slashes."""
    size: int
    """In bytes."""


_STAGED = re.compile(r"\..*\.[0-9a-f]{12}\.part")


def beside(target: str) -> str:
    """A fresh, hidden path in the same folder; `find` leaves it out."""
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name[:32]}.{os.urandom(6).hex()}.part")


def is_special(path: str) -> bool:
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
    part = beside(target)
    try:
        yield part
        os.replace(part, target)
    except BaseException:
        with suppress(FileNotFoundError):
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
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    # Inside an existing target the move is within one file system for certain; beside it that need not be so.
    existing = os.path.isdir(target)
    part = beside(os.path.join(target, "folder") if existing else target)
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


def copy_file(source: str, target: str) -> None:
    """Copy one file, with its modification time and permissions."""
    if is_special(target):
        with open(source, "rb") as reader, open(target, "wb") as writer:
            shutil.copyfileobj(reader, writer)
        return
    if os.path.exists(target) and os.path.samefile(source, target):
        return
    with staged_file(target) as part:
        shutil.copy2(source, part)


def size_of(path: str) -> int:
    """Bytes of a file (of a folder: a number without meaning)."""
    return os.stat(path).st_size


def require_file(path: str) -> None:
    """Raise `FileNotFoundError` unless a file is there; an empty folder that is there instead is removed."""
    if os.path.isdir(path):
        os.rmdir(path)
    os.stat(path)


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

    Links are followed, and each folder is entered once on any way down, so that a link to a parent ends there. What somebody
    else is just writing, or left behind when it was killed, is not there yet.
    """
    files: list[Found] = []
    empty: list[str] = []

    def visit(path: str, relative: str, above: frozenset[tuple[int, int]]) -> None:
        status = os.stat(path)
        here = (status.st_dev, status.st_ino)
        if here in above:
            return
        with os.scandir(path) as listing:
            children = sorted(
                (child for child in listing if not _STAGED.fullmatch(child.name)), key=lambda child: child.name
            )
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
