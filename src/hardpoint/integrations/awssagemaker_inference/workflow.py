"""Workflows that deploy a model, and that take it away again."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hardpoint.errors import FlyteValidationException
from hardpoint.integrations.awssagemaker_inference.task import (
    SageMakerDeleteEndpointConfigTask,
    SageMakerDeleteEndpointTask,
    SageMakerDeleteModelTask,
    SageMakerEndpointConfigTask,
    SageMakerEndpointTask,
    SageMakerModelTask,
)
from hardpoint.integrations.awssagemaker_inference.template import TOKEN
from hardpoint.tasks.base import PythonTask
from hardpoint.workflows.imperative import ImperativeWorkflow

if TYPE_CHECKING:
    from hardpoint.tasks.image_spec import ImageSpec
    from hardpoint.workflows.graph import Node

__all__ = ["create_sagemaker_deployment", "delete_sagemaker_deployment"]

_OWN, _BEFORE = f"-{{{TOKEN}}}", f"-{{inputs.{TOKEN}}}"

Config = dict[str, Any]
Types = Mapping[str, Any]


def create_sagemaker_deployment(
    name: str,
    model_config: Config,
    endpoint_config_config: Config,
    endpoint_config: Config,
    images: dict[str, str | ImageSpec] | None = None,
    model_input_types: Types | None = None,
    endpoint_config_input_types: Types | None = None,
    endpoint_input_types: Types | None = None,
    region: str | None = None,
    region_at_runtime: bool = False,
    idempotence_token: bool = True,
) -> ImperativeWorkflow:
    """A workflow that makes a model, a configuration and an endpoint, and waits until that is in service.

    Its output ``wf_output`` has the results of the three.

    Args:
        name: What the three have in their names.
        model_config: Arguments of ``create_model``; see `BotoConfig`.
        endpoint_config_config: Arguments of ``create_endpoint_config``.
        endpoint_config: Arguments of ``create_endpoint``.
        images: Container images by the names that `model_config` calls them.
        model_input_types: Inputs that `model_config` uses, with their types.
        endpoint_config_input_types: Those of `endpoint_config_config`.
        endpoint_input_types: Those of `endpoint_config`.
        region: The region.
        region_at_runtime: Whether it is the input ``region`` instead.
        idempotence_token: Whether names get tokens made from what they name, so that the same is deployed once.

    Raises:
        FlyteValidationException: no region is given, in either way.
    """
    workflow = _begun(f"sagemaker-deploy-{name}", region, region_at_runtime)
    model, middle, last = (copy.deepcopy(given) for given in (model_config, endpoint_config_config, endpoint_config))
    if idempotence_token:
        variants = middle.get("ProductionVariants") or []
        for variant in variants:
            # The first is the model's in any case; others may be of models that were there before.
            if variant is variants[0] or variant.get("ModelName") == model.get("ModelName"):
                _named(variant, "ModelName", _BEFORE, name)
        _named(last, "EndpointConfigName", _BEFORE, name)
        for config, key in ((model, "ModelName"), (middle, "EndpointConfigName"), (last, "EndpointName")):
            _named(config, key, _OWN, name)
    first = _added(
        workflow, SageMakerModelTask, f"sagemaker-model-{name}", model, region, model_input_types, images=images
    )
    second = _added(
        workflow,
        SageMakerEndpointConfigTask,
        f"sagemaker-endpoint-config-{name}",
        middle,
        region,
        endpoint_config_input_types,
        first if idempotence_token else None,
    )
    third = _added(
        workflow,
        SageMakerEndpointTask,
        f"sagemaker-endpoint-{name}",
        last,
        region,
        endpoint_input_types,
        second if idempotence_token else None,
    )
    nodes = _chained(first, second, third)
    workflow.add_workflow_output("wf_output", [node.outputs["result"] for node in nodes], list[dict])  # type: ignore[type-arg]
    return workflow


def delete_sagemaker_deployment(
    name: str, region: str | None = None, region_at_runtime: bool = False
) -> ImperativeWorkflow:
    """A workflow that deletes what its inputs name: ``endpoint_name``, then ``endpoint_config_name``, then ``model_name``.

    Args:
        name: What its tasks have in their names.
        region: The region.
        region_at_runtime: Whether it is the input ``region`` instead.

    Raises:
        FlyteValidationException: no region is given, in either way.
    """
    workflow = _begun(f"sagemaker-delete-deployment-{name}", region, region_at_runtime)
    parts: tuple[tuple[type[Any], str, str, str], ...] = (
        (SageMakerDeleteEndpointTask, "endpoint", "EndpointName", "endpoint_name"),
        (SageMakerDeleteEndpointConfigTask, "endpoint-config", "EndpointConfigName", "endpoint_config_name"),
        (SageMakerDeleteModelTask, "model", "ModelName", "model_name"),
    )
    nodes = [
        _added(workflow, cls, f"sagemaker-delete-{part}-{name}", {key: f"{{inputs.{given}}}"}, region, {given: str})
        for cls, part, key, given in parts
    ]
    _chained(*nodes)
    return workflow


def _begun(name: str, region: str | None, region_at_runtime: bool) -> ImperativeWorkflow:
    if not region and not region_at_runtime:
        raise FlyteValidationException(
            "Region parameter is required.", remedy="Give region='...', or region_at_runtime=True for an input."
        )
    workflow = ImperativeWorkflow(name)
    if region_at_runtime:
        workflow.add_workflow_input("region", str)
    return workflow


def _named(config: Config, key: str, token: str, name: str) -> None:
    """Put a token behind a name, unless it is there."""
    given = str(config.get(key) or name)
    config[key] = given if token[1:] in given else f"{given}{token}"


def _added(
    workflow: ImperativeWorkflow,
    cls: type[Any],
    name: str,
    config: Config,
    region: str | None,
    types: Types | None,
    before: Node | None = None,
    **more: Any,
) -> Node:
    """A node of a new task, with inputs of the workflow, and the token of the node before it if it wants that."""
    inputs = dict(types or {})
    if "region" in workflow.inputs:
        inputs["region"] = str
    for key, kind in inputs.items():
        if key not in workflow.inputs:
            workflow.add_workflow_input(key, kind)
    given: dict[str, Any] = {key: workflow.inputs[key] for key in inputs}
    if before is not None:
        inputs[TOKEN], given[TOKEN] = str, before.outputs[TOKEN]
    task: PythonTask[Any] = cls(name=name, config=config, region=region, inputs=inputs, **more)
    return workflow.add_entity(task, **given)


def _chained(*nodes: Node) -> tuple[Node, ...]:
    for first, second in pairwise(nodes):
        first.runs_before(second)
    return nodes
