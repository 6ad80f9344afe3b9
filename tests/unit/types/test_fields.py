"""Fields of dataclasses that no literal could hold by itself: byte for byte as the reference (Flytekit 1.16.31) writes them."""

from __future__ import annotations

import json
import typing
import uuid
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, make_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from google.protobuf.json_format import MessageToDict
from pydantic import BaseModel

from hardpoint.errors import RestrictedTypeError, TypeTransformerFailedError
from hardpoint.idl import Literal
from hardpoint.settings import override
from hardpoint.types import TypeEngine
from tests.unit.types.field_cases import CASES, ID, Pair

WIRE: dict[str, list[Any]] = json.loads((Path(__file__).parent / "fields.json").read_text())


@pytest.fixture(autouse=True)
def unpickled() -> typing.Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as that a type travels as a pickle
        yield


@pytest.mark.parametrize("name", CASES)
def test_the_wire_form_is_the_references(name: str) -> None:
    t, values = CASES[name]
    codec = TypeEngine.codec(t)
    literal_type, literals = WIRE[name]
    assert codec.literal_type.SerializeToString(deterministic=True).hex() == literal_type
    assert [codec.encode(value).SerializeToString(deterministic=True).hex() for value in values] == literals


@pytest.mark.parametrize("name", CASES)
def test_what_the_reference_wrote_is_read(name: str) -> None:
    t, values = CASES[name]
    read = [TypeEngine.codec(t).decode(Literal.FromString(bytes.fromhex(written))) for written in WIRE[name][1]]
    assert read == values
    assert [type(value.f) for value in read] == [type(value.f) for value in values]


@pytest.mark.parametrize("name", CASES)
def test_the_quick_way_and_the_careful_way_agree(name: str) -> None:
    t, values = CASES[name]
    codec = TypeEngine.codec(t)
    for value in values:
        plain = codec.to_plain(value)
        assert codec.from_plain(plain) == value
        assert TypeEngine.codec(dict).decode(codec.encode(value)) == plain
        assert codec.accepts(value)


@pytest.mark.parametrize("name", CASES)
def test_a_type_that_is_guessed_reads_it(name: str) -> None:
    t, values = CASES[name]
    codec = TypeEngine.codec(t)
    guessed = TypeEngine.codec(TypeEngine.guess_python_type(codec.literal_type))
    for value in values:
        assert guessed.to_plain(guessed.decode(codec.encode(value))) == codec.to_plain(value)


def test_sets_are_written_in_order() -> None:
    words = {f"word {number}" for number in range(50)}
    klass = record(set[str])
    assert TypeEngine.codec(klass).to_plain(klass(words)) == {"f": sorted(words)}


def one(name: str) -> tuple[Any, Any]:
    """A type, and one of its values."""
    t, values = CASES[name]
    return t, values[0]


def record(t: Any) -> Any:
    return make_dataclass("Record", [("f", t)])


@pytest.mark.parametrize(
    ("t", "value", "said"),
    [
        (tuple[int, str], (1,), "it should have 2 elements"),
        (tuple[int, str], [1, "a"], "Expected value of type tuple"),
        (tuple[int, ...], (1, "a"), "Expected value of type int"),
        (Pair, (1, "a"), "Expected value of type .*Pair"),
        (uuid.UUID, str(ID), "Expected value of type uuid.UUID"),
        (set[int], {"a"}, "Expected value of type int"),
        (Sequence[str], "abc", "Expected value of type .*Sequence"),
        (OrderedDict[str, int], {"a": 1}, "Expected value of type .*OrderedDict"),
        (tuple[int, str] | set[int], frozenset({1}), "Expected value of type"),
    ],
)
def test_values_of_other_types_are_refused(t: Any, value: Any, said: str) -> None:
    klass = record(t)
    with pytest.raises(TypeTransformerFailedError, match=said) as raised:
        TypeEngine.codec(klass).to_plain(klass(value))
    assert "in field 'f'" in "".join(raised.value.__notes__)


@pytest.mark.parametrize(
    ("t", "data", "said"),
    [
        (tuple[int, str], [1], "it should have 2 elements"),
        (Pair, {"x": 1}, "Expected value of type .*Pair"),
        (tuple[int, ...], "ab", "Expected value of type"),
        (uuid.UUID, "5", "badly formed"),
        (Decimal, "one", "ConversionSyntax|one"),
        (set[dict], [{"a": 1}], "unhashable"),
        (OrderedDict[str, int], [1], "Expected value of type .*OrderedDict"),
    ],
)
def test_data_of_another_form_is_told(t: Any, data: Any, said: str) -> None:
    with pytest.raises(TypeTransformerFailedError, match=said):
        TypeEngine.codec(record(t)).decode(TypeEngine.codec(dict).encode({"f": data}))


def test_a_tuple_by_itself_is_refused_still() -> None:
    with pytest.raises(RestrictedTypeError, match="a tuple has no literal type"):
        TypeEngine.codec(tuple[int, str])


@dataclass
class Deep:
    rows: list[tuple[Pair, dict[str, set[uuid.UUID]]]]


def test_forms_within_forms() -> None:
    value = Deep([(Pair(1), {"a": {ID, uuid.UUID(int=1)}})])
    codec = TypeEngine.codec(Deep)
    assert codec.decode(codec.encode(value)) == value
    assert codec.to_plain(value) == {"rows": [[[1, "d"], {"a": [str(uuid.UUID(int=1)), str(ID)]}]]}


class Options(typing.TypedDict):
    depth: int


@pytest.mark.parametrize("t", [Options, record(Options)])
def test_a_typed_dict_is_refused(t: Any) -> None:
    with pytest.raises(RestrictedTypeError, match="Options is restricted") as raised:
        TypeEngine.codec(t)
    assert raised.value.remedy == "Use a dataclass, or dict."


# -- the old format ----------------------------------------------------------------------------------------------------


class Model(BaseModel):
    x: int = 1


OLD: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "dataclass": (*one("optional uuid"), {"f": str(ID)}, ""),
    "bytes": (*one("tuple of bytes"), {"f": ["eA==\n", "2026-01-02"]}, ""),
    "set": (*one("set"), {"f": [1.0, 2.0]}, ""),
    "model": (Model, Model(), {"x": 1.0}, ""),
    "dict": (dict, {"a": [1, {"b": 2}]}, {"a": [1.0, {"b": 2.0}]}, "json"),
    "dict of numbers": (dict[int, str], {1: "a"}, {"1": "a"}, "json"),
}
"""What the reference writes where FLYTE_USE_OLD_DC_FORMAT is true, and the format that it notes."""


@pytest.mark.parametrize("name", OLD)
def test_the_old_format(name: str) -> None:
    t, value, data, noted = OLD[name]
    recent = TypeEngine.codec(t)
    with override(types={"old_format": True}):
        old = TypeEngine.codec(Annotated[t, name])  # a type that was not met before
    literal = old.encode(value)
    assert MessageToDict(literal.scalar) == {"generic": data}
    assert literal.metadata.get("format", "") == noted
    assert old.literal_type == recent.literal_type
    assert recent.decode(literal) == old.decode(literal) == old.decode(recent.encode(value)) == value


def test_bytes_that_are_no_base64() -> None:
    with pytest.raises(TypeTransformerFailedError, match="it is not base64"):
        TypeEngine.codec(record(bytes)).from_plain({"f": "?"})


def test_what_a_struct_cannot_hold() -> None:
    with override(types={"old_format": True}):
        codec = TypeEngine.codec(Annotated[dict, "of anything"])
    with pytest.raises(TypeTransformerFailedError, match="a Struct cannot hold it"):
        codec.encode({"a": object()})
