"""The suites for connectors, on a connector that is as it should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from hardpoint.testing import ConnectorConformance
from tests.unit.testing.lake import STATES, WORDS, FakeLake, LakeConnector, LakeJob, running_lake


class TestLake(ConnectorConformance):
    secrets = ("lake_token",)
    states = STATES
    failure_says = WORDS

    @pytest.fixture
    def vendor(self) -> Iterator[FakeLake]:
        with running_lake() as lake:
            yield lake

    def connector(self, url: str) -> LakeConnector:
        return LakeConnector(url=url)

    def task(self) -> LakeJob:
        return LakeJob("count", rows=7)

    def check_outputs(self, values: Mapping[str, Any]) -> None:
        assert values == {"rows": 7}
