"""Scripts on a real Slurm, over SSH: what the suite asks of every connector."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest

from hardpoint.integrations.slurm import OutputLocation, SlurmConfig, SlurmScriptConnector, SlurmShellTask
from hardpoint.integrations.slurm.login import SLURM_PRIVATE_KEY
from hardpoint.integrations.slurm.states import PHASES
from hardpoint.testing import ConnectorConformance, never
from hardpoint.testing.saboteur import Reset
from hardpoint.types.file import FlyteFile
from tests.services.slurm import Clusters
from tests.services.slurm_vendor import SlurmVendor

_NO_HTTP = "SSH has no such answer."


class TestSlurm(ConnectorConformance):
    states = PHASES
    failure_says = "exit status 3"
    patience = 30.0
    canaries: ClassVar[tuple[str, ...]] = ()

    gaps = [
        never(test, raises=NotImplementedError, reason=_NO_HTTP)
        for test in (
            "any_request_of_a_create_may_get_lost",
            "busy_service_is_left_alone",
            "unavailable_service_is_waited_for",
            "invalid_task_is_told",
        )
    ]

    @pytest.fixture
    def vendor(self, slurm: Clusters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmVendor]:
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        folder = tmp_path / "vendor"
        folder.mkdir()
        vendor = SlurmVendor(slurm, f"c{uuid.uuid4().hex[:8]}", folder)
        key = Path(vendor.login.client_key).read_text()
        monkeypatch.setenv(f"_FSEC_{SLURM_PRIVATE_KEY}", key)
        monkeypatch.setattr(type(self), "canaries", tuple(key.splitlines()[1:-1]))
        yield vendor
        vendor.close()

    def connector(self, url: str) -> SlurmScriptConnector:
        return SlurmScriptConnector(grace=0.0)

    def task(self) -> SlurmShellTask:
        vendor: Any = self.service
        port = urlsplit(self.url).port
        assert port is not None
        options = {"chdir": str(vendor.folder), "job-name": vendor.name}
        return SlurmShellTask(
            "conformance.slurm",
            SlurmConfig(vendor.ssh_config(port), options),
            vendor.script,
            output_locs=[OutputLocation("o", FlyteFile, f"{vendor.folder}/result.txt")],
        )

    def check_outputs(self, values: Mapping[str, Any]) -> None:
        [job] = self.made()
        with values["o"].open() as stream:
            assert stream.read().strip() == job

    def refuse(self) -> None:
        vendor: Any = self.service
        keys = Path(f"{vendor.login.client_key}.pub")
        known, heal = keys.read_text(), self.saboteur.heal

        def forgive() -> None:
            keys.write_text(known)
            heal()

        keys.write_text("")
        self.saboteur.heal = forgive  # type: ignore[method-assign]
        self.saboteur.fail(Reset())  # who is logged in already has to log in again
