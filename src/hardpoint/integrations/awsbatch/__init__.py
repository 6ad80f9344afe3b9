"""AWS Batch: Python functions as Batch jobs."""

from typing import TYPE_CHECKING

from hardpoint.integration import Integration

if TYPE_CHECKING:
    from hardpoint.integrations.awsbatch.task import AWSBatchConfig as AWSBatchConfig
    from hardpoint.integrations.awsbatch.task import AWSBatchFunctionTask as AWSBatchFunctionTask

integration = Integration(
    name="awsbatch",
    title="AWS Batch",
    summary="Run Python functions as jobs of AWS Batch.",
    extra="awsbatch",
    requires=("boto3",),
    supports=("boto3>=1.40",),
    task_plugins={".task:AWSBatchConfig": ".task:AWSBatchFunctionTask"},
    connectors={"aws-batch": ".connector:AWSBatchConnector"},
    exports=(".task:AWSBatchConfig", ".task:AWSBatchFunctionTask"),
)

__getattr__, __dir__, __all__ = integration.lazy()
