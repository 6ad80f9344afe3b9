"""A workflow of one external job, whose service a test plays."""

import os

from hardpoint import workflow
from hardpoint.connectors import ConnectorRegistry
from tests.unit.testing.lake import LakeConnector, LakeJob

ConnectorRegistry.register(LakeConnector(os.environ["LAKE_URL"]))
count = LakeJob("count", rows=7)


@workflow
def counted() -> int:
    return count()
