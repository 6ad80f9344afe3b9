"""Files that come into being as a whole, when they are closed."""

from __future__ import annotations

import errno
import io
import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hardpoint.storage.local import beside, is_special

__all__ = ["WholeFile", "WholeText", "open_local"]


class WholeFile(io.BufferedIOBase):
    """A binary file that gets its name, or its place in the store, only when it is closed after everything went well.

    Left by an exception, or dropped without `close`, it leaves nothing behind.

    Args:
        raw: The file that is written.
        commit: Closes `raw` and puts it in its place.
        discard: Called instead, or when `commit` fails, to be rid of it.
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
            self._commit()
        except BaseException as error:
            try:
                self._discard()
            except Exception as also:
                error.add_note(f"What was written could not be discarded either: {also}")
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
    if is_special(path):
        return open(path, mode)
    target = os.path.realpath(path)
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if "x" in mode and os.path.exists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    part = beside(target)
    raw = open(part, mode.replace("w", "x"))  # noqa: SIM115  # the WholeFile closes it

    def commit() -> None:
        raw.close()
        if "x" in mode:
            os.link(part, target)  # unlike a rename it refuses to replace
            os.unlink(part)
        else:
            os.replace(part, target)

    def discard() -> None:
        raw.close()
        with suppress(FileNotFoundError):
            os.unlink(part)

    return WholeFile(raw, commit, discard)
