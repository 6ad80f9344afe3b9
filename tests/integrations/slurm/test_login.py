"""Who logs in where: hosts are checked, keys stay secret, connections are kept and made anew."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hardpoint.connectors.connection import Connection, ForeignEndpointError, use_connection
from hardpoint.connectors.errors import explain
from hardpoint.errors import FlyteValidationException, PermanentError, TransientError, UserError
from hardpoint.integrations.slurm.login import SLURM_PRIVATE_KEY, Login, SSHConfig
from hardpoint.integrations.slurm.problems import HostKeyError
from hardpoint.integrations.slurm.ssh import Hosts
from hardpoint.settings import override
from hardpoint.testing.saboteur import Reset, Slow, TcpSaboteur
from tests.integrations.slurm.surroundings import ssh_config_of
from tests.services.slurm import Clusters
from tests.services.sshd import SSHD

VARIABLE = f"_FSEC_{SLURM_PRIVATE_KEY}"
Apart = Callable[..., tuple[SSHD, dict[str, Any]]]


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    made = Hosts()
    yield made
    made.close()


def greet(hosts: Hosts, config: dict[str, Any]) -> str:
    return hosts.run(Login.of(SSHConfig.from_dict(config)), "echo hello").out


# -- hosts -------------------------------------------------------------------------------------------------------------


def test_a_host_that_is_not_known_is_refused(hosts: Hosts, ssh_config: dict[str, Any]) -> None:
    config = {key: value for key, value in ssh_config.items() if key != "known_hosts"}
    with pytest.raises(HostKeyError, match="showed a host key that is not known") as caught:
        greet(hosts, config)
    assert caught.value.remedy is not None
    assert f"ssh-keyscan -p {config['port']} 127.0.0.1" in caught.value.remedy
    assert isinstance(caught.value, UserError)


def test_a_host_with_another_key_is_refused(hosts: Hosts, ssh_config: dict[str, Any], login: SSHD) -> None:
    other = Path(f"{login.client_key}.pub").read_text()
    with pytest.raises(HostKeyError):
        greet(hosts, {**ssh_config, "known_hosts": other})


def test_ways_to_know_a_host(hosts: Hosts, ssh_config: dict[str, Any], login: SSHD, own_home: Path) -> None:
    known = Path(login.known_hosts).read_text()
    assert greet(hosts, {**ssh_config, "known_hosts": [known.split(" ", 1)[1]]}) == "hello\n"
    assert greet(hosts, {**ssh_config, "known_hosts": [login.known_hosts]}) == "hello\n"
    bare = {key: value for key, value in ssh_config.items() if key != "known_hosts"}
    assert greet(hosts, {**bare, "verify_host_key": False}) == "hello\n"
    (own_home / ".ssh").mkdir()
    (own_home / ".ssh" / "known_hosts").write_text(known)
    assert greet(hosts, {**bare, "client_keys": [login.client_key]}) == "hello\n"
    with pytest.raises(UserError, match="known_hosts names /nowhere, which cannot be read"):
        greet(hosts, {**ssh_config, "known_hosts": "/nowhere"})


def test_what_a_configuration_may_hold() -> None:
    config = SSHConfig.from_dict({"host": "h", "client_keys": "k", "username": None, "port": 2222})
    assert config == SSHConfig("h", client_keys=("k",), port=2222)
    assert config.to_dict() == {"host": "h", "client_keys": ["k"], "port": 2222}
    assert SSHConfig.from_dict(config.to_dict()) == config
    assert (config.endpoint, SSHConfig("h", "u").endpoint) == ("h:2222", "u@h:22")
    with pytest.raises(FlyteValidationException, match="ssh_config has password, which it does not know"):
        SSHConfig.from_dict({"host": "h", "password": "x"})
    with pytest.raises(FlyteValidationException, match="ssh_config names no host"):
        SSHConfig.from_dict({"username": "u"})
    with pytest.raises(FlyteValidationException, match="client_keys holds a private key"):
        SSHConfig.from_dict({"host": "h", "client_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----\n..."]})


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_login_that_is_refused(
    hosts: Hosts, ssh_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    monkeypatch.setenv(VARIABLE, (tmp_path / "key").read_text())
    with pytest.raises(PermanentError, match="does not let") as caught:
        greet(hosts, ssh_config)
    assert caught.value.remedy is not None
    assert SLURM_PRIVATE_KEY in caught.value.remedy
    assert isinstance(caught.value, PermissionError)


def test_a_secret_that_is_no_key_is_not_told(
    hosts: Hosts, ssh_config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "canary-canary")
    with pytest.raises(UserError, match=f"The secret {SLURM_PRIVATE_KEY} is not a private key") as caught:
        greet(hosts, ssh_config)
    assert "canary" not in explain(caught.value, "log in", where="Slurm")[1]


def test_a_key_with_a_passphrase_is_told(
    hosts: Hosts, ssh_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(tmp_path / "key")], check=True)
    monkeypatch.setenv(VARIABLE, (tmp_path / "key").read_text())
    with pytest.raises(UserError, match="is not a private key"):
        greet(hosts, ssh_config)
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(UserError, match="private key in client_keys cannot be used"):
        greet(hosts, {**ssh_config, "client_keys": str(tmp_path / "key")})


def test_keys_in_files(hosts: Hosts, ssh_config: dict[str, Any], login: SSHD, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    assert greet(hosts, {**ssh_config, "client_keys": [login.client_key]}) == "hello\n"
    with pytest.raises(UserError, match="client_keys names /nowhere, which cannot be read"):
        greet(hosts, {**ssh_config, "client_keys": ["/nowhere"]})


def test_nothing_of_the_key_is_written_down(
    hosts: Hosts, ssh_config: dict[str, Any], login: SSHD, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    body = Path(login.client_key).read_text().splitlines()[1]
    caplog.set_level(logging.DEBUG)
    made = Login.of(SSHConfig.from_dict(ssh_config))
    assert hosts.run(made, "cat /proc/$PPID/environ; env").out.count(body) == 0
    assert body not in repr(made)
    assert body not in caplog.text
    files = [path for path in [*tmp_path.rglob("*"), *Path.cwd().glob("slurm_private_key*")] if path.is_file()]
    assert [path for path in files if body.encode() in path.read_bytes()] == []


def test_the_services_key_goes_to_no_host_that_a_task_names(
    hosts: Hosts, ssh_config: dict[str, Any], login: SSHD
) -> None:
    shared = Connection(shared=True)
    with use_connection(shared), pytest.raises(ForeignEndpointError, match=r"127\.0\.0\.1"):
        greet(hosts, ssh_config)
    with use_connection(shared), override(connectors={"endpoints": "127.0.0.*"}):
        assert greet(hosts, ssh_config) == "hello\n"


def test_a_task_brings_its_own_key(
    hosts: Hosts, ssh_config: dict[str, Any], login: SSHD, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = os.environ.pop(VARIABLE)
    with use_connection(Connection({SLURM_PRIVATE_KEY: key}, shared=True)):
        assert greet(hosts, ssh_config) == "hello\n"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    # The files of the service are not the task's to use.
    theirs = {**ssh_config, "client_keys": [login.client_key]}
    other = Connection({SLURM_PRIVATE_KEY: (tmp_path / "key").read_text()}, shared=True)
    with use_connection(other), pytest.raises(PermissionError):
        greet(hosts, theirs)


# -- connections ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def apart(slurm: Clusters, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Apart:
    """Makes login hosts of the test's own: nobody else logs in there."""

    def make(*settings: str) -> tuple[SSHD, dict[str, Any]]:
        server = slurm.login(f"apart-{uuid4().hex[:8]}", {}, *settings)
        monkeypatch.setenv(VARIABLE, Path(server.client_key).read_text())
        return server, ssh_config_of(server)

    return make


@pytest.fixture
def saboteur() -> Iterator[Callable[[SSHD], TcpSaboteur]]:
    with contextlib.ExitStack() as stack:
        yield lambda server: stack.enter_context(TcpSaboteur(f"ssh://127.0.0.1:{server.port}"))


def sabotaged(saboteur: TcpSaboteur, ssh_config: dict[str, Any]) -> dict[str, Any]:
    key = Path(ssh_config["known_hosts"]).read_text().split(" ", 1)[1]
    return {**ssh_config, "port": saboteur.port, "known_hosts": key}


def logins(login: SSHD) -> int:
    return Path(login.log).read_text().count("Accepted publickey")


def at_once(hosts: Hosts, config: dict[str, Any], count: int, program: str = "echo hello") -> list[str]:
    """What as many programs print that are begun together, each in a thread."""
    login, barrier = Login.of(SSHConfig.from_dict(config)), threading.Barrier(count)

    def run(_: int) -> str:
        barrier.wait()
        return hosts.run(login, program).out

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def test_a_connection_is_shared_and_made_anew_when_it_is_lost(
    hosts: Hosts, apart: Apart, saboteur: Callable[[SSHD], TcpSaboteur], tmp_path: Path
) -> None:
    server, ssh_config = apart()
    proxy = saboteur(server)
    config = sabotaged(proxy, ssh_config)
    for _ in range(3):
        assert at_once(hosts, config, 20) == ["hello\n"] * 20
    assert logins(server) == 1
    with ThreadPoolExecutor(1) as threads:
        runs = threads.submit(at_once, hosts, config, 1, f"touch {tmp_path}/begun; sleep 20")
        while not (tmp_path / "begun").exists():
            assert not runs.done()
            time.sleep(0.02)
        proxy.fail(Reset())
        assert greet(hosts, config) == "hello\n", "Nothing had been done yet, so it may be done on another connection."
        with pytest.raises(TransientError):  # it may have done half of what it was to do
            runs.result(30)
    assert logins(server) == 2


def test_a_server_that_takes_few_programs_at_once_is_given_few(hosts: Hosts, apart: Apart) -> None:
    server, config = apart("MaxSessions 1")
    assert at_once(hosts, config, 6) == ["hello\n"] * 6
    before = logins(server)
    assert before <= 6
    assert "no more sessions" in Path(server.log).read_text()
    # Who would have to wait for long gets a connection of its own, and nobody's is taken away.
    assert at_once(hosts, config, 3, "sleep 4; echo hello") == ["hello\n"] * 3
    assert logins(server) <= before + 3


def test_a_server_that_takes_no_programs_is_not_asked_for_ever(hosts: Hosts, apart: Apart) -> None:
    server, config = apart("MaxSessions 0")
    with pytest.raises(TransientError, match=r"The connection to 127\.0\.0\.1 failed"):
        greet(hosts, config)
    assert logins(server) == 2


def test_what_a_program_printed_before_the_connection_was_lost_is_no_answer(
    hosts: Hosts, ssh_config: dict[str, Any]
) -> None:
    with pytest.raises(TransientError, match=r"The connection to 127\.0\.0\.1 was lost while a program ran there"):
        hosts.run(Login.of(SSHConfig.from_dict(ssh_config)), "echo a part; kill -9 $PPID; sleep 5")
    assert greet(hosts, ssh_config) == "hello\n"


def test_another_key_is_another_connection(hosts: Hosts, apart: Apart) -> None:
    server, config = apart()
    greet(hosts, config)
    greet(hosts, {**config, "client_keys": [server.client_key]})
    greet(hosts, config)
    assert logins(server) == 2


def test_connections_that_were_closed_are_made_again(hosts: Hosts, ssh_config: dict[str, Any]) -> None:
    greet(hosts, ssh_config)
    hosts.close()
    assert greet(hosts, ssh_config) == "hello\n"


def test_a_program_that_takes_too_long_is_not_waited_for(hosts: Hosts, ssh_config: dict[str, Any]) -> None:
    with pytest.raises(TransientError, match="did not answer in time"):
        hosts.run(Login.of(SSHConfig.from_dict(ssh_config)), "sleep 30", 0.3)
    assert greet(hosts, ssh_config) == "hello\n"


def test_a_program_that_takes_too_long_disturbs_no_other(hosts: Hosts, apart: Apart) -> None:
    server, config = apart()
    login = Login.of(SSHConfig.from_dict(config))
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(hosts.run, login, "echo begun >&2; sleep 3; echo done")
        greet(hosts, config)
        with pytest.raises(TransientError, match="did not answer in time"):
            hosts.run(login, "sleep 30", 0.3)
        assert greet(hosts, config) == "hello\n"
        assert not other.done()
        assert other.result(30).out == "done\n"
    assert logins(server) == 2, "A connection that may be dead is given to nobody any more."


def test_a_slow_network_is_waited_for(
    hosts: Hosts, ssh_config: dict[str, Any], login: SSHD, saboteur: Callable[[SSHD], TcpSaboteur]
) -> None:
    proxy = saboteur(login)
    proxy.fail(Slow(0.5))
    assert greet(hosts, sabotaged(proxy, ssh_config)) == "hello\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "host.invalid"])
def test_a_host_that_is_not_there(hosts: Hosts, ssh_config: dict[str, Any], host: str) -> None:
    with pytest.raises(TransientError, match=f"{host} cannot be reached"):
        greet(hosts, {**ssh_config, "host": host, "port": 1})
