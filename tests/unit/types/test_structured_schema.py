"""Arrow schemas in literal types: IPC, the text that the reference writes, and what data is cast to."""

from __future__ import annotations

from typing import Annotated

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.types import TypeEngine
from hardpoint.types.columns import kwtypes
from hardpoint.types.structured import ReadOptions, StructuredDataset, schema

LEAVES = [
    pa.null(),
    pa.bool_(),
    pa.int8(),
    pa.uint64(),
    pa.float16(),
    pa.float32(),
    pa.float64(),
    pa.string(),
    pa.large_string(),
    pa.binary(),
    pa.large_binary(),
    pa.string_view(),
    pa.date32(),
    pa.date64(),
    pa.time32("ms"),
    pa.time64("ns"),
    pa.timestamp("us"),
    pa.timestamp("ns", "Europe/Berlin"),
    pa.duration("ms"),
    pa.decimal128(10, 2),
    pa.decimal256(40, 5),
    pa.binary(4),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int8(), pa.large_string(), ordered=True),
]
NAMES = st.text(st.characters(categories=("L", "N", "Pc")), min_size=1, max_size=8)


def fields(kinds: st.SearchStrategy[pa.DataType]) -> st.SearchStrategy[pa.Field]:
    def make(name: str, kind: pa.DataType, nullable: bool, metadata: dict[str, str] | None) -> pa.Field:
        return pa.field(name, kind, nullable=nullable or pa.types.is_null(kind), metadata=metadata)

    return st.builds(make, NAMES, kinds, st.booleans(), st.sampled_from([None, {"unit": "m"}]))


KINDS = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        fields(inner).map(pa.list_),
        fields(inner).map(pa.large_list),
        # Where a long text is cut, the length of a list goes with it.
        fields(st.sampled_from(LEAVES)).map(lambda item: pa.list_(item, 3)),
        st.lists(fields(inner), min_size=1, max_size=3).map(pa.struct),
        inner.map(lambda item: pa.map_(pa.string(), item)),
    ),
    max_leaves=5,
)
SCHEMAS = st.lists(fields(KINDS), max_size=4).map(pa.schema)


@given(SCHEMAS)
def test_both_forms_are_read(made: pa.Schema) -> None:
    assert schema.from_bytes(schema.to_bytes(made)).equals(made)
    text = made.to_string()
    # Of a long type Arrow cuts the end off, and the length of a list, which stands there, is told nowhere else.
    assume("fixed_size_list" not in text or "chars omitted" not in text)
    assert schema.from_bytes(text.encode()).equals(made)


def test_the_text_of_a_pandas_schema() -> None:
    text = "a: int64\nb: string\n-- schema metadata --\npandas: '{\"index_columns\": []}'"
    assert schema.from_bytes(text.encode()).equals(pa.schema({"a": pa.int64(), "b": pa.string()}))


@pytest.mark.parametrize("data", [b"\xff\xfe", b"no schema at all", b"a: surely no type", b"a: list<surely no type>"])
def test_what_is_neither(data: bytes) -> None:
    with pytest.raises(TypeTransformerFailedError, match="neither Arrow IPC nor"):
        schema.from_bytes(data)


def test_in_a_literal_type() -> None:
    made = pa.schema([pa.field("a", pa.int32(), nullable=False)], metadata={"k": "v"})
    kind = TypeEngine.to_literal_type(Annotated[StructuredDataset, made]).structured_dataset_type
    assert kind.external_schema_type == "arrow"
    assert schema.from_bytes(kind.external_schema_bytes).equals(made, check_metadata=True)


TABLE = pa.table(
    {
        "i": pa.array([1, 2], pa.int32()),
        "f": pa.array([1, 2], pa.int64()),
        "s": pa.array([1, 2], pa.int64()),
        "t": pa.array(["2024-01-01", "2024-01-02"]),
        "l": pa.array([[1], [2]], pa.list_(pa.int32())),
        "b": pa.array([0, 1]),
    }
)


def test_casts_to_declared_columns() -> None:
    from datetime import datetime

    columns = kwtypes(i=int, f=float, s=str, t=datetime, l=list[float], b=bool)
    literal = TypeEngine.to_literal(None, TABLE, pa.Table)
    cast = TypeEngine.to_python_value(None, literal, Annotated[pa.Table, columns, ReadOptions(cast=True)])
    # An int32 is an integer already.
    assert cast.schema.equals(
        pa.schema(
            {
                "i": pa.int32(),
                "f": pa.float64(),
                "s": pa.string(),
                "t": pa.timestamp("us"),
                "l": pa.list_(pa.float64()),
                "b": pa.bool_(),
            }
        )
    )
    as_is = TypeEngine.to_python_value(None, literal, Annotated[pa.Table, columns])
    assert as_is.schema.equals(TABLE.schema)


def test_casts_to_a_declared_schema() -> None:
    wanted = pa.schema({"i": pa.int64(), "s": pa.large_string()})
    literal = TypeEngine.to_literal(None, TABLE, pa.Table)
    declared = Annotated[pa.Table, kwtypes(i=int, s=str), wanted, ReadOptions(cast=True)]
    assert TypeEngine.to_python_value(None, literal, declared).schema.equals(wanted)
    stream = Annotated[pa.RecordBatchReader, kwtypes(i=int, s=str), wanted, ReadOptions(cast=True)]
    assert TypeEngine.to_python_value(None, literal, stream).read_all().schema.equals(wanted)


def test_the_schema_of_the_writer_is_kept() -> None:
    wanted = pa.schema({"i": pa.int64()})
    literal = TypeEngine.to_literal(None, TABLE, Annotated[pa.Table, wanted])
    dataset = TypeEngine.to_python_value(None, literal, StructuredDataset)
    kept = dataset.metadata.structured_dataset_type
    assert schema.from_bytes(kept.external_schema_bytes).equals(wanted)
    assert dataset.open(pa.Table, columns=["i"], cast=True).all().schema.equals(wanted)
