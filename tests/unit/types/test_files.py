"""`FlyteFile`: what is uploaded when, lazy downloads, formats, and its life inside dataclasses and models."""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
import threading
import typing
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import pydantic
import pytest
from google.protobuf import text_format

from hardpoint import settings
from hardpoint.context import ExecutionParameters, FlyteContextManager, Mode
from hardpoint.errors import FlyteAssertion, TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType, binary, blob, integer, record
from hardpoint.storage import FileAccess
from hardpoint.types import TypeEngine
from hardpoint.types import file as file_package
from hardpoint.types.file import (
    CSVFile,
    FileExt,
    FlyteFile,
    FlyteFilePathTransformer,
    FormatWarning,
    HDF5EncodedFile,
    JSONLFile,
    PNGImageFile,
)
from hardpoint.types.file.formats import FORMATS, contradiction
from hardpoint.types.file.transformer import BinaryIOTransformer, TextIOTransformer

LOCAL = [mode for mode in Mode if mode.is_local]
ELSEWHERE = [mode for mode in Mode if not mode.is_local]
REMOTE = "memory://files-test"


@pytest.fixture(params=["disk", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> typing.Iterator[FileAccess]:
    raw = str(tmp_path / "raw") if request.param == "disk" else f"{REMOTE}/{tmp_path.name}/raw"
    access = FileAccess(raw, str(tmp_path / "sandbox"))
    with FlyteContextManager.use(files=access):
        yield access


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "f.txt"
    path.write_text("hi")
    return path


def codec(t: Any = FlyteFile) -> Any:
    return TypeEngine.codec(t)


def content(files: FileAccess, uri: str) -> bytes:
    with files.open(uri, "rb") as stream:
        data: bytes = stream.read()
        return data


# -- the wire --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (FlyteFile, "blob {}"),
        (os.PathLike, "blob {}"),
        (FlyteFile["csv"], 'blob { format: "csv" }'),
        (FlyteFile["~.tar.gz"], 'blob { format: "tar.gz" }'),
        (FlyteFile[typing.TypeVar("hdf5")], 'blob { format: "hdf5" }'),
        (FlyteFile[Annotated[str, FileExt("tar.gz")]], 'blob { format: "tar.gz" }'),
        (JSONLFile, 'blob { format: "jsonl" }'),
    ],
)
def test_literal_type(t: Any, text: str) -> None:
    assert codec(t).literal_type == text_format.Parse(text, LiteralType())
    assert codec(t).name == "FlyteFilePath"


def test_literal() -> None:
    made = codec(CSVFile).encode("s3://a/b.csv")
    text = 'scalar { blob { metadata { type { format: "csv" } } uri: "s3://a/b.csv" } }'
    assert made == text_format.Parse(text, Literal())
    bare = text_format.Parse('scalar { blob { metadata { type { } } uri: "s3://a" } }', Literal())
    assert codec().encode("s3://a").SerializeToString() == bare.SerializeToString()


def test_metadata_travels(files: FileAccess) -> None:
    made = codec().encode(FlyteFile("s3://a/b", metadata={"k": "v"}))
    assert dict(made.metadata) == {"k": "v"}
    assert codec().decode(made).metadata == {"k": "v"}


# -- what is uploaded ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ELSEWHERE)
@pytest.mark.parametrize("wrap", [FlyteFile, str, Path, lambda p: f"file://{p}"])
def test_is_uploaded_where_others_could_not_see_it(files: FileAccess, local: Path, mode: Mode, wrap: Any) -> None:
    with FlyteContextManager.use(mode=mode):
        uri = codec().encode(wrap(local)).scalar.blob.uri
    assert uri.startswith(files.raw_output_prefix)
    assert uri.endswith("/f.txt")
    assert content(files, uri) == b"hi"


@pytest.mark.parametrize("mode", LOCAL)
def test_is_handed_on_by_its_path_in_local_runs(files: FileAccess, local: Path, mode: Mode) -> None:
    with FlyteContextManager.use(mode=mode):
        assert codec().encode(FlyteFile(local)).scalar.blob.uri == str(local)
        assert codec().encode(str(local)).scalar.blob.uri == str(local)
        assert codec().encode(local).scalar.blob.uri.startswith(files.raw_output_prefix)
        back = codec().decode(codec().encode(FlyteFile(local)))
        assert (back.path, back.remote_source, Path(back).read_text()) == (str(local), None, "hi")


@pytest.mark.parametrize("mode", [Mode.TASK_EXECUTION, Mode.LOCAL_TASK_EXECUTION])
def test_a_destination_is_used_in_every_mode(files: FileAccess, local: Path, mode: Mode) -> None:
    target = files.join(files.raw_output_prefix, "there.txt")
    with FlyteContextManager.use(mode=mode):
        assert codec().encode(FlyteFile(local, remote_path=target)).scalar.blob.uri == target
        assert codec().encode(FlyteFile(local, remote_path=False)).scalar.blob.uri == str(local)
    assert content(files, target) == b"hi"


@pytest.mark.parametrize("mode", Mode)
def test_what_is_remote_stays_where_it_is(files: FileAccess, mode: Mode) -> None:
    with FlyteContextManager.use(mode=mode):
        for value in ("s3://b/k", FlyteFile("s3://b/k"), FlyteFile("s3://b/k", remote_path="s3://z/q")):
            assert codec().encode(value).scalar.blob.uri == "s3://b/k"
        assert codec(os.PathLike).encode("s3://b/k").scalar.blob.uri == "s3://b/k"


@pytest.mark.parametrize("mode", Mode)
def test_a_pathlike_is_only_named(files: FileAccess, local: Path, mode: Mode) -> None:
    with FlyteContextManager.use(mode=mode):
        for value in (str(local), local, FlyteFile(local)):
            assert codec(os.PathLike).encode(value).scalar.blob.uri == str(local)


def test_a_file_that_changes_is_never_answered_with_its_old_content(files: FileAccess, local: Path) -> None:
    first = codec().encode(str(local)).scalar.blob.uri
    local.write_text("changed")
    second = codec().encode(str(local)).scalar.blob.uri
    assert (content(files, first), content(files, second)) == (b"hi", b"changed")


def test_encoding_leaves_the_value_as_it_was(files: FileAccess, local: Path) -> None:
    value = FlyteFile(local)
    before = dict(vars(value))
    codec().encode(value)
    assert vars(value) == before


@pytest.mark.parametrize("value", ["/no/such/file", FlyteFile("/no/such/file"), Path("/no/such/file")])
@pytest.mark.parametrize("mode", [Mode.TASK_EXECUTION, Mode.LOCAL_TASK_EXECUTION])
def test_a_missing_file_is_said_at_once(files: FileAccess, value: Any, mode: Mode) -> None:
    with (
        FlyteContextManager.use(mode=mode),
        pytest.raises(TypeTransformerFailedError, match="/no/such/file because it's not a file"),
    ):
        codec().encode(value)


def test_a_folder_is_no_file(files: FileAccess, tmp_path: Path) -> None:
    with pytest.raises(TypeTransformerFailedError, match="not a file"):
        codec().encode(str(tmp_path))


@pytest.mark.parametrize("value", [3, None, b"x", ["a"]])
def test_what_is_no_path_is_refused(files: FileAccess, value: Any) -> None:
    with pytest.raises(TypeTransformerFailedError, match="No automatic conversion found"):
        codec().encode(value)


# -- reading ---------------------------------------------------------------------------------------------------------------


def stored(name: str, data: bytes = b"remote") -> str:
    uri = f"{REMOTE}/{name}"
    with FlyteContextManager.current_context().file_access.open(uri, "wb") as stream:
        stream.write(data)
    return uri


def test_a_received_file_is_fetched_once_and_only_when_needed(files: FileAccess) -> None:
    uri = stored("lazy.txt")
    received = codec().decode(blob(uri))
    assert (received.remote_source, received.downloaded) == (uri, False)
    assert received.path.endswith("/lazy.txt")
    assert not os.path.exists(received.path)
    with open(received) as stream:
        assert stream.read() == "remote"
    assert received.downloaded
    assert received.download() == received.path == os.fspath(received)
    files.rm(uri)
    assert Path(received).read_text() == "remote"


def test_threads_share_one_download(files: FileAccess) -> None:
    calls: list[int] = []
    barrier = threading.Barrier(8)
    file = FlyteFile("/tmp/anything", downloader=lambda: calls.append(1))

    def use() -> None:
        barrier.wait()
        file.download()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1]


def test_a_failed_download_is_tried_again(files: FileAccess) -> None:
    uri = f"{REMOTE}/late-{uuid4().hex}.txt"
    received = codec().decode(blob(uri))
    with pytest.raises(FileNotFoundError):
        received.download()
    stored(uri.removeprefix(f"{REMOTE}/"))
    assert Path(received.download()).read_bytes() == b"remote"


def test_made_from_a_uri_it_keeps_its_path(files: FileAccess) -> None:
    uri = stored("kept.txt")
    file = FlyteFile(uri)
    assert (file.path, str(file), file.remote_source) == (uri, uri, uri)
    assert Path(file).read_text() == "remote"
    assert file.path == uri


def test_open_streams(files: FileAccess) -> None:
    received = codec().decode(blob(stored("stream.txt", b"a\nb\n")))
    with received.open() as stream:
        assert list(stream) == ["a\n", "b\n"]
    with received.open("rb", cache_type="none") as stream:
        assert stream.read(1) == b"a"
    assert not received.downloaded


def test_new_remote_file_is_written_in_place(files: FileAccess) -> None:
    file = FlyteFile.new_remote_file("out.csv")
    with file.open("w") as stream:
        stream.write("a,b\n")
    uri = codec(CSVFile).encode(file).scalar.blob.uri
    assert uri.endswith("/out.csv")
    assert content(files, uri) == b"a,b\n"
    assert FlyteFile.new_remote_file("out.csv").path != file.path


def test_places_of_new_files(tmp_path: Path) -> None:
    with FlyteContextManager.use(files=FileAccess("s3://bucket/pre", str(tmp_path))):
        assert FlyteFile.new_remote_file().path.startswith("s3://bucket/pre/")
        moved = FlyteFile.new_remote_file("n.txt", alt="other").path
        assert moved.startswith("s3://other/pre/")
        assert moved.endswith("/n.txt")
        assert FlyteFile.new_remote_file("n.txt", alt="s3://other/x").path == "s3://other/x/n.txt"
    with FlyteContextManager.use(params=ExecutionParameters()):
        made = FlyteFile.new("sub/new.txt")
        Path(made.path).write_text("x")
        assert made.remote_source is None
        assert made.path.endswith("/sub/new.txt")


def test_wrong_literals(files: FileAccess) -> None:
    with pytest.raises(TypeTransformerFailedError, match=r"s3://a is not a file"):
        codec().decode(blob("s3://a", multipart=True))
    with pytest.raises(FlyteAssertion, match="Expected a file, but /nope"):
        codec().decode(blob("/nope"))
    with pytest.raises(TypeTransformerFailedError, match=r"scalar\.primitive\.integer"):
        codec().decode(integer(3))


def test_attribute_access(files: FileAccess) -> None:
    import msgspec

    plain = {"path": "s3://a/b", "metadata": {"k": "v"}}
    for literal in (binary(msgspec.msgpack.encode(plain)), record(plain)):
        read = codec().decode(literal)
        assert (read.remote_source, read.metadata) == ("s3://a/b", {"k": "v"})
    assert codec().decode(binary(msgspec.msgpack.encode("s3://c"))).remote_source == "s3://c"


@pytest.mark.parametrize(
    ("transformer", "expected"), [(TextIOTransformer, "text é"), (BinaryIOTransformer, "text é".encode())]
)
def test_open_files(files: FileAccess, transformer: Any, expected: Any) -> None:
    opened = codec(transformer().python_type)
    assert isinstance(opened.transformer, transformer)
    with opened.decode(blob(stored("t.txt", "text é".encode()), opened.literal_type.blob.format)) as stream:
        assert stream.read() == expected
    with pytest.raises(TypeTransformerFailedError):
        opened.encode(expected)


# -- as a value ------------------------------------------------------------------------------------------------------------


def test_equality() -> None:
    assert FlyteFile("/a") == FlyteFile("/a") == "/a"
    assert hash(FlyteFile("/a")) == hash(FlyteFile("/a"))
    assert FlyteFile("/a") != FlyteFile("/b")
    assert FlyteFile("/a") != FlyteFile["csv"]("/a")
    assert FlyteFile("/a") != FlyteFile("/a", remote_path="/b")
    assert FlyteFile("/a") != 3
    assert codec().decode(blob("s3://a/b")) == codec().decode(blob("s3://a/b")) == FlyteFile("s3://a/b") == "s3://a/b"
    assert FlyteFile("file:///a").path == "/a"


def test_classes_of_formats() -> None:
    assert FlyteFile["csv"] is FlyteFile["csv"] is CSVFile
    assert FlyteFile[None] is FlyteFile[""] is FlyteFile
    assert CSVFile["png"] is PNGImageFile
    assert issubclass(CSVFile, FlyteFile)
    assert (FlyteFile.extension(), CSVFile.extension()) == ("", "csv")
    for wrong in (int, 3, Annotated[int, FileExt("x")]):
        with pytest.raises(TypeTransformerFailedError):
            FlyteFile[wrong]


class Own(CSVFile):  # type: ignore[valid-type, misc]
    """A user's class of file."""


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f))])
def test_copies(files: FileAccess, duplicate: Any) -> None:
    received = codec(CSVFile).decode(blob(stored("copied.csv", b"a,b"), "csv"))
    received.download()
    other = duplicate(received)
    assert type(other) is CSVFile
    assert other.remote_source == received.remote_source
    assert Path(other).read_bytes() == b"a,b"
    assert duplicate(FlyteFile("/a", metadata={"k": "v"})).metadata == {"k": "v"}
    assert type(duplicate(Own("/a"))) is Own


def test_accepts(local: Path, tmp_path: Path) -> None:
    accepts = codec(CSVFile).accepts
    assert all(map(accepts, (FlyteFile("/a"), CSVFile("/a"), str(local), local, "s3://a/b")))
    assert not any(map(accepts, (PNGImageFile("/a"), str(tmp_path), 3, None)))


def test_classes_of_formats_travel_by_value() -> None:
    import cloudpickle

    made = pickle.loads(cloudpickle.dumps(CSVFile))
    assert issubclass(made, FlyteFile)
    assert made.extension() == "csv"
    assert made("/a") == CSVFile("/a")
    assert codec(made).encode("s3://a").scalar.blob.metadata.type.format == "csv"


def test_what_was_written_is_fetched_anew(files: FileAccess) -> None:
    file = FlyteFile(stored(f"{uuid4().hex}.txt", b"old"))
    assert Path(file).read_text() == "old"
    with file.open("w") as stream:
        stream.write("new")
    assert Path(file).read_text() == "new"


def test_guess() -> None:
    guess = FlyteFilePathTransformer().guess_python_type
    assert guess(codec(CSVFile).literal_type) is CSVFile
    assert guess(codec().literal_type) is FlyteFile
    with pytest.raises(ValueError, match="not a file"):
        guess(TypeEngine.to_literal_type(int))


def test_html_is_escaped() -> None:
    html = FlyteFilePathTransformer().to_html(FlyteContextManager.current_context(), "s3://a/<b>", FlyteFile)
    assert html == "s3://a/&lt;b&gt;"


# -- inside other values -----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Holder:
    f: FlyteFile
    many: list[FlyteFile] = dataclasses.field(default_factory=list)
    maybe: FlyteFile | None = None


@pytest.mark.parametrize("mode", [Mode.TASK_EXECUTION, Mode.LOCAL_TASK_EXECUTION])
def test_in_a_dataclass(files: FileAccess, local: Path, mode: Mode) -> None:
    import msgspec

    value = Holder(FlyteFile(local), [FlyteFile("s3://a/b", metadata={"k": "v"})], str(local))  # type: ignore[arg-type]
    with FlyteContextManager.use(mode=mode):
        literal = TypeEngine.codec(Holder).encode(value)
        assert value.maybe == str(local), "the user's object is not changed"
        plain = msgspec.msgpack.decode(literal.scalar.binary.value)
        uris = [plain["f"].pop("path"), plain["maybe"].pop("path")]
        assert plain == {"f": {}, "many": [{"path": "s3://a/b", "metadata": {"k": "v"}}], "maybe": {}}
        if mode.is_local:
            assert uris == [str(local)] * 2
        assert [content(files, uri) for uri in uris] == [b"hi", b"hi"]
        back = TypeEngine.codec(Holder).decode(literal)
    assert Path(back.f).read_text() == "hi"
    assert isinstance(back.maybe, FlyteFile)
    assert back.many[0].metadata == {"k": "v"}


def test_in_containers_and_unions(files: FileAccess, local: Path) -> None:
    listed = TypeEngine.codec(list[FlyteFile])
    back = listed.decode(listed.encode([FlyteFile(local), str(local)]))
    assert [Path(f).read_text() for f in back] == ["hi", "hi"]
    either = TypeEngine.codec(typing.Union[FlyteFile, str, None])
    assert either.encode(FlyteFile("s3://a")).scalar.union.type.structure.tag == "FlyteFilePath"
    assert either.encode("s3://a").scalar.union.type.structure.tag == "str"
    assert TypeEngine.codec(typing.Optional[FlyteFile]).encode("s3://a").scalar.union.value.scalar.blob.uri == "s3://a"


class Model(pydantic.BaseModel):
    f: FlyteFile
    c: CSVFile | None = None


def test_in_a_pydantic_model(files: FileAccess, local: Path) -> None:
    model = Model(f=FlyteFile(local), c="s3://a/b.csv")
    assert type(model.c) is CSVFile
    assert model.model_dump()["f"] is model.f
    with FlyteContextManager.use(mode=Mode.LOCAL_TASK_EXECUTION):
        text = model.model_dump_json()
        assert text == f'{{"f":{{"path":"{local}"}},"c":{{"path":"s3://a/b.csv"}}}}'
    back = Model.model_validate_json('{"f":{"path":"s3://q/w","metadata":{"a":"b"}}}')
    assert (back.f.remote_source, back.f.metadata) == ("s3://q/w", {"a": "b"})
    for wrong in ({}, {"path": 3}, 3):
        with pytest.raises(pydantic.ValidationError):
            Model(f=wrong)  # type: ignore[arg-type]


def test_a_file_that_is_missing_in_a_model(files: FileAccess) -> None:
    with pytest.raises(ValueError, match="/no/such because it's not a file"):
        TypeEngine.codec(Model).encode(Model(f=FlyteFile("/no/such")))


def test_schema_of_a_pydantic_model() -> None:
    schema = Model.model_json_schema()
    path = {"anyOf": [{"type": "string"}, {"type": "string", "format": "path"}], "default": None, "title": "Path"}
    described = [d for d in schema["$defs"].values() if d["title"] == "FlyteFile"]
    assert described[0]["properties"]["path"] == path
    assert schema["properties"]["f"]["$ref"].startswith("#/$defs/")


def test_a_model_uploads_on_a_cluster(files: FileAccess, local: Path) -> None:
    with FlyteContextManager.use(mode=Mode.TASK_EXECUTION):
        literal = TypeEngine.codec(Model).encode(Model(f=FlyteFile(local)))
        back = TypeEngine.codec(Model).decode(literal)
    assert str(back.f.remote_source or back.f.path).startswith(files.raw_output_prefix)
    assert Path(back.f).read_text() == "hi"


# -- formats ---------------------------------------------------------------------------------------------------------------

GOOD = {
    "csv": b"a,b\n1,2\n",
    "gz": b"\x1f\x8b\x08\x00",
    "hdf5": b"\x89HDF\r\n\x1a\n\x00",
    "html": b"\n<!doctype html>",
    "ipynb": b'{"cells": []}',
    "joblib": b"\x80\x04\x95",
    "jpeg": b"\xff\xd8\xff\xe0",
    "json": b'\xef\xbb\xbf {"a": 1}',
    "jsonl": b'{"a": 1}\n[2]\n',
    "mp4": b"\x00\x00\x00\x18ftypisom",
    "npy": b"\x93NUMPY\x01\x00",
    "onnx": b"\x08\x07\x12\x07pytorch",
    "parquet": b"PAR1\x15\x04",
    "pdf": b"%PDF-1.7",
    "png": b"\x89PNG\r\n\x1a\n",
    "python_pickle": b"\x80\x05K\x03.",
    "svg": b"<svg xmlns='x'/>",
    "tfrecord": (18).to_bytes(8, "little") + b"\x01\x02\x03\x04data",
    "txt": "naïve".encode(),
    "wav": b"RIFF\x00\x00\x00\x00WAVEfmt ",
    "yaml": b"a: 1\n",
    "zip": b"PK\x03\x04\x14",
}


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_knows_its_files_from_others(format: str) -> None:
    assert contradiction(format, GOOD[format]) == ""
    wrong = GOOD["png"] if format != "png" else GOOD["pdf"]
    assert contradiction(format, wrong)
    assert contradiction("no such format", wrong) == ""


def test_every_alias_is_in_the_table() -> None:
    aliases = [t for t in vars(file_package).values() if isinstance(t, type) and issubclass(t, FlyteFile)]
    assert {t.extension() for t in aliases} - {""} <= set(FORMATS)
    assert len(aliases) >= 20


@pytest.mark.parametrize("policy", ["off", "warn", "raise"])
def test_policy(files: FileAccess, tmp_path: Path, policy: str) -> None:
    wrong = tmp_path / "x.h5"
    wrong.write_bytes(GOOD["png"])
    with settings.override(types={"validate_files": policy}):
        if policy == "warn":
            with pytest.warns(FormatWarning, match="expected hdf5, got image/png"):
                codec(HDF5EncodedFile).encode(str(wrong))
        elif policy == "raise":
            with pytest.raises(ValueError, match="Incorrect file type, expected hdf5, got image/png"):
                codec(HDF5EncodedFile).encode(str(wrong))
        else:
            assert codec(HDF5EncodedFile).encode(str(wrong)).scalar.blob.uri


def test_what_is_downloaded_is_looked_at_too(files: FileAccess) -> None:
    received = codec(PNGImageFile).decode(blob(stored("x.png", b"%PDF-1.7"), "png"))
    with settings.override(types={"validate_files": "raise"}), pytest.raises(ValueError, match="got application/pdf"):
        received.download()


def test_a_compressed_file_says_so_to_the_store(s3_bucket: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(GOOD["gz"])
    access = FileAccess(f"{s3_bucket}/raw", str(tmp_path / "sandbox"))
    with FlyteContextManager.use(files=access, mode=Mode.TASK_EXECUTION):
        uri = codec().encode(FlyteFile(path)).scalar.blob.uri
        filesystem = access.filesystem(uri)
        bucket, key, _ = filesystem.split_path(uri)
        assert filesystem.call_s3("head_object", Bucket=bucket, Key=key)["ContentEncoding"] == "gzip"
        assert Path(codec().decode(blob(uri))).read_bytes() == GOOD["gz"]
