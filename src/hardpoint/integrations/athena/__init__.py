"""Amazon Athena: SQL over what lies in S3."""

from typing import TYPE_CHECKING

from hardpoint.integration import Integration

if TYPE_CHECKING:
    from hardpoint.integrations.athena.task import AthenaConfig as AthenaConfig
    from hardpoint.integrations.athena.task import AthenaTask as AthenaTask

integration = Integration(
    name="athena",
    title="Amazon Athena",
    summary="Run SQL with bound parameters on Amazon Athena, and hand the result on as a dataset.",
    extra="athena",
    requires=("boto3", "pyarrow"),
    supports=("boto3>=1.40", "pyarrow>=22"),
    connectors={"presto": ".connector:AthenaConnector"},
    exports=(".task:AthenaConfig", ".task:AthenaTask"),
)

__getattr__, __dir__, __all__ = integration.lazy()
