"""A stand-in for BigQuery of each test's own, to which the environment leads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.bigquery import PROJECT, BigQuery, bigquery
from tests.services.bigquery_storage import BigQueryStorage, bigquery_storage


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQuery]:
    with bigquery() as server:
        monkeypatch.setenv("_FSEC_GOOGLE_APPLICATION_CREDENTIALS", server.credentials)
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
        monkeypatch.setenv("NO_GCE_CHECK", "true")
        yield server


@pytest.fixture
def storage(service: BigQuery, monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQueryStorage]:
    """The stand-in's Storage Read API, which is used from now on."""
    with bigquery_storage(service) as server:
        monkeypatch.setenv("HARDPOINT_BIGQUERY_STORAGE_ENDPOINT", server.url)
        yield server
