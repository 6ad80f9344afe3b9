"""Protobuf messages as structs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from flyteidl.core.errors_pb2 import ContainerError
from flyteidl.core.literals_pb2 import Literal
from flyteidl.core.types_pb2 import BlobType, LiteralType
from google.protobuf import text_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import Int64Value

from hardpoint.context import FlyteContextManager
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import binary, integer, record
from hardpoint.types import TypeEngine
from hardpoint.types.protobuf import ProtobufTransformer


def codec(t: type[Message]) -> Any:
    return TypeEngine.codec(t)


def struct(**values: Any) -> Struct:
    made = Struct()
    made.update(values)
    return made


def listed(*values: Any) -> ListValue:
    made = ListValue()
    made.extend(values)
    return made


def test_wire() -> None:
    text = """simple: STRUCT metadata { fields { key: "pb_type"
        value { string_value: "flyteidl.core.errors_pb2.ContainerError" } } }"""
    assert codec(ContainerError).literal_type == text_format.Parse(text, LiteralType())
    assert codec(ContainerError).name == "Protobuf-Transformer"
    literal = codec(ContainerError).encode(ContainerError(code="a", message="m", kind=ContainerError.RECOVERABLE))
    assert literal == record({"code": "a", "message": "m", "kind": "RECOVERABLE"})
    assert codec(Struct).encode(Struct()) == text_format.Parse("scalar { generic { } }", Literal())


def test_wire_of_lists() -> None:
    text = """collection {
        literals { scalar { primitive { float_value: 1 } } }
        literals { scalar { primitive { string_value: "a" } } }
        literals { scalar { generic { fields { key: "x" value { number_value: 1 } } } } }
        literals { scalar { none_type { } } }
        literals { scalar { primitive { boolean: true } } }
        literals { collection { literals { scalar { primitive { float_value: 2 } } } } }
    }"""
    value = listed(1, "a", {"x": 1}, None, True, [2])
    assert codec(ListValue).encode(value) == text_format.Parse(text, Literal())


@pytest.mark.parametrize(
    "value",
    [
        ContainerError(code="a", message="m", kind=ContainerError.RECOVERABLE),
        ContainerError(),
        BlobType(format="csv", dimensionality=BlobType.MULTIPART),
        struct(a=[1, None, {"b": 2.5}], c=True),
        struct(value=1),
        struct(),
        listed(1, "a", {"x": 1}, None, True, [2, [3]], 2.5),
        listed(),
        Timestamp(seconds=3, nanos=5),
        Duration(seconds=-3),
        Int64Value(value=2**62 + 1),
        Value(number_value=3),
        Value(struct_value=struct(value=1)),
        Value(list_value=listed(1)),
        text_format.Parse("scalar { primitive { integer: 9223372036854775807 } }", Literal()),
    ],
    ids=lambda v: type(v).__name__,
)
def test_round_trip(value: Message) -> None:
    made = codec(type(value))
    assert made.decode(made.encode(value)) == value
    assert made.from_plain(made.to_plain(value)) == value
    assert made.decode(binary(msgspec.msgpack.encode(made.to_plain(value)))) == value


def test_within_lists() -> None:
    made = TypeEngine.codec(list[Timestamp])
    assert made.decode(made.encode([Timestamp(seconds=3)])) == [Timestamp(seconds=3)]


def test_wrong_values() -> None:
    with pytest.raises(TypeTransformerFailedError, match="Expected value of type"):
        codec(ContainerError).encode(Timestamp())
    with pytest.raises(TypeTransformerFailedError, match="no generated message"):
        codec(Message)


@pytest.mark.parametrize("literal", [integer(3), record({"no_such_field": 1}), record({"kind": "NO_SUCH_KIND"})])
def test_wrong_literals(literal: Literal) -> None:
    with pytest.raises(TypeTransformerFailedError):
        codec(ContainerError).decode(literal)


def test_guess() -> None:
    guess = ProtobufTransformer().guess_python_type
    assert guess(codec(ContainerError).literal_type) is ContainerError
    for name in (
        "os.system",
        "os_pb2.x",
        "google.protobuf.struct_pb2.DESCRIPTOR",
        "google.protobuf.struct_pb2.nothing",
    ):
        literal_type = LiteralType()
        literal_type.CopyFrom(codec(ContainerError).literal_type)
        literal_type.metadata["pb_type"] = name
        with pytest.raises(ValueError, match="message"):
            guess(literal_type)


def test_html_is_escaped() -> None:
    html = ProtobufTransformer().to_html(FlyteContextManager.current_context(), ContainerError(code="<b>"), Message)
    assert html == "<pre>code: &quot;&lt;b&gt;&quot;\n</pre>"
