"""What holds on every store."""

from __future__ import annotations

import asyncio
import contextlib
import io
from pathlib import Path
from typing import Any

import pytest

from hardpoint.errors import StorageNotFoundError, UserError
from hardpoint.storage import Entry, FileAccess
from tests.unit.storage.conftest import CONTENT, Place, content_of

# The client of Google Cloud Storage hands its uploads to aiohttp as plain bytes.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


def below(raw: str, uri: str, depth: int) -> list[str]:
    assert uri.startswith(raw + "/")
    parts = uri[len(raw) + 1 :].split("/")
    assert len(parts) == depth
    return parts


def test_a_file_goes_to_random_and_name_and_comes_back(place: Place, tree: Path, tmp_path: Path) -> None:
    uri = place.files.put_raw_data(tree / "a.txt")
    random, name = below(place.files.raw_output_prefix, uri, 2)
    assert len(random) == 32
    assert name == "a.txt"
    target = tmp_path / "new" / "copy.txt"
    assert place.files.get_data(uri, target) == str(target)
    assert target.read_bytes() == b"a"


def test_names_of_raw_data(place: Place, tree: Path) -> None:
    raw = place.files.raw_output_prefix
    assert below(raw, place.files.put_raw_data(tree / "a.txt", file_name="x.csv"), 2)[1] == "x.csv"
    assert place.files.put_raw_data(tree / "a.txt", upload_prefix="up") == f"{raw}/up/a.txt"
    assert place.files.put_raw_data(b"1", upload_prefix="up", file_name="n") == f"{raw}/up/n"
    assert [len(part) for part in below(raw, place.files.put_raw_data(b"1"), 2)] == [32, 32]
    assert below(raw, place.files.put_raw_data(tree), 2)[1] == "tree"
    whole = f"{place.base}/else"
    assert place.files.put_raw_data(b"1", whole, "n", skip_raw_data_prefix=True) == f"{whole}/n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"bytes", b"bytes"),
        (bytearray(b"array"), b"array"),
        (memoryview(b"view"), b"view"),
        (io.BytesIO, b"\x00stream"),
        (io.StringIO, "tëxt".encode()),
        (b"", b""),
    ],
)
def test_bytes_and_streams(place: Place, source: Any, expected: bytes) -> None:
    if source is io.BytesIO:
        source = io.BytesIO(expected)
    elif source is io.StringIO:
        source = io.StringIO(expected.decode())
    uri = place.files.put_raw_data(source)
    with place.files.open(uri) as stream:
        assert stream.read() == expected


def test_a_stream_that_is_longer_than_what_is_kept_in_memory(place: Place) -> None:
    data = bytes(range(251)) * 40_000  # 10 MB
    uri = place.files.put_raw_data(io.BytesIO(data))
    with place.files.open(uri) as stream:
        assert stream.read() == data


def test_a_folder_goes_and_comes_back(place: Place, tree: Path, tmp_path: Path) -> None:
    uri = place.files.put_data(tree, f"{place.base}/folder", is_multipart=True)
    assert uri == f"{place.base}/folder"
    place.files.get_data(uri, tmp_path / "back", is_multipart=True)
    assert content_of(tmp_path / "back") == CONTENT
    assert place.files.size(uri) == sum(len(data) for data in CONTENT.values())


def test_an_empty_folder_goes_and_comes_back(place: Place, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    uri = place.files.put_raw_data(tmp_path / "nothing")
    assert place.files.is_dir(uri)
    place.files.get_data(uri, tmp_path / "back", is_multipart=True)
    assert (tmp_path / "back").is_dir()
    assert content_of(tmp_path / "back") == {}


def test_a_download_into_a_folder_with_content_adds_to_it(place: Place, tree: Path, tmp_path: Path) -> None:
    uri = place.files.put_raw_data(tree)
    back = tmp_path / "back"
    (back / "below").mkdir(parents=True)
    (back / "a.txt").write_text("old")
    (back / "below" / "mine").write_text("mine")
    place.files.get_data(uri, back, is_multipart=True)
    assert content_of(back) == {**CONTENT, "below/mine": b"mine"}


def test_what_is_put_again_replaces(place: Place, tree: Path) -> None:
    uri = f"{place.base}/again"
    for data in (b"first and long", b"2nd"):
        place.files.put_raw_data(data, place.base, "again", skip_raw_data_prefix=True)
        with place.files.open(uri) as stream:
            assert stream.read() == data
    place.files.put_data(tree / "a.txt", uri)
    with place.files.open(uri) as stream:
        assert stream.read() == b"a"


def test_async_calls_do_the_same(place: Place, tree: Path, tmp_path: Path) -> None:
    async def main() -> None:
        files = place.files
        uris = await asyncio.gather(
            files.async_put_raw_data(tree),
            files.async_put_data(tree, f"{place.base}/folder", is_multipart=True),
            files.async_put_data(str(tree / "a.txt"), f"{place.base}/file"),
            *(files.async_put_raw_data(io.BytesIO(b"x" * 9_000_000)) for _ in range(3)),
        )
        await asyncio.gather(
            files.async_get_data(uris[0], tmp_path / "one", is_multipart=True),
            files.async_get_data(uris[1], tmp_path / "two", is_multipart=True),
            files.async_get_data(uris[2], tmp_path / "three"),
            files.async_get_data(uris[3], tmp_path / "four"),
        )

    asyncio.run(main())
    assert content_of(tmp_path / "one") == content_of(tmp_path / "two") == CONTENT
    assert (tmp_path / "three").read_bytes() == b"a"
    assert (tmp_path / "four").stat().st_size == 9_000_000


def test_sync_calls_work_inside_a_running_loop(place: Place) -> None:
    async def main() -> bytes:
        uri = place.files.put_raw_data(b"inside")
        with place.files.open(uri) as stream:
            data: bytes = stream.read()
        return data

    assert asyncio.run(main()) == b"inside"


def test_progress_ends_with_everything(place: Place, tree: Path, tmp_path: Path) -> None:
    total = sum(len(data) for data in CONTENT.values())
    up: list[tuple[int, int]] = []
    down: list[tuple[int, int]] = []
    uri = place.files.put_raw_data(tree, on_progress=lambda done, of: up.append((done, of)))
    place.files.get_data(
        uri, tmp_path / "back", is_multipart=True, on_progress=lambda done, of: down.append((done, of))
    )
    for seen in (up, down):
        assert seen[-1] == (total, total)
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)
        assert {of for _, of in seen} == {total}
    single: list[tuple[int, int]] = []
    place.files.get_data(f"{uri}/below/b.bin", tmp_path / "b", on_progress=lambda done, of: single.append((done, of)))
    assert single[-1] == (2560, 2560)


def test_streams_of_text_are_utf_8(place: Place) -> None:
    uri = f"{place.base}/text"
    with place.files.open(uri, "w") as stream:
        stream.write("grüße\n")
        stream.write("zwei\n")
    with place.files.open(uri, "r") as stream:
        assert list(stream) == ["grüße\n", "zwei\n"]
    with place.files.open(uri) as stream:
        assert stream.read() == "grüße\nzwei\n".encode()


@pytest.mark.parametrize("mode", ["w", "wb"])
@pytest.mark.parametrize("before", [None, b"before"])
def test_a_stream_left_by_an_error_changes_nothing(place: Place, mode: str, before: bytes | None) -> None:
    uri = f"{place.base}/half"
    if before is not None:
        place.files.put_raw_data(before, place.base, "half", skip_raw_data_prefix=True)
    with contextlib.suppress(ZeroDivisionError), place.files.open(uri, mode) as stream:
        stream.write("half" if mode == "w" else b"half")
        raise ZeroDivisionError
    if before is None:
        assert not place.files.exists(uri)
    else:
        with place.files.open(uri) as stream:
            assert stream.read() == before


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_a_stream_that_is_dropped_is_discarded_with_a_warning(place: Place, mode: str) -> None:
    uri = f"{place.base}/dropped"
    stream = place.files.open(uri, mode)
    stream.write("half" if mode == "w" else b"half")
    with pytest.warns(ResourceWarning, match="never closed"):
        del stream
    assert not place.files.exists(uri)


def test_what_there_is(place: Place, tree: Path) -> None:
    uri = place.files.put_raw_data(tree)
    files = place.files
    assert files.exists(uri)
    assert files.is_dir(uri)
    assert files.exists(f"{uri}/a.txt")
    assert not files.is_dir(f"{uri}/a.txt")
    assert not files.exists(f"{uri}/a.tx")
    assert not files.is_dir(f"{uri}/a.tx")
    assert files.size(f"{uri}/below/b.bin") == 2560
    assert files.info(f"{uri}/a.txt") == Entry(f"{uri}/a.txt", "a.txt", False, 1)
    assert files.list(uri) == [
        Entry(f"{uri}/a.txt", "a.txt", False, 1),
        Entry(f"{uri}/below", "below", True, 0),
        Entry(f"{uri}/empty", "empty", False, 0),
    ]
    assert files.list(f"{uri}/below/deeper")[0].uri == f"{uri}/below/deeper/ü c.txt"


def test_walk(place: Place, tree: Path) -> None:
    uri = place.files.put_raw_data(tree)
    levels = [
        (uri, ["below"], ["a.txt", "empty"]),
        (f"{uri}/below", ["deeper"], ["b.bin"]),
        (f"{uri}/below/deeper", [], ["ü c.txt"]),
    ]
    assert list(place.files.walk(uri)) == levels
    assert list(place.files.walk(uri, topdown=False)) == levels[::-1]
    assert list(place.files.walk(uri, maxdepth=2)) == levels[:2]
    pruned = []
    for folder, folders, _ in place.files.walk(uri):
        pruned.append(folder)
        folders.clear()
    assert pruned == [uri]


def test_remove(place: Place, tree: Path) -> None:
    uri = place.files.put_raw_data(tree)
    with pytest.raises(UserError, match="recursive=True"):
        place.files.rm(uri)
    place.files.rm(f"{uri}/a.txt")
    assert not place.files.exists(f"{uri}/a.txt")
    place.files.rm(uri, recursive=True)
    assert not place.files.exists(uri)
    with pytest.raises(StorageNotFoundError):
        place.files.rm(uri)


def test_what_is_missing_is_named(place: Place, tmp_path: Path) -> None:
    uri = f"{place.base}/missing"
    calls = [
        lambda: place.files.open(uri),
        lambda: place.files.get_data(uri, tmp_path / "back"),
        lambda: place.files.get_data(uri, tmp_path / "back", is_multipart=True),
        lambda: place.files.size(uri),
        lambda: place.files.list(uri),
        lambda: place.files.info(uri),
    ]
    for call in calls:
        with pytest.raises(FileNotFoundError) as raised:
            call()
        assert isinstance(raised.value, StorageNotFoundError)
        assert raised.value.uri == uri
        assert uri in str(raised.value)
    assert not (tmp_path / "back").exists()


def test_a_file_for_a_folder_and_a_folder_for_a_file(place: Place, tree: Path, tmp_path: Path) -> None:
    uri = place.files.put_raw_data(tree)
    with pytest.raises(UserError, match="is a file, not a directory"):
        place.files.get_data(f"{uri}/a.txt", tmp_path / "back", is_multipart=True)
    with pytest.raises(UserError, match="is a file, not a directory"):
        place.files.list(f"{uri}/a.txt")
    with pytest.raises(UserError, match="is_multipart=True"):
        place.files.get_data(uri, tmp_path / "back")
    with pytest.raises(UserError, match="is a directory, not a file"):
        place.files.put_data(tree, f"{place.base}/x")
    with pytest.raises(UserError, match="is a file, not a directory"):
        place.files.put_data(tree / "a.txt", f"{place.base}/x", is_multipart=True)
    assert not (tmp_path / "back").exists()
    assert not place.files.exists(f"{place.base}/x")


def test_what_cannot_be_uploaded(place: Place, tmp_path: Path) -> None:
    with pytest.raises(StorageNotFoundError, match="no-such"):
        place.files.put_raw_data(tmp_path / "no-such")
    with pytest.raises(UserError, match="A int cannot be uploaded"):
        place.files.put_raw_data(3)
    with pytest.raises(UserError, match="not a local path"):
        place.files.put_data("s3://bucket/a", f"{place.base}/x")
    with pytest.raises(UserError, match="not a local path"):
        place.files.get_data(place.base, "s3://bucket/a")


def test_upload_takes_either(place: Place, tree: Path) -> None:
    assert place.files.exists(place.files.upload(tree, f"{place.base}/u") + "/a.txt")
    assert place.files.size(place.files.upload(tree / "a.txt", f"{place.base}/v")) == 1


def test_the_file_system_itself(place: Place) -> None:
    uri = place.files.put_raw_data(b"direct")
    filesystem = place.files.filesystem(uri)
    assert filesystem.cat_file(uri) == b"direct"
    assert place.files.filesystem(uri) is filesystem


def test_another_access_sees_at_once_what_one_wrote(place: Place) -> None:
    other = FileAccess(place.base, settings=place.files.settings)
    assert not other.exists(f"{place.base}/x")
    for size in (3, 5):
        place.files.put_raw_data(b"1" * size, place.base, "x", skip_raw_data_prefix=True)
        assert [entry.name for entry in other.list(place.base)] == ["x"]
        assert other.size(f"{place.base}/x") == size
