"""`FlyteError`: the wire, subclasses, and how it is made and shown."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
from google.protobuf import text_format

from hardpoint.context import FlyteContextManager
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType, SimpleType, binary, integer
from hardpoint.types import TypeEngine
from hardpoint.types.error import ErrorTransformer, FlyteError


@dataclass
class Special(FlyteError):
    pass


codec = TypeEngine.codec(FlyteError)


def test_wire() -> None:
    assert codec.literal_type == LiteralType(simple=SimpleType.ERROR)
    assert codec.name == "FlyteError"
    text = 'scalar { error { failed_node_id: "n1" message: "m" } }'
    assert codec.encode(FlyteError(message="m", failed_node_id="n1")) == text_format.Parse(text, Literal())
    assert codec.decode(text_format.Parse(text, Literal())) == FlyteError("m", "n1")


def test_what_is_missing_is_empty() -> None:
    assert codec.decode(text_format.Parse("scalar { error { } }", Literal())) == FlyteError("", "")


def test_subclasses() -> None:
    literal = codec.encode(Special("m"))
    assert type(codec.decode(literal)) is FlyteError
    assert type(TypeEngine.codec(Special).decode(literal)) is Special


def test_attribute_access() -> None:
    assert codec.decode(binary(msgspec.msgpack.encode(codec.to_plain(FlyteError("m", "n"))))) == FlyteError("m", "n")


def test_wrong() -> None:
    with pytest.raises(TypeTransformerFailedError, match="Expected value of type"):
        codec.encode("m")
    for literal in (integer(3), binary(b"\x03")):
        with pytest.raises(TypeTransformerFailedError):
            codec.decode(literal)


def test_from_an_exception() -> None:
    error = ValueError("no")
    error.add_note("while reading")
    assert FlyteError.from_exception(error, "n1") == FlyteError("ValueError: no\nwhile reading", "n1")


def test_html_is_escaped() -> None:
    html = ErrorTransformer().to_html(FlyteContextManager.current_context(), FlyteError("<m>", "<n>"), FlyteError)
    assert html == "<p>Node &lt;n&gt;</p><pre>&lt;m&gt;</pre>"


def test_guess() -> None:
    assert ErrorTransformer().guess_python_type(codec.literal_type) is FlyteError
    assert TypeEngine.guess_python_type(codec.literal_type) is FlyteError
    for other in (LiteralType(), LiteralType(simple=SimpleType.NONE)):
        with pytest.raises(ValueError, match="not an error"):
            ErrorTransformer().guess_python_type(other)
