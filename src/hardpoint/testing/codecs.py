"""The suite that every data type passes. Subclass `CodecConformance` in a test module and fill in its attributes."""

from __future__ import annotations

import copy
import dataclasses
import operator
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Optional

import pytest

from hardpoint import idl
from hardpoint.context import FlyteContextManager
from hardpoint.errors import HardpointError, TypeTransformerFailedError
from hardpoint.idl import Literal
from hardpoint.storage import FileAccess
from hardpoint.testing.gaps import Conformance
from hardpoint.types import TypeEngine

__all__ = ["MALFORMED", "CodecConformance"]


def _malformed() -> dict[str, Literal]:
    """Literals that hold nothing sensible, by what is wrong with them."""
    broken = idl.binary(b"\xc1\xff")
    foreign = idl.binary(b"\x80")
    foreign.scalar.binary.tag = "bson"
    union = Literal()
    union.scalar.union.SetInParent()
    deep = Literal()
    inner = deep
    for _ in range(60):
        inner = inner.collection.literals.add()
    return {
        "empty": Literal(),
        "empty scalar": Literal(scalar=idl.Scalar()),
        "broken MessagePack": broken,
        "unknown binary tag": foreign,
        "empty union": union,
        "nested collections": deep,
        "empty struct": idl.record({}),
        "struct of strangers": idl.record({"\x00": [{"a": None}]}),
        "blob without uri": idl.blob(""),
        "missing blob": idl.blob("/nonexistent/hardpoint/blob", "nothing"),
        "integer": idl.integer(-(2**63)),
        "nan": idl.floating(float("nan")),
        "text": idl.string("\ud7ff</script>"),
        "none": idl.none(),
    }


MALFORMED = _malformed()
"""Literals that no value of most types has."""


class CodecConformance(Conformance):
    """Proves that values of a type survive the journey, and that anything else is refused with a typed error.

    Attributes:
        python_type: The type as a task would declare it.
        values: Values of it; at least one.
        wrong: Values that are not of it.
        name: The transformer's name, which is on the wire; None: not checked.
        equal: How two values are compared.
        hashable_state: What of a value must not be changed by encoding it; the default deep-copies it.
    """

    python_type: ClassVar[Any]
    values: ClassVar[Sequence[Any]]
    wrong: ClassVar[Sequence[Any]] = (object(),)
    name: ClassVar[str | None] = None
    equal: ClassVar[Callable[[Any, Any], bool]] = staticmethod(operator.eq)

    @pytest.fixture(autouse=True)
    def _storage(self, tmp_path: Path) -> Iterator[None]:
        with FlyteContextManager.use(files=FileAccess(str(tmp_path / "raw"))):
            yield

    def sample(self) -> list[Any]:
        """The values; override where they are made afresh each time."""
        return list(self.values)

    def _travel(self, t: Any, value: Any) -> Any:
        codec = TypeEngine.codec(t)
        data = codec.encode(value).SerializeToString(deterministic=True)
        return codec.decode(Literal.FromString(data))

    def _same(self, got: Any, want: Any) -> bool:
        return bool(type(self).equal(got, want))

    def test_round_trip(self) -> None:
        for value in self.sample():
            assert self._same(self._travel(self.python_type, value), value)

    def test_literal_type_is_the_same_each_time(self) -> None:
        first = TypeEngine.to_literal_type(self.python_type)
        transformer = TypeEngine.get_transformer(self.python_type)
        again = transformer.compile(self.python_type).literal_type
        assert first.WhichOneof("type") is not None
        assert again.SerializeToString(deterministic=True) == first.SerializeToString(deterministic=True)

    def test_name(self) -> None:
        if self.name is not None:
            assert TypeEngine.codec(self.python_type).name == self.name

    def test_optional(self) -> None:
        t = Optional[self.python_type]  # type: ignore[name-defined]  # noqa: UP045 - the type is a value here
        assert self._travel(t, None) is None
        value = self.sample()[0]
        assert self._same(self._travel(t, value), value)

    def test_list(self) -> None:
        values = self.sample()
        got = self._travel(list[self.python_type], values)  # type: ignore[name-defined]
        assert len(got) == len(values)
        assert all(self._same(a, b) for a, b in zip(got, values, strict=True))
        assert self._travel(list[self.python_type], []) == []  # type: ignore[name-defined]

    def test_dict(self) -> None:
        value = self.sample()[0]
        got = self._travel(dict[str, self.python_type], {"k": value, "": value})  # type: ignore[name-defined]
        assert list(got) == ["k", ""] or sorted(got) == ["", "k"]
        assert self._same(got["k"], value)
        assert self._same(got[""], value)

    def test_dataclass_field(self) -> None:
        record = dataclasses.make_dataclass("Record", [("field", self.python_type)])
        value = self.sample()[0]
        got = self._travel(record, record(value))
        assert self._same(got.field, value)

    def test_attribute_access(self) -> None:
        """A promise's attribute gives plain data in MessagePack, which every type that may be a field must read."""
        import msgspec

        codec = TypeEngine.codec(self.python_type)
        for value in self.sample():
            literal = idl.binary(msgspec.msgpack.encode(codec.to_plain(value)))
            assert self._same(codec.decode(literal), value)

    def test_wrong_values_are_refused(self) -> None:
        codec = TypeEngine.codec(self.python_type)
        for value in self.wrong:
            with pytest.raises(TypeTransformerFailedError) as caught:
                codec.encode(value)
            assert len(str(caught.value)) > 20

    def test_malformed_literals_are_refused(self) -> None:
        """A literal of another kind raises a typed error, or is read as a value that the type accepts; nothing else."""
        codec = TypeEngine.codec(self.python_type)
        for what, literal in MALFORMED.items():
            try:
                value = codec.decode(literal)
            except (HardpointError, FileNotFoundError) as error:
                assert str(error), what
            else:
                assert codec.accepts(value), f"{what} was read as {value!r}"

    def test_value_is_not_changed(self) -> None:
        for value in self.sample():
            before = copy.deepcopy(value)
            TypeEngine.codec(self.python_type).encode(value)
            assert self._same(value, before)

    def test_accepts_its_own_values(self) -> None:
        codec = TypeEngine.codec(self.python_type)
        assert all(codec.accepts(value) for value in self.sample())
        assert not any(codec.accepts(value) for value in self.wrong)

    def test_guess(self) -> None:
        """The type that is guessed from the literal type reads what was written."""
        codec = TypeEngine.codec(self.python_type)
        guessed = TypeEngine.guess_python_type(codec.literal_type)
        TypeEngine.codec(guessed).decode(codec.encode(self.sample()[0]))

    def test_threads(self) -> None:
        values = self.sample() * 4
        context = FlyteContextManager.current_context()

        def travel(value: Any) -> Any:
            with FlyteContextManager.use(context):
                return self._travel(self.python_type, value)

        with ThreadPoolExecutor(4) as pool:
            for got, want in zip(pool.map(travel, values), values, strict=True):
                assert self._same(got, want)

    def test_html(self) -> None:
        """A value can be shown, and what it holds is escaped."""
        for value in self.sample():
            assert "<script>alert" not in TypeEngine.to_html(None, value, self.python_type)
