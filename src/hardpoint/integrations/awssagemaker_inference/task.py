"""Tasks that call AWS: any method of a boto3 client, and those of SageMaker's inference by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hardpoint.connectors.local import AsyncConnectorExecutorMixin, SyncConnectorExecutorMixin
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.image import image_for
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.serialization import SerializationSettings

if TYPE_CHECKING:
    from hardpoint.tasks.image_spec import ImageSpec

__all__ = [
    "BotoConfig",
    "BotoTask",
    "SageMakerDeleteEndpointConfigTask",
    "SageMakerDeleteEndpointTask",
    "SageMakerDeleteModelTask",
    "SageMakerEndpointConfigTask",
    "SageMakerEndpointTask",
    "SageMakerInvokeEndpointTask",
    "SageMakerModelTask",
]

BOTO, ENDPOINT = "boto", "sagemaker-endpoint"


@dataclass
class BotoConfig:
    """A call of a boto3 client."""

    service: str
    """The service, as boto3 calls it."""
    method: str
    """The client's method, for example ``create_model``."""
    config: dict[str, Any]
    """Its arguments; ``{inputs.x}``, ``{images.x}`` and ``{idempotence_token}`` in texts stand for values."""
    region: str | None = None
    """The region; default: the input ``region``, else that of the connector."""
    images: dict[str, str | ImageSpec] | None = None
    """Container images by the names that `config` calls them."""


class BotoTask(SyncConnectorExecutorMixin, PythonTask[BotoConfig]):
    """One call of AWS; outputs are ``result``, what it answered, and ``idempotence_token``, the token that was made or nothing.

    Args:
        name: Its name.
        task_config: The call.
        inputs: Name -> type.
        kwargs: As for `PythonTask`.
    """

    def __init__(
        self, name: str, task_config: BotoConfig, inputs: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(
            BOTO,
            name,
            task_config,
            interface=Interface(inputs, {"result": dict, "idempotence_token": str}),
            **kwargs,
        )

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        call: BotoConfig = self.task_config  # type: ignore[assignment]
        images = {
            name: image if isinstance(image, str) else image_for(image, settings)
            for name, image in (call.images or {}).items()
        }
        return {
            "service": call.service,
            "config": call.config,
            "region": call.region,
            "method": call.method,
            "images": images if call.images is not None else None,
        }


class _Call(BotoTask):
    """A call whose service and method are known.

    Args:
        name: Its name.
        config: The call's arguments; see `BotoConfig`.
        region: The region.
        inputs: Name -> type.
        kwargs: As for `BotoTask`.
    """

    service = "sagemaker"
    method: str

    def __init__(
        self,
        name: str,
        config: dict[str, Any],
        region: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, BotoConfig(self.service, self.method, config, region), inputs, **kwargs)


class SageMakerModelTask(BotoTask):
    """Make a model; its ``result`` is ``{"ModelArn": ...}``.

    Args:
        name: Its name.
        config: Arguments of ``create_model``; see `BotoConfig`.
        region: The region.
        images: Container images by the names that `config` calls them.
        inputs: Name -> type.
        kwargs: As for `BotoTask`.
    """

    def __init__(
        self,
        name: str,
        config: dict[str, Any],
        region: str | None = None,
        images: dict[str, str | ImageSpec] | None = None,
        inputs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, BotoConfig("sagemaker", "create_model", config, region, images), inputs, **kwargs)


class SageMakerEndpointConfigTask(_Call):
    """Make an endpoint's configuration; its ``result`` is ``{"EndpointConfigArn": ...}``."""

    method = "create_endpoint_config"


class SageMakerDeleteEndpointTask(_Call):
    """Delete an endpoint; one that is gone already is as it should be."""

    method = "delete_endpoint"


class SageMakerDeleteEndpointConfigTask(_Call):
    """Delete an endpoint's configuration; one that is gone already is as it should be."""

    method = "delete_endpoint_config"


class SageMakerDeleteModelTask(_Call):
    """Delete a model; one that is gone already is as it should be."""

    method = "delete_model"


class SageMakerInvokeEndpointTask(BotoTask):
    """Call an endpoint; ``result`` is its answer.

    Args:
        name: Its name.
        config: Arguments of ``invoke_endpoint_async``, or of ``invoke_endpoint``; see `BotoConfig`.
        region: The region.
        inputs: Name -> type.
        synchronous: Whether to wait for the model's answer, which is then ``result["Body"]``. Otherwise
            ``result["OutputLocation"]`` is where it will be, in S3.
        kwargs: As for `BotoTask`.
    """

    def __init__(
        self,
        name: str,
        config: dict[str, Any],
        region: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        synchronous: bool = False,
        **kwargs: Any,
    ) -> None:
        method = "invoke_endpoint" if synchronous else "invoke_endpoint_async"
        super().__init__(name, BotoConfig("sagemaker-runtime", method, config, region), inputs, **kwargs)


class SageMakerEndpointTask(AsyncConnectorExecutorMixin, PythonTask[dict[str, Any]]):
    """Make an endpoint and wait until it is in service; the output is ``result``, ``{"EndpointArn": ...}``.

    Args:
        name: Its name.
        config: Arguments of ``create_endpoint``; see `BotoConfig`.
        region: The region; default: the input ``region``, else that of the connector.
        inputs: Name -> type.
        kwargs: As for `PythonTask`.
    """

    def __init__(
        self,
        name: str,
        config: dict[str, Any],
        region: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(ENDPOINT, name, config, interface=Interface(inputs, {"result": dict}), **kwargs)
        self.region = region

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        return {"config": self.task_config, "region": self.region}
