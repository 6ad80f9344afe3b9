"""Files and all that travels as files pass the suite that every data type passes."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest
from google.protobuf.struct_pb2 import ListValue, Struct
from google.protobuf.timestamp_pb2 import Timestamp

from hardpoint.testing import CodecConformance
from hardpoint.types.directory import FlyteDirectory
from hardpoint.types.error import FlyteError
from hardpoint.types.file import CSVFile, FlyteFile
from hardpoint.types.iterator import JSON
from hardpoint.types.numpy import NDArraySpec
from hardpoint.types.pickle import AllowPickle
from hardpoint.types.schema import FlyteSchema

MARKUP = "<script>alert(1)</script>"


def tree(folder: Any) -> dict[str, bytes]:
    root = Path(folder)
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


class _WithFolder(CodecConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / MARKUP.replace("/", "_")
        self.folder.mkdir()
        (self.folder / "a.csv").write_text("a,b\n")
        (self.folder / "empty").write_text("")


class TestFlyteFile(_WithFolder):
    python_type = FlyteFile
    name = "FlyteFilePath"
    wrong = (3, None, b"x", FlyteDirectory("/"))
    equal = staticmethod(lambda a, b: Path(a).read_bytes() == Path(b).read_bytes())

    def sample(self) -> list[Any]:
        return [FlyteFile(self.folder / "a.csv"), FlyteFile(str(self.folder / "empty")), CSVFile(self.folder / "a.csv")]


class TestFlyteDirectory(_WithFolder):
    python_type = FlyteDirectory
    name = "FlyteDirectory"
    wrong = (3, None, b"x", FlyteFile("/a"), __file__)
    equal = staticmethod(lambda a, b: tree(a) == tree(b))

    def sample(self) -> list[Any]:
        return [FlyteDirectory(self.folder)]


class TestPath(_WithFolder):
    python_type = Path
    name = "Path"
    wrong = (3, None, "/a")

    equal = staticmethod(lambda a, b: a == b or a.read_bytes() == b.read_bytes())

    def sample(self) -> list[Any]:
        return [self.folder / "a.csv", Path("no/such/file")]


class TestBytes(CodecConformance):
    python_type = bytes
    name = "FlytePickle"
    values = (b"", b"\x00<script>alert(1)</script>", bytes(range(256)) * 1000)
    wrong = ("x", 3, None, bytearray(b"x"))


class Thing:
    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing) and other.text == self.text

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Thing({self.text})"


class TestArray(CodecConformance):
    python_type = np.ndarray
    name = "Numpy Array"
    values = (np.arange(6.0).reshape(2, 3), np.array(1), np.empty((0, 2)), np.array([MARKUP]))
    wrong = ([1], 3, None, "x")
    equal = staticmethod(lambda a, b: a.dtype == b.dtype and np.array_equal(a, b))


class TestDeclaredArray(TestArray):
    python_type = Annotated[np.ndarray, NDArraySpec(dtype="f4", shape=(2, None))]
    values = (np.zeros((2, 3), "f4"),)


class TestFlyteError(CodecConformance):
    python_type = FlyteError
    name = "FlyteError"
    values = (FlyteError(MARKUP, MARKUP), FlyteError("", ""))
    wrong = ("x", None, ValueError("x"))


def _struct() -> Struct:
    made = Struct()
    made.update({MARKUP: [1, None, {"a": True}]})
    return made


class TestStruct(CodecConformance):
    python_type = Struct
    name = "Protobuf-Transformer"
    values = (_struct(), Struct())
    wrong = ({}, None, Timestamp())


class TestListValue(CodecConformance):
    python_type = ListValue
    name = "Protobuf-Transformer"
    values = (ListValue(values=_struct().fields[MARKUP].list_value.values), ListValue())
    wrong = ([], None, Struct())


class TestTimestamp(CodecConformance):
    python_type = Timestamp
    name = "Protobuf-Transformer"
    values = (Timestamp(seconds=3, nanos=5), Timestamp())
    wrong = (3, None, Struct())


class TestSchema(CodecConformance):
    python_type = FlyteSchema
    name = "FlyteSchema Transformer"
    wrong = (3, None, "x")
    equal = staticmethod(lambda a, b: _frame(a).equals(_frame(b)))

    def sample(self) -> list[Any]:
        schema = FlyteSchema()
        schema.open(pd.DataFrame).write(pd.DataFrame({"a": [MARKUP]}))  # type: ignore[union-attr]
        return [pd.DataFrame({"a": [1, 2]}), schema]


def _frame(value: Any) -> pd.DataFrame:
    return value if isinstance(value, pd.DataFrame) else value.as_readonly().open(pd.DataFrame).all()


class _Iterators(CodecConformance):
    wrong = (3, None, "text", b"x", {"a": 1})
    equal = staticmethod(lambda a, b: list(a) == list(b))


class TestIterator(_Iterators):
    python_type = Iterator[str]
    name = "Typed Iterator"
    values = (["a", MARKUP], [], ("x",))


class TestGenerator(_Iterators):
    python_type = typing.Generator[int, None, None]
    name = "Typed Iterator"
    values = (range(3),)


class TestJSONIterator(_Iterators):
    python_type = Iterator[JSON]  # type: ignore[valid-type]
    name = "JSON Iterator"
    values = ([{"a": MARKUP}, [1, None], 2.5], [])


class TestPickled(CodecConformance):
    python_type = Annotated[Thing, AllowPickle()]
    name = "FlytePickle"
    values = (Thing(MARKUP),)
    wrong = (3, None, "x")
