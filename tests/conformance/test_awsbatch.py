"""AWS Batch's connector passes the suite for connectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hardpoint.integrations.awsbatch.connector import PHASES, AWSBatchConnector
from hardpoint.tasks.base import PythonTask
from hardpoint.testing import CANARY, ConnectorConformance, upstream
from tests.integrations.awsbatch.functions import successor
from tests.services.aws_batch import BatchStandIn


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchStandIn]:
    with BatchStandIn() as running:
        running.announce(monkeypatch)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
        yield running
        assert running.faults == []


class TestAWSBatch(ConnectorConformance):
    states = PHASES
    values = {"n": 3}
    failure_says = "OutOfMemoryError"
    gaps = (
        upstream(
            "create_is_idempotent",
            raises=NotImplementedError,
            reason="SubmitJob has no token; a job is looked up by its name before Batch is asked again.",
        ),
    )

    @pytest.fixture(autouse=True)
    def _endpoint(self, _surroundings: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BATCH", self.url)

    def connector(self, url: str) -> AWSBatchConnector:
        return AWSBatchConnector()

    def task(self) -> PythonTask[Any]:
        return successor

    def check_outputs(self, values: Any) -> None:
        assert values == {"o0": 4}
