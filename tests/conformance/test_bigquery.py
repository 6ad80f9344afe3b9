"""BigQuery's connector passes the suite for connectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pytest

from hardpoint import kwtypes
from hardpoint.integrations.bigquery import BigQueryConfig, BigQueryConnector, BigQueryTask
from hardpoint.integrations.bigquery.states import STATES
from hardpoint.testing import ConnectorConformance, upstream
from hardpoint.types.structured import StructuredDataset
from tests.services.bigquery import PROJECT, BigQuery, bigquery


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQuery]:
    with bigquery() as service:
        service.holds = True
        monkeypatch.setenv("_FSEC_GOOGLE_APPLICATION_CREDENTIALS", service.credentials)
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", service.url)
        monkeypatch.setenv("HARDPOINT_BIGQUERY_STORAGE_ENDPOINT", "none")
        yield service


class TestConnector(ConnectorConformance):
    states = STATES
    failure_says = "invalidQuery"
    values = {"n": 2}
    gaps = [
        upstream(test, raises=NotImplementedError, reason="BigQuery tells of one job at a time; its list takes no ids.")
        for test in ("many_are_asked_for_at_once", "one_of_many_has_vanished")
    ]

    def connector(self, url: str) -> BigQueryConnector:
        return BigQueryConnector()

    def task(self) -> BigQueryTask:
        return BigQueryTask(
            "conformance.query",
            "SELECT @n AS n",
            BigQueryConfig(PROJECT, Endpoint=self.url),
            inputs=kwtypes(n=int),
            output_structured_dataset_type=StructuredDataset,
        )

    def check_outputs(self, values: Mapping[str, Any]) -> None:
        assert values["results"].open(pa.Table).all().to_pydict() == {"n": [2]}
