"""Iterators as collections, and as JSON lines."""

from __future__ import annotations

import asyncio
import collections.abc
import dataclasses
import gc
import gzip
import itertools
import math
import os
import typing
import warnings
from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from google.protobuf import text_format

from hardpoint.context import FlyteContextManager
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import LiteralType, binary, blob, integer
from hardpoint.storage import FileAccess
from hardpoint.types import TypeEngine
from hardpoint.types.directory import FlyteDirectory
from hardpoint.types.file import FlyteFile, JSONLFile
from hardpoint.types.iterator import JSON, FlyteIterator, JSONIterator, JSONIteratorTransformer, JSONLines
from hardpoint.types.iterator.json_iterator import write_json_lines


@pytest.fixture(autouse=True, params=["disk", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> typing.Iterator[FileAccess]:
    raw = str(tmp_path / "raw") if request.param == "disk" else f"memory://iterators/{tmp_path.name}"
    access = FileAccess(raw, str(tmp_path / "sandbox"))
    with FlyteContextManager.use(files=access):
        yield access


def codec(t: Any) -> Any:
    return TypeEngine.codec(t)


def content(files: FileAccess, uri: str) -> bytes:
    with files.open(uri, "rb") as stream:
        data: bytes = stream.read()
        return data


async def count(n: int) -> AsyncIterator[int]:
    for i in range(n):
        await asyncio.sleep(0)
        yield i


async def gathered(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


# -- of anything -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "t",
    [Iterator[int], typing.Iterator[int], Iterable[int], Generator[int, None, None], typing.Generator[int, str, str]],
)
def test_typed(t: Any) -> None:
    made = codec(t)
    assert made.literal_type == codec(list[int]).literal_type
    assert made.name == "Typed Iterator"
    literal = made.encode(i for i in range(3))
    assert literal == codec(list[int]).encode([0, 1, 2])
    assert list(made.decode(literal)) == [0, 1, 2]
    assert list(made.decode(made.encode(iter(())))) == []
    assert made.encode(range(2)) == made.encode((0, 1)) == made.encode([0, 1])


def test_async() -> None:
    made = codec(AsyncIterator[int])
    assert made.literal_type == codec(list[int]).literal_type
    literal = made.encode(count(3))
    assert literal == codec(list[int]).encode([0, 1, 2])
    assert asyncio.run(gathered(made.decode(literal))) == [0, 1, 2]
    assert list(codec(Iterator[int]).decode(codec(Iterator[int]).encode(count(2)))) == [0, 1]


async def test_async_within_a_running_loop() -> None:
    made = codec(AsyncIterator[int])
    assert await gathered(made.decode(made.encode(count(3)))) == [0, 1, 2]


def test_a_received_iterator() -> None:
    received = codec(Iterator[int]).decode(codec(list[int]).encode([1, 2, 3]))
    assert isinstance(received, FlyteIterator)
    assert isinstance(received, collections.abc.Iterator)
    assert len(received) == 3
    assert next(received) == 1
    assert list(received) == [1, 2, 3], "iter() begins anew"
    first, second = iter(received), iter(received)
    assert (next(first), next(second), next(first)) == (1, 1, 2)
    assert next(received) == 2
    assert [next(received), next(received, None), next(received, None)] == [3, None, None]


def test_elements_are_read_when_they_are_reached() -> None:
    literal = codec(list[int]).encode([1, 2])
    literal.collection.literals[1].scalar.primitive.string_value = "no"
    received = codec(Iterator[int]).decode(literal)
    assert next(received) == 1
    with pytest.raises(TypeTransformerFailedError):
        next(received)


def test_elements_that_move_data(files: FileAccess, tmp_path: Path) -> None:
    def made() -> Iterator[FlyteFile]:
        for i in range(25):
            path = tmp_path / f"{i}.txt"
            path.write_text(str(i))
            yield FlyteFile(path)

    literal = codec(Iterator[FlyteFile]).encode(made())
    assert [Path(f).read_text() for f in codec(Iterator[FlyteFile]).decode(literal)] == [str(i) for i in range(25)]


@pytest.mark.parametrize("value", ["text", b"bytes", {"a": 1}, 3, None])
def test_what_is_no_iterator(value: Any) -> None:
    for t in (Iterator[int], Iterator[str], Iterator[JSON]):
        assert not codec(t).accepts(value)
        with pytest.raises(TypeTransformerFailedError):
            codec(t).encode(value)


def test_a_wrong_element_is_named() -> None:
    with pytest.raises(TypeTransformerFailedError) as caught:
        codec(Iterator[int]).encode(iter([1, "x"]))
    assert caught.value.__notes__ == ["while converting element 1 of an iterator"]


def test_wrong_types_and_literals() -> None:
    for bare in (Iterator, typing.Iterator):
        with pytest.raises(TypeTransformerFailedError, match="without the type of its elements"):
            codec(bare)
    for t in (Iterator[int], Iterator[JSON]):
        for literal in (integer(3), binary(msgspec.msgpack.encode(3))):
            with pytest.raises(TypeTransformerFailedError):
                codec(t).decode(literal)


def test_attribute_access() -> None:
    assert list(codec(Iterator[int]).decode(binary(msgspec.msgpack.encode([1, 2])))) == [1, 2]


def test_in_unions() -> None:
    made = codec(typing.Union[Iterator[int], None])
    assert list(made.decode(made.encode(iter([1])))) == [1]
    assert made.decode(made.encode(None)) is None


# -- JSON lines ------------------------------------------------------------------------------------------------------------

ROWS: list[Any] = [{"a": 1, "b": [1.5, None]}, [1, "é\n\u2028"], 3, 0.25, "text", True, {}]
LINES = Iterator[JSON]  # type: ignore[valid-type]


@pytest.mark.parametrize(
    "t",
    [LINES, typing.Iterator[typing.Union[typing.Dict[str, Any], typing.List[Any], bool, float, int, str]]],  # noqa: UP006
)
def test_wire(files: FileAccess, t: Any) -> None:
    text = """blob { format: "jsonl" } metadata { fields { key: "format" value { string_value: "json iterator" } } }"""
    made = codec(t)
    assert made.literal_type == text_format.Parse(text, LiteralType())
    assert made.name == "JSON Iterator"
    literal = made.encode(iter([{"a": 1}, [1, "é"], 3, None]))
    assert (literal.scalar.blob.metadata.type.format, literal.metadata) == ("jsonl", {})
    assert content(files, literal.scalar.blob.uri) == '{"a": 1}\n[1, "é"]\n3\nnull\n'.encode()
    assert JSONIteratorTransformer().guess_python_type(made.literal_type) is JSONIterator


@pytest.mark.parametrize("rows", [ROWS, [], [None]])
@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
def test_round_trip(files: FileAccess, rows: list[Any], compression: Any) -> None:
    made = codec(Annotated[LINES, JSONLines(compression=compression)])
    literal = made.encode(iter(rows))
    assert list(codec(LINES).decode(literal)) == rows
    if compression is None and not rows:
        assert content(files, literal.scalar.blob.uri) == b""


def test_async_lines() -> None:
    made = codec(AsyncIterator[JSON])  # type: ignore[valid-type]

    async def rows() -> AsyncIterator[Any]:
        for row in ROWS:
            yield row

    assert asyncio.run(gathered(made.decode(made.encode(rows())))) == ROWS


def lines(files: FileAccess, data: bytes, options: JSONLines | None = None) -> JSONIterator:
    return JSONIterator(files.put_raw_data(data), options)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_handles_are_closed(files: FileAccess) -> None:
    gc.collect()
    before = open_files()
    unused = lines(files, b"1\n2\n")
    assert not unused.started
    assert list(lines(files, b"1\n2\n")) == [1, 2]
    with lines(files, b"1\n2\n") as rows:
        assert next(rows) == 1
    assert list(rows) == [], "what is closed gives no more"
    with pytest.raises(TypeTransformerFailedError):
        list(lines(files, b"1\n{\n"))
    dropped = lines(files, b"1\n2\n")
    next(dropped)
    del dropped
    gc.collect()
    assert open_files() == before


def test_exhausted_iterators_stay_so(files: FileAccess) -> None:
    rows = lines(files, b"1\n")
    assert [next(rows), next(rows, "end"), next(rows, "end")] == [1, "end", "end"]


def test_a_bad_line_is_named(files: FileAccess) -> None:
    rows = lines(files, b'1\n\n{"a": ' + b"x" * 500 + b"}\n2\n")
    assert next(rows) == 1
    with pytest.raises(TypeTransformerFailedError, match=r"Line 3 of .* is not a JSON document") as caught:
        next(rows)
    assert (caught.value.line, caught.value.uri) == (3, rows.uri)  # type: ignore[attr-defined]
    assert "... (507 characters)" in str(caught.value)


@pytest.mark.parametrize("bad", [b"{", b"\xff\xfe", b"NaN", b"Infinity", b"[" * 100_000, b"1 2"])
def test_bad_lines_can_be_left_out(files: FileAccess, bad: bytes) -> None:
    data = b"1\n" + bad + b"\n2\n"
    with pytest.raises(TypeTransformerFailedError):
        list(lines(files, data))
    assert list(lines(files, data, JSONLines(on_error="skip"))) == [1, 2]


def test_what_other_writers_do(files: FileAccess) -> None:
    assert list(lines(files, b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \n[2]')) == [{"a": 1}, [2]]
    with pytest.raises(TypeTransformerFailedError, match="Line 2"):
        list(lines(files, b"1\n\n2\n", JSONLines(skip_blank=False)))


def test_not_a_number() -> None:
    with pytest.raises(TypeTransformerFailedError, match="Item 2"):
        codec(LINES).encode(iter([1, math.nan]))
    made = codec(Annotated[LINES, JSONLines(allow_nan=True)])
    back = list(made.decode(made.encode(iter([math.nan, math.inf]))))
    assert math.isnan(back[0])
    assert back[1] == math.inf


@pytest.mark.parametrize("bad", [object(), {1, 2}, "\ud800", {"a": b""}])
def test_what_is_no_json(files: FileAccess, tmp_path: Path, bad: Any) -> None:
    with pytest.raises(TypeTransformerFailedError, match="Item 2 of the iterator is not a JSON document"):
        codec(LINES).encode(iter([1, bad]))
    assert not [p for p in tmp_path.rglob("*") if p.is_file()], "no file remains"


def test_an_iterator_that_fails_leaves_no_file(files: FileAccess, tmp_path: Path) -> None:
    def rows() -> Iterator[Any]:
        yield 1
        raise KeyError("mine")

    for compression in (None, "gzip"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(KeyError, match="mine"):
                write_json_lines(rows(), JSONLines(compression=compression))  # type: ignore[arg-type]
            gc.collect()
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


@dataclasses.dataclass
class Row:
    a: int
    b: str = "x"


def test_models() -> None:
    made = codec(Annotated[LINES, JSONLines(model=Row)])
    literal = made.encode(iter([Row(1), Row(2, "y")]))
    assert list(codec(LINES).decode(literal)) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert list(made.decode(literal)) == [Row(1), Row(2, "y")]
    other = codec(LINES).encode(iter([{"a": 1}, {"a": "no"}]))
    with pytest.raises(TypeTransformerFailedError, match="Line 2"):
        list(made.decode(other))


def test_wrong_options() -> None:
    for wrong in ({"compression": "rar"}, {"on_error": "ignore"}):
        with pytest.raises(TypeTransformerFailedError):
            JSONLines(**wrong)  # type: ignore[arg-type]


def test_files_of_json_lines_are_the_same(files: FileAccess, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"1\n2\n")
    literal = codec(LINES).encode(FlyteFile(path))
    assert list(codec(LINES).decode(literal)) == [1, 2]
    as_file = codec(JSONLFile)
    assert list(codec(LINES).decode(as_file.encode(str(path)))) == [1, 2]
    assert Path(as_file.decode(literal)).read_bytes() == b"1\n2\n"
    zipped = blob(files.put_raw_data(gzip.compress(b"1\n")), "jsonl")
    assert list(codec(LINES).decode(zipped)) == [1]
    with pytest.raises(TypeTransformerFailedError):
        codec(LINES).encode(FlyteDirectory(tmp_path))


def test_what_was_received_is_handed_on_without_a_copy() -> None:
    literal = codec(LINES).encode(iter([1, 2, 3]))
    received = codec(LINES).decode(literal)
    assert codec(LINES).encode(received) == literal
    next(received)
    rest = codec(LINES).encode(received)
    assert rest != literal
    assert list(codec(LINES).decode(rest)) == [2, 3]


def test_threads_share_an_iterator(files: FileAccess) -> None:
    from concurrent.futures import ThreadPoolExecutor

    rows = lines(files, b"".join(b"%d\n" % i for i in range(1000)))
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda _: list(rows), range(4)))
    assert sorted(itertools.chain(*parts)) == list(range(1000))


def test_memory_is_constant(files: FileAccess, tmp_path: Path) -> None:
    import tracemalloc

    with FlyteContextManager.use(files=FileAccess(str(tmp_path / "raw"), str(tmp_path / "sandbox"))):
        tracemalloc.start()
        try:
            literal = codec(LINES).encode({"row": i, "text": "x" * 100} for i in range(20_000))
            total = sum(row["row"] for row in codec(LINES).decode(literal))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert total == sum(range(20_000))
    assert peak < 5_000_000


def test_html_shows_the_first_documents_and_uses_none_up(files: FileAccess) -> None:
    ctx = FlyteContextManager.current_context()
    rows = lines(files, b'{"a": "<b>"}\n' + b"1\n" * 20)
    html = JSONIteratorTransformer().to_html(ctx, rows, LINES)
    assert "&lt;b&gt;" in html
    assert html.count("<pre>") == 10
    assert not rows.started
    transformer = codec(Iterator[str]).transformer
    received = codec(Iterator[str]).decode(codec(list[str]).encode(["<i>"] * 11))
    assert transformer.to_html(ctx, received, Iterator[str]).count("<li>&lt;i&gt;</li>") == 10
    assert len(list(received)) == 11
    live = iter([1])
    assert "cannot be shown" in transformer.to_html(ctx, live, Iterator[int])
    assert "cannot be shown" in JSONIteratorTransformer().to_html(ctx, live, LINES)
    assert list(live) == [1]


def test_within_a_dataclass() -> None:
    made = codec(LINES)
    plain = made.to_plain(iter([1, 2]))
    assert list(made.from_plain(plain)) == [1, 2]
    assert list(made.decode(binary(msgspec.msgpack.encode(plain)))) == [1, 2]
    with pytest.raises(TypeTransformerFailedError):
        made.from_plain(3)


def test_wrong_kinds() -> None:
    with pytest.raises(TypeTransformerFailedError, match="is not a file"):
        codec(LINES).decode(blob("s3://a", "jsonl", multipart=True))
    with pytest.raises(ValueError, match="not JSON lines"):
        JSONIteratorTransformer().guess_python_type(codec(int).literal_type)
