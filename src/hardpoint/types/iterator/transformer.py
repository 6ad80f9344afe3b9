"""How iterators travel: as collections, or as JSON lines where they are of `JSON`."""

from __future__ import annotations

import collections.abc
import html
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import Any, get_args, get_origin

from hardpoint import idl
from hardpoint.context import FlyteContext
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType
from hardpoint.settings import settings
from hardpoint.types.codec import Codec, mismatch
from hardpoint.types.containers import map_io
from hardpoint.types.engine import TypeEngine
from hardpoint.types.file.file import FlyteFile
from hardpoint.types.file.transformer import blob_type, blob_uri
from hardpoint.types.iterator.flyte_iterator import AsyncFlyteIterator, FlyteIterator
from hardpoint.types.iterator.json_iterator import JSONIterator, JSONLines, is_json, write_json_lines
from hardpoint.types.transformer import CodecTransformer, TypeTransformer, _loop, plain_of, unannotated

__all__ = ["IteratorTransformer", "JSONIteratorTransformer"]

FORMAT = "jsonl"
_SHOWN = 10


def _element_type(t: Any) -> Any:
    args = get_args(unannotated(t))
    if not args:
        raise TypeTransformerFailedError(
            "An iterator without the type of its elements has no literal type.",
            remedy="Write Iterator[int], for example.",
        )
    return args[0]


def _is_async(t: Any) -> bool:
    origin = get_origin(unannotated(t))
    return isinstance(origin, type) and issubclass(origin, collections.abc.AsyncIterator)


def _items(value: Any, t: Any) -> Iterator[Any]:
    """The elements of what was given for an iterator."""
    if isinstance(value, AsyncIterator):
        return _stepped(value)
    if not _accepts(value):
        raise mismatch(t, value)
    return iter(value)


def _accepts(value: Any) -> bool:
    """Whether a value may stand for an iterator. Text can be iterated, but never is what was meant."""
    return isinstance(value, AsyncIterator) or (
        isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray | dict)
    )


def _stepped(source: AsyncIterator[Any]) -> Iterator[Any]:
    """The elements of an asynchronous iterator, which runs on the loop of the asynchronous transformers."""

    async def step() -> Any:
        return await anext(source, _END)

    while (item := _loop.run(step())) is not _END:
        yield item


_END = object()


class IteratorTransformer(CodecTransformer[Any]):
    """``Iterator[T]``, ``Iterable[T]``, ``Generator[T, ...]`` and ``AsyncIterator[T]``."""

    def __init__(self) -> None:
        super().__init__("Typed Iterator", collections.abc.Iterator)

    def compile(self, t: Any) -> Codec:
        element_type = _element_type(t)
        if is_json(element_type):
            return _JSON.compile(t)
        element = TypeEngine.codec(element_type)
        literal_type = LiteralType()
        literal_type.collection_type.CopyFrom(element.literal_type)
        is_async = _is_async(t)

        def fill(value: Any, literal: Literal) -> None:
            literal.collection.SetInParent()
            items, literals = _items(value, t), literal.collection.literals
            try:
                if not element.io:
                    for item in items:
                        element.fill(item, literals.add())
                    return
                # A few at a time, so that what the iterator yields need not all be in memory.
                while batch := list(islice(items, max(settings().types.max_concurrency, 1))):
                    map_io(element.fill, batch, [literals.add() for _ in batch])
            except TypeTransformerFailedError as error:
                error.add_note(f"while converting element {len(literals) - 1} of an iterator")
                raise

        def received(items: Iterator[Any]) -> Any:
            return AsyncFlyteIterator(items) if is_async else items

        def read(literal: Literal) -> Any:
            if not literal.HasField("collection"):
                return from_plain(plain_of(literal, t))
            return received(FlyteIterator(element, literal.collection.literals))

        def from_plain(data: Any) -> Any:
            if not isinstance(data, list):
                raise mismatch(t, data)
            return received(map(element.from_plain, data))

        return Codec(
            python_type=t,
            name=self.name,
            literal_type=literal_type,
            fill=fill,
            read=read,
            accepts=_accepts,
            to_plain=lambda value: [element.to_plain(item) for item in _items(value, t)],
            from_plain=from_plain,
            schema=lambda: {"type": "array", "items": element.schema()},
            io=element.io or is_async,
            transformer=self,
        )

    def to_html(self, ctx: FlyteContext, python_val: Any, expected_python_type: Any) -> str:
        """The first elements. Only those of a `FlyteIterator` can be looked at without taking them away."""
        if not isinstance(python_val, FlyteIterator):
            return "<p>An iterator, which cannot be shown without using it up.</p>"
        rows = "".join(f"<li>{html.escape(str(item))}</li>" for item in islice(iter(python_val), _SHOWN))
        more = f"<p>... of {len(python_val)} elements</p>" if len(python_val) > _SHOWN else ""
        return f"<ol>{rows}</ol>{more}"


class JSONIteratorTransformer(TypeTransformer[Any]):
    """``Iterator[JSON]`` as a file of JSON lines; a ``FlyteFile["jsonl"]`` is the same on the wire."""

    def __init__(self) -> None:
        super().__init__("JSON Iterator", JSONIterator, enable_type_assertions=False)

    @staticmethod
    def _options(t: Any) -> JSONLines:
        return next((extra for extra in getattr(t, "__metadata__", ()) if isinstance(extra, JSONLines)), JSONLines())

    def get_literal_type(self, t: Any) -> LiteralType:
        literal_type = blob_type(FORMAT)
        literal_type.metadata.update({"format": "json iterator"})
        return literal_type

    def compile(self, t: Any) -> Codec:
        codec = super().compile(t)
        codec.accepts = lambda value: _accepts(value) or isinstance(value, FlyteFile)
        return codec

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        if isinstance(python_val, JSONIterator) and not python_val.started:
            return idl.blob(python_val.uri, FORMAT)
        if isinstance(python_val, FlyteFile):
            return idl.blob(python_val.publish(format=FORMAT), FORMAT)
        options = self._options(python_type)
        to_plain = TypeEngine.codec(options.model).to_plain if options.model is not None else None
        return idl.blob(write_json_lines(_items(python_val, python_type), options, to_plain), FORMAT)

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        if not lv.scalar.HasField("blob"):
            return self.from_plain(plain_of(lv, expected_python_type), expected_python_type)
        return self._read(blob_uri(lv, "file"), expected_python_type)

    def _read(self, uri: str, t: Any) -> Any:
        options = self._options(t)
        from_plain = TypeEngine.codec(options.model).from_plain if options.model is not None else None
        rows = JSONIterator(uri, options, from_plain)
        return AsyncFlyteIterator(rows) if _is_async(t) else rows

    def to_plain(self, value: Any, t: Any) -> Any:
        return {"path": self.to_literal(FlyteContext(), value, t, LiteralType()).scalar.blob.uri}

    def from_plain(self, data: Any, t: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("path"), str):
            raise mismatch(t, data)
        return self._read(data["path"], t)

    def plain_schema(self, t: Any) -> dict[str, Any]:
        return dict(FlyteFile.plain_schema)

    def to_html(self, ctx: FlyteContext, python_val: Any, expected_python_type: Any) -> str:
        """The first documents, read anew."""
        if not isinstance(python_val, JSONIterator):
            return "<p>An iterator, which cannot be shown without using it up.</p>"
        with python_val.fresh() as rows:
            shown = [json.dumps(row, indent=2, ensure_ascii=False, default=str) for row in islice(rows, _SHOWN)]
        return "".join(f"<pre>{html.escape(text)}</pre>" for text in shown) or "<p>No documents.</p>"

    def guess_python_type(self, literal_type: LiteralType) -> type[Any]:
        if literal_type == self.get_literal_type(None):
            return JSONIterator
        raise ValueError("not JSON lines")


_JSON = JSONIteratorTransformer()
