"""`FlyteSchema`: columns, readers and writers, and its exchange with structured datasets."""

from __future__ import annotations

import datetime
import os
import typing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from google.protobuf import text_format

from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteAssertion, TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType, binary, integer
from hardpoint.storage import FileAccess
from hardpoint.types import TypeEngine
from hardpoint.types.columns import kwtypes
from hardpoint.types.schema import (
    FlyteSchema,
    FlyteSchemaTransformer,
    LocalIOSchemaReader,
    LocalIOSchemaWriter,
    SchemaEngine,
    SchemaFormat,
    SchemaHandler,
    SchemaOpenMode,
)

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})


@pytest.fixture(autouse=True, params=["disk", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> typing.Iterator[FileAccess]:
    raw = str(tmp_path / "raw") if request.param == "disk" else f"memory://schemas/{tmp_path.name}"
    access = FileAccess(raw, str(tmp_path / "sandbox"))
    with FlyteContextManager.use(files=access):
        yield access


def codec(t: Any = FlyteSchema) -> Any:
    return TypeEngine.codec(t)


def same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right)


def test_wire(files: FileAccess) -> None:
    t = FlyteSchema[
        kwtypes(
            a=int,
            b=float,
            c=str,
            d=bool,
            e=datetime.datetime,
            f=datetime.timedelta,
            g=np.int32,
            h=np.float32,
            i=np.bool_,
            j=np.str_,
        )
    ]
    kinds = ["INTEGER", "FLOAT", "STRING", "BOOLEAN", "DATETIME", "DURATION", "INTEGER", "FLOAT", "BOOLEAN", "STRING"]
    columns = " ".join(f'columns {{ name: "{n}" type: {k} }}' for n, k in zip("abcdefghij", kinds, strict=True))
    assert codec(t).literal_type == text_format.Parse(f"schema {{ {columns} }}", LiteralType())
    assert codec().literal_type == text_format.Parse("schema { }", LiteralType())
    assert codec().name == "FlyteSchema Transformer"
    literal = codec(FlyteSchema[kwtypes(a=int, b=str)]).encode(FRAME)
    uri = literal.scalar.schema.uri
    text = f'scalar {{ schema {{ uri: "{uri}" type {{ columns {{ name: "a" }} columns {{ name: "b" type: STRING }} }} }} }}'
    assert literal == text_format.Parse(text, Literal())
    assert [entry.name for entry in files.list(uri)] == ["00000"]
    bare = codec().encode(FRAME)
    expected = text_format.Parse(f'scalar {{ schema {{ uri: "{bare.scalar.schema.uri}" type {{ }} }} }}', Literal())
    assert bare.SerializeToString() == expected.SerializeToString()


def test_wrong_columns() -> None:
    with pytest.raises(FlyteAssertion, match="Columns should be specified"):
        FlyteSchema[3]  # type: ignore[index]
    with pytest.raises(TypeTransformerFailedError, match="currently not supported by FlyteSchema"):
        codec(FlyteSchema[kwtypes(a=set)])
    with pytest.raises(TypeTransformerFailedError, match="currently not supported by FlyteSchema"):
        codec(FlyteSchema[kwtypes(a=list[int])])


def test_class() -> None:
    t = FlyteSchema[kwtypes(a=int)]
    assert t is FlyteSchema[{"a": int}]
    assert (t.columns(), t.column_names(), t.format()) == ({"a": int}, ["a"], SchemaFormat.PARQUET)
    assert FlyteSchema.columns() == {}
    assert FlyteSchema[{}] is FlyteSchema


def test_writing_and_reading() -> None:
    schema = FlyteSchema()
    writer = schema.open(pd.DataFrame)
    writer.write(FRAME, FRAME)  # type: ignore[union-attr]
    schema.open().write(FRAME)  # type: ignore[union-attr]
    assert sorted(os.listdir(schema.local_path)) == ["00000", "00001", "00002"]
    with pytest.raises(FlyteAssertion, match="Readonly"):
        schema.as_readonly().open(override_mode=SchemaOpenMode.WRITE)
    received = codec().decode(codec().encode(schema))
    assert received.supported_mode is SchemaOpenMode.READ
    for reader in (
        received.open(),
        schema.as_readonly().open(pd.DataFrame),
        schema.open(override_mode=SchemaOpenMode.READ),
    ):
        same(reader.all(), pd.concat([FRAME] * 3, ignore_index=True))
        assert [len(frame) for frame in reader.iter()] == [2, 2, 2]
    assert received.open(pa.Table).all().num_rows == 6
    assert received.as_readonly() is received


def test_only_declared_columns_are_read() -> None:
    literal = codec().encode(FRAME)
    same(codec(FlyteSchema[kwtypes(a=int)]).decode(literal).open().all(), FRAME[["a"]])
    with pytest.raises(TypeTransformerFailedError, match="has no column 'zz'; it has a, b"):
        codec(FlyteSchema[kwtypes(a=int, zz=int)]).decode(literal).open().all()


def test_frames_keep_their_index() -> None:
    frame = FRAME.set_index("b")
    same(codec().decode(codec().encode(frame)).open().all(), frame)


def test_what_is_received_is_handed_on_without_a_copy() -> None:
    literal = codec().encode(FRAME)
    received = codec().decode(literal)
    assert codec().encode(received) == literal
    received.open().all()
    assert codec().encode(received) == literal
    assert codec().encode(
        FlyteSchema(remote_path="s3://b/x", supported_mode=SchemaOpenMode.READ)
    ).scalar.schema.uri == ("s3://b/x")


def test_folders_of_ones_own(tmp_path: Path, files: FileAccess) -> None:
    pa.parquet.write_table(pa.table({"a": [1]}), tmp_path / "part.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    literal = codec().encode(FlyteSchema(local_path=tmp_path))
    assert literal.scalar.schema.uri.startswith(files.raw_output_prefix)
    same(codec().decode(literal).open().all(), pd.DataFrame({"a": [1]}))


def test_an_empty_schema() -> None:
    with pytest.raises(TypeTransformerFailedError, match="no files"):
        FlyteSchema().as_readonly().open().all()


def test_a_downloader_of_ones_own() -> None:
    def fetch(remote: str, local: str) -> None:
        assert remote == "acme://x"
        FRAME.to_parquet(os.path.join(local, "00000"))

    schema = FlyteSchema(remote_path="acme://x", supported_mode=SchemaOpenMode.READ, downloader=fetch)
    same(schema.open().all(), FRAME)


def test_exchange_with_structured_datasets() -> None:
    dataset = TypeEngine.codec(pd.DataFrame)
    literal = dataset.encode(FRAME)
    same(codec(FlyteSchema[kwtypes(a=int)]).decode(literal).open().all(), FRAME[["a"]])
    same(dataset.decode(codec().encode(FRAME)), FRAME)
    literal.scalar.structured_dataset.metadata.structured_dataset_type.format = "csv"
    with pytest.raises(TypeTransformerFailedError, match="the dataset is in csv"):
        codec().decode(literal)


def test_handlers_of_others(files: FileAccess) -> None:
    class Lines(list[str]):
        pass

    class Reader(LocalIOSchemaReader):
        def _read(self, *path: str, **kwargs: Any) -> Any:
            return Lines(line for p in path for line in Path(p).read_text().splitlines())

    class Writer(LocalIOSchemaWriter):
        def _write(self, df: Any, path: str, **kwargs: Any) -> None:
            Path(path).write_text("\n".join(df))

    class Special(Lines):
        pass

    with pytest.raises(ValueError, match="not supported currently"):
        codec().encode(Lines())
    assert not codec().accepts(Lines())
    handler = SchemaHandler("lines", Lines, Reader, Writer)
    SchemaEngine.register_handler(handler)
    with pytest.raises(ValueError, match="has the handler lines already"):
        SchemaEngine.register_handler(handler)
    assert codec().accepts(Special())
    assert codec().decode(codec().encode(Special(["a", "b"]))).open(Lines).all() == ["a", "b"]


def test_within_a_dataclass() -> None:
    plain = codec().to_plain(FRAME)
    assert set(plain) == {"remote_path"}
    same(codec().decode(binary(msgspec.msgpack.encode(plain))).open().all(), FRAME)


def test_wrong() -> None:
    for value in (3, None, "s3://a"):
        assert not codec().accepts(value)
        with pytest.raises(TypeTransformerFailedError, match="not supported currently"):
            codec().encode(value)
    for literal in (integer(3), binary(b"\x03"), binary(b"\x80")):
        with pytest.raises(TypeTransformerFailedError):
            codec().decode(literal)


def test_guess() -> None:
    t = FlyteSchema[kwtypes(a=int, b=str, e=datetime.datetime)]
    guess = FlyteSchemaTransformer().guess_python_type
    assert guess(codec(t).literal_type) is t
    assert guess(codec().literal_type) is FlyteSchema
    with pytest.raises(ValueError, match="not a schema"):
        guess(TypeEngine.to_literal_type(int))
