"""SageMaker's connectors pass the suites for connectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hardpoint import kwtypes
from hardpoint.connectors import JobGoneError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.integrations.awssagemaker_inference import (
    BotoConnector,
    SageMakerEndpointConnector,
    SageMakerEndpointTask,
    SageMakerModelTask,
)
from hardpoint.integrations.awssagemaker_inference.endpoint import PHASES
from hardpoint.testing import CANARY, ConnectorConformance, SyncConnectorConformance, never, upstream
from tests.services.aws_sagemaker import SageMakerStandIn


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[SageMakerStandIn]:
    with SageMakerStandIn() as running:
        running.announce(monkeypatch)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
        running.configs["config"] = {}
        yield running
        assert running.faults == []


@pytest.fixture(autouse=True)
def endpoint(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    request.getfixturevalue("_surroundings")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", request.instance.url)


class TestEndpoint(ConnectorConformance):
    states = PHASES
    failure_says = "did not pass the ping health check"
    gaps = (
        never(
            "find_gives_the_job_of_a_key",
            raises=NotImplementedError,
            reason="An endpoint is known by its name, which may depend on inputs; to create it again gives the same one.",
        ),
        never(
            "cancel_after_it_has_ended",
            raises=JobGoneError,
            reason="The endpoint is what the task makes: whoever cancels it wants it gone, also if it serves by now.",
        ),
        upstream(
            "many_are_asked_for_at_once",
            raises=NotImplementedError,
            reason="DescribeEndpoint tells of one endpoint.",
        ),
        upstream(
            "one_of_many_has_vanished", raises=NotImplementedError, reason="DescribeEndpoint tells of one endpoint."
        ),
    )

    def connector(self, url: str) -> SageMakerEndpointConnector:
        return SageMakerEndpointConnector()

    def task(self) -> SageMakerEndpointTask:
        config = {"EndpointName": "{inputs.name}-{idempotence_token}", "EndpointConfigName": "config"}
        return SageMakerEndpointTask("endpoint", config, inputs=kwtypes(name=str))

    def prepared(self, output_prefix: str) -> tuple[TaskTemplate, LiteralMap]:
        # What is the same has the same name, so each node has another one.
        self.values = {"name": Path(output_prefix).parent.name}  # type: ignore[misc]
        return super().prepared(output_prefix)

    def check_outputs(self, values: Any) -> None:
        assert values["result"]["EndpointArn"].startswith("arn:aws:sagemaker:eu-central-1:123456789012:endpoint/n0-")


class TestBoto(SyncConnectorConformance):
    values = {"bucket": "b"}

    def connector(self, url: str) -> BotoConnector:
        return BotoConnector(timeout=2)

    def task(self) -> SageMakerModelTask:
        config = {
            "ModelName": "model-{idempotence_token}",
            "PrimaryContainer": {"Image": "{images.server}", "ModelDataUrl": "s3://{inputs.bucket}/model.tar.gz"},
        }
        return SageMakerModelTask("model", config, images={"server": "i:1"}, inputs=kwtypes(bucket=str))

    def check_outputs(self, values: Any) -> None:
        token = values["idempotence_token"]
        assert values["result"] == {"ModelArn": f"arn:aws:sagemaker:eu-central-1:123456789012:model/model-{token}"}
