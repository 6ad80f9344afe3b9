"""Arrays of numpy: bit for bit, streamed, and as the annotation says."""

from __future__ import annotations

import datetime
import typing
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hardpoint.context import FlyteContextManager
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import LiteralType, blob, integer, native
from hardpoint.storage import FileAccess
from hardpoint.types import HashMethod, TypeEngine
from hardpoint.types.columns import kwtypes
from hardpoint.types.numpy import NDArraySpec, NumpyArrayTransformer, content_hash, read_rows


@pytest.fixture(autouse=True, params=["disk", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> typing.Iterator[FileAccess]:
    raw = str(tmp_path / "raw") if request.param == "disk" else f"memory://arrays/{tmp_path.name}"
    access = FileAccess(raw, str(tmp_path / "sandbox"))
    with FlyteContextManager.use(files=access):
        yield access


def codec(t: Any = np.ndarray) -> Any:
    return TypeEngine.codec(t)


def same(left: Any, right: Any) -> None:
    assert (left.dtype, left.shape, type(left)) == (right.dtype, right.shape, np.ndarray)
    assert left.tobytes() == right.tobytes()


def test_wire(files: FileAccess) -> None:
    assert codec().literal_type == text_format.Parse('blob { format: "NumpyArray" }', LiteralType())
    assert codec().name == "Numpy Array"
    literal = codec().encode(np.arange(3, dtype="<i8"))
    assert literal.scalar.blob.metadata.type.format == "NumpyArray"
    assert literal.scalar.blob.uri.endswith(".npy")
    with files.open(literal.scalar.blob.uri, "rb") as stream:
        expected = np.load(stream)
        stream.seek(0)
        data = stream.read()
    same(expected, np.arange(3, dtype="<i8"))
    assert data.startswith(b"\x93NUMPY\x01\x00v\x00{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }")
    assert len(data) == 128 + 24


DTYPES = st.one_of(hnp.scalar_dtypes(), hnp.array_dtypes(hnp.scalar_dtypes()))
IGNORE = pytest.mark.filterwarnings("ignore:Stored array in format:UserWarning")  # a newer one, which is meant


@IGNORE
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    array=hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, min_side=0, max_side=4)),
    order=st.sampled_from(["C", "F", "strided", "readonly"]),
)
def test_round_trip(array: Any, order: str) -> None:
    array = np.asarray(array)
    if order == "strided" and array.ndim:
        array = array[::2]
    elif order == "F":
        array = np.asfortranarray(array) if array.ndim else array
    elif order == "readonly":
        array.flags.writeable = False
    back = codec().decode(codec().encode(array))
    same(back, array)
    assert back.flags.writeable
    if array.ndim > 1 and array.size and array.flags.f_contiguous and not array.flags.c_contiguous:
        assert back.flags.f_contiguous


@pytest.mark.parametrize(
    "array",
    [
        np.array(3.5),
        np.empty((0, 3)),
        np.array(["2024-01-02", "NaT"], "M8[ns]"),
        np.array([1, 2], "m8[s]"),
        np.array([(1, "é", 2.5)], [("a", ">i4"), ("b", "U3"), ("c", "<f8", (2,))]),
        np.array([(1,)], [("€" * 10, "i4")]),
        np.arange(6, dtype=">u2").reshape(2, 3),
        np.zeros(3, "V0"),
        np.zeros(3, "S0"),
    ],
    ids=lambda a: str(a.dtype)[:20],
)
@IGNORE
def test_unusual_arrays(array: Any) -> None:
    same(codec().decode(codec().encode(array)), array)


def test_objects() -> None:
    array = np.array([{"a": 1}, None], dtype=object)
    with pytest.raises(ValueError, match="Object arrays cannot be saved when allow_pickle=False"):
        codec().encode(array)
    for extra in (kwtypes(allow_pickle=True), NDArraySpec(allow_pickle=True)):
        allowed = codec(Annotated[np.ndarray, extra])
        literal = allowed.encode(array)
        assert list(allowed.decode(literal)) == [{"a": 1}, None]
        with pytest.raises(ValueError, match="allow_pickle=False"):
            codec().decode(literal)


@pytest.mark.parametrize("mode", ["r", "c", "r+", "w+"])
@pytest.mark.parametrize("spec", [NDArraySpec, kwtypes])
def test_mapping(files: FileAccess, mode: Any, spec: Any) -> None:
    literal = codec().encode(np.arange(4))
    mapped = codec(Annotated[np.ndarray, spec(mmap_mode=mode)]).decode(literal)
    assert isinstance(mapped, np.memmap)
    assert mapped.tolist() == [0, 1, 2, 3]
    if mode != "r":
        mapped[0] = 9
    same(codec().decode(literal), np.arange(4))


def test_declared_dtypes_and_shapes() -> None:
    t = Annotated[np.ndarray, NDArraySpec(dtype="float32", shape=(None, 3))]
    metadata = native(codec(t).literal_type.metadata)
    assert metadata == {"dtype": "float32", "shape": [None, 3]}
    assert codec(t).literal_type.blob == codec().literal_type.blob
    fitting = np.zeros((2, 3), "f4")
    same(codec(t).decode(codec(t).encode(fitting)), fitting)
    for wrong, why in ((np.zeros((2, 3)), "float64, not float32"), (np.zeros(3, "f4"), r"its shape is \(3,\)")):
        with pytest.raises(TypeTransformerFailedError, match=why):
            codec(t).encode(wrong)
        with pytest.raises(TypeTransformerFailedError, match=why):
            codec(t).decode(codec().encode(wrong))


def test_types_of_numpy_typing() -> None:
    t = npt.NDArray[np.float64]
    assert native(codec(t).literal_type.metadata) == {"dtype": "float64"}
    same(codec(t).decode(codec(t).encode(np.zeros(2))), np.zeros(2))
    with pytest.raises(TypeTransformerFailedError, match="int64, not float64"):
        codec(t).encode(np.zeros(2, int))
    assert codec(npt.NDArray[Any]).encode(np.zeros(2, int))
    family = npt.NDArray[np.floating[Any]]
    assert native(codec(family).literal_type.metadata) == {"dtype": "floating"}
    assert codec(family).encode(np.zeros(2, "f2"))
    annotated = Annotated[npt.NDArray[np.int64], NDArraySpec(shape=(2,))]
    assert native(codec(annotated).literal_type.metadata) == {"dtype": "int64", "shape": [2]}
    same(codec(annotated).decode(codec(annotated).encode(np.zeros(2, int))), np.zeros(2, int))
    assert codec(Annotated[np.ndarray, NDArraySpec(dtype=np.floating)]).encode(np.zeros(2, "f2"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: NDArraySpec(mmap_mode="x"),  # type: ignore[arg-type]
        lambda: NDArraySpec(dtype="no such dtype"),
        lambda: NDArraySpec(allow_pickle=True, mmap_mode="r"),
        lambda: codec(Annotated[np.ndarray, kwtypes(allow_pickel=True)]),
        lambda: codec(Annotated[np.ndarray, kwtypes(allow_pickle=True), NDArraySpec()]),
    ],
)
def test_wrong_annotations_are_said_when_the_type_is_defined(make: Any) -> None:
    with pytest.raises(TypeTransformerFailedError):
        make()


def test_other_values() -> None:
    for value in ([1, 2], 3, None, "x"):
        assert not codec().accepts(value)
        with pytest.raises(TypeTransformerFailedError, match=r"coerce=True"):
            codec().encode(value)
    made = codec(Annotated[np.ndarray, NDArraySpec(coerce=True)])
    same(made.decode(made.encode([1, 2])), np.array([1, 2]))
    with pytest.raises(TypeTransformerFailedError, match="the mask would be lost"):
        codec().encode(np.ma.masked_array([1, 2], [True, False]))


def test_wrong_files(files: FileAccess) -> None:
    with pytest.raises(TypeTransformerFailedError):
        codec().decode(integer(3))
    whole = codec().encode(np.arange(100))
    with files.open(whole.scalar.blob.uri, "rb") as stream:
        data = stream.read()
    for broken in (b"", b"not an array", data[:-1], data[:100]):
        with pytest.raises(TypeTransformerFailedError):
            codec().decode(blob(files.put_raw_data(broken), "NumpyArray"))


def test_rows_of_an_array() -> None:
    array = np.arange(40, dtype=">i4").reshape(10, 2, 2)
    uri = codec().encode(array).scalar.blob.uri
    for start, stop in ((0, 2), (3, 7), (8, 50), (5, 5), (7, 3)):
        same(read_rows(uri, start, stop), array[start:stop])
    for wrong in (np.array(1), np.asfortranarray(array[:, :, 0])):
        with pytest.raises(TypeTransformerFailedError, match="by rows"):
            read_rows(codec().encode(wrong).scalar.blob.uri, 0, 1)


def test_hashes() -> None:
    array = np.arange(6).reshape(2, 3)
    assert content_hash(array) == content_hash(np.asfortranarray(array)) == content_hash(array.copy())
    others = (array.T, array.astype("i4"), array + 1, array.ravel(), np.empty(0))
    assert len({content_hash(a) for a in (array, *others)}) == 6
    with pytest.raises(TypeTransformerFailedError):
        content_hash(np.array([None]))
    t = Annotated[np.ndarray, HashMethod(content_hash)]
    assert TypeEngine.codec(t).encode(array).hash == content_hash(array)


def test_an_array_is_never_twice_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    with FlyteContextManager.use(files=FileAccess(str(tmp_path / "raw"), str(tmp_path / "sandbox"))):
        array = np.zeros((2000, 2000))
        tracemalloc.start()
        try:
            literal = codec().encode(array)
            writing = tracemalloc.get_traced_memory()[1]
            back = codec().decode(literal)
            reading = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert writing < 0.1 * array.nbytes
    assert reading < 1.1 * back.nbytes


def html(array: Any) -> str:
    return NumpyArrayTransformer().to_html(FlyteContextManager.current_context(), array, np.ndarray)


def test_html() -> None:
    shown = html(np.array([1.0, 2.0, np.nan]))
    for cell in (
        "float64",
        "(3,)",
        "1.5",
        "<th>NaN</th><td>1</td>",
        "<th>min</th><td>1</td>",
        "<th>max</th><td>2</td>",
    ):
        assert cell in shown
    assert "of a sample of" in html(np.zeros((1000, 1000), "u1"))
    assert "[(&#x27;a&#x27;, &#x27;S1&#x27;)]" in html(np.zeros(2, [("a", "S1")]))
    for array in (np.zeros(0), np.array(1), np.zeros(2, complex), np.full(2, np.nan), np.array([datetime.date.min])):
        assert html(array).startswith("<table>")


def test_guess() -> None:
    guess = NumpyArrayTransformer().guess_python_type
    assert guess(codec().literal_type) is np.ndarray
    with pytest.raises(ValueError, match="not an array"):
        guess(TypeEngine.to_literal_type(int))
