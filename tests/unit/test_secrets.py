"""Where secrets are looked up, and that they stay out of logs."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardpoint.secrets
from hardpoint.context import ExecutionParameters, FlyteContextManager, Mode, current_context
from hardpoint.errors import PermanentError, SecretNotFoundError, UserError
from hardpoint.integration import Catalogue, Integration
from hardpoint.secrets import RedactingFilter, SecretsManager, redact, redact_uri, remember
from hardpoint.settings import SecretSettings


@dataclass
class Request:
    """A task's request, as far as looking up is concerned."""

    group: str | None = None
    key: str | None = None
    group_version: str | None = None
    env_var: str | None = None


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardpoint.secrets, "_known", type(hardpoint.secrets._known)())
    monkeypatch.setattr(hardpoint.secrets, "_pattern", None)


@pytest.fixture
def secrets(tmp_path: Path) -> SecretsManager:
    return SecretsManager(SecretSettings(default_dir=str(tmp_path)))


@pytest.fixture
def local() -> Iterator[None]:
    with FlyteContextManager.use(mode=Mode.LOCAL_TASK_EXECUTION):
        yield


def test_names(secrets: SecretsManager, tmp_path: Path) -> None:
    assert secrets.get_secrets_env_var("g", "k") == "_FSEC_G_K"
    assert secrets.get_secrets_env_var("g", "k", "v") == "_FSEC_G_V_K"
    assert secrets.get_secrets_env_var("my-g", "k.x") == "_FSEC_MY-G_K.X"
    assert secrets.get_secrets_env_var("g") == "_FSEC_G"
    assert secrets.get_secrets_env_var(key="k") == "_FSEC_K"
    assert secrets.get_secrets_file("G", "K") == f"{tmp_path}/g/k"
    assert secrets.get_secrets_file("g", "k", "v") == f"{tmp_path}/g/v/k"
    assert secrets.get_secrets_file(key="k") == f"{tmp_path}/k"


def test_names_are_configured(tmp_path: Path) -> None:
    secrets = SecretsManager(SecretSettings(env_prefix="S_", default_dir="/s", file_prefix="pre_"))
    assert secrets.get_secrets_env_var("g", "k") == "S_G_K"
    assert secrets.get_secrets_file("g", "k") == "/s/g/pre_k"
    assert secrets.get_secrets_file("g") == "/s/pre_g"


def test_the_settings_in_force_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_SECRETS_ENV_PREFIX", "OTHER_")
    assert SecretsManager().get_secrets_env_var("g", "k") == "OTHER_G_K"


def test_from_the_environment(secrets: SecretsManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FSEC_G_K", " välue\n")
    assert secrets.get("g", "k") == "välue"
    assert secrets.get("g", "k", encode_mode="rb") == "välue".encode()
    assert secrets.g.k == "välue"
    assert current_context().secrets.get("g", "k") == "välue"


def test_from_a_file(secrets: SecretsManager, tmp_path: Path) -> None:
    (tmp_path / "g" / "v2").mkdir(parents=True)
    (tmp_path / "g" / "k").write_bytes(b" v\xc3\xa4lue \n")
    (tmp_path / "g" / "v2" / "k").write_text("second")
    (tmp_path / "binary").write_bytes(b"\xff\x00\xfe")
    assert secrets.get("G", "K") == "välue"
    assert secrets.get("g", "k", encode_mode="rb") == b"v\xc3\xa4lue"
    assert secrets.get("g", "k", "v2") == "second"
    assert secrets.get(key="binary", encode_mode="rb") == b"\xff\x00\xfe"
    with pytest.raises(UserError, match="not text"):
        secrets.get(key="binary")


def test_the_variable_comes_before_the_file(
    secrets: SecretsManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "k").write_text("file")
    assert secrets.get(key="k") == "file"
    monkeypatch.setenv("_FSEC_K", "variable")
    assert secrets.get(key="k") == "variable"


def test_only_local_runs_read_the_plain_variable(secrets: SecretsManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G_V_K", "plain")
    with pytest.raises(SecretNotFoundError):
        secrets.get("g", "k", "v")
    with FlyteContextManager.use(mode=Mode.TASK_EXECUTION), pytest.raises(SecretNotFoundError):
        secrets.get("g", "k", "v")
    with FlyteContextManager.use(mode=Mode.LOCAL_WORKFLOW_EXECUTION):
        assert secrets.get("g", "k", "v") == "plain"


def test_the_variable_that_the_request_names(secrets: SecretsManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "named")
    requests = [Request("other", "k", env_var="OTHER"), Request("db", "password", env_var="DB_PASSWORD")]
    params = ExecutionParameters(SECRET_REQUESTS=requests)
    with FlyteContextManager.use(params=params):
        assert secrets.get("db", "password") == "named"
        assert secrets.get("db", "password", encode_mode="rb") == b"named"
        with pytest.raises(SecretNotFoundError):
            secrets.get("db", "password", "another version")
        with pytest.raises(SecretNotFoundError, match="variable OTHER;"):
            secrets.get("other", "k")
    with pytest.raises(SecretNotFoundError):
        secrets.get("db", "password")


def test_what_is_missing_is_told_with_all_places(secrets: SecretsManager, tmp_path: Path) -> None:
    with pytest.raises(SecretNotFoundError) as raised:
        secrets.get("g", "k", "v")
    text = str(raised.value)
    assert "group 'g', version 'v', key 'k'" in text
    assert "variable _FSEC_G_V_K" in text
    assert f"file {tmp_path}/g/v/k" in text
    assert "secret_requests=[Secret(group='g', key='k', group_version='v')]" in text
    assert isinstance(raised.value, ValueError)
    assert raised.value.searched == ("variable _FSEC_G_V_K", f"file {tmp_path}/g/v/k")


def test_the_remedy_does_not_blame_a_request_that_is_there(secrets: SecretsManager) -> None:
    params = ExecutionParameters(SECRET_REQUESTS=[Request("g", "k")])
    with (
        FlyteContextManager.use(params=params),
        pytest.raises(SecretNotFoundError, match="The task requests it") as raised,
    ):
        secrets.get("g", "k")
    assert "Add secret_requests" not in str(raised.value)


@pytest.mark.usefixtures("local")
def test_the_remedy_of_a_local_run_is_a_variable(secrets: SecretsManager) -> None:
    with pytest.raises(SecretNotFoundError, match=r"export _FSEC_G_K=\.\.\."):
        secrets.get("g", "k")


@pytest.mark.parametrize("name", ["..", "../etc", "a/../../b"])
def test_a_name_does_not_leave_the_folder(secrets: SecretsManager, name: str) -> None:
    with pytest.raises(UserError, match="lead out"):
        secrets.get("g", name)
    with pytest.raises(UserError, match="lead out"):
        secrets.get(name, "k")


def test_a_secret_has_a_name(secrets: SecretsManager) -> None:
    with pytest.raises(UserError, match="neither was given"):
        secrets.get()
    with pytest.raises(UserError, match="encode_mode"):
        secrets.get("g", "k", encode_mode="w")  # type: ignore[call-overload]


def test_a_folder_is_no_secret(secrets: SecretsManager, tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(SecretNotFoundError):
        secrets.get("g")
    with pytest.raises(SecretNotFoundError):
        secrets.get("file", "k")


def test_questions_of_python_are_no_look_ups(secrets: SecretsManager) -> None:
    assert copy.copy(secrets).get_secrets_env_var("g") == "_FSEC_G"
    assert pickle.loads(pickle.dumps(SecretsManager())).get_secrets_env_var("g") == "_FSEC_G"
    assert not hasattr(secrets.group, "_repr_html_")


# Providers


class Vault:
    made = 0

    def __init__(self) -> None:
        type(self).made += 1

    def get(self, group: str | None, key: str | None, group_version: str | None) -> str | bytes | None:
        return {("g", "text"): "from-vault", ("g", "bytes"): b"\xfe\xff"}.get((group or "", key or ""))


class Sealed:
    def get(self, group: str | None, key: str | None, group_version: str | None) -> str | bytes | None:
        raise PermanentError("The vault is sealed.")


sealed = Sealed()


def provided(monkeypatch: pytest.MonkeyPatch, **providers: Integration) -> None:
    known = Catalogue()
    for integration in providers.values():
        known.add(integration)
    monkeypatch.setattr(hardpoint.secrets._CATALOGUE, "_value", known, raising=False)


def integration(name: str, path: str, requires: tuple[str, ...] = ()) -> Integration:
    return Integration(
        name=name,
        title=name,
        summary=name,
        extra=name,
        package=__name__,
        requires=requires,
        secret_providers={name: path},
    )


def test_providers_are_asked_after_the_files(
    secrets: SecretsManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    provided(monkeypatch, vault=integration("vault", f"{__name__}:Vault"))
    monkeypatch.setattr(Vault, "made", 0)
    assert secrets.get("g", "text") == "from-vault"
    assert secrets.get("g", "bytes", encode_mode="rb") == b"\xfe\xff"
    assert Vault.made <= 1
    with pytest.raises(SecretNotFoundError, match="; vault"):
        secrets.get("g", "other")
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "text").write_text("file")
    assert secrets.get("g", "text") == "file"


def test_a_provider_without_its_library_is_passed_over(
    secrets: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    provided(
        monkeypatch,
        absent=integration("absent", f"{__name__}:Vault", ("a_library_that_nobody_has",)),
        vault=integration("vault", f"{__name__}:Vault"),
    )
    assert secrets.get("g", "text") == "from-vault"
    with pytest.raises(SecretNotFoundError, match=r"absent \(not asked: absent needs a_library_that_nobody_has"):
        secrets.get("g", "other")


def test_a_provider_that_fails_is_heard(secrets: SecretsManager, monkeypatch: pytest.MonkeyPatch) -> None:
    provided(monkeypatch, sealed=integration("sealed", f"{__name__}:sealed"))
    with pytest.raises(PermanentError, match="sealed"):
        secrets.get("g", "text")


def test_the_keyring(tmp_path: Path) -> None:
    import keyring
    from keyring.backend import KeyringBackend

    class Drawer(KeyringBackend):
        priority = 1  # type: ignore[assignment]

        def get_password(self, service: str, username: str) -> str | None:
            return {("g", "k"): "in-the-drawer", ("hardpoint", "k"): "alone", ("g/v", "k"): "versioned"}.get(
                (service, username)
            )

        def set_password(self, service: str, username: str, password: str) -> None:
            raise NotImplementedError

    secrets = SecretsManager(SecretSettings(default_dir=str(tmp_path), keyring=True))
    before = keyring.get_keyring()
    keyring.set_keyring(Drawer())
    try:
        assert secrets.get("g", "k") == "in-the-drawer"
        assert secrets.get("g", "k", "v") == "versioned"
        assert secrets.get(key="k") == "alone"
        with pytest.raises(SecretNotFoundError, match="the system's keyring"):
            secrets.get("g", "other")
    finally:
        keyring.set_keyring(before)
    with pytest.raises(SecretNotFoundError):
        SecretsManager(SecretSettings(default_dir=str(tmp_path))).get("g", "k")


# Redaction


def test_what_was_handed_out_is_hidden(secrets: SecretsManager, monkeypatch: pytest.MonkeyPatch) -> None:
    assert redact("user hunter22") == "user hunter22"
    monkeypatch.setenv("_FSEC_G_K", "hunter22")
    secrets.get("g", "k")
    assert redact("password=hunter22, again: hunter22!") == "password=***, again: ***!"
    monkeypatch.setenv("_FSEC_G_K", "hunter2")
    secrets.get("g", "k")
    assert redact("hunter22 hunter2") == "*** ***"


def test_short_words_are_hidden_where_they_stand_alone() -> None:
    remember("test")
    remember("pa$$")
    assert redact("/tmp/pytest-0 contested tests, postgresql://test:test@h?p=test_1 'test'") == (
        "/tmp/pytest-0 contested tests, postgresql://***:***@h?p=***_1 '***'"
    )
    assert redact("xpa$$y") == "x***y"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (quote("postgresql://u:hunter2@host", safe=""), "postgresql%3A%2F%2Fu%3A***%40host"),
        (repr("a\nhunter2\n"), r"'a\n***\n'"),
        (repr("\x1bhunter2\x1b"), r"'\x1b***\x1b'"),
        (json.dumps("\x00hunter2\x00"), r'"\u0000***\u0000"'),
    ],
    ids=["quoted", "line", "repr", "json"],
)
def test_short_words_stand_alone_in_texts_that_are_encoded(text: str, shown: str) -> None:
    remember("hunter2")
    assert redact(text) == shown


def test_short_values_are_not_hidden() -> None:
    for value in ("", "1", "abc"):
        remember(value)
    assert redact("abc 1") == "abc 1"


@given(st.text(min_size=4), st.text(), st.text())
def test_every_form_is_hidden(value: str, before: str, after: str) -> None:
    hardpoint.secrets._known.clear()
    remember(value)
    for form in (value, json.dumps(value)[1:-1], repr(value)[1:-1], quote(value, safe="", errors="replace")):
        assert redact(form) == "***"
        if len(value) < 8 and value.isalnum():  # a word, which may stand within another
            assert "|***|" in redact(f"{before}|{form}|{after}")
        else:
            assert value not in redact(before + form + after) or value in "***"


def test_no_more_is_remembered_than_a_thousand() -> None:
    for n in range(1100):
        remember(f"secret-{n:05}")
    assert redact("secret-00000") == "secret-00000"
    assert redact("secret-00100 secret-01099") == "*** ***"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://user:pa%40ss@host/db", "postgresql://user:***@host/db"),
        (
            "postgresql+psycopg://user:p:a@host:5432/db?sslmode=require",
            "postgresql+psycopg://user:***@host:5432/db?sslmode=require",
        ),
        ("redis://:pass@host", "redis://:***@host"),
        ("https://host/x?X-Amz-Signature=abc&page=2", "https://host/x?X-Amz-Signature=***&page=2"),
        (
            "https://a.blob.core.windows.net/c/x?sv=2024&sig=a%2Fb%3D",
            "https://a.blob.core.windows.net/c/x?sv=2024&sig=***",
        ),
        ("https://host/x?token=abc#top", "https://host/x?token=***#top"),
        ("https://host/x?api_key=1&apikey=2&access-key=3", "https://host/x?api_key=***&apikey=***&access-key=***"),
        (
            "snowflake://u@acc/db?private_key_passphrase=x&role=r",
            "snowflake://u@acc/db?private_key_passphrase=***&role=r",
        ),
        ("s3://bucket/key", "s3://bucket/key"),
        ("abfs://container@account.dfs.core.windows.net/x", "abfs://container@account.dfs.core.windows.net/x"),
        ("https://host/a@b?q=monkey&author=1", "https://host/a@b?q=monkey&author=1"),
        ("/a/path", "/a/path"),
    ],
)
def test_uris(uri: str, shown: str) -> None:
    assert redact_uri(uri) == shown
    assert redact_uri(f"Could not read {uri} at all") == f"Could not read {shown} at all"


def test_logs() -> None:
    remember("hunter22")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.info("plain %d%%", 5)
    logger.info("with %s and %s", "hunter22", {"url": "https://u:secret@host/x"})
    try:
        raise ValueError("hunter22 is wrong")
    except ValueError:
        logger.exception("failed", stack_info=True)
    text = stream.getvalue()
    assert text.startswith("plain 5%\nwith *** and {'url': 'https://u:***@host/x'}\n")
    assert "ValueError: *** is wrong" in text
    assert "hunter22" not in text
    assert "secret" not in text.split("failed")[0]
