"""A stand-in for BigQuery of each test's own, to which the environment leads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.bigquery import PROJECT, BigQuery, bigquery


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQuery]:
    with bigquery() as server:
        monkeypatch.setenv("_FSEC_GOOGLE_APPLICATION_CREDENTIALS", server.credentials)
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
        monkeypatch.setenv("NO_GCE_CHECK", "true")
        yield server
