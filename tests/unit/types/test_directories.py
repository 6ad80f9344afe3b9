"""`FlyteDirectory`: what is uploaded when, lazy listings and downloads."""

from __future__ import annotations

import os
import typing
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import pytest
from google.protobuf import text_format

from hardpoint.context import ExecutionParameters, FlyteContextManager, Mode
from hardpoint.errors import FlyteAssertion, TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType, binary, blob
from hardpoint.storage import FileAccess
from hardpoint.types import TypeEngine
from hardpoint.types.directory import (
    BatchSize,
    FlyteDirectory,
    FlyteDirToMultipartBlobTransformer,
    TensorboardLogs,
    TFRecordsDirectory,
)
from hardpoint.types.file import FlyteFile

REMOTE = "memory://directories-test"


@pytest.fixture(params=["disk", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> typing.Iterator[FileAccess]:
    raw = str(tmp_path / "raw") if request.param == "disk" else f"{REMOTE}/{uuid4().hex}/raw"
    access = FileAccess(raw, str(tmp_path / "sandbox"))
    with FlyteContextManager.use(files=access):
        yield access


@pytest.fixture
def local(tmp_path: Path) -> Path:
    folder = tmp_path / "d"
    (folder / "sub" / "deep").mkdir(parents=True)
    for name in ("x", "sub/y", "sub/deep/z"):
        (folder / name).write_text(name)
    return folder


def codec(t: Any = FlyteDirectory) -> Any:
    return TypeEngine.codec(t)


def stored(files: FileAccess, local: Path) -> str:
    return files.put_data(str(local), f"{REMOTE}/{uuid4().hex}", is_multipart=True)


def tree(folder: Any) -> dict[str, str]:
    root = Path(folder)
    return {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file()}


WHOLE = {"x": "x", "sub/y": "sub/y", "sub/deep/z": "sub/deep/z"}


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (FlyteDirectory, "blob { dimensionality: MULTIPART }"),
        (FlyteDirectory["csv"], 'blob { format: "csv" dimensionality: MULTIPART }'),
        (TensorboardLogs, 'blob { format: "tensorboard" dimensionality: MULTIPART }'),
        (TFRecordsDirectory, 'blob { format: "tfrecords_dir" dimensionality: MULTIPART }'),
    ],
)
def test_wire(t: Any, text: str) -> None:
    made = codec(t)
    assert made.literal_type == text_format.Parse(text, LiteralType())
    literal = f'scalar {{ blob {{ metadata {{ type {{ {text[7:-2]} }} }} uri: "s3://b/d" }} }}'
    assert made.encode("s3://b/d") == text_format.Parse(literal, Literal())
    assert made.name == "FlyteDirectory"
    assert FlyteDirToMultipartBlobTransformer().guess_python_type(made.literal_type) is t


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("wrap", [FlyteDirectory, str, Path])
def test_what_is_uploaded(files: FileAccess, local: Path, mode: Mode, wrap: Any) -> None:
    with FlyteContextManager.use(mode=mode):
        uri = codec().encode(wrap(local)).scalar.blob.uri
        if mode.is_local and wrap is FlyteDirectory:
            assert uri == str(local)
        else:
            assert uri.startswith(files.raw_output_prefix)
        assert tree(codec().decode(blob(uri, multipart=True))) == WHOLE


@pytest.mark.parametrize("mode", [Mode.TASK_EXECUTION, Mode.LOCAL_TASK_EXECUTION])
def test_destinations(files: FileAccess, local: Path, mode: Mode) -> None:
    target = files.join(files.raw_output_prefix, "there")
    with FlyteContextManager.use(mode=mode):
        assert codec().encode(FlyteDirectory(local, remote_directory=target)).scalar.blob.uri == target
        assert codec().encode(FlyteDirectory(local, remote_directory=False)).scalar.blob.uri == str(local)
        for value in ("s3://b/d", FlyteDirectory("s3://b/d")):
            assert codec().encode(value).scalar.blob.uri == "s3://b/d"
    assert files.exists(files.join(target, "sub/y"))


@pytest.mark.parametrize("mode", Mode)
def test_a_received_local_directory_is_handed_on_as_it_is(files: FileAccess, local: Path, mode: Mode) -> None:
    with FlyteContextManager.use(mode=mode):
        received = codec().decode(blob(str(local), multipart=True))
        assert (received.remote_directory, received.remote_source) == (False, None)
        assert codec().encode(received).scalar.blob.uri == str(local)


def test_a_received_directory_is_fetched_once_and_only_when_needed(files: FileAccess, local: Path) -> None:
    uri = stored(files, local)
    received = codec().decode(blob(uri, multipart=True))
    assert (received.remote_source, received.downloaded, os.path.exists(received.path)) == (uri, False, False)
    assert tree(received) == WHOLE
    files.rm(uri, recursive=True)
    assert sorted(os.listdir(received)) == ["sub", "x"]
    assert (received / "sub" / "y").read_text() == "sub/y"


@pytest.mark.parametrize("where", ["local", "remote", "fetched"])
def test_looking_in(files: FileAccess, local: Path, where: str) -> None:
    directory = FlyteDirectory(local if where == "local" else stored(files, local))
    if where == "fetched":
        directory.download()
    children = FlyteDirectory.listdir(directory)
    assert [type(child) for child in children] == [FlyteDirectory, FlyteFile]
    assert [child.downloaded for child in children] == [False, False]
    assert Path(children[1]).read_text() == "x"
    assert tree(children[0]) == {"y": "sub/y", "deep/z": "sub/deep/z"}
    assert isinstance(children[0], FlyteDirectory)
    assert [Path(child).name for child in FlyteDirectory.listdir(children[0])] == ["deep", "y"]
    assert directory.downloaded is (where == "fetched")


@pytest.mark.parametrize("remote", [False, True])
def test_crawl(files: FileAccess, local: Path, remote: bool) -> None:
    place = stored(files, local) if remote else str(local)
    directory = FlyteDirectory(place)
    assert list(directory.crawl()) == [(place, "x"), (place, "sub/y"), (place, "sub/deep/z")]
    assert list(directory.crawl(topdown=False)) == [(place, "sub/deep/z"), (place, "sub/y"), (place, "x")]
    assert list(directory.crawl(maxdepth=1)) == [(place, "x")]
    ((_, detail),) = directory.crawl(maxdepth=1, detail=True)
    assert detail["x"]["size"] == 1


def test_new_places(files: FileAccess) -> None:
    remote = FlyteDirectory.new_remote("stem")
    assert remote.path.endswith("/stem")
    with remote.new_dir("inner").new_file("a.txt").open("w") as stream:
        stream.write("hi")
    assert tree(remote) == {"inner/a.txt": "hi"}
    assert remote.new_file().path != remote.new_file().path
    assert FlyteDirectory.new_remote(alt="s3://other").path.startswith("s3://other/")
    with FlyteContextManager.use(params=ExecutionParameters()):
        made = FlyteDirectory.new("sub/d")
        assert os.path.isdir(made.path)
        with pytest.raises(FileExistsError):
            FlyteDirectory.new("sub/d")


@pytest.mark.parametrize("value", ["/no/such", FlyteDirectory("/no/such"), Path(__file__), FlyteDirectory(__file__)])
@pytest.mark.parametrize("mode", [Mode.TASK_EXECUTION, Mode.LOCAL_TASK_EXECUTION])
def test_what_is_no_directory(files: FileAccess, value: Any, mode: Mode) -> None:
    with FlyteContextManager.use(mode=mode), pytest.raises(TypeTransformerFailedError, match="not a directory"):
        codec().encode(value)


def test_wrong_kinds(files: FileAccess) -> None:
    for value in (3, None, FlyteFile("s3://a/b")):
        with pytest.raises(TypeTransformerFailedError, match=r"Expected FlyteDirectory or os\.PathLike"):
            codec().encode(value)
    with pytest.raises(TypeTransformerFailedError, match=r"s3://a is not a directory"):
        codec().decode(blob("s3://a"))
    with pytest.raises(FlyteAssertion, match=r"Expected a directory, but the given uri '/nope'"):
        codec().decode(blob("/nope", multipart=True))


def test_attribute_access() -> None:
    import msgspec

    assert codec().decode(binary(msgspec.msgpack.encode({"path": "s3://a/d"}))).remote_source == "s3://a/d"


def test_unions_tell_files_from_directories(files: FileAccess, local: Path) -> None:
    either = TypeEngine.codec(
        typing.Union[
            FlyteFile,
            FlyteDirectory,
        ]
    )
    for value, tag in ((str(local), "FlyteDirectory"), (str(local / "x"), "FlyteFilePath")):
        assert either.encode(value).scalar.union.type.structure.tag == tag


def test_batches(s3_bucket: str, local: Path, tmp_path: Path) -> None:
    with FlyteContextManager.use(files=FileAccess(f"{s3_bucket}/raw", str(tmp_path / "sandbox"))):
        limited = codec(Annotated[FlyteDirectory, BatchSize(1)])
        received = limited.decode(limited.encode(local))
        assert received.remote_source.startswith(s3_bucket)
        assert tree(received) == WHOLE
    with pytest.raises(TypeTransformerFailedError):
        BatchSize(0)
