"""The suite for the connector of `lake`; subclassed where it is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from hardpoint.testing import ConnectorConformance, SyncConnectorConformance
from tests.unit.testing.lake import (
    STATES,
    WORDS,
    FakeLake,
    LakeAnswer,
    LakeAnswerConnector,
    LakeConnector,
    LakeJob,
    running_lake,
)


class _OnLake:
    secrets = ("lake_token",)
    scheme = "http"

    @pytest.fixture
    def vendor(self) -> Iterator[FakeLake]:
        with running_lake() as lake:
            lake.url = lake.url.replace("http", self.scheme)
            yield lake

    def check_outputs(self, values: Mapping[str, Any]) -> None:
        assert values == {"rows": 7}


class LakeSuite(_OnLake, ConnectorConformance):
    states = STATES
    failure_says = WORDS
    made_by: type[LakeConnector] = LakeConnector

    def connector(self, url: str) -> LakeConnector:
        return self.made_by(url)

    def task(self) -> LakeJob:
        return LakeJob("count", rows=7)


class LakeAnswersSuite(_OnLake, SyncConnectorConformance):
    deadline = 2.0
    made_by: type[LakeAnswerConnector] = LakeAnswerConnector

    def connector(self, url: str) -> LakeAnswerConnector:
        return self.made_by(url)

    def task(self) -> LakeAnswer:
        return LakeAnswer("count", rows=7)
