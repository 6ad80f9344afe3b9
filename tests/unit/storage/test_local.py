"""Local disks: nothing is ever seen half done."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hardpoint.errors import UserError
from hardpoint.storage import FileAccess, default_file_access
from hardpoint.storage.local import staged_file, staged_folder
from tests.unit.storage.conftest import CONTENT, content_of


@pytest.fixture
def files(tmp_path: Path) -> FileAccess:
    return FileAccess(str(tmp_path / "raw"), str(tmp_path / "sandbox"))


def test_a_reader_sees_the_old_or_the_new_and_no_mixture(files: FileAccess, tmp_path: Path) -> None:
    target = tmp_path / "file"
    versions = {bytes([n]) * 300_000 for n in range(2)}
    target.write_bytes(min(versions))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for version in versions:
                files.put_raw_data(version, str(tmp_path), "file", skip_raw_data_prefix=True)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = {target.read_bytes() for _ in range(300)}
    finally:
        stop.set()
        writer.join()
    assert seen <= versions
    assert sorted(os.listdir(tmp_path)) == ["file"]


def test_nothing_is_there_before_the_end(files: FileAccess, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    with files.open(str(target), "w") as stream:
        stream.write("x")
        stream.flush()
        assert not target.exists()
    assert target.read_text() == "x"
    assert os.listdir(target.parent) == ["file"]


def test_an_error_leaves_no_debris(files: FileAccess, tmp_path: Path) -> None:
    class Torn:
        def read(self, size: int) -> bytes:
            if size_seen:
                raise ConnectionResetError("torn")
            size_seen.append(size)
            return b"half"

    size_seen: list[int] = []
    with pytest.raises(ConnectionResetError):
        files.put_raw_data(Torn(), str(tmp_path / "out"), "file", skip_raw_data_prefix=True)
    assert os.listdir(tmp_path / "out") == []


def test_a_folder_with_an_unreadable_file_is_not_copied_in_part(files: FileAccess, tree: Path, tmp_path: Path) -> None:
    (tree / "zz").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        files.put_data(tree, str(tmp_path / "copy"), is_multipart=True)
    assert not (tmp_path / "copy").exists()
    assert sorted(os.listdir(tmp_path)) == ["tree"]


def test_a_written_file_has_the_usual_permissions(files: FileAccess, tmp_path: Path) -> None:
    with files.open(str(tmp_path / "ours"), "wb") as stream:
        stream.write(b"x")
    (tmp_path / "plain").write_bytes(b"x")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_copy_keeps_permissions_and_time(files: FileAccess, tmp_path: Path) -> None:
    source = tmp_path / "script"
    source.write_text("#!")
    source.chmod(0o750)
    os.utime(source, (1_000_000, 1_000_000))
    files.put_data(source, str(tmp_path / "copy"))
    copied = (tmp_path / "copy").stat()
    assert stat.S_IMODE(copied.st_mode) == 0o750
    assert copied.st_mtime == 1_000_000


def test_a_link_stays_a_link(files: FileAccess, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text("old")
    (tmp_path / "link").symlink_to(real)
    with files.open(str(tmp_path / "link"), "w") as stream:
        stream.write("new")
    assert (tmp_path / "link").is_symlink()
    assert real.read_text() == "new"


def test_a_link_to_a_parent_ends(files: FileAccess, tree: Path, tmp_path: Path) -> None:
    (tree / "below" / "up").symlink_to(tree)
    files.put_data(tree, str(tmp_path / "copy"), is_multipart=True)
    assert content_of(tmp_path / "copy") == CONTENT


def test_links_to_files_and_folders_are_followed(files: FileAccess, tree: Path, tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (top / "folder").symlink_to(tree)
    (top / "file").symlink_to(tree / "a.txt")
    files.put_data(top, str(tmp_path / "copy"), is_multipart=True)
    assert not (tmp_path / "copy" / "file").is_symlink()
    assert content_of(tmp_path / "copy") == {"file": b"a", **{f"folder/{k}": v for k, v in CONTENT.items()}}


def test_empty_folders_below_are_kept(files: FileAccess, tree: Path, tmp_path: Path) -> None:
    (tree / "below" / "nothing").mkdir()
    files.put_data(tree, str(tmp_path / "copy"), is_multipart=True)
    assert (tmp_path / "copy" / "below" / "nothing").is_dir()


def test_what_is_being_written_is_not_there_yet(files: FileAccess, tree: Path, tmp_path: Path) -> None:
    before = sorted(path.relative_to(tree) for path in tree.rglob("*"))
    with staged_folder(str(tree)) as folder, staged_file(str(tree / "a.bin")) as file:
        Path(folder, "half").write_bytes(b"h")
        Path(file).write_bytes(b"half")
        assert len(list(tree.rglob("*"))) == len(before) + 3
        files.get_data(str(tree), str(tmp_path / "copy"), is_multipart=True)
    made = tmp_path / "copy"
    assert sorted(path.relative_to(made) for path in made.rglob("*")) == before


def test_a_copy_into_itself_ends(files: FileAccess, tree: Path) -> None:
    files.put_data(tree, str(tree / "copy"), is_multipart=True)
    assert content_of(tree / "copy") == CONTENT


def test_a_copy_onto_itself_is_no_copy(files: FileAccess, tree: Path) -> None:
    files.put_data(tree, str(tree), is_multipart=True)
    files.put_data(tree / "a.txt", str(tree / "a.txt"))
    assert content_of(tree) == CONTENT


def test_a_folder_does_not_replace_a_file(files: FileAccess, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(FileExistsError):
        files.put_data(tree, str(tmp_path / "file"), is_multipart=True)
    with pytest.raises(IsADirectoryError):
        files.put_data(tree / "a.txt", str(tree / "below"))
    with pytest.raises(IsADirectoryError):
        files.open(str(tree), "w")
    assert (tmp_path / "file").read_text() == "precious"


def test_modes(files: FileAccess, tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    with files.open(path, "x") as stream:
        stream.write("1")
    with pytest.raises(FileExistsError):
        files.open(path, "x")
    with files.open(path, "a") as stream:
        stream.write("2")
    with files.open(path, "r+") as stream:
        stream.write("3")
    with files.open(path, "rb") as stream:
        assert stream.read() == b"32"
    with files.open(path, "w+b") as stream:
        stream.write(b"abcdef")
        stream.seek(2)
        assert stream.read(2) == b"cd"
        stream.truncate(3)
        assert stream.tell() == 4
    assert Path(path).read_bytes() == b"abc"


def test_of_two_who_create_the_second_fails(files: FileAccess, tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    first, second = files.open(path, "xb"), files.open(path, "xb")
    first.write(b"first")
    second.write(b"second")
    first.close()
    with pytest.raises(FileExistsError):
        second.close()
    assert os.listdir(tmp_path) == ["file"]
    assert Path(path).read_bytes() == b"first"


def test_a_closed_stream_refuses(files: FileAccess, tmp_path: Path) -> None:
    stream = files.open(str(tmp_path / "file"), "wb")
    stream.close()
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        stream.write(b"x")


def test_a_device_is_written_in_place(files: FileAccess, tree: Path) -> None:
    files.put_data(tree / "a.txt", os.devnull)
    with files.open(os.devnull, "w") as stream:
        stream.write("gone")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_stranger_s_words_are_kept(files: FileAccess, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File name too long") as raised:
        files.open(str(tmp_path / ("x" * 300)), "rb")
    assert raised.value.__cause__ is None


def test_random_places(files: FileAccess, tmp_path: Path) -> None:
    path = files.get_random_local_path("s3://bucket/folder/data.tar.gz")
    assert path.startswith(str(tmp_path / "sandbox"))
    assert os.path.basename(path) == "data.tar.gz"
    assert os.path.isdir(os.path.dirname(path))
    assert not os.path.exists(path)
    assert not os.path.exists(files.get_random_local_path())
    assert os.listdir(files.get_random_local_directory()) == []
    remote = files.get_random_remote_path("a/b.csv")
    assert remote.startswith(str(tmp_path / "raw"))
    assert remote.endswith("/b.csv")
    assert files.get_random_remote_path("a/b.csv") != remote
    assert files.get_random_remote_directory().startswith(str(tmp_path / "raw"))
    assert len(files.get_random_string()) == 32


def test_listing_a_file_is_refused(files: FileAccess, tree: Path) -> None:
    with pytest.raises(UserError, match="is a file, not a directory"):
        files.list(str(tree / "a.txt"))


def test_the_process_wide_access_is_one_and_leaves_nothing(tmp_path: Path) -> None:
    assert default_file_access() is default_file_access()
    script = (
        "import os\n"
        "from hardpoint.storage import FileAccess, default_file_access\n"
        "files = default_file_access()\n"
        "uri = files.put_raw_data(b'x')\n"
        "own = FileAccess('memory://x')\n"
        "path = own.get_random_local_directory()\n"
        "if os.fork() == 0:\n"
        "    raise SystemExit(0)\n"
        "os.wait()\n"
        "assert files.exists(uri) and os.path.isdir(path)\n"
        "print(uri, path)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.count(str(tmp_path)) == 2
    assert os.listdir(tmp_path) == []


def test_local_files_need_no_heavy_imports() -> None:
    script = (
        "import sys, hardpoint.storage, hardpoint.secrets\n"
        "files = hardpoint.storage.default_file_access()\n"
        "uri = files.put_raw_data(b'x')\n"
        "files.open(uri).close()\n"
        "files.list(files.raw_output_prefix)\n"
        "files.get_data(uri, files.get_random_local_path())\n"
        "heavy = ('fsspec', 'asyncio', 'aiohttp', 's3fs', 'botocore', 'concurrent.futures')\n"
        "print([module for module in heavy if module in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
