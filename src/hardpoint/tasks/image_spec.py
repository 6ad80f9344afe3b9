"""`ImageSpec`: an image as data. Builders turn it into one; integrations offer them under the manifest's key `image_builders`."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteValidationException, UserError
from hardpoint.integration import catalogue
from hardpoint.settings import truthy
from hardpoint.tasks.sources import CopyFileDetection, digest, files_of

__all__ = ["IMAGE_ID_VARIABLE", "ImageBuildEngine", "ImageSpec", "ImageSpecBuilder"]

IMAGE_ID_VARIABLE = "_F_IMG_ID"
"""In an image that was built from a spec: the spec's id."""

_REGISTRY = re.compile(r"^(localhost:\d{1,5}|([a-z\d._-]+)(:\d{1,5})?)(/[\w.-]+)*$")

# Fields that do not say what is in the image.
_NOT_CONTENT = frozenset(
    {"pip_secret_mounts", "builder", "runtime_packages", "registry_config", "tag_format", "builder_options"}
)
_LISTS = (
    *("packages", "conda_packages", "conda_channels", "apt_packages", "commands", "copy", "entrypoint"),
    *("pip_extra_index_url", "runtime_packages", "pip_secret_mounts"),
)


@dataclass(frozen=True)
class ImageSpec:
    """An image for tasks. It is data: the ``with_`` methods give changed copies.

    Args:
        name: Name of the repository.
        python_version: Version of Python; that of the base image or the builder's choice if None.
        builder: Name of the builder; the one of highest priority if None.
        source_root: Folder whose files are copied into the image.
        env: Environment variables of the image.
        registry: Where it is pushed to.
        packages: Packages for pip.
        conda_packages: Packages for conda.
        conda_channels: Channels for conda.
        requirements: A requirements file, a ``pyproject.toml`` with its lock, or the like.
        apt_packages: Packages for apt.
        cuda: Version of CUDA.
        cudnn: Version of cuDNN.
        base_image: The image it is made from.
        platform: Such as ``linux/amd64``; the builder's choice if None.
        pip_index: Index for pip.
        pip_extra_index_url: Further indexes for pip.
        pip_secret_mounts: Pairs of a file that holds a secret, and where it is mounted while pip runs.
        pip_extra_args: Further arguments for pip.
        registry_config: A file with settings of registries.
        entrypoint: The image's entry point.
        commands: Shell commands that are run while the image is built.
        tag_format: How the tag is made, with ``{spec_hash}`` in it.
        source_copy_mode: Which files below `source_root` are copied; all if None.
        copy: Files and folders that are copied, relative to the working directory.
        python_exec: Path of the interpreter in the base image.
        runtime_packages: What is installed when a container starts.
        builder_options: For the builder.
        builder_config: For the builder, where it changes the image.

    Raises:
        FlyteValidationException: the registry is none, or a list is something else.
    """

    name: str = "hardpoint"
    python_version: str | None = None
    builder: str | None = None
    source_root: str | None = None
    env: Mapping[str, str] | None = None
    registry: str | None = None
    packages: Sequence[str] | None = None
    conda_packages: Sequence[str] | None = None
    conda_channels: Sequence[str] | None = None
    requirements: str | None = None
    apt_packages: Sequence[str] | None = None
    cuda: str | None = None
    cudnn: str | None = None
    base_image: str | ImageSpec | None = None
    platform: str | None = None
    pip_index: str | None = None
    pip_extra_index_url: Sequence[str] | None = None
    pip_secret_mounts: Sequence[tuple[str, str]] | None = None
    pip_extra_args: str | None = None
    registry_config: str | None = None
    entrypoint: Sequence[str] | None = None
    commands: Sequence[str] | None = None
    tag_format: str | None = None
    source_copy_mode: CopyFileDetection | None = None
    copy: Sequence[str] | None = None
    python_exec: str | None = None
    runtime_packages: Sequence[str] | None = None
    builder_options: Mapping[str, Any] | None = None
    builder_config: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name.lower())
        if self.registry is not None:
            object.__setattr__(self, "registry", self.registry.lower())
            if not _REGISTRY.match(self.registry):
                raise FlyteValidationException(
                    f"Invalid container registry name: '{self.registry}'.",
                    remedy="Write it as localhost:30000, ghcr.io/username or docker.io/username, without a scheme.",
                )
        for field_name in _LISTS:
            value = getattr(self, field_name)
            if value is not None and (isinstance(value, str) or not isinstance(value, Sequence)):
                raise FlyteValidationException(f"{field_name} must be a list of strings or None")

    def __hash__(self) -> int:
        return hash(self.id)

    def _content(self) -> dict[str, Any]:
        """What the image will hold, as far as the spec says it; only what differs from the defaults.

        So a field that a later release adds leaves the ids of existing specs alone.
        """
        content: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            default = None if f.default is MISSING else f.default
            if f.name in _NOT_CONTENT or value == default:
                continue
            content[f.name] = value.id if isinstance(value, ImageSpec) else value
        return content

    @cached_property
    def id(self) -> str:
        """A text that tells specs apart; files that they name are not read for it."""
        return _short_hash(self._content())

    @property
    def tag(self) -> str:
        """The image's tag: it changes whenever the spec, or a file that the image holds, does.

        Raises:
            UserError: a file that the spec names does not exist.
        """
        content = self._content()
        if isinstance(self.base_image, ImageSpec):
            content["base_image"] = self.base_image.image_name()
        if self.source_root is not None:
            files = files_of(self.source_root, self.source_copy_mode or CopyFileDetection.ALL)
            content["source_root"] = digest(files, self.source_root)
        if self.copy:
            content["copy"] = [(name, _digest_of(name)) for name in self.copy]
        if self.requirements is not None:
            content["requirements"] = _digest_of(self.requirements)
        spec_hash = _short_hash(content).replace("-", "_")
        return self.tag_format.format(spec_hash=spec_hash) if self.tag_format else spec_hash

    def image_name(self) -> str:
        """The reference of the image: what its builder said, or else ``[registry/]name:tag``."""
        name = f"{self.name}:{self.tag}"
        name = f"{self.registry}/{name}" if self.registry else name
        return ImageBuildEngine.real_names.get(name, name)

    def is_container(self) -> bool:
        """Whether this code runs in the image, so that what only the image has may be imported. True outside of clusters."""
        mode = FlyteContextManager.current_context().mode
        if mode.value == 0 or mode.is_local:
            return True
        return os.environ.get(IMAGE_ID_VARIABLE) == self.id

    def with_source(self, source_root: str | None) -> ImageSpec:
        """A copy into which the code is copied, unless the spec says itself what is."""
        if self.source_root is not None or source_root is None or self.source_copy_mode is CopyFileDetection.NO_COPY:
            return self
        return replace(self, source_root=source_root)

    def _extended(self, name: str, values: str | Sequence[str]) -> ImageSpec:
        added = [values] if isinstance(values, str) else list(values)
        changes: dict[str, Any] = {name: [*(getattr(self, name) or ()), *added]}
        return replace(self, **changes)

    def with_packages(self, packages: str | Sequence[str]) -> ImageSpec:
        """A copy with further packages for pip."""
        return self._extended("packages", packages)

    def with_apt_packages(self, apt_packages: str | Sequence[str]) -> ImageSpec:
        """A copy with further packages for apt."""
        return self._extended("apt_packages", apt_packages)

    def with_commands(self, commands: str | Sequence[str]) -> ImageSpec:
        """A copy with further shell commands."""
        return self._extended("commands", commands)

    def with_copy(self, src: str | Sequence[str]) -> ImageSpec:
        """A copy with further files and folders."""
        return self._extended("copy", src)

    def with_runtime_packages(self, runtime_packages: str | Sequence[str]) -> ImageSpec:
        """A copy with further packages that are installed when a container starts."""
        return self._extended("runtime_packages", runtime_packages)

    def with_builder_options(self, builder_options: Mapping[str, Any]) -> ImageSpec:
        """A copy with further options for the builder."""
        return replace(self, builder_options={**(self.builder_options or {}), **builder_options})

    def force_push(self) -> ImageSpec:
        """A copy that is built and pushed even if the registry has it."""
        return self.with_builder_options({"force_push": True})

    @classmethod
    def from_env(cls, *, pinned_packages: Sequence[str] | None = None, **kwargs: Any) -> ImageSpec:
        """A spec with this Python's version, and with these packages in the versions that are installed here.

        Raises:
            FlyteValidationException: one of them is not installed, or `python_version` is given too.
        """
        from importlib.metadata import PackageNotFoundError, version
        from platform import python_version

        if "python_version" in kwargs:
            raise FlyteValidationException("from_env takes the version of Python from the environment.")
        pinned = []
        for package in pinned_packages or ():
            try:
                pinned.append(f"{package}=={version(package)}")
            except PackageNotFoundError as error:
                raise FlyteValidationException(
                    f"{package} is not installed here, so its version is not known."
                ) from error
        major_minor = python_version().rpartition(".")[0]
        return cls(python_version=major_minor, packages=[*pinned, *kwargs.pop("packages", ())], **kwargs)


def _short_hash(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain)
    made = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(made).decode("ascii").rstrip("=")


def _plain(value: Any) -> Any:
    return value.name if isinstance(value, CopyFileDetection) else list(value)


def _digest_of(name: str) -> str:
    path = Path(name)
    if not path.exists():
        raise UserError(f"The image needs {name}, which does not exist in {Path.cwd()}.", path=name)
    return digest(files_of(path), path) if path.is_dir() else digest([path], path.parent)


class ImageSpecBuilder:
    """Builds images from specs."""

    def build_image(self, image_spec: ImageSpec) -> str | None:
        """Build the image, and push it if the spec names a registry. Returns its reference if that is another than the spec's."""
        raise NotImplementedError

    def should_build(self, image_spec: ImageSpec) -> bool:
        """Whether there is anything to do. A builder that can ask the registry says no for images that are there."""
        return True


def forced(image_spec: ImageSpec) -> bool:
    """Whether the image is to be built and pushed even if the registry has it."""
    asked = truthy(os.environ.get("FLYTE_FORCE_PUSH_IMAGE_SPEC", ""))
    return asked or bool((image_spec.builder_options or {}).get("force_push"))


class ImageBuildEngine:
    """Finds builders, and builds each image once."""

    real_names: ClassVar[dict[str, str]] = {}
    """What builders called their images, by the specs' names."""

    _registered: ClassVar[dict[str, tuple[int, ImageSpecBuilder]]] = {}
    _built: ClassVar[set[str]] = set()
    _lock = threading.Lock()

    @classmethod
    def register(cls, builder_type: str, image_spec_builder: ImageSpecBuilder, priority: int = 5) -> None:
        """Add a builder; the one of highest priority builds what names no builder."""
        cls._registered[builder_type] = (priority, image_spec_builder)

    @classmethod
    def builder(cls, name: str | None) -> ImageSpecBuilder:
        """The builder of that name, or the one of highest priority.

        Raises:
            UserError: there is none.
        """
        if name is not None and name in cls._registered:
            return cls._registered[name][1]
        offered = catalogue.entries("image_builders")
        if name is None and cls._registered:
            return max(cls._registered.values(), key=lambda entry: entry[0])[1]
        wanted = name or next(iter(offered), "")
        if wanted not in offered:
            known = ", ".join([*cls._registered, *offered]) or "none"
            raise UserError(
                f"There is no image builder {name!r}; known are {known}." if name else "There is no image builder.",
                remedy="pip install 'hardpoint[envd]', or give the reference of an image that exists as container_image.",
            )
        integration, target = offered[wanted]
        made: ImageSpecBuilder = integration.load(target)()
        return made

    @classmethod
    def build(cls, image_spec: ImageSpec) -> str:
        """Build the image, after the one it is made from, unless this process did already. Returns its reference."""
        if isinstance(image_spec.base_image, ImageSpec):
            cls.build(image_spec.base_image)
        name = image_spec.image_name()
        with cls._lock:
            if name in cls._built or name in cls.real_names.values():
                return name
            builder = cls.builder(image_spec.builder)
            if forced(image_spec) or builder.should_build(image_spec):
                real = builder.build_image(image_spec)
                if real is not None and real != name:
                    cls.real_names[name] = real
            cls._built.add(name)
        return image_spec.image_name()
