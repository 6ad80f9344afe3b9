"""Logins to the clusters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hardpoint.integrations.slurm.login import SLURM_PRIVATE_KEY
from tests.integrations.slurm import flows
from tests.integrations.slurm.surroundings import ssh_config_of
from tests.services.slurm import Clusters
from tests.services.sshd import SSHD


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the connector's own, in which there are no keys, known hosts or settings of SSH."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return home


@pytest.fixture
def login(slurm: Clusters, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> SSHD:
    """The login host of the cluster ``main``; the secret holds its key."""
    server = slurm.login("main", {"SLURM_CONF": slurm.main.conf})
    monkeypatch.setenv(f"_FSEC_{SLURM_PRIVATE_KEY}", Path(server.client_key).read_text())
    return server


@pytest.fixture
def ssh_config(login: SSHD) -> dict[str, Any]:
    """How it is reached."""
    return ssh_config_of(login)


@pytest.fixture
def sbatch_config(tmp_path: Path) -> dict[str, Any]:
    """Options that keep what a job writes in the test's own folder."""
    folder = tmp_path / "jobs"
    folder.mkdir()
    return {"chdir": str(folder)}


@pytest.fixture
def functions(ssh_config: dict[str, Any], sbatch_config: dict[str, Any]) -> Iterator[None]:
    """The functions of `flows` run on the cluster ``main``."""
    options = flows.CONFIG.sbatch_config
    assert options is not None
    flows.SSH.update(ssh_config)
    options.update(sbatch_config)
    yield
    flows.SSH.clear()
    flows.SSH["host"] = "127.0.0.1"
    options.clear()
