"""Builders over `flyteidl`, against the wire as text."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from hardpoint import idl


def text(message: Message) -> str:
    return text_format.MessageToString(message, as_one_line=True)


@pytest.mark.parametrize(
    ("literal", "wire"),
    [
        (idl.integer(-3), "scalar { primitive { integer: -3 } }"),
        (idl.integer(0), "scalar { primitive { integer: 0 } }"),
        (idl.floating(0.5), "scalar { primitive { float_value: 0.5 } }"),
        (idl.boolean(False), "scalar { primitive { boolean: false } }"),
        (idl.string(""), 'scalar { primitive { string_value: "" } }'),
        (idl.none(), "scalar { none_type { } }"),
        (
            idl.blob("s3://b/k", "csv"),
            'scalar { blob { metadata { type { format: "csv" } } uri: "s3://b/k" } }',
        ),
        (
            idl.blob("s3://b/k", multipart=True),
            'scalar { blob { metadata { type { dimensionality: MULTIPART } } uri: "s3://b/k" } }',
        ),
        (idl.binary(b"\x81"), 'scalar { binary { value: "\\201" tag: "msgpack" } }'),
        (
            idl.record({"a": 1}),
            'scalar { generic { fields { key: "a" value { number_value: 1.0 } } } }',
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_literals(literal: idl.Literal, wire: str) -> None:
    assert text(literal) == wire


def test_a_literal_map_copies() -> None:
    one = idl.integer(1)
    made = idl.literal_map({"a": one})
    one.scalar.primitive.integer = 2
    assert made.literals["a"].scalar.primitive.integer == 1


def test_the_msgpack_annotation() -> None:
    literal_type = idl.simple(idl.SimpleType.STRUCT)
    idl.msgpack_annotation(literal_type)
    (name,) = literal_type.annotation.annotations.fields
    assert name == "cache-key-metadata"
    assert idl.native(literal_type.annotation.annotations[name]) == {"serialization-format": "msgpack"}


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_like, max_size=3))
def test_json_like_data_survives_a_struct(value: dict[str, Any]) -> None:
    assert idl.native(idl.struct(value)) == value


def test_whole_doubles_come_back_as_integers() -> None:
    came = idl.native(idl.struct({"a": 1, "b": 1.0, "c": 1.5, "d": (1,)}))
    assert came == {"a": 1, "b": 1, "c": 1.5, "d": [1]}
    assert {k: type(v) for k, v in came.items()} == {"a": int, "b": int, "c": float, "d": list}


@pytest.mark.parametrize("value", [None, {}])
def test_an_empty_struct(value: dict[str, Any] | None) -> None:
    assert idl.struct(value) == idl.Struct()


@pytest.mark.parametrize("value", [{"a": {1, 2}}, {"a": object()}])
def test_what_is_not_json_like_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        idl.struct(value)
