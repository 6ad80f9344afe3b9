"""A model on SageMaker, deployed, asked and taken away: ``hardpoint run examples/awssagemaker_inference_example.py deploy``.

It prints the names; ``... ask --endpoint NAME`` asks the model, ``... undeploy`` deletes all three.
"""

from __future__ import annotations

from hardpoint import kwtypes, task, workflow
from hardpoint.integrations.awssagemaker_inference import (
    SageMakerInvokeEndpointTask,
    create_sagemaker_deployment,
    delete_sagemaker_deployment,
    triton_image_uri,
)

deploy = create_sagemaker_deployment(
    name="xgboost",
    model_config={
        "ModelName": "xgboost",
        "PrimaryContainer": {"Image": "{images.server}", "ModelDataUrl": "{inputs.model}"},
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/inference",
    },
    endpoint_config_config={
        "EndpointConfigName": "xgboost",
        "ProductionVariants": [
            {
                "VariantName": "first",
                "ModelName": "xgboost",
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large",
            }
        ],
    },
    endpoint_config={"EndpointName": "xgboost", "EndpointConfigName": "xgboost"},
    images={"server": triton_image_uri("23.12")},
    model_input_types=kwtypes(model=str),
    region="eu-central-1",
)

undeploy = delete_sagemaker_deployment(name="xgboost", region="eu-central-1")

answer = SageMakerInvokeEndpointTask(
    name="answer",
    config={"EndpointName": "{inputs.endpoint}", "Body": "{inputs.rows}", "ContentType": "application/json"},
    region="eu-central-1",
    inputs=kwtypes(endpoint=str, rows=str),
    synchronous=True,
)


@task
def total(result: dict) -> int:
    return result["Body"]["total"]


@workflow
def ask(endpoint: str, rows: str = "[1, 2, 3]") -> int:
    result, _ = answer(endpoint=endpoint, rows=rows)
    return total(result=result)
