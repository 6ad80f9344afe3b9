"""`pathlib.Path`: the file that it names travels along."""

from __future__ import annotations

import pickle
import typing
from pathlib import Path, PosixPath

import pytest

from hardpoint.context import FlyteContextManager, Mode
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import BlobType, binary, blob, integer
from hardpoint.storage import FileAccess
from hardpoint.types import TypeEngine

ELSEWHERE = [mode for mode in Mode if not mode.is_local]
LOCAL = [mode for mode in Mode if mode.is_local]


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> typing.Iterator[FileAccess]:
    access = FileAccess(f"memory://paths/{tmp_path.name}", str(tmp_path / "sandbox"))
    with FlyteContextManager.use(files=access):
        yield access


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "f.txt"
    path.write_text("hi")
    return path


codec = TypeEngine.codec(Path)


def test_type() -> None:
    assert (codec.literal_type.blob.format, codec.literal_type.blob.dimensionality) == ("", BlobType.SINGLE)
    assert codec.literal_type.WhichOneof("type") == "blob"


@pytest.mark.parametrize("mode", ELSEWHERE)
def test_a_file_travels(files: FileAccess, local: Path, mode: Mode) -> None:
    with FlyteContextManager.use(mode=mode):
        literal = codec.encode(local)
        assert literal.scalar.blob.uri.startswith(files.raw_output_prefix)
        local.unlink()
        back = codec.decode(literal)
    assert isinstance(back, PosixPath)
    assert (back.name, back.read_text()) == ("f.txt", "hi")


@pytest.mark.parametrize("mode", LOCAL)
def test_local_runs_hand_the_path_on(local: Path, mode: Mode) -> None:
    with FlyteContextManager.use(mode=mode):
        assert codec.decode(codec.encode(local)) == local
        assert codec.decode(codec.encode(local.parent)) == local.parent


@pytest.mark.parametrize("mode", Mode)
def test_a_name_without_a_file_stays_a_name(mode: Mode) -> None:
    with FlyteContextManager.use(mode=mode):
        assert codec.decode(codec.encode(Path("no/such/file"))) == Path("no/such/file")


def test_a_directory_is_refused_where_it_would_be_lost(local: Path) -> None:
    with (
        FlyteContextManager.use(mode=Mode.TASK_EXECUTION),
        pytest.raises(TypeTransformerFailedError, match="is a directory") as caught,
    ):
        codec.encode(local.parent)
    assert "FlyteDirectory" in str(caught.value.remedy)


def test_the_references_pickles_are_read(files: FileAccess) -> None:
    uri = files.put_raw_data(pickle.dumps(Path("/data/x")))
    assert codec.decode(blob(uri, "PythonPickle")) == Path("/data/x")
    other = files.put_raw_data(pickle.dumps(pytest.raises))
    with pytest.raises(TypeTransformerFailedError, match="should hold a path only"):
        codec.decode(blob(other, "PythonPickle"))


def test_within_a_dataclass_it_is_a_name(local: Path) -> None:
    assert codec.to_plain(local) == str(local)
    assert codec.from_plain("/a/b") == Path("/a/b")
    assert codec.schema() == {"type": "string", "format": "path"}
    assert codec.decode(binary(b"\xa2/a")) == Path("/a")


def test_wrong() -> None:
    for value in ("/a", 3, None):
        with pytest.raises(TypeTransformerFailedError):
            codec.encode(value)
    for literal in (integer(3), blob("s3://a", multipart=True), binary(b"\x03")):
        with pytest.raises(TypeTransformerFailedError):
            codec.decode(literal)
