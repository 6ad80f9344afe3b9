"""Defaults < file < environment < arguments."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from contextvars import copy_context
from pathlib import Path

import pytest

from hardpoint.errors import UserError
from hardpoint.settings import Settings, StorageSettings, load, override, settings, truthy


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "given.toml"


@pytest.fixture(autouse=True)
def nothing_to_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_defaults() -> None:
    assert load({}) == Settings()
    assert Settings().local.cache_enabled
    assert Settings().secrets.env_prefix == "_FSEC_"
    assert Settings().types.pickle == "warn"


def test_the_file_counts_more_than_defaults(config: Path) -> None:
    config.write_text('[local]\ncache_enabled = false\nmax_parallelism = 7\n[types]\npickle = "deny"\n')
    read = load({}, config)
    assert (read.local.cache_enabled, read.local.max_parallelism, read.types.pickle) == (False, 7, "deny")
    assert read.secrets == Settings().secrets
    assert read.source == str(config)


def test_the_environment_counts_more_than_the_file(config: Path) -> None:
    config.write_text('[local]\ncache_enabled = false\nmax_parallelism = 7\n[storage]\ns3_region = "file"\n')
    environment = {"HARDPOINT_LOCAL_CACHE_ENABLED": "true", "HARDPOINT_STORAGE_S3_REGION": "environment"}
    read = load(environment, config)
    assert (read.local.cache_enabled, read.local.max_parallelism) == (True, 7)
    assert read.storage.s3_region == "environment"


def test_our_variable_counts_more_than_the_others() -> None:
    names = ["HARDPOINT_STORAGE_S3_ENDPOINT", "FLYTE_AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
    for first in range(len(names)):
        assert load({name: name for name in names[first:]}).storage.s3_endpoint == names[first]


def test_an_empty_variable_says_nothing(config: Path) -> None:
    config.write_text('[storage]\ns3_region = "file"\n')
    assert load({"AWS_REGION": "", "HARDPOINT_STORAGE_S3_REGION": ""}, config).storage.s3_region == "file"


def test_arguments_count_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_LOCAL_CACHE_ENABLED", "0")
    assert settings().local.cache_enabled is False
    with override(local={"cache_enabled": True}, storage={"retries": 9}) as inner:
        assert settings() is inner
        assert settings().local.cache_enabled is True
        assert settings().storage.retries == 9
        with override(local={"max_parallelism": 3}):
            assert settings().local.cache_enabled is True
        assert settings().local.max_parallelism == 0
    assert settings().local.cache_enabled is False


def test_an_override_ends_with_an_error_and_is_of_its_own_context() -> None:
    seen: list[int] = []
    with contextlib.suppress(ZeroDivisionError), override(storage={"retries": 9}):
        for run in (lambda f: f(), copy_context().run):
            thread = threading.Thread(target=run, args=(lambda: seen.append(settings().storage.retries),))
            thread.start()
            thread.join()
        raise ZeroDivisionError
    assert seen == [3, 9]
    assert settings().storage.retries == 3


@pytest.mark.parametrize(
    ("word", "meaning"), [("TRUE", True), ("1", True), (" on ", True), ("No", False), ("f", False)]
)
def test_words_for_yes_and_no(word: str, meaning: bool) -> None:
    assert load({"HARDPOINT_SECRETS_KEYRING": word}).secrets.keyring is meaning
    assert truthy(word) is meaning


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"HARDPOINT_SECRETS_KEYRING": "flase"}, "HARDPOINT_SECRETS_KEYRING should be true or false, but is 'flase'"),
        ({"HARDPOINT_STORAGE_RETRIES": "3.5"}, "HARDPOINT_STORAGE_RETRIES should be a whole number"),
        ({"_F_TE_MAX_COROS": "many"}, "_F_TE_MAX_COROS should be a whole number"),
        ({"HARDPOINT_CONNECTORS_POOL_SIZE": "-1"}, "HARDPOINT_CONNECTORS_POOL_SIZE should not be negative, but is -1"),
        ({"HARDPOINT_TYPES_PICKLE": "never"}, "HARDPOINT_TYPES_PICKLE should be one of allow, warn, deny"),
        ({"HARDPOINT_CONFIG": "/no/such/file"}, "HARDPOINT_CONFIG names /no/such/file"),
    ],
)
def test_errors_name_the_variable(environment: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(environment)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[locall]\n", r"there is no section \[locall\]"),
        ("[local]\ncache = true\n", r"section \[local\] has no key 'cache'"),
        ("[local]\nmax_parallelism = '3x'\n", r"\[local\] max_parallelism should be a whole number"),
        ("[local]\nmax_parallelism = true\n", r"\[local\] max_parallelism should be of type int"),
        ("[local]\nmax_parallelism = 1.5\n", r"\[local\] max_parallelism should be of type int"),
        ("[storage]\ns3_region = 3\n", r"\[storage\] s3_region should be of type str"),
        ("[types]\nvalidate_files = 'on'\n", r"\[types\] validate_files should be one of off, warn, raise"),
        ("local = 3\n", r"local should be a section, \[local\]"),
        ("source = 'x'\n", r"there is no section \[source\]"),
        ("[local\n", "is not valid TOML"),
        (b"\xff\xfe", "is not valid TOML"),
    ],
)
def test_errors_name_the_file_and_the_place(config: Path, text: str | bytes, message: str) -> None:
    config.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message) as raised:
        load({}, config)
    assert str(config) in str(raised.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        load({}, tmp_path)


def test_which_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "project" / "deep"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config")}

    assert load(environment).source == ""
    for path in (  # each counts more than those before it
        tmp_path / "config" / "hardpoint" / "config.toml",
        tmp_path / "project" / "hardpoint.toml",
        folder / "hardpoint.toml",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        assert load(environment).source == str(path)
    named = tmp_path / "named.toml"
    named.write_text("")
    assert load({**environment, "HARDPOINT_CONFIG": str(named)}).source == str(named)


def test_a_removed_working_directory_is_no_obstacle(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    script = (
        "import os\n"
        f"os.mkdir({str(gone)!r}); os.chdir({str(gone)!r}); os.rmdir({str(gone)!r})\n"
        "from hardpoint.settings import load\n"
        "assert load({'XDG_CONFIG_HOME': '/nowhere'}).storage.retries == 3\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONSAFEPATH": "1"})


def test_keys_are_not_shown() -> None:
    given = StorageSettings(
        s3_access_key_id="AKIA", s3_secret_access_key="very", azure_client_secret="well", s3_region="kept"
    )
    for text in (repr(given), str(given), repr(Settings(storage=given))):
        assert "s3_region='kept'" in text
        assert not any(word in text for word in ("AKIA", "very", "well"))


def test_the_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert load({}).local.state_path == Path("/state/hardpoint")
    monkeypatch.setenv("HOME", "/home/me")
    assert load({"HARDPOINT_LOCAL_STATE_DIR": "~/runs"}).local.state_path == Path("/home/me/runs")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert load({}).local.state_path == Path("/home/me/.local/state/hardpoint")
