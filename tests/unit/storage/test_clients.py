"""How the stores' clients are configured and found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from hardpoint.errors import MissingDependencyError, UserError
from hardpoint.integration import Catalogue, Integration
from hardpoint.settings import StorageSettings, override
from hardpoint.storage import FileAccess, storage_options
from tests.unit.storage.conftest import content_of

KEYS = StorageSettings(
    s3_endpoint="http://minio:9000",
    s3_access_key_id="id",
    s3_secret_access_key="secret",
    s3_region="eu-central-1",
    gcs_project="project",
    azure_account_name="account",
    azure_account_key="a2V5",
    azure_tenant_id="tenant",
    azure_client_id="client",
    azure_client_secret="password",
    retries=5,
)
RETRIES = {"retries": {"mode": "standard", "total_max_attempts": 5}}


@pytest.mark.parametrize(
    ("scheme", "anonymous", "expected"),
    [
        (
            "s3",
            False,
            {
                "key": "id",
                "secret": "secret",
                "endpoint_url": "http://minio:9000",
                "client_kwargs": {"region_name": "eu-central-1"},
                "config_kwargs": RETRIES,
                "use_listings_cache": False,
            },
        ),
        (
            "s3a",
            True,
            {
                "anon": True,
                "endpoint_url": "http://minio:9000",
                "client_kwargs": {"region_name": "eu-central-1"},
                "config_kwargs": RETRIES,
                "use_listings_cache": False,
            },
        ),
        ("gs", False, {"project": "project", "use_listings_cache": False}),
        ("gcs", True, {"project": "project", "token": "anon", "use_listings_cache": False}),
        (
            "abfs",
            False,
            {
                "account_name": "account",
                "account_key": "a2V5",
                "tenant_id": "tenant",
                "client_id": "client",
                "client_secret": "password",
                "anon": False,
                "use_listings_cache": False,
            },
        ),
        ("abfss", True, {"account_name": "account", "anon": True, "use_listings_cache": False}),
        ("file", False, {}),
        ("memory", False, {}),
    ],
)
def test_one_configuration_for_all(scheme: str, anonymous: bool, expected: dict[str, Any]) -> None:
    assert storage_options(scheme, anonymous, KEYS) == expected
    with override(storage=msgspec.structs.asdict(KEYS)):
        assert storage_options(scheme, anonymous) == expected


def test_what_is_not_said_is_left_to_the_client() -> None:
    nothing = StorageSettings()
    assert set(storage_options("s3", configuration=nothing)) == {"config_kwargs", "use_listings_cache"}
    assert storage_options("gs", configuration=nothing) == {"use_listings_cache": False}
    assert storage_options("abfs", configuration=nothing) == {"anon": False, "use_listings_cache": False}
    identity = StorageSettings(azure_account_name="a", azure_tenant_id="tenant", azure_client_id="client")
    assert set(storage_options("abfs", configuration=identity)) == {"account_name", "anon", "use_listings_cache"}
    assert storage_options("s3", configuration=StorageSettings(s3_anonymous=True))["anon"] is True
    assert storage_options("gs", configuration=StorageSettings(gcs_anonymous=True))["token"] == "anon"


def test_an_emulator_wants_no_credentials() -> None:
    options = storage_options("gs", configuration=StorageSettings(gcs_endpoint="localhost:4443"))
    assert options["endpoint_url"] == "http://localhost:4443"
    assert options["token"] == "anon"
    private = StorageSettings(gcs_endpoint="https://storage-x.p.googleapis.com")
    assert "token" not in storage_options("gs", configuration=private)


def test_the_web_has_no_limit_for_a_whole_download() -> None:
    timeout = storage_options("https")["client_kwargs"]["timeout"]
    assert timeout.total is None
    assert timeout.sock_read == 60


def test_the_account_in_the_uri_counts_more() -> None:
    files = FileAccess("memory://x", settings=StorageSettings(azure_account_name="other", azure_account_key="a2V5"))
    named = files.filesystem("abfs://container@mine.dfs.core.windows.net/x")
    assert named.account_name == "mine"
    plain = files.filesystem("abfs://container/x")
    assert plain.account_name == "other"
    assert plain is not named


@pytest.mark.parametrize(
    ("library", "uri", "remedy"),
    [
        ("s3fs", "s3://b/k", "pip install 'hardpoint[s3]'"),
        ("gcsfs", "gs://b/k", "pip install 'hardpoint[gcs]'"),
        ("adlfs", "abfs://b/k", "pip install 'hardpoint[azure]'"),
        ("aiohttp", "http://127.0.0.1/k", "pip install 'aiohttp'"),
    ],
)
def test_a_missing_client_is_named(library: str, uri: str, remedy: str) -> None:
    script = (
        "import sys\n"
        f"sys.modules[{library!r}] = None\n"
        "from hardpoint.errors import MissingDependencyError\n"
        "from hardpoint.storage import default_file_access\n"
        "try:\n"
        f"    default_file_access().exists({uri!r})\n"
        "except MissingDependencyError as error:\n"
        "    print(error.wants, error.remedy, sep='|')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{library}|{remedy}"


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(UserError, match="No storage is known for nosuch://"):
        FileAccess("memory://x").exists("nosuch://a/b")


@pytest.fixture
def with_lake(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Catalogue()
    known.add(
        Integration(
            name="lake",
            title="Lake",
            summary="Keeps files in a lake.",
            extra="lake",
            package="tests.unit.storage.lake",
            storage={"lake": ".filesystem:Lake", "dry": ".filesystem:Lake"},
        )
    )
    known.add(
        Integration(
            name="absent",
            title="Absent",
            summary="Needs what nobody has.",
            extra="absent",
            package="tests.unit.storage.lake",
            requires=("a_library_that_nobody_has",),
            storage={"absent": ".filesystem:Lake"},
        )
    )
    monkeypatch.setattr("hardpoint.storage.filesystems.catalogue", known)


@pytest.mark.usefixtures("with_lake")
def test_an_integration_adds_a_store(tree: Path, tmp_path: Path) -> None:
    base = f"lake://{uuid4().hex}"
    files = FileAccess(base, str(tmp_path / "sandbox"))
    uri = files.put_raw_data(tree)
    files.get_data(uri, tmp_path / "back", is_multipart=True)
    assert content_of(tmp_path / "back") == content_of(tree)
    with files.open(f"{base}/a/b/c", "w") as stream:
        stream.write("deep")
    assert files.list(f"{base}/a")[0].uri == f"{base}/a/b"


@pytest.mark.usefixtures("with_lake")
def test_an_integration_without_its_library_says_so() -> None:
    with pytest.raises(MissingDependencyError) as raised:
        FileAccess("memory://x").exists("absent://x")
    assert raised.value.remedy == "pip install 'hardpoint[absent]'"


FORK = """
import os, sys
from hardpoint.storage import FileAccess

files = FileAccess("memory://fork", sys.argv[1])
uri = files.put_raw_data(b"parent")
child = os.fork()
if child == 0:
    status = 1
    try:
        status = 0 if files.size(uri) == 6 and files.size(files.put_raw_data(b"child")) == 5 else 2
    finally:
        os._exit(status)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_process_has_threads_of_its_own(tmp_path: Path) -> None:
    """Threads do not survive a fork; a pool of the parent would wait for them for ever."""
    # In a process of its own, since other libraries' threads do not survive a fork either.
    subprocess.run([sys.executable, "-c", FORK, str(tmp_path)], check=True, timeout=60)
