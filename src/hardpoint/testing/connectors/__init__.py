"""The suites that every connector passes. Subclass `ConnectorConformance`, or `SyncConnectorConformance`, in a test module.

They use a connector as the service and local runs do, through the kernel and its journal, with a saboteur between the connector
and its service.
"""

from hardpoint.testing.connectors.cancelling import JobsAreEnded
from hardpoint.testing.connectors.creation import JobsAreCreatedOnce
from hardpoint.testing.connectors.promises import PromisesAreKept
from hardpoint.testing.connectors.service import Service, Vendor
from hardpoint.testing.connectors.states import StatesAreTold
from hardpoint.testing.connectors.sync import SyncConnectorConformance
from hardpoint.testing.connectors.trouble import TroubleIsBorne

__all__ = ["ConnectorConformance", "Service", "SyncConnectorConformance", "Vendor"]


class ConnectorConformance(JobsAreCreatedOnce, StatesAreTold, TroubleIsBorne, JobsAreEnded, PromisesAreKept):
    """Proves that a connector of jobs has one job for each node, loses none, ends what it should end, and never guesses."""
