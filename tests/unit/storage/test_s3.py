"""What is peculiar to S3, against a server over HTTP."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import random
from pathlib import Path
from uuid import uuid4

import boto3
import pytest

from hardpoint.errors import PermanentError, StorageAccessError, StorageNotFoundError, TransientError
from hardpoint.settings import StorageSettings
from hardpoint.storage import FileAccess
from tests.services.s3 import S3
from tests.services.share import free_port
from tests.unit.storage.conftest import CONTENT, content_of, s3_settings


@pytest.fixture
def bucket(s3: S3) -> str:
    return s3.make_bucket(f"t{uuid4().hex[:12]}")


@pytest.fixture
def files(s3: S3, bucket: str, tmp_path: Path) -> FileAccess:
    return FileAccess(f"{bucket}/raw", str(tmp_path / "sandbox"), s3_settings(s3))


@pytest.fixture
def stranger(s3: S3, bucket: str, tmp_path: Path) -> FileAccess:
    """Somebody without credentials."""
    settings = s3_settings(s3, s3_access_key_id="", s3_secret_access_key="", retries=2)
    return FileAccess(f"{bucket}/raw", str(tmp_path / "stranger"), settings)


def test_the_environment_alone_is_enough(s3_bucket: str, tmp_path: Path) -> None:
    files = FileAccess(s3_bucket, str(tmp_path))
    uri = files.put_raw_data(b"env")
    with files.open(uri) as stream:
        assert stream.read() == b"env"


def test_s3a_is_s3(files: FileAccess, bucket: str) -> None:
    files.put_raw_data(b"1", bucket, "x", skip_raw_data_prefix=True)
    assert files.size(bucket.replace("s3://", "s3a://") + "/x") == 1


@pytest.mark.parametrize("size", [0, 1, 2, 8 << 20, (8 << 20) + 1, (51 << 20) + 7])
def test_bytes_are_the_same_at_the_edges_of_parts(files: FileAccess, tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(random.Random(size).randbytes(size))
    target = files.get_data(files.put_raw_data(source), tmp_path / "target")
    with open(source, "rb") as one, open(target, "rb") as other:
        assert hashlib.file_digest(one, "sha256").digest() == hashlib.file_digest(other, "sha256").digest()


def test_a_file_that_is_replaced_while_it_is_read_is_no_download(files: FileAccess, s3: S3, tmp_path: Path) -> None:
    size = 55 << 20
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"o" * size)
    uri = files.put_raw_data(old)
    files.filesystem(uri).default_block_size, before = 5 << 20, files.filesystem(uri).default_block_size
    replaced: list[int] = []

    def replace(done: int, total: int) -> None:
        if done and not replaced:
            replaced.append(done)
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            # A client of its own: this is called on the loop that the storage's client lives on.
            other = boto3.client(
                "s3",
                endpoint_url=s3.endpoint,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
            other.put_object(Bucket=bucket, Key=key, Body=b"n" * size)
            other.close()

    try:
        with pytest.raises(TransientError, match="was replaced while it was read"):
            files.get_data(uri, new, on_progress=replace)
    finally:
        files.filesystem(uri).default_block_size = before
    assert replaced
    assert sorted(os.listdir(tmp_path)) == ["old"]
    assert set(Path(files.get_data(uri, new)).read_bytes()) == {ord("n")}


def test_many_files(files: FileAccess, tmp_path: Path) -> None:
    source = tmp_path / "many"
    source.mkdir()
    for n in range(200):
        (source / f"{n:03}").write_bytes(str(n).encode())
    uri = files.put_raw_data(source)
    files.get_data(uri, tmp_path / "back", is_multipart=True)
    assert content_of(tmp_path / "back") == content_of(source)


def test_hints_reach_the_store(files: FileAccess, tree: Path) -> None:
    uri = files.put_data(tree / "a.txt", files.get_random_remote_path("a.txt.gz"), ContentEncoding="gzip")
    filesystem = files.filesystem(uri)
    bucket, key, _ = filesystem.split_path(uri)
    assert filesystem.call_s3("head_object", Bucket=bucket, Key=key)["ContentEncoding"] == "gzip"


def test_public_data_needs_no_credentials(files: FileAccess, stranger: FileAccess, tree: Path, tmp_path: Path) -> None:
    uri = files.put_raw_data(tree)
    filesystem = files.filesystem(uri)
    filesystem.chmod(files.raw_output_prefix.split("/")[2], acl="public-read")
    for path in filesystem.find(uri):
        filesystem.chmod(path, acl="public-read")
    with stranger.open(f"{uri}/a.txt") as stream:
        assert stream.read() == b"a"
    assert stranger.size(f"{uri}/a.txt") == 1
    stranger.get_data(uri, tmp_path / "back", is_multipart=True)
    assert content_of(tmp_path / "back") == CONTENT
    with pytest.raises(StorageAccessError):
        stranger.put_raw_data(b"1")


def test_private_data_needs_credentials(
    files: FileAccess, stranger: FileAccess, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    uri = files.put_raw_data(b"private")
    caplog.set_level(logging.DEBUG)
    for call in (
        lambda: stranger.open(uri),
        lambda: stranger.exists(uri),
        lambda: stranger.get_data(uri, tmp_path / "x"),
    ):
        with pytest.raises(PermissionError, match="credentials") as raised:
            call()
        assert isinstance(raised.value, StorageAccessError)
        assert "AWS_ACCESS_KEY_ID" in str(raised.value.remedy)
    assert not (tmp_path / "x").exists()


def test_a_bucket_that_is_missing(files: FileAccess, tree: Path) -> None:
    uri = f"s3://t{uuid4().hex[:12]}/x"
    assert not files.exists(uri)
    with pytest.raises(StorageNotFoundError, match="bucket or container has to exist"):
        files.put_data(tree / "a.txt", uri)


def test_nobody_answers(tmp_path: Path) -> None:
    settings = StorageSettings(
        s3_endpoint=f"http://127.0.0.1:{free_port()}",
        s3_access_key_id="key-of-mine",
        s3_secret_access_key="secret-of-mine",
        s3_region="us-east-1",
        retries=1,
    )
    files = FileAccess("s3://bucket", str(tmp_path), settings)
    for call in (lambda: files.exists("s3://bucket/x"), lambda: files.put_raw_data(b"x")):
        with pytest.raises(TransientError, match=r"Could not (read|write) s3://bucket/") as raised:
            call()
        assert "of-mine" not in repr(raised.value) + str(raised.value)


def test_a_hostile_key_does_not_leave_the_folder(files: FileAccess, bucket: str, tmp_path: Path) -> None:
    filesystem = files.filesystem(bucket)
    filesystem.call_s3("put_object", Bucket=bucket[5:], Key="evil/ok", Body=b"1")
    filesystem.call_s3("put_object", Bucket=bucket[5:], Key="evil/../../escaped", Body=b"1")
    with pytest.raises(PermanentError, match="outside of its folder"):
        files.get_data(f"{bucket}/evil", tmp_path / "a" / "b", is_multipart=True)
    assert not (tmp_path / "a").exists()


def test_markers_of_folders_are_no_files(files: FileAccess, bucket: str, tmp_path: Path) -> None:
    filesystem = files.filesystem(bucket)
    for key in ("m/", "m/sub/", "m/sub/file"):
        filesystem.call_s3("put_object", Bucket=bucket[5:], Key=key, Body=b"")
    files.get_data(f"{bucket}/m", tmp_path / "back", is_multipart=True)
    assert content_of(tmp_path / "back") == {"sub/file": b""}
    assert [entry.name for entry in files.list(f"{bucket}/m")] == ["sub"]


def test_an_upload_that_fails_leaves_no_open_parts(files: FileAccess, bucket: str) -> None:
    with contextlib.suppress(ZeroDivisionError), files.open(f"{bucket}/big", "wb", block_size=5 << 20) as stream:
        stream.write(os.urandom(11 << 20))
        raise ZeroDivisionError
    uploads = files.filesystem(bucket).call_s3("list_multipart_uploads", Bucket=bucket[5:])
    assert not uploads.get("Uploads")
    assert not files.exists(f"{bucket}/big")
