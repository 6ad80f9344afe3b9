"""Arrow's view of a storage: its own file system for local disks, fsspec's for all others."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.fs as pafs

from hardpoint.storage import uris

if TYPE_CHECKING:
    from hardpoint.context import FileAccessLike

__all__ = ["arrow_filesystem", "local_filesystem", "remote_filesystem"]


class _Ranges(io.RawIOBase):
    """A remote file of which exactly those bytes are fetched that are asked for.

    fsspec's own file objects read ahead, by up to 50 MB, which is what a reader of few columns must not do.
    """

    def __init__(self, filesystem: Any, path: str, size: int | None) -> None:
        self._filesystem, self._path = filesystem, path
        self._size = int(filesystem.size(path)) if size is None else size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def size(self) -> int:
        return self._size

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._position, self._size)[whence]
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._position + size, self._size)
        if end <= self._position:
            return b""
        data: bytes = self._filesystem.cat_file(self._path, start=self._position, end=end)
        self._position += len(data)
        return data


class _RangeHandler(pafs.FSSpecHandler):  # type: ignore[misc]
    def __init__(self, filesystem: Any, sizes: Mapping[str, int]) -> None:
        super().__init__(filesystem)
        self._sizes = sizes

    def open_input_file(self, path: str) -> Any:
        return pa.PythonFile(_Ranges(self.fs, path, self._sizes.get(path)), mode="r")


def local_filesystem() -> pafs.FileSystem:
    """Local disks, with files mapped into memory instead of read."""
    return pafs.LocalFileSystem(use_mmap=True)


def remote_filesystem(filesystem: Any, sizes: Mapping[str, int]) -> pafs.FileSystem:
    """An fsspec file system; `sizes` spares asking for those of files that a listing told."""
    return pafs.PyFileSystem(_RangeHandler(filesystem, sizes))


def arrow_filesystem(uri: str, files: FileAccessLike) -> tuple[pafs.FileSystem, str]:
    """The file system of a URI, and the path on it."""
    if not uris.is_remote(uri):
        return local_filesystem(), os.path.abspath(uris.local_path(uri))
    filesystem = files.filesystem(uri)
    return remote_filesystem(filesystem, {}), filesystem._strip_protocol(uri).rstrip("/")
