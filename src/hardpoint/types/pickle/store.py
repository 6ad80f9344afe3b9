"""Pickles in the store: plain pickles, named by their content, which end in a note of what wrote them.

A pickle ends at its STOP opcode and readers do not look further, so the note disturbs none.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pickle
import platform
import sys
from collections.abc import Iterator
from typing import Any

from hardpoint.context import FlyteContextManager
from hardpoint.errors import HardpointError, TypeTransformerFailedError
from hardpoint.types.codec import describe_type

__all__ = ["load", "store"]

_MARK = b"\n#hardpoint-pickle "
_NOTE_LIMIT = 4096


class _Hashing(io.RawIOBase):
    """Writes to a file, and hashes what is written."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.hash.update(data)
        written: int = self._file.write(data)
        return written


def _versions(value: Any) -> dict[str, str]:
    """What a reader should have as well, to be able to read the value."""
    import cloudpickle

    found = {"python": platform.python_version(), "cloudpickle": cloudpickle.__version__}
    top = type(value).__module__.partition(".")[0]
    version = getattr(sys.modules.get(top), "__version__", None)
    if top not in ("builtins", "__main__") and isinstance(version, str):
        found[top] = version
    return found


def store(value: Any) -> str:
    """Pickle a value into the store and return its URI. The pickle is not built up in memory.

    Raises:
        TypeTransformerFailedError: the value cannot be pickled.
    """
    import cloudpickle

    files = FlyteContextManager.current_context().file_access
    scratch = files.get_random_local_path("value.pickle")
    try:
        with open(scratch, "xb") as file:
            sink = _Hashing(file)
            try:
                cloudpickle.dump(value, sink, protocol=5)
            except Exception as error:  # objects take part in their own pickling, and may raise what they like
                raise TypeTransformerFailedError(
                    f"A value of type {describe_type(type(value))} cannot be pickled: {type(error).__name__}: {error}",
                    remedy="Leave out locks, connections, generators and open files, or write a TypeTransformer.",
                ) from error
            sink.write(_MARK + json.dumps(_versions(value), sort_keys=True).encode() + b"\n")
        return files.put_raw_data(scratch, file_name=sink.hash.hexdigest())
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(scratch)


def _note(stream: Any) -> dict[str, str]:
    """The versions that a pickle's writer has noted; empty if it has not."""
    end = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, end - _NOTE_LIMIT))
    _, mark, text = stream.read().rpartition(_MARK)
    try:
        note = json.loads(text) if mark else {}
    except ValueError:
        return {}
    return note if isinstance(note, dict) else {}


@contextlib.contextmanager
def _opened(uri: str) -> Iterator[Any]:
    """The pickle as a local file; a copy from the store is removed afterwards."""
    files = FlyteContextManager.current_context().file_access
    if not files.is_remote(uri):
        with files.open(uri, "rb") as stream:
            yield stream
        return
    scratch = files.get_random_local_path("value.pickle")
    try:
        files.get_data(uri, scratch)
        with open(scratch, "rb") as stream:
            yield stream
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(scratch)


def load(uri: str, *, unpickler: type[pickle.Unpickler] = pickle.Unpickler) -> Any:
    """The value of a pickle.

    Args:
        uri: Where it is.
        unpickler: What reads it; one that finds no classes runs nobody's code.

    Raises:
        TypeTransformerFailedError: it cannot be read here; the message says in what versions here and there differ.
    """
    with _opened(uri) as stream:
        try:
            return unpickler(stream).load()
        except HardpointError:
            raise
        except Exception as error:  # a pickle calls what it names, which may raise what it likes
            raise _unreadable(uri, error, _note(stream)) from error


def _unreadable(uri: str, error: Exception, written: dict[str, str]) -> TypeTransformerFailedError:
    import cloudpickle

    here = {"python": platform.python_version(), "cloudpickle": cloudpickle.__version__}
    differing = [
        f"{name} {version} (here {found})"
        for name, version in written.items()
        if (found := here.get(name) or getattr(sys.modules.get(name), "__version__", "not imported")) != version
    ]
    detail = f" It was written with {', '.join(differing)}." if differing else ""
    missing = isinstance(error, ModuleNotFoundError | AttributeError)
    return TypeTransformerFailedError(
        f"The pickle {uri} cannot be read: {type(error).__name__}: {error}.{detail}",
        remedy="Use the same versions on both sides, or the same image."
        if differing or not missing
        else "Install the package that defines the class, or make its module importable.",
        uri=uri,
        written_with=written,
    )
