from __future__ import annotations

from pathlib import Path

import pytest

from hardpoint.storage import FileAccess, file_name, is_remote, join, local_path, protocol


@pytest.mark.parametrize(
    ("uri", "scheme", "remote", "name"),
    [
        ("/a/b.txt", "file", False, "b.txt"),
        ("a/b", "file", False, "b"),
        ("file:///a/b/", "file", False, "b"),
        ("local:///a/b", "file", False, "b"),
        (Path("/a/b"), "file", False, "b"),
        ("S3://Bucket/Key.parquet", "s3", True, "Key.parquet"),
        ("s3://bucket", "s3", True, "bucket"),
        ("abfss://c@account.dfs.core.windows.net/x/y", "abfss", True, "y"),
        ("https://host/a/data.csv?sig=a/b#c", "https", True, "data.csv"),
        ("s3://b/what?.csv", "s3", True, "what?.csv"),
        ("C:/Users/x", "file", False, "x"),
        ("a:b", "file", False, "a:b"),
        ("1x://y", "file", False, "y"),
        ("git+ssh://h/x", "git+ssh", True, "x"),
    ],
)
def test_what_a_uri_says(uri: str, scheme: str, remote: bool, name: str) -> None:
    assert protocol(uri) == FileAccess.protocol(uri) == scheme
    assert is_remote(uri) is FileAccess.is_remote(uri) is remote
    assert file_name(uri) == name


def test_local_paths() -> None:
    assert local_path("file:///a/b") == "/a/b"
    assert local_path("file://a/b") == "a/b"
    assert local_path(Path("/a")) == "/a"
    assert local_path("s3://b/k") == "s3://b/k"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("s3://b", "a", "c"), "s3://b/a/c"),
        (("s3://b/", "/a/", "", "c/"), "s3://b/a/c"),
        (("/tmp/x/", "y"), "/tmp/x/y"),
        (("/", "y"), "/y"),
        (("", "a", "b"), "a/b"),
        (("s3://b",), "s3://b"),
    ],
)
def test_join(parts: tuple[str, ...], expected: str) -> None:
    assert join(*parts) == FileAccess.join(*parts) == expected
