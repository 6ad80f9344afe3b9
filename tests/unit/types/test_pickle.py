"""The pickle fallback: policy, content, and what a reader is told that cannot read."""

from __future__ import annotations

import hashlib
import io
import pickle
import sys
import threading
import typing
import warnings
from pathlib import Path
from typing import Annotated, Any, Protocol

import cloudpickle
import pytest
from google.protobuf import text_format

from hardpoint import settings
from hardpoint.context import FlyteContextManager
from hardpoint.errors import RestrictedTypeError, TypeTransformerFailedError, UserError
from hardpoint.idl import Literal, LiteralType, binary, blob, integer
from hardpoint.storage import FileAccess
from hardpoint.types import TypeEngine
from hardpoint.types.pickle import AllowPickle, FlytePickle, FlytePickleTransformer, PickleWarning
from hardpoint.types.pickle.store import store


class Thing:
    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing) and self.x == other.x

    __hash__ = None  # type: ignore[assignment]


class Shape(Protocol):
    x: int


@pytest.fixture(autouse=True, params=["disk", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> typing.Iterator[FileAccess]:
    raw = str(tmp_path / "raw") if request.param == "disk" else f"memory://pickles/{tmp_path.name}"
    access = FileAccess(raw, str(tmp_path / "sandbox"))
    with FlyteContextManager.use(files=access), settings.override(types={"pickle": "allow"}):
        yield access


def codec(t: Any = Thing) -> Any:
    return FlytePickleTransformer().compile(t)


def content(files: FileAccess, uri: str) -> bytes:
    with files.open(uri, "rb") as stream:
        data: bytes = stream.read()
        return data


def put(files: FileAccess, data: bytes) -> Literal:
    return blob(files.put_raw_data(data), "PythonPickle")


def test_wire() -> None:
    text = """blob { format: "PythonPickle" }
    metadata { fields { key: "python_class_name" value { string_value: "<class 'set'>" } } }"""
    assert codec(set).literal_type == text_format.Parse(text, LiteralType())
    assert codec(set).name == "FlytePickle"
    assert codec(Any).literal_type.metadata["python_class_name"] == "typing.Any"
    kind = codec(set).encode({1}).scalar.blob.metadata.type
    assert (kind.format, kind.dimensionality) == ("PythonPickle", 0)


def test_no_address_gets_into_the_type() -> None:
    noted = Annotated[set, lambda: None]
    assert codec(noted).literal_type == codec(set).literal_type


def test_any_pickle_reader_reads_it(files: FileAccess) -> None:
    uri = codec().encode(Thing([1, {"a": b"x"}])).scalar.blob.uri
    assert cloudpickle.load(io.BytesIO(content(files, uri))) == Thing([1, {"a": b"x"}])
    assert codec().decode(blob(uri, "PythonPickle")) == Thing([1, {"a": b"x"}])


def test_pickles_without_a_note_are_read(files: FileAccess) -> None:
    assert codec().decode(put(files, cloudpickle.dumps(Thing(3)))) == Thing(3)


def test_named_by_content(files: FileAccess) -> None:
    first, second = (codec().encode(Thing(1)).scalar.blob.uri for _ in range(2))
    assert first != second
    name = hashlib.sha256(content(files, first)).hexdigest()
    assert first.endswith(f"/{name}")
    assert second.endswith(f"/{name}")


def test_values_are_checked_both_ways(files: FileAccess) -> None:
    with pytest.raises(TypeTransformerFailedError, match="Expected value of type"):
        codec().encode({1})
    with pytest.raises(TypeTransformerFailedError, match="that is what the pickle"):
        codec().decode(put(files, pickle.dumps({1})))
    assert codec(Any).decode(codec(Any).encode(None)) is None
    assert codec(FlytePickle).decode(codec(FlytePickle).encode({1})) == {1}
    assert codec(FlytePickle[Thing]).decode(codec(Thing).encode(Thing(1))) == Thing(1)
    assert codec(Shape).decode(codec(Shape).encode(Thing(1))) == Thing(1)
    with pytest.raises(TypeTransformerFailedError):
        codec(FlytePickle[Thing]).encode(3)


def test_classes_that_travel_by_value(files: FileAccess) -> None:
    class Local:
        value = 7

    uri = codec(Local).encode(Local()).scalar.blob.uri
    script = f"import pickle; print(type(pickle.load(open({uri!r}, 'rb'))).value)"
    if not files.is_remote(uri):
        import subprocess

        assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"7\n"
    assert codec(Local).decode(blob(uri, "PythonPickle")).value == 7


def test_what_cannot_be_pickled(files: FileAccess, tmp_path: Path) -> None:
    with pytest.raises(TypeTransformerFailedError, match="cannot be pickled") as caught:
        codec().encode(Thing(threading.Lock()))
    assert "locks" in str(caught.value.remedy)
    assert not [p for p in (tmp_path / "sandbox").rglob("*") if p.is_file()]


@pytest.mark.parametrize("literal", [integer(3), Literal(), blob("s3://a", "PythonPickle", multipart=True)])
def test_wrong_literals(literal: Literal) -> None:
    with pytest.raises(TypeTransformerFailedError):
        codec().decode(literal)


def test_an_unreadable_pickle_says_what_differs(files: FileAccess) -> None:
    broken = b"cno_such_module\nThing\n."
    with pytest.raises(TypeTransformerFailedError, match="No module named 'no_such_module'") as caught:
        codec().decode(put(files, broken))
    assert "Install the package" in str(caught.value.remedy)
    note = b'\n#hardpoint-pickle {"python": "2.7.1", "acme": "1.0"}\n'
    with pytest.raises(TypeTransformerFailedError, match=r"python 2\.7\.1 \(here 3\.\d+\.\d+\), acme 1\.0 \(here not"):
        codec().decode(put(files, broken + note))
    for cut in (b"", b"\x80\x05", cloudpickle.dumps([1, 2])[:-3], b"\n#hardpoint-pickle {"):
        with pytest.raises(TypeTransformerFailedError, match="cannot be read"):
            codec().decode(put(files, cut))


def test_nothing_stays_in_the_sandbox(files: FileAccess, tmp_path: Path) -> None:
    assert codec().decode(codec().encode(Thing(1))) == Thing(1)
    assert not [p for p in (tmp_path / "sandbox").rglob("*") if p.is_file()]


# -- policy ----------------------------------------------------------------------------------------------------------------


def test_allow() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        codec()
    assert not caught


def test_warn() -> None:
    with settings.override(types={"pickle": "warn"}), pytest.warns(PickleWarning, match="Thing travels as a pickle"):
        codec()


def test_deny() -> None:
    with settings.override(types={"pickle": "deny"}), pytest.raises(RestrictedTypeError, match="Supported are int"):
        codec()


@pytest.mark.parametrize("policy", ["warn", "deny"])
@pytest.mark.parametrize("t", [Annotated[Thing, AllowPickle()], Annotated[Thing, AllowPickle], FlytePickle[Thing]])
def test_meant(policy: str, t: Any) -> None:
    with settings.override(types={"pickle": policy}):
        assert codec(t).decode(codec(t).encode(Thing(1))) == Thing(1)


def test_unknown_policy() -> None:
    with settings.override(types={"pickle": "perhaps"}), pytest.raises(UserError, match="perhaps"):
        codec()


# -- among others ----------------------------------------------------------------------------------------------------------


def test_the_engine_falls_back_to_it() -> None:
    assert TypeEngine.codec(Thing).name == "FlytePickle"
    things = TypeEngine.codec(list[Thing])
    assert things.decode(things.encode([Thing(1), Thing(2)])) == [Thing(1), Thing(2)]
    either = TypeEngine.codec(typing.Optional[Thing])
    assert [either.decode(either.encode(v)) for v in (None, Thing(1))] == [None, Thing(1)]
    mixed = TypeEngine.codec(typing.Union[int, Thing])
    assert mixed.encode(Thing(1)).scalar.union.type.structure.tag == "FlytePickle"
    assert mixed.encode(1).scalar.union.type.structure.tag == "int"


def test_attribute_access() -> None:
    import msgspec

    literal = binary(msgspec.msgpack.encode({"a": [1]}))
    assert codec(Any).decode(literal) == {"a": [1]}
    with pytest.raises(TypeTransformerFailedError):
        codec().decode(literal)


def test_guess() -> None:
    assert FlytePickleTransformer().guess_python_type(codec().literal_type) is FlytePickle
    with pytest.raises(ValueError, match="not a pickle"):
        FlytePickleTransformer().guess_python_type(TypeEngine.to_literal_type(int))


def test_marker() -> None:
    assert FlytePickle[Thing] is FlytePickle[Thing]
    assert FlytePickle[Thing].python_type() is Thing
    assert (FlytePickle[None], FlytePickle.python_type()) == (FlytePickle, None)


# -- bytes -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["warn", "deny"])
def test_bytes(files: FileAccess, policy: str) -> None:
    with settings.override(types={"pickle": policy}):
        made = TypeEngine.codec(bytes)
    assert made.literal_type == codec(bytes).literal_type
    literal = made.encode(b"abc\x00")
    assert pickle.loads(content(files, literal.scalar.blob.uri)) == b"abc\x00"
    assert made.decode(literal) == b"abc\x00"
    for protocol in range(2, 6):
        if protocol > 2:  # before, bytes were the call of a function
            assert made.decode(put(files, pickle.dumps(b"old", protocol))) == b"old"
    assert made.from_plain(made.to_plain(b"x")) == b"x"
    with pytest.raises(TypeTransformerFailedError):
        made.encode("text")


def test_reading_bytes_runs_no_code(files: FileAccess, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "trapped",)

    with pytest.raises(TypeTransformerFailedError, match="should hold bytes only"):
        TypeEngine.codec(bytes).decode(put(files, pickle.dumps(Trap())))
    with pytest.raises(TypeTransformerFailedError, match="that is what the pickle"):
        TypeEngine.codec(bytes).decode(put(files, pickle.dumps([1])))
    assert not (tmp_path / "trapped").exists()


def test_a_large_value_is_not_built_up_in_memory(files: FileAccess) -> None:
    import tracemalloc

    value = Thing(["x" * 1000 + str(i) for i in range(20_000)])
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        uri = store(value)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    if not files.is_remote(uri):  # the memory store itself keeps a copy
        assert peak < 8_000_000
    assert len(content(files, uri)) > 20_000_000
