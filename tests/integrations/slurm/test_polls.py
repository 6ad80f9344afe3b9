"""Many jobs at once: how often a cluster is asked, and what one job's trouble is to the others."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hardpoint.connectors import Phase
from hardpoint.idl import LiteralMap
from hardpoint.integrations.slurm import OutputLocation, SlurmConfig, SlurmScriptConnector, SlurmShellTask
from hardpoint.integrations.slurm.login import SLURM_PRIVATE_KEY, Login, SSHConfig
from hardpoint.integrations.slurm.meta import SlurmScriptMetadata
from hardpoint.integrations.slurm.problems import HostKeyError
from hardpoint.integrations.slurm.ssh import Hosts
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.types.file import FlyteFile
from tests.integrations.slurm.surroundings import ssh_config_of
from tests.services.slurm import Clusters
from tests.services.sshd import SSHD


@pytest.fixture
def login(slurm: Clusters, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> SSHD:
    """A login host of the test's own, which tells of each program that it is asked for."""
    server = slurm.login(f"polls-{uuid4().hex[:8]}", {"SLURM_CONF": slurm.main.conf}, "LogLevel VERBOSE")
    monkeypatch.setenv(f"_FSEC_{SLURM_PRIVATE_KEY}", Path(server.client_key).read_text())
    return server


@pytest.fixture
def connector() -> Iterator[SlurmScriptConnector]:
    made = SlurmScriptConnector(grace=0.0)
    yield made
    made.close()


def asked(login: SSHD) -> int:
    """How many programs it was asked for."""
    return Path(login.log).read_text().count("Starting session: command")


def submit(
    connector: SlurmScriptConnector, login: SSHD, folder: Path, body: str, *outputs: OutputLocation, **options: Any
) -> SlurmScriptMetadata:
    config = SlurmConfig(ssh_config_of(login), {"chdir": str(folder), **options})
    task = SlurmShellTask("polls.shell", config, f"#!/bin/bash\n{body}\n", output_locs=outputs)
    return connector.create(
        task.template(SerializationSettings()),
        str(folder / "outputs"),
        LiteralMap(),
        idempotency_key=f"hp-{uuid4().hex}",
        tags={},
    )


def test_jobs_of_one_login_are_asked_for_in_one_question(
    connector: SlurmScriptConnector, login: SSHD, tmp_path: Path
) -> None:
    metas = [submit(connector, login, tmp_path, f"echo out {n}; echo err {n} >&2; exit {n}") for n in range(6)]
    held = [submit(connector, login, tmp_path, "true", hold=True) for _ in range(6)]
    before = asked(login)
    assert before == 12, "A submission is one program."
    assert [answer.phase for answer in connector.get_many(held)] == [Phase.QUEUED] * 6
    assert asked(login) == before + 1
    deadline = time.monotonic() + 60
    while not all(answer.phase.is_terminal for answer in connector.get_many(metas)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    before = asked(login)
    answers = connector.get_many([*metas, *held])
    assert asked(login) == before + 3, (
        "The states, the details of those that have ended, and the ends of what they wrote."
    )
    assert [answer.phase for answer in answers] == [Phase.SUCCEEDED, *[Phase.FAILED] * 5, *[Phase.QUEUED] * 6]
    for number, answer in enumerate(answers[:6]):
        assert answer.message is not None
        assert answer.message.endswith(f"out {number}\nerr {number}")
    for meta in held:
        connector.delete(meta)


def test_a_cluster_that_is_away_keeps_nobody_from_another_one(
    connector: SlurmScriptConnector, login: SSHD, tmp_path: Path
) -> None:
    held = submit(connector, login, tmp_path, "true", hold=True)
    away = [SlurmScriptMetadata("1", {**ssh_config_of(login), "port": port}) for port in (1, 2)]
    answers = connector.get_many([away[0], held, away[1]])
    assert [answer.phase for answer in answers] == [Phase.UNDEFINED, Phase.QUEUED, Phase.UNDEFINED]
    assert "127.0.0.1 cannot be reached" in (answers[0].message or "")
    connector.delete(held)


def test_who_may_not_log_in_is_told_as_for_one_job(
    connector: SlurmScriptConnector, login: SSHD, tmp_path: Path
) -> None:
    held = submit(connector, login, tmp_path, "true", hold=True)
    strange = SlurmScriptMetadata(
        "1", {**ssh_config_of(login), "known_hosts": Path(f"{login.client_key}.pub").read_text()}
    )
    for ask in (lambda: connector.get(strange), lambda: connector.get_many([held, strange])):
        with pytest.raises(HostKeyError):
            ask()
    assert connector.get(held).phase is Phase.QUEUED
    connector.delete(held)


def test_who_waits_for_one_connection_waits_once(login: SSHD) -> None:
    """A host that accepts connections and says nothing."""
    hosts, failures = Hosts(), []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        accepted: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = silent.accept()
                except OSError:
                    return
                accepted.append(connection)
                threading.Timer(1.5, connection.close).start()

        threading.Thread(target=accept, daemon=True).start()
        config = {**ssh_config_of(login), "port": silent.getsockname()[1]}

        def ask() -> None:
            try:
                hosts.run(Login.of(SSHConfig.from_dict(config)), "true")
            except Exception as error:
                failures.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(20)]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - begun
        silent.shutdown(socket.SHUT_RDWR)
    hosts.close()
    assert len(failures) == 20
    assert len(accepted) < 4, "All that asked while it was tried share the attempt."
    assert took < 1.5 * 4


def test_files_of_many_jobs_are_waited_for_together(
    connector: SlurmScriptConnector, login: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe cannot be opened before its writer has come, so that all copies take their time."""
    monkeypatch.setattr("hardpoint.integrations.slurm.results.PATIENCE", 1.0)
    metas = []
    for number in range(6):
        pipe = tmp_path / f"pipe{number}"
        os.mkfifo(pipe)
        metas.append(submit(connector, login, tmp_path, "true", OutputLocation("o", FlyteFile, str(pipe))))
    plain = submit(connector, login, tmp_path, "exit 1")
    deadline = time.monotonic() + 60
    while connector.get(plain).phase is not Phase.FAILED:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    phases: list[Phase] = []
    while Phase.QUEUED in phases or not phases:
        begun = time.monotonic()
        answers = connector.get_many([*metas, plain])
        took = time.monotonic() - begun
        phases = [answer.phase for answer in answers]
        assert time.monotonic() < deadline
    assert phases == [*[Phase.RUNNING] * 6, Phase.FAILED]
    assert took < 5.0, "Six that are waited for one after the other take six seconds."
    writers = [
        threading.Thread(target=lambda pipe: pipe.open("w").close(), args=(tmp_path / f"pipe{n}",)) for n in range(6)
    ]
    for writer in writers:
        writer.start()
    while Phase.RUNNING in phases:
        phases = [answer.phase for answer in connector.get_many(metas)]
        assert time.monotonic() < deadline
    assert phases == [Phase.SUCCEEDED] * 6
    for writer in writers:
        writer.join()


def test_a_connection_that_nobody_uses_is_closed(login: SSHD) -> None:
    hosts = Hosts(idle=0.3)
    made = Login.of(SSHConfig.from_dict(ssh_config_of(login)))
    log = Path(login.log)
    try:
        assert hosts.run(made, "sleep 1; echo done").out == "done\n", "It is in use as long as a program runs."
        after = log.read_text().partition("Close session")[2]
        deadline = time.monotonic() + 20
        while "Connection" not in after and "Disconnected" not in after:
            assert time.monotonic() < deadline, after
            time.sleep(0.05)
            after = log.read_text().partition("Close session")[2]
        assert hosts.run(made, "echo again").out == "again\n"
        assert log.read_text().count("Accepted publickey") == 2
    finally:
        hosts.close()
