"""Connectors of the vendor that the tests run over HTTP."""

from hardpoint.connectors import ConnectorRegistry
from tests.unit.connectors.vendor import Batching, Finding, Idempotent, Plain

for made in (Batching, Finding, Idempotent, Plain):
    ConnectorRegistry.register(made())
