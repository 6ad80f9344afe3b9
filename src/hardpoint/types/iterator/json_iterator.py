"""JSON lines: a stream of JSON documents as one file in the store.

https://jsonlines.org
"""

from __future__ import annotations

import gzip
import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args, get_origin

from hardpoint.context import FlyteContextManager
from hardpoint.errors import TypeTransformerFailedError

__all__ = ["JSON", "JSONIterator", "JSONLines", "is_json", "write_json_lines"]

JSON = dict[str, Any] | list[Any] | bool | float | int | str
"""What a line may hold."""

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BOM = b"\xef\xbb\xbf"
_BUFFER = 1 << 20


@dataclass(frozen=True)
class JSONLines:
    """How JSON lines are written and read: ``Annotated[Iterator[JSON], JSONLines(compression="gzip")]``.

    Args:
        compression: How the file is compressed. Reading finds out by itself. The reference reads only what is not.
        on_error: What to do with a line that is no JSON document: raise, or leave it out.
        skip_blank: Leave blank lines out; otherwise they are errors.
        allow_nan: Write and read ``NaN`` and ``Infinity``, which are not JSON.
        model: A type that every document is converted from and to, such as a dataclass or a pydantic model.
    """

    compression: Literal["gzip", "zstd"] | None = None
    on_error: Literal["raise", "skip"] = "raise"
    skip_blank: bool = True
    allow_nan: bool = False
    model: Any = None

    def __post_init__(self) -> None:
        if self.compression not in (None, "gzip", "zstd"):
            raise TypeTransformerFailedError(f"compression={self.compression!r} should be 'gzip', 'zstd' or None.")
        if self.on_error not in ("raise", "skip"):
            raise TypeTransformerFailedError(f"on_error={self.on_error!r} should be 'raise' or 'skip'.")


def _members(union: Any) -> set[Any]:
    return {(get_origin(member) or member, get_args(member)) for member in get_args(union)}


def is_json(t: Any) -> bool:
    """Whether a type is `JSON`, however its union is spelled."""
    return _members(t) == _members(JSON)


def _compressed(stream: Any, compression: str | None, stack: ExitStack) -> Any:
    if compression == "gzip":
        return stack.enter_context(gzip.GzipFile(fileobj=stream, mode="wb", mtime=0))
    if compression == "zstd":
        return stack.enter_context(_arrow().CompressedOutputStream(stream, "zstd"))
    return stream


def _arrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise TypeTransformerFailedError(
            "JSON lines that are compressed with zstd need pyarrow.", remedy="pip install pyarrow"
        ) from error
    return pyarrow


def write_json_lines(rows: Iterable[Any], options: JSONLines, to_plain: Callable[[Any], Any] | None = None) -> str:
    """Write documents to a new file in the store while they come, and return its URI.

    Args:
        rows: The documents; they are not kept in memory.
        options: How they are written.
        to_plain: Applied to each first.

    Raises:
        TypeTransformerFailedError: a document is not JSON; the message says which. No file remains.
    """
    files = FlyteContextManager.current_context().file_access
    uri = files.get_random_remote_path()
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=options.allow_nan).encode
    with ExitStack() as stack:
        stream = stack.enter_context(files.open(uri, "wb"))
        write = io.BufferedWriter(_compressed(stream, options.compression, stack), _BUFFER)
        for number, row in enumerate(rows, start=1):
            try:
                line = encode(to_plain(row) if to_plain is not None else row).encode()
            except (TypeError, ValueError, RecursionError) as error:
                raise TypeTransformerFailedError(
                    f"Item {number} of the iterator is not a JSON document: {error}", item=number
                ) from error
            write.write(line + b"\n")
        write.flush()
        write.detach()  # whose stream is closed by those who opened it
    return uri


class JSONIterator(Iterator[Any]):
    """The documents of a file of JSON lines, one after another. Threads may share it.

    The file is opened when the first one is asked for. It is closed after the last one, after an error, by `close`, at
    the end of a ``with`` block, and when nobody refers to it any more.

    Args:
        uri: The file.
        options: How it is read.
        from_plain: Applied to each document.
    """

    def __init__(
        self, uri: str, options: JSONLines | None = None, from_plain: Callable[[Any], Any] | None = None
    ) -> None:
        self.uri = uri
        self._options = options or JSONLines()
        self._from_plain = from_plain
        self._decode = json.JSONDecoder(parse_constant=None if self._options.allow_nan else _refuse_constant).decode
        self._lock = threading.RLock()
        self._stack: ExitStack | None = None
        self._lines: Iterator[bytes] | None = None
        self.line = 0
        """Number of the line that was read last, counted from 1; 0 before the first."""

    @property
    def started(self) -> bool:
        """Whether anything was read."""
        return self._lines is not None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with self._lock:
            lines = self._lines if self._lines is not None else self._open()
            try:
                for raw in lines:
                    self.line += 1
                    if self._options.skip_blank and not raw.strip():
                        continue
                    try:
                        return self._document(raw)
                    except (ValueError, RecursionError) as error:
                        if self._options.on_error == "raise":
                            raise self._bad(raw, error) from error
            except BaseException:
                self.close()
                raise
            self.close()
            raise StopIteration

    def _document(self, raw: bytes) -> Any:
        document = self._decode(raw.decode())
        return document if self._from_plain is None else self._from_plain(document)

    def _bad(self, raw: bytes, error: Exception) -> TypeTransformerFailedError:
        text = raw.decode(errors="replace").rstrip("\n")
        shown = text if len(text) <= 120 else f"{text[:120]}... ({len(text)} characters)"
        return TypeTransformerFailedError(
            f"Line {self.line} of {self.uri} is not a JSON document: {error}\n  {shown}",
            remedy='Mend the file, or read it with Annotated[Iterator[JSON], JSONLines(on_error="skip")].',
            uri=self.uri,
            line=self.line,
        )

    def _open(self) -> Iterator[bytes]:
        with ExitStack() as stack:
            stream = stack.enter_context(FlyteContextManager.current_context().file_access.open(self.uri, "rb"))
            head = stream.read(4)
            stream.seek(0)
            if head.startswith(_GZIP):
                stream = stack.enter_context(gzip.GzipFile(fileobj=stream))
            elif head.startswith(_ZSTD):
                stream = stack.enter_context(_arrow().CompressedInputStream(stream, "zstd"))
            elif head.startswith(_BOM):
                stream.seek(len(_BOM))
            self._lines = stack.enter_context(io.BufferedReader(stream, _BUFFER))
            self._stack = stack.pop_all()
        return self._lines

    def close(self) -> None:
        """Close the file. What was not read is not read any more."""
        with self._lock:
            if self._stack is not None:
                stack, self._stack = self._stack, None
                stack.close()
            self._lines = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_stack", None) is not None:
            self.close()

    def __repr__(self) -> str:
        return f"JSONIterator({self.uri!r})"

    def fresh(self) -> JSONIterator:
        """Another iterator over the same file, from its beginning."""
        return JSONIterator(self.uri, self._options, self._from_plain)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
