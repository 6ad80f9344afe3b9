"""Athena's connector passes the suite for connectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from hardpoint import kwtypes
from hardpoint.integrations.athena import AthenaConfig, AthenaTask
from hardpoint.integrations.athena.connector import PHASES, AthenaConnector
from hardpoint.testing import CANARY, ConnectorConformance
from tests.services.aws_athena import AthenaStandIn
from tests.services.s3 import S3


@pytest.fixture
def vendor(s3: S3, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[AthenaStandIn]:
    with AthenaStandIn(s3) as running:
        running.bucket = s3_bucket  # type: ignore[attr-defined]
        running.announce(monkeypatch)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
        yield running
        assert running.faults == []


class TestAthena(ConnectorConformance):
    states = PHASES
    values = {"n": 3}
    failure_says = "exhausted resources"

    @pytest.fixture(autouse=True)
    def _endpoint(self, _surroundings: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ATHENA", self.url)

    def connector(self, url: str) -> AthenaConnector:
        return AthenaConnector()

    def task(self) -> AthenaTask:
        return AthenaTask(
            name="rows",
            query_template="SELECT {{ .inputs.n }} AS n",
            task_config=AthenaConfig(output_location=f"{self.service.bucket}/results"),  # type: ignore[attr-defined]
            inputs=kwtypes(n=int),
            output_schema_type=pd.DataFrame,
        )

    def check_outputs(self, values: Any) -> None:
        assert list(values["results"]["n"]) == [3]
