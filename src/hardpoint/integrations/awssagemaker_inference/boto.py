"""Calls methods of boto3's clients, with inputs in the place of placeholders."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from hardpoint import idl
from hardpoint.connectors import Phase, Resource, SyncConnectorBase
from hardpoint.connectors.connection import connection
from hardpoint.errors import UserError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.integrations._aws import AWSError, client, endpoint_of, explained, has_own_credentials, region_of
from hardpoint.integrations.awssagemaker_inference.task import BOTO
from hardpoint.integrations.awssagemaker_inference.template import TOKEN, resolve, values_of

__all__ = ["Boto3ConnectorMixin", "BotoConnector", "already_exists", "is_missing"]

logger = logging.getLogger(__name__)

_OF_TASKS = frozenset(("sagemaker", "sagemaker-runtime"))
"""Services that every task may have called with the credentials of a connector service."""


class _Made(NamedTuple):
    """Something that a method makes: how it is asked about, by what name, and what of the answer tells where it is."""

    describe: str
    name: str
    arn: str


_MAKES = {
    "create_model": _Made("describe_model", "ModelName", "ModelArn"),
    "create_endpoint_config": _Made("describe_endpoint_config", "EndpointConfigName", "EndpointConfigArn"),
    "create_endpoint": _Made("describe_endpoint", "EndpointName", "EndpointArn"),
}
_SHORT = ("create_model", "create_endpoint_config")
"""Methods of which only the ARN is handed on."""


def already_exists(error: AWSError) -> bool:
    """Whether SageMaker says that there is something of this name."""
    return "Cannot create already existing" in error.message


def is_missing(error: AWSError) -> bool:
    """Whether SageMaker says that there is nothing of this name."""
    return "Could not find" in error.message


class Boto3ConnectorMixin:
    """What connectors that call boto3 have in common.

    Args:
        service: The service, as boto3 calls it.
        region: The region.
        timeout: Seconds for which a service may say nothing. A model may take 60 for its answer.
        kwargs: For the other bases.
    """

    def __init__(
        self, *, service: str | None = None, region: str | None = None, timeout: float = 70.0, **kwargs: Any
    ) -> None:
        self._service, self._region, self._timeout = service, region, timeout
        super().__init__(**kwargs)

    def _call(
        self,
        method: str,
        config: Mapping[str, Any] | None,
        images: Mapping[str, str] | None = None,
        inputs: LiteralMap | None = None,
        region: str | None = None,
        service: str | None = None,
    ) -> tuple[Any, str]:
        """What a method answered, as JSON-like data, and the token that was made, or nothing.

        Args:
            method: The client's method.
            config: Its arguments, with placeholders.
            images: Images by name.
            inputs: What the placeholders stand for.
            region: The region; an input of that name counts more.
            service: The service; default: the connector's.

        Raises:
            MissingKeyError: a placeholder stands for nothing.
            AWSError: AWS refuses the call.
        """
        named = service or self._service or ""
        values = values_of(inputs.literals) if inputs is not None else {}
        where = region_of(values.get("region"), region, self._region)
        made = client(named, where, self._timeout)
        _check_service(named, made)
        operation = _operation(named, made, method)
        resolved = resolve(config, inputs=values, images=images or {}, region=where, service=named)
        try:
            with explained(named, operation):
                answer = getattr(made, method)(**resolved.config)
                return _told(method, _plain(answer)), resolved.token
        except AWSError as error:
            if named == "sagemaker" and already_exists(error) and method in _MAKES:
                name = _MAKES[method].name
                if TOKEN not in str((config or {}).get(name)):
                    raise _taken(name, error) from error
                return _existing(made, method, resolved.config), resolved.token
            if named == "sagemaker" and method.startswith("delete_") and is_missing(error):
                logger.info("%s: %s", method, error.message)
                return {"result": None}, resolved.token
            raise


class BotoConnector(Boto3ConnectorMixin, SyncConnectorBase):
    """A connector for `BotoTask`."""

    name = "Boto Connector"
    task_type_name = BOTO

    def do(
        self, task_template: TaskTemplate, output_prefix: str, inputs: LiteralMap | None = None, **kwargs: Any
    ) -> Resource:
        """Call the method that the task names.

        Raises:
            MissingKeyError, AWSError, TransientError, AWSAccessError: as `_call`.
        """
        custom = idl.native(task_template.custom)
        result, token = self._call(
            custom["method"],
            custom.get("config"),
            images=custom.get("images"),
            inputs=inputs,
            region=custom.get("region"),
            service=custom["service"],
        )
        outputs = {"result": result, TOKEN: token}
        declared = task_template.interface.outputs.variables
        return Resource(Phase.SUCCEEDED, outputs={name: outputs[name] for name in outputs if name in declared})


# -- calling -----------------------------------------------------------------------------------------------------------


def _check_service(service: str, made: Any) -> None:
    """Refuse to lend the credentials of a connector service to calls that it was not set up for."""
    if service not in _OF_TASKS and not has_own_credentials():
        connection().check_endpoint(endpoint_of(made))


def _operation(service: str, made: Any, method: str) -> str:
    """What the API calls a client's method."""
    known: Mapping[str, str] = made.meta.method_to_api_mapping
    if method not in known:
        raise UserError(
            f"boto3's client of {service} has no method {method!r} that calls the API.",
            remedy=f"https://docs.aws.amazon.com/boto3/latest/reference/services/{service}.html lists them.",
        )
    return known[method]


def _taken(name: str, error: AWSError) -> AWSError:
    return AWSError(
        error.message,
        remedy=f"Add -{{{TOKEN}}} to {name}, so that the same is made once, and what differs has another name.",
        service=error.service,
        operation=error.operation,
        aws_code=error.aws_code,
    )


def _existing(made: Any, method: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The ARN of what exists already under a name that is made from what it names."""
    kind = _MAKES[method]
    with explained("sagemaker", made.meta.method_to_api_mapping[kind.describe]):
        described = getattr(made, kind.describe)(**{kind.name: config[kind.name]})
    return {kind.arn: described[kind.arn]}


def _told(method: str, answer: Any) -> dict[str, Any]:
    """What is handed on of an answer."""
    if method in _SHORT:
        return {_MAKES[method].arn: answer[_MAKES[method].arn]}
    return answer or {"result": None}


def _plain(value: Any, content_type: str = "") -> Any:
    """An answer as JSON-like data: times as ISO text, bodies as what their type says, other bytes as text or base64."""
    if isinstance(value, Mapping):
        kind = str(value.get("ContentType", ""))
        return {str(name): _plain(item, kind) for name, item in value.items()}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if hasattr(value, "read"):
        with value as body:
            return _body(body.read(), content_type)
    if isinstance(value, bytes | bytearray):
        return _body(bytes(value), content_type)
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    return str(value)


def _body(data: bytes, content_type: str) -> Any:
    try:
        text = data.decode()
        return json.loads(text) if "json" in content_type else text
    except UnicodeDecodeError:
        return base64.b64encode(data).decode()
    except ValueError:
        return text
