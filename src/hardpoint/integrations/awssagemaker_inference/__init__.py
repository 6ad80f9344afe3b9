"""Amazon SageMaker inference: models, endpoints and calls of them; and any other call of boto3."""

from typing import TYPE_CHECKING

from hardpoint.integration import Integration

if TYPE_CHECKING:
    from hardpoint.integrations.awssagemaker_inference.boto import Boto3ConnectorMixin as Boto3ConnectorMixin
    from hardpoint.integrations.awssagemaker_inference.boto import BotoConnector as BotoConnector
    from hardpoint.integrations.awssagemaker_inference.endpoint import (
        SageMakerEndpointConnector as SageMakerEndpointConnector,
    )
    from hardpoint.integrations.awssagemaker_inference.images import triton_image_uri as triton_image_uri
    from hardpoint.integrations.awssagemaker_inference.task import BotoConfig as BotoConfig
    from hardpoint.integrations.awssagemaker_inference.task import BotoTask as BotoTask
    from hardpoint.integrations.awssagemaker_inference.task import (
        SageMakerDeleteEndpointConfigTask as SageMakerDeleteEndpointConfigTask,
    )
    from hardpoint.integrations.awssagemaker_inference.task import (
        SageMakerDeleteEndpointTask as SageMakerDeleteEndpointTask,
    )
    from hardpoint.integrations.awssagemaker_inference.task import SageMakerDeleteModelTask as SageMakerDeleteModelTask
    from hardpoint.integrations.awssagemaker_inference.task import (
        SageMakerEndpointConfigTask as SageMakerEndpointConfigTask,
    )
    from hardpoint.integrations.awssagemaker_inference.task import SageMakerEndpointTask as SageMakerEndpointTask
    from hardpoint.integrations.awssagemaker_inference.task import (
        SageMakerInvokeEndpointTask as SageMakerInvokeEndpointTask,
    )
    from hardpoint.integrations.awssagemaker_inference.task import SageMakerModelTask as SageMakerModelTask
    from hardpoint.integrations.awssagemaker_inference.workflow import (
        create_sagemaker_deployment as create_sagemaker_deployment,
    )
    from hardpoint.integrations.awssagemaker_inference.workflow import (
        delete_sagemaker_deployment as delete_sagemaker_deployment,
    )

_EXPORTS = """
    .boto:Boto3ConnectorMixin .boto:BotoConnector .endpoint:SageMakerEndpointConnector .images:triton_image_uri
    .task:BotoConfig .task:BotoTask .task:SageMakerDeleteEndpointConfigTask .task:SageMakerDeleteEndpointTask
    .task:SageMakerDeleteModelTask .task:SageMakerEndpointConfigTask .task:SageMakerEndpointTask
    .task:SageMakerInvokeEndpointTask .task:SageMakerModelTask .workflow:create_sagemaker_deployment
    .workflow:delete_sagemaker_deployment
"""

integration = Integration(
    name="awssagemaker_inference",
    title="Amazon SageMaker inference",
    summary="Deploy and call models on Amazon SageMaker, and call any other API of AWS.",
    extra="awssagemaker_inference",
    requires=("boto3",),
    supports=("boto3>=1.40",),
    connectors={"boto": ".boto:BotoConnector", "sagemaker-endpoint": ".endpoint:SageMakerEndpointConnector"},
    exports=tuple(_EXPORTS.split()),
)

__getattr__, __dir__, __all__ = integration.lazy()
