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


_AT_ONCE = 8 << 20  # bytes of one request; larger reads become several requests at the same time


class _Ranges(io.RawIOBase):
    """A remote file of which exactly those bytes are fetched that are asked for.

    fsspec's own file objects read ahead, by up to 50 MB, which is what a reader of few columns must not do.
    """

    def __init__(self, filesystem: Any, path: str, size: int | None) -> None:
        self._filesystem, self._path = filesystem, path
        self._size = self._ask_size() if size is None else size
        self._position = 0

    def _ask_size(self) -> int:
        size = self._filesystem.size(self._path)
        if size is None:
            raise OSError(f"{self._path} does not tell how long it is, and parquet is read from its end.")
        return int(size)

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
        start = self._position
        end = self._size if size is None or size < 0 else min(start + size, self._size)
        if end <= start:
            return b""
        if self._filesystem.async_impl and end - start > _AT_ONCE:
            starts = list(range(start, end, _AT_ONCE))
            ends = [*starts[1:], end]
            parts = self._filesystem.cat_ranges([self._path] * len(starts), starts, ends, on_error="raise")
            data = b"".join(map(self._checked, parts, starts, ends))
        else:
            data = self._checked(self._filesystem.cat_file(self._path, start=start, end=end), start, end)
        self._position = end
        return data

    def _checked(self, data: bytes, start: int, end: int) -> bytes:
        if len(data) == end - start:
            return data
        if len(data) == self._size:  # a web server that does not know ranges
            return data[start:end]
        raise OSError(
            f"{self._path} gave {len(data)} bytes for the {end - start} from {start} on; it has changed, or was cut."
        )


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
