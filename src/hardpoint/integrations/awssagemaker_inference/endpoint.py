"""Makes SageMaker endpoints and follows them until they are in service.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hardpoint import idl
from hardpoint.connectors import AsyncConnectorBase, Capabilities, JobGoneError, Phase, Resource, ResourceMeta, log_link
from hardpoint.connectors.phases import phase_or_running
from hardpoint.errors import PermanentError, TransientError, UserError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.integrations._aws import AWSError, client, console, explained, region_of
from hardpoint.integrations.awssagemaker_inference.boto import already_exists, is_missing
from hardpoint.integrations.awssagemaker_inference.task import ENDPOINT
from hardpoint.integrations.awssagemaker_inference.template import TOKEN, resolve, values_of

__all__ = ["PHASES", "SageMakerEndpointConnector", "SageMakerEndpointMetadata"]

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html
PHASES = {
    "Creating": Phase.RUNNING,
    "Updating": Phase.RUNNING,
    "SystemUpdating": Phase.RUNNING,
    "RollingBack": Phase.RUNNING,
    "InService": Phase.SUCCEEDED,
    "OutOfService": Phase.FAILED,
    "Deleting": Phase.FAILED,
    "Failed": Phase.FAILED,
    "UpdateRollbackFailed": Phase.FAILED,
}

_KEY = "hardpoint-key"
_MOST_TAGS = 50
_PATIENCE, _PAUSE = 300.0, 0.5
"""Seconds for which a failed endpoint of the same name may take to go, and between two looks."""


@dataclass
class SageMakerEndpointMetadata(ResourceMeta):
    """Where an endpoint is found again.

    Attributes:
        endpoint_name: Its name.
        region: Its region.
        key: For which attempt it was asked for. Endpoints of one name that were made one after the other differ in it, and a task
            that is cancelled deletes no endpoint that another one has made.
    """

    endpoint_name: str
    region: str
    key: str = ""

    @property
    def endpoint(self) -> str:
        """By what watchers are told apart."""
        return self.region


class SageMakerEndpointConnector(AsyncConnectorBase[SageMakerEndpointMetadata]):
    """A connector for `SageMakerEndpointTask`. An endpoint's name is what tells it apart; tags say for whom it was made."""

    name = "SageMaker Endpoint Connector"
    task_type_name = ENDPOINT
    metadata_type = SageMakerEndpointMetadata
    capabilities = Capabilities(idempotent_create=True, poll_rate=5)

    def create(  # type: ignore[override]
        self,
        task_template: TaskTemplate,
        output_prefix: str,
        inputs: LiteralMap | None = None,
        *,
        idempotency_key: str,
        tags: Mapping[str, str],
        **kwargs: Any,
    ) -> SageMakerEndpointMetadata:
        """Make the endpoint.

        One of this name is taken for this task's if its name holds a token, which is made from its configuration, or if its tags
        say so. If such a one of an earlier attempt has failed, it is replaced.

        Raises:
            MissingKeyError: a placeholder stands for nothing.
            UserError: there is an endpoint of this name that is somebody else's.
            PermanentError: a quota is used up.
        """
        custom = idl.native(task_template.custom)
        values = values_of(inputs.literals) if inputs is not None else {}
        region = region_of(values.get("region"), custom.get("region"))
        sagemaker = client("sagemaker", region)
        resolved = resolve(custom.get("config"), inputs=values, images={}, region=region, service="sagemaker")
        request = {**resolved.config, "Tags": _tags(resolved.config, {**tags, _KEY: idempotency_key})}
        meta = SageMakerEndpointMetadata(str(request.get("EndpointName", "")), region, idempotency_key)
        named_by_content = TOKEN in str((custom.get("config") or {}).get("EndpointName"))
        until = time.monotonic() + _PATIENCE
        while not _made(sagemaker, request):
            if not _is_in_the_way(sagemaker, meta, named_by_content):
                break
            if time.monotonic() > until:
                raise TransientError(f"The endpoint {meta.endpoint_name} that failed is still being deleted.")
            time.sleep(_PAUSE)
        return meta

    def get(self, resource_meta: SageMakerEndpointMetadata, **kwargs: Any) -> Resource:
        """How the endpoint stands.

        Raises:
            JobGoneError: there is none of this name.
        """
        described = _described(client("sagemaker", resource_meta.region), resource_meta.endpoint_name)
        if described is None:
            raise JobGoneError(f"There is no endpoint {resource_meta.endpoint_name} in {resource_meta.region}.")
        status = described["EndpointStatus"]
        phase, note = phase_or_running(status, PHASES, integration="SageMaker")
        message = described.get("FailureReason") or note
        if phase is Phase.FAILED and not message:
            message = f"The endpoint is in the state {status}."
        address = f"{console(resource_meta.region)}/sagemaker/home?region={resource_meta.region}"
        return Resource(
            phase,
            message=message or None,
            log_links=[log_link("SageMaker endpoint", f"{address}#/endpoints/{resource_meta.endpoint_name}")],
            outputs={"result": {"EndpointArn": described["EndpointArn"]}} if phase is Phase.SUCCEEDED else None,
        )

    def delete(self, resource_meta: SageMakerEndpointMetadata, **kwargs: Any) -> None:
        """Delete the endpoint, if it was made for this attempt. It may have come into service since it was wished away.

        Raises:
            TransientError: SageMaker deletes it only later.
        """
        sagemaker = client("sagemaker", resource_meta.region)
        described = _described(sagemaker, resource_meta.endpoint_name)
        if described is None or described["EndpointStatus"] == "Deleting":
            return
        if _owner(sagemaker, described) == resource_meta.key:
            _delete(sagemaker, resource_meta.endpoint_name)


def _tags(config: Mapping[str, Any], tags: Mapping[str, str]) -> list[dict[str, str]]:
    """The user's tags, and of the owner's as many as there is room for."""
    own: list[dict[str, str]] = list(config.get("Tags") or ())
    room = max(1, _MOST_TAGS - len(own))
    return [*own, *({"Key": name, "Value": value} for name, value in list(tags.items())[-room:])]


def _made(sagemaker: Any, request: Mapping[str, Any]) -> bool:
    """Whether the endpoint is made now; False if there is one of its name."""
    try:
        with explained("sagemaker", "CreateEndpoint"):
            sagemaker.create_endpoint(**request)
    except AWSError as error:
        if already_exists(error):
            return False
        if error.aws_code == "ResourceLimitExceeded":
            raise PermanentError(
                error.message, remedy="Ask AWS Service Quotas for more, or delete endpoints that are not needed."
            ) from error
        raise
    return True


def _is_in_the_way(sagemaker: Any, meta: SageMakerEndpointMetadata, named_by_content: bool) -> bool:
    """Whether the endpoint of this name has to go, and is about to; False if it is the one that is wanted."""
    described = _described(sagemaker, meta.endpoint_name)
    if described is None:
        return True  # it has just gone
    owner = _owner(sagemaker, described)
    if owner == meta.key:
        return False
    if not named_by_content:
        raise UserError(
            f"There is an endpoint {meta.endpoint_name} already, which is not this task's.",
            remedy=f"Delete it, or add -{{{TOKEN}}} to EndpointName, so that the same is made once.",
        )
    if described["EndpointStatus"] == "Failed":
        _delete(sagemaker, meta.endpoint_name)
        return True
    return bool(described["EndpointStatus"] == "Deleting")


def _described(sagemaker: Any, name: str) -> Mapping[str, Any] | None:
    try:
        with explained("sagemaker", "DescribeEndpoint"):
            described: Mapping[str, Any] = sagemaker.describe_endpoint(EndpointName=name)
    except AWSError as error:
        if is_missing(error):
            return None
        raise
    return described


def _owner(sagemaker: Any, described: Mapping[str, Any]) -> str:
    """The key of the attempt for which an endpoint was made; nothing if it does not say."""
    try:
        with explained("sagemaker", "ListTags"):
            tags = sagemaker.list_tags(ResourceArn=described["EndpointArn"], MaxResults=_MOST_TAGS)["Tags"]
    except AWSError as error:
        if is_missing(error):
            return ""
        raise
    return next((str(tag["Value"]) for tag in tags if tag["Key"] == _KEY), "")


def _delete(sagemaker: Any, name: str) -> None:
    try:
        with explained("sagemaker", "DeleteEndpoint"):
            sagemaker.delete_endpoint(EndpointName=name)
    except AWSError as error:
        if "in-progress" in error.message:
            raise TransientError(
                error.message, remedy="SageMaker deletes no endpoint that it is making; cancel it again later."
            ) from error
        if not is_missing(error):
            raise
