"""What the killed services serve: the connectors of the vendor that can tell whether a job exists."""

from __future__ import annotations

from hardpoint.connectors import ConnectorRegistry
from tests.unit.connectors.vendor import Finding, Idempotent

for made in (Finding, Idempotent):
    ConnectorRegistry.register(made())
