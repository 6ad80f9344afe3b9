"""Container images by name: what `container_image=` of a task comes to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hardpoint.errors import FlyteAssertion, FlyteValidationException

if TYPE_CHECKING:
    from hardpoint.tasks.image_spec import ImageSpec
    from hardpoint.tasks.serialization import SerializationSettings

__all__ = ["DEFAULT_IMAGE_NAME", "RUNTIME_PACKAGES_VARIABLE", "Image", "ImageConfig", "image_for", "resolve_image"]

DEFAULT_IMAGE_NAME = "default"
DEFAULT_IMAGE_VARIABLE = "FLYTE_INTERNAL_IMAGE"

RUNTIME_PACKAGES_VARIABLE = "_F_RUNTIME_PACKAGES"
"""In a container's environment: what is installed before the task starts."""

_DIGEST = re.compile(r"sha\d+:\w+")  # no tag has a colon
_TEMPLATE = re.compile(r"{{\s*\.images?\.([A-Za-z0-9_-]+)(?:\.([A-Za-z0-9_-]+))?\s*}}")


@dataclass(frozen=True)
class Image:
    """One image.

    Args:
        name: What tasks call it in ``{{.image.<name>}}``.
        fqn: Registry and repository.
        tag: Tag; None if it is named by digest. A digest is understood as well.
        digest: Digest, such as ``sha256:...``.
    """

    name: str
    fqn: str
    tag: str | None = None
    digest: str | None = None

    def __post_init__(self) -> None:
        if self.tag is not None and self.digest is None and _DIGEST.fullmatch(self.tag):
            object.__setattr__(self, "digest", self.tag)
            object.__setattr__(self, "tag", None)

    @property
    def version(self) -> str | None:
        """The tag, or else the digest."""
        return self.tag or self.digest

    @property
    def full(self) -> str:
        """The reference by which the image is pulled."""
        return f"{self.fqn}@{self.digest}" if self.digest and not self.tag else f"{self.fqn}:{self.tag}"

    @classmethod
    def look_up_image_info(cls, name: str, image_identifier: str, allow_no_tag_or_digest: bool = False) -> Image:
        """Take an image reference apart.

        Raises:
            FlyteAssertion: it has neither tag nor digest.
        """
        fqn, at, digest = image_identifier.partition("@")
        if at:
            return cls(name, fqn, digest=digest)
        path, colon, tag = image_identifier.rpartition(":")
        if colon and "/" not in tag:
            return cls(name, path, tag)
        if allow_no_tag_or_digest:
            return cls(name, image_identifier)
        raise FlyteAssertion(f"Incorrectly formatted image {image_identifier}, missing tag or digest")


@dataclass(frozen=True)
class ImageConfig:
    """The images that tasks may name.

    Args:
        default_image: For tasks that name none.
        images: For tasks that name one.
    """

    default_image: Image | None = None
    images: list[Image] | None = field(default=None)

    def find_image(self, name: str) -> Image | None:
        """The image of that name."""
        for image in self.images or ():
            if image.name == name:
                return image
        return self.default_image if name == DEFAULT_IMAGE_NAME else None

    @classmethod
    def from_images(cls, default_image: str | None, m: Mapping[str, str] | None = None) -> ImageConfig:
        """From image references."""
        images = [Image.look_up_image_info(name, reference) for name, reference in (m or {}).items()]
        default = Image.look_up_image_info(DEFAULT_IMAGE_NAME, default_image) if default_image else None
        return cls(default, [*([default] if default else []), *images])

    @classmethod
    def parse(cls, values: Iterable[str]) -> ImageConfig:
        """From command line arguments: ``repository:tag`` for the default image, ``name=repository:tag`` for others.

        Raises:
            FlyteValidationException: a name is given twice.
        """
        named: dict[str, str] = {}
        for value in values:
            name, equals, reference = value.partition("=")
            key, target = (name, reference) if equals else (DEFAULT_IMAGE_NAME, value)
            if key in named:
                raise FlyteValidationException(f"There are two images named {key!r}: {named[key]} and {target}.")
            named[key] = target
        return cls.from_images(named.pop(DEFAULT_IMAGE_NAME, None), named)

    @classmethod
    def auto(cls, config_file: str | None = None, img_name: str | None = None) -> ImageConfig:
        """The given image as default, or else that of the environment; `config_file` is accepted and has no images."""
        return cls.from_images(img_name or os.environ.get(DEFAULT_IMAGE_VARIABLE))

    @classmethod
    def auto_default_image(cls) -> ImageConfig:
        """The image that the variable ``FLYTE_INTERNAL_IMAGE`` names, if it is set."""
        return cls.auto()


def image_for(image: str | ImageSpec | None, settings: SerializationSettings) -> str:
    """The reference of the image that a task declares, under these settings.

    An `ImageSpec` also holds the user's code, unless that travels beside the image. Errors as for `resolve_image`.
    """
    if image is not None and not isinstance(image, str) and not settings.should_fast_serialize():
        image = image.with_source(settings.source_root)
    return resolve_image(image, settings.image_config)


def resolve_image(image: str | ImageSpec | None, config: ImageConfig) -> str:
    """The reference of the image that a task declares.

    Args:
        image: A reference, in which ``{{.image.<name>}}``, ``{{.image.<name>.fqn}}`` and ``{{.image.<name>.version}}``
            stand for parts of configured images; an `ImageSpec`; or None for the default image.
        config: The configured images.

    Raises:
        FlyteAssertion: no image of that name is configured.
        FlyteValidationException: there is no default image.
    """
    if image is not None and not isinstance(image, str):
        return image.image_name()
    if not image:
        if config.default_image is None:
            raise FlyteValidationException(
                "An image is required for PythonAutoContainer tasks",
                remedy=f"Declare container_image=, configure a default image, or set {DEFAULT_IMAGE_VARIABLE}.",
            )
        return config.default_image.full

    by_digest = False

    def part(match: re.Match[str]) -> str:
        nonlocal by_digest
        name, attribute = match[1], match[2]
        found = config.find_image(name)
        if found is None:
            raise FlyteAssertion(
                f"Image Config with name {name} not found in the configuration",
                remedy=f"Configured are {', '.join(i.name for i in config.images or ()) or 'none'}.",
            )
        if attribute is None:
            return found.full
        if attribute == "fqn":
            return found.fqn
        if attribute == "version":
            by_digest = by_digest or (found.tag is None and found.digest is not None)
            return found.version or ""
        raise FlyteAssertion(f"Only fqn and version are supported replacements, {attribute} is not supported")

    resolved = _TEMPLATE.sub(part, image)
    # "repository:sha256:..." is no reference: a digest is joined with "@".
    return re.sub(r":(?=sha\d+:)", "@", resolved) if by_digest else resolved
