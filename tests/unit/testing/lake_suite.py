"""The suite for the connector of `lake`; subclassed where it is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from hardpoint.testing import ConnectorConformance
from tests.unit.testing.lake import STATES, WORDS, FakeLake, LakeConnector, LakeJob, running_lake


class LakeSuite(ConnectorConformance):
    secrets = ("lake_token",)
    states = STATES
    failure_says = WORDS
    made_by: type[LakeConnector] = LakeConnector

    @pytest.fixture
    def vendor(self) -> Iterator[FakeLake]:
        with running_lake() as lake:
            yield lake

    def connector(self, url: str) -> LakeConnector:
        return self.made_by(url=url)

    def task(self) -> LakeJob:
        return LakeJob("count", rows=7)

    def check_outputs(self, values: Mapping[str, Any]) -> None:
        assert values == {"rows": 7}
