"""`SerializationSettings`: where a task is registered, in which image it runs, and how its code gets there."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from hardpoint.tasks.image import Image, ImageConfig
from hardpoint.tasks.resources import Resources, ResourceSpec

__all__ = ["SERIALIZED_CONTEXT_VARIABLE", "FastSerializationSettings", "SerializationSettings"]

SERIALIZED_CONTEXT_VARIABLE = "_F_SS_C"


@dataclass(frozen=True)
class FastSerializationSettings:
    """How the user's code gets into the container without building an image.

    Args:
        enabled: Whether it does.
        destination_dir: Where it is unpacked; the working directory if None.
        distribution_location: URI of the archive; None leaves it to whoever registers the task.
    """

    enabled: bool = False
    destination_dir: str | None = None
    distribution_location: str | None = None


@dataclass(frozen=True)
class SerializationSettings:
    """All that a template depends on beside the task itself.

    Args:
        image_config: The images that tasks may name.
        project: Project of the control plane.
        domain: Domain of the control plane.
        version: Version under which tasks and workflows are registered.
        env: Environment variables of every container.
        default_resources: For tasks that ask for none.
        git_repo: Where the source is.
        python_interpreter: Path of the interpreter in the image.
        flytekit_virtualenv_root: Path of the virtual environment in the image.
        fast_serialization_settings: How code gets into the container.
        source_root: Folder from which modules are named.
    """

    image_config: ImageConfig = field(default_factory=ImageConfig)
    project: str | None = None
    domain: str | None = None
    version: str | None = None
    env: dict[str, str] | None = None
    default_resources: ResourceSpec | None = None
    git_repo: str | None = None
    python_interpreter: str = "/opt/venv/bin/python3"
    flytekit_virtualenv_root: str | None = None
    fast_serialization_settings: FastSerializationSettings | None = None
    source_root: str | None = None

    def should_fast_serialize(self) -> bool:
        """Whether the user's code travels beside the image."""
        return self.fast_serialization_settings is not None and self.fast_serialization_settings.enabled

    @property
    def serialized_context(self) -> str:
        """These settings as text that fits in an environment variable; equal settings give equal text."""
        return base64.b64encode(gzip.compress(self.to_json().encode("utf-8"), mtime=0)).decode("ascii")

    def with_serialized_context(self) -> SerializationSettings:
        """A copy whose containers find these settings in their environment."""
        return replace(self, env={**(self.env or {}), SERIALIZED_CONTEXT_VARIABLE: self.serialized_context})

    @classmethod
    def from_transport(cls, s: str) -> SerializationSettings:
        """The reverse of `serialized_context`."""
        return cls.from_json(gzip.decompress(base64.b64decode(s.encode("ascii"))).decode("utf-8"))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SerializationSettings:
        """The reverse of `to_json`; fields that this release does not know are left out."""
        data = json.loads(text)
        images = data.get("image_config") or {}
        default = images.get("default_image")
        config = ImageConfig(
            _known(Image, default) if default else None, [_known(Image, image) for image in images.get("images") or ()]
        )
        resources, fast = data.get("default_resources"), data.get("fast_serialization_settings")
        made: SerializationSettings = _known(
            cls,
            {
                **data,
                "image_config": config,
                "default_resources": None
                if resources is None
                else ResourceSpec(*(_known(Resources, resources.get(side) or {}) for side in ("requests", "limits"))),
                "fast_serialization_settings": None if fast is None else _known(FastSerializationSettings, fast),
            },
        )
        return made


def _known(cls: Any, data: Mapping[str, Any]) -> Any:
    return cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})
