"""`FlyteFile`: one file as a value."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Self

from hardpoint.context import FileAccessLike, FlyteContextManager, current_context
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.storage import uris
from hardpoint.types.codec import describe_type, describe_value
from hardpoint.types.file.formats import check_signature
from hardpoint.types.file.location import F, Location, OfFormat, noop

__all__ = ["PATH_SCHEMA", "FlyteFile", "remote_place"]

PATH_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "string", "format": "path"}], "default": None}
"""The JSON schema of the field ``path`` of a file's or a directory's plain form."""


def remote_place(name: str | None, alt: str | None) -> str:
    """A URI for something new.

    Args:
        name: Its last component; random if None.
        alt: A bucket to use instead of that of the raw output prefix, or a whole prefix to use instead of it.
    """
    files = FlyteContextManager.current_context().file_access
    if alt is None:
        return uris.join(files.get_random_remote_directory(), name or "")
    if "://" in alt or alt.startswith("/"):
        return uris.join(alt, name) if name else uris.join(alt, _last(files))
    place = uris.join(files.get_random_remote_directory(), name or "")
    scheme, mark, rest = place.partition("://")
    return f"{scheme}://{alt}/{rest.partition('/')[2]}" if mark else uris.join(alt, place)


def _last(files: FileAccessLike) -> str:
    return uris.file_name(files.get_random_remote_directory())


class FlyteFile(Location, OfFormat[F]):
    """One file, local or remote, that travels between tasks by its URI.

    It is an `os.PathLike`: given to ``open``, `pathlib.Path` or a library, a remote file is fetched first. Its method
    `open` streams it instead. ``FlyteFile["csv"]`` declares a format.

    Args:
        path: A local path, or a URI.
        downloader: Called, once, before the local path is first used; for content that something else fetches.
        remote_path: Where a local file is uploaded to; default: a new place below the raw output prefix. False: it is
            handed on by its path, without an upload.
        metadata: Text that travels with the literal.
    """

    plain_schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "title": "FlyteFile",
        "properties": {
            "path": PATH_SCHEMA,
            "metadata": {
                "anyOf": [
                    {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {"type": "string"}},
                    {"type": "null"},
                ],
                "default": None,
            },
        },
        "additionalProperties": False,
    }

    def __init__(
        self,
        path: str | os.PathLike[str],
        downloader: Callable[[], Any] = noop,
        remote_path: str | os.PathLike[str] | bool | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        if remote_path is True:
            raise TypeTransformerFailedError(
                "remote_path=True says nothing of where to.", remedy="Give a URI, or None for a new place."
            )
        super().__init__(path, downloader, remote_path)
        self.metadata = dict(metadata) if metadata is not None else None

    @property
    def remote_path(self) -> str | Literal[False] | None:
        """Where it is uploaded to, as it was made with."""
        return self._destination

    @classmethod
    def new(cls, filename: str | os.PathLike[str]) -> Self:
        """A file to be written in the task's working directory; folders that its name has are made.

        Args:
            filename: A relative path.
        """
        place = os.path.join(current_context().working_directory, os.fspath(filename))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        return cls(place)

    @classmethod
    def new_remote_file(cls, name: str | None = None, alt: str | None = None) -> Self:
        """A file to be written straight to the store, with `open`; nothing is uploaded after it.

        Args:
            name: Its file name; random if None.
            alt: A bucket to use instead of that of the raw output prefix, or a whole prefix to use instead of it.
        """
        return cls(remote_place(name, alt))

    def open(
        self,
        mode: str = "r",
        cache_type: str | None = None,
        cache_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """A stream on the content, with no copy on disk; use it in a ``with`` block.

        What was fetched already is read from there. What is written goes to the URI that the file has, else to its
        `remote_path`, else to its path.

        Args:
            mode: As for the built-in ``open``.
            cache_type: How fsspec reads ahead, for example ``"blockcache"`` or ``"none"``.
            cache_options: Options of that.
            kwargs: ``encoding``, ``errors``, ``newline``, and whatever the store's file system takes.
        """
        reading = "r" in mode and "+" not in mode
        if not reading:
            self._fetched = None
        place = self._fetched if reading and self._fetched is not None else self._remote_source
        if place is None:
            place = self.path if reading or not self._destination else self._destination
        if cache_type is not None:
            kwargs["cache_type"] = cache_type
        if cache_options is not None:
            kwargs["cache_options"] = cache_options
        return FlyteContextManager.current_context().file_access.open(place, mode, **kwargs)

    @classmethod
    def of(cls, value: Any) -> tuple[Location, bool]:
        if isinstance(value, FlyteFile):
            return value, False
        if isinstance(value, Location) or not isinstance(value, str | os.PathLike):
            raise TypeTransformerFailedError(
                f"No automatic conversion found from {describe_value(value)}, of type {describe_type(type(value))}, "
                "to FlyteFile.",
                remedy="A FlyteFile, a str or an os.PathLike will do.",
            )
        return cls._root(value), not isinstance(value, str)  # type: ignore[call-arg]

    def _check(self, local: str, format: str) -> None:
        if not os.path.isfile(local):
            raise self.missing()
        check_signature(local, format)

    def _fetch(self, files: FileAccessLike, uri: str, place: str) -> None:
        super()._fetch(files, uri, place)
        check_signature(place, self._format)

    def _upload(self, files: FileAccessLike, local: str, destination: str | None, options: dict[str, Any]) -> str:
        if local.endswith(".gz"):
            options = {"ContentEncoding": "gzip", **options}
        if destination is None:
            return files.put_raw_data(local, **options)
        return files.put_data(local, destination, **options)

    def to_plain(self, **options: Any) -> dict[str, Any]:
        plain = super().to_plain(**options)
        return {**plain, "metadata": self.metadata} if self.metadata else plain

    @classmethod
    def from_plain(cls, data: Any) -> Self:
        made = super().from_plain(data)
        if isinstance(data, Mapping) and data.get("metadata"):
            made.metadata = dict(data["metadata"])
        return made


FlyteFile._root, FlyteFile._of_format = FlyteFile, {}
