"""Literal types and literals of datasets, against what Flytekit 1.16.31 writes for the same declarations."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from google.protobuf import text_format

from hardpoint import idl
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType
from hardpoint.types import TypeEngine
from hardpoint.types.columns import flatten_dict, kwtypes
from hardpoint.types.structured import StructuredDataset
from hardpoint.types.structured.transformer import StructuredDatasetTransformer


@dataclass
class Inner:
    x: int
    y: str


@dataclass
class Outer:
    a: Inner
    z: list[int]


NESTED = kwtypes(a=list[int], b=dict[str, float], c={"x": int, "y": {"z": str}})
NUMPY = kwtypes(
    a=np.int32, b=np.float64, c=np.bool_, d=np.datetime64, e=np.timedelta64, f=np.bytes_, g=np.str_, h=np.object_
)


def column(name: str, kind: str) -> str:
    return f'columns {{ name: "{name}" literal_type {{ {kind} }} }} '


TYPES: dict[str, tuple[Any, str]] = {
    "pandas": (pd.DataFrame, ""),
    "arrow": (pa.Table, ""),
    "dataset": (StructuredDataset, ""),
    "columns": (
        Annotated[pd.DataFrame, kwtypes(a=int, b=str)],
        column("a", "simple: INTEGER") + column("b", "simple: STRING"),
    ),
    "format": (Annotated[pd.DataFrame, "csv"], 'format: "csv"'),
    "no columns": (Annotated[StructuredDataset, {}, "x"], 'format: "x"'),
    "another's extra": (Annotated[StructuredDataset, 5], ""),
    "nested": (
        Annotated[StructuredDataset, NESTED, "parquet"],
        column("a", "collection_type { simple: INTEGER }")
        + column("b", "map_value_type { simple: FLOAT }")
        + column("c.x", "simple: INTEGER")
        + column("c.y.z", "simple: STRING")
        + 'format: "parquet"',
    ),
    "dataclass": (
        Annotated[StructuredDataset, Outer],
        column("a.x", "simple: INTEGER")
        + column("a.y", "simple: STRING")
        + column("z", "collection_type { simple: INTEGER }"),
    ),
    "times": (
        Annotated[pd.DataFrame, kwtypes(i=datetime, j=timedelta, k=bool, m=float)],
        column("i", "simple: DATETIME")
        + column("j", "simple: DURATION")
        + column("k", "simple: BOOLEAN")
        + column("m", "simple: FLOAT"),
    ),
    "numpy": (
        Annotated[pd.DataFrame, NUMPY],
        column("a", "simple: INTEGER")
        + column("b", "simple: FLOAT")
        + column("c", "simple: BOOLEAN")
        + column("d", "simple: DATETIME")
        + column("e", "simple: DURATION")
        + column("f", "simple: STRING")
        + column("g", "simple: STRING")
        + column("h", "simple: STRING"),
    ),
}


@pytest.mark.parametrize("name", TYPES)
def test_literal_type(name: str) -> None:
    t, expected = TYPES[name]
    wanted = text_format.Parse(f"structured_dataset_type {{ {expected} }}", LiteralType())
    assert TypeEngine.to_literal_type(t) == wanted


def test_nullable_columns_are_of_the_type_that_is_not_none() -> None:
    optional = TypeEngine.to_literal_type(Annotated[pd.DataFrame, kwtypes(a=typing.Optional[int], b=str | None)])
    assert optional == TypeEngine.to_literal_type(Annotated[pd.DataFrame, kwtypes(a=int, b=str)])


@pytest.mark.parametrize("t", [dict, list, bytes, list[Inner], int | str, object])
def test_types_that_no_column_can_have(t: Any) -> None:
    with pytest.raises(AssertionError, match="is currently not supported by StructuredDataset"):
        TypeEngine.to_literal_type(Annotated[StructuredDataset, kwtypes(a=t)])


def test_one_format_and_one_set_of_columns() -> None:
    with pytest.raises(ValueError, match="A format was already specified csv, cannot use parquet"):
        TypeEngine.to_literal_type(Annotated[StructuredDataset, "csv", "parquet"])
    with pytest.raises(ValueError, match="declared twice"):
        TypeEngine.to_literal_type(Annotated[StructuredDataset, kwtypes(a=int), kwtypes(b=int)])


def test_flatten_dict() -> None:
    assert flatten_dict({"a": {"b": {"c": int}}, "d": str}) == {"a.b.c": int, "d": str}
    assert flatten_dict({"b": int}, "a") == {"a.b": int}


FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})


def dataset_literal(uri: str, rest: str = "") -> Literal:
    text = f'uri: "{uri}" metadata {{ structured_dataset_type {{ {rest} }} }}'
    return text_format.Parse(f"scalar {{ structured_dataset {{ {text} }} }}", Literal())


@pytest.mark.parametrize(
    ("value", "t", "rest"),
    [
        (FRAME, pd.DataFrame, 'format: "parquet"'),
        (pa.Table.from_pandas(FRAME), pa.Table, 'format: "parquet"'),
        (
            FRAME,
            Annotated[pd.DataFrame, kwtypes(a=int)],
            column("a", "simple: INTEGER") + 'format: "parquet"',
        ),
        (StructuredDataset(dataframe=FRAME), StructuredDataset, 'format: "parquet"'),
        (StructuredDataset(dataframe=FRAME), Annotated[StructuredDataset, "csv"], 'format: "csv"'),
        (StructuredDataset(uri="s3://b/x", file_format="csv"), StructuredDataset, 'format: "csv"'),
        (StructuredDataset(uri="s3://b/x"), StructuredDataset, ""),
        # The annotation is the task's word, and goes before what the value says.
        (StructuredDataset(uri="s3://b/x", file_format="csv"), Annotated[StructuredDataset, "orc"], 'format: "orc"'),
    ],
)
def test_literal(value: Any, t: Any, rest: str) -> None:
    literal = TypeEngine.to_literal(None, value, t)
    assert literal == dataset_literal(literal.scalar.structured_dataset.uri, rest)


def test_a_format_that_was_asked_for_is_written() -> None:
    wrapped = StructuredDataset(dataframe=FRAME, file_format="csv")
    for value, t in ((FRAME, Annotated[pd.DataFrame, "csv"]), (wrapped, StructuredDataset)):
        literal = TypeEngine.to_literal(None, value, t)
        assert literal.scalar.structured_dataset.metadata.structured_dataset_type.format == "csv"
        pd.testing.assert_frame_equal(TypeEngine.to_python_value(None, literal, pd.DataFrame), FRAME)


def test_plain_form_in_a_dataclass() -> None:
    @dataclass
    class Holder:
        sd: StructuredDataset

    value = Holder(StructuredDataset(uri="s3://b/x", file_format="parquet"))
    literal = TypeEngine.to_literal(None, value, Holder)
    assert msgspec.msgpack.decode(literal.scalar.binary.value) == {"sd": {"uri": "s3://b/x", "file_format": "parquet"}}
    schema = idl.native(TypeEngine.to_literal_type(Holder).metadata)
    text = [{"type": "string"}, {"type": "null"}]
    assert schema["properties"]["sd"] == {
        "type": "object",
        "title": "StructuredDataset",
        "properties": {"uri": {"anyOf": text, "default": None}, "file_format": {"anyOf": text, "default": ""}},
        "additionalProperties": False,
    }


def test_the_type_is_guessed() -> None:
    assert TypeEngine.guess_python_type(TypeEngine.to_literal_type(pd.DataFrame)) is StructuredDataset
    transformer = StructuredDatasetTransformer()
    assert transformer.name == "StructuredDataset Transformer"
    assert transformer.guess_python_type(TypeEngine.to_literal_type(pa.Table)) is StructuredDataset
    with pytest.raises(ValueError, match="does not stand"):
        transformer.guess_python_type(TypeEngine.to_literal_type(int))


def test_values_that_do_not_fit() -> None:
    with pytest.raises(TypeTransformerFailedError, match="Did you forget to wrap your dataframe") as caught:
        TypeEngine.to_literal(None, FRAME, StructuredDataset)
    assert str(type(FRAME)) in str(caught.value)
    with pytest.raises(TypeTransformerFailedError, match=r"Expected value of type pandas\..*DataFrame but got 5"):
        TypeEngine.to_literal(None, 5, pd.DataFrame)
    with pytest.raises(ValueError, match="If dataframe is not specified, then the uri should be specified"):
        TypeEngine.to_literal(None, StructuredDataset(), StructuredDataset)


@pytest.mark.parametrize("t", [pd.DataFrame, StructuredDataset])
def test_literals_that_are_no_dataset(t: Any) -> None:
    with pytest.raises(TypeTransformerFailedError, match=r"holds scalar\.primitive\.integer"):
        TypeEngine.to_python_value(None, idl.integer(3), t)
    with pytest.raises(TypeTransformerFailedError, match="holds nothing"):
        TypeEngine.to_python_value(None, Literal(), t)
    with pytest.raises(ValueError, match="uri and file format should not be None"):
        TypeEngine.to_python_value(None, idl.record({"file_format": "parquet"}), t)


@pytest.mark.parametrize("form", [idl.record, lambda data: idl.binary(msgspec.msgpack.encode(data))])
def test_attribute_access_on_a_promise(form: Any) -> None:
    written = TypeEngine.to_literal(None, FRAME, pd.DataFrame).scalar.structured_dataset
    literal = form({"uri": written.uri, "file_format": "parquet"})
    assert TypeEngine.to_python_value(None, literal, StructuredDataset).literal == written
    pd.testing.assert_frame_equal(TypeEngine.to_python_value(None, literal, pd.DataFrame), FRAME)


def test_a_legacy_schema_is_read() -> None:
    written = TypeEngine.to_literal(None, FRAME, pd.DataFrame).scalar.structured_dataset
    columns = "columns { name: 'b' type: STRING }"
    legacy = text_format.Parse(
        f"scalar {{ schema {{ uri: '{written.uri}' type {{ {columns} }} }} }}",
        Literal(),
    )
    pd.testing.assert_frame_equal(TypeEngine.to_python_value(None, legacy, pd.DataFrame), FRAME[["b"]])
    declared = Annotated[pa.Table, kwtypes(a=int)]
    assert TypeEngine.to_python_value(None, legacy, declared).column_names == ["a"]
    dataset = TypeEngine.to_python_value(None, legacy, StructuredDataset)
    assert (dataset.file_format, dataset.column_names()) == ("parquet", ["b"])
