"""`FlyteDirectory`: a folder as a value."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import msgspec

from hardpoint.context import FileAccessLike, FlyteContextManager, current_context
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.storage import FileAccess, uris
from hardpoint.types.codec import describe_type, describe_value
from hardpoint.types.file.file import PATH_SCHEMA, FlyteFile, remote_place
from hardpoint.types.file.location import F, Location, OfFormat, noop

__all__ = ["BatchSize", "FlyteDirectory"]


class BatchSize:
    """How many files of a directory move at once: ``Annotated[FlyteDirectory, BatchSize(8)]``.

    Args:
        val: At least 1.
    """

    def __init__(self, val: int) -> None:
        if val < 1:
            raise TypeTransformerFailedError(f"BatchSize should be at least 1, but is {val}.")
        self._val = val

    @property
    def val(self) -> int:
        return self._val

    def __repr__(self) -> str:
        return f"BatchSize({self._val})"


class FlyteDirectory(Location, OfFormat[F]):
    """A folder, local or remote, that travels between tasks by its URI.

    It is an `os.PathLike`: used as a path, a remote folder is fetched first, as a whole. `listdir` and `crawl` look at
    it where it is, and what `listdir` gives is fetched one by one. ``FlyteDirectory["csv"]`` declares a format.

    Args:
        path: A local path, or a URI.
        downloader: Called, once, before the local path is first used; for content that something else fetches.
        remote_directory: Where a local folder is uploaded to; default: a new place below the raw output prefix. False:
            it is handed on by its path, without an upload.
    """

    multipart: ClassVar[bool] = True
    noun: ClassVar[str] = "directory"
    plain_schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "title": "FlyteDirectory",
        "properties": {"path": PATH_SCHEMA},
        "additionalProperties": False,
    }
    _batch_size: int | None = None

    def __init__(
        self,
        path: str | os.PathLike[str],
        downloader: Callable[[], Any] | None = None,
        remote_directory: str | os.PathLike[str] | Literal[False] | None = None,
    ) -> None:
        super().__init__(path, downloader or noop, remote_directory)

    @property
    def remote_directory(self) -> str | Literal[False] | None:
        """Where it is uploaded to, as it was made with."""
        return self._destination

    @property
    def sep(self) -> str:
        """What separates the parts of its path."""
        return "/" if self._remote_source is not None else os.sep

    @classmethod
    def from_source(cls, source: str | os.PathLike[str]) -> Self:
        """What is at a path or URI, as a task receives it: its `path` is local, and it is fetched when it is needed."""
        made = super().from_source(source)
        if made._remote_source is None:
            made._destination = False  # where it is, others find it too
        return made

    @classmethod
    def new(cls, dirname: str | os.PathLike[str]) -> Self:
        """A new folder in the task's working directory.

        Args:
            dirname: A relative path.

        Raises:
            FileExistsError: it is there already.
        """
        place = os.path.join(current_context().working_directory, os.fspath(dirname))
        os.makedirs(place)
        return cls(place)

    @classmethod
    def new_remote(cls, stem: str | None = None, alt: str | None = None) -> Self:
        """A directory whose files are written straight to the store, with ``new_file().open()``.

        Args:
            stem: Its name; random if None.
            alt: A bucket to use instead of that of the raw output prefix, or a whole prefix to use instead of it.
        """
        return cls(remote_place(stem, alt))

    def new_file(self, name: str | None = None) -> FlyteFile:
        """A file in this folder, not made yet; its name is random if None."""
        return FlyteFile(self._child(name))

    def new_dir(self, name: str | None = None) -> Self:
        """A folder in this folder, not made yet; its name is random if None."""
        return type(self)(self._child(name))

    def _child(self, name: str | None) -> str:
        if name is None:
            name = uris.file_name(FlyteContextManager.current_context().file_access.get_random_remote_directory())
        return uris.join(self._remote_source or self.path, name)

    def __truediv__(self, other: str | os.PathLike[str]) -> Path:
        """A path within the folder, which is fetched first."""
        return Path(self) / other

    def _here(self) -> str:
        """The best place to look at: the local copy if there is one."""
        return self._fetched or self._remote_source or self.download()

    @classmethod
    def listdir(cls, directory: FlyteDirectory) -> list[FlyteDirectory | FlyteFile]:
        """What is directly in a directory, by name; nothing of it is fetched until it is used."""
        entries = FlyteContextManager.current_context().file_access.list(directory._here())
        return [(FlyteDirectory if entry.is_dir else FlyteFile).from_source(entry.uri) for entry in entries]

    def crawl(
        self, maxdepth: int | None = None, topdown: bool = True, detail: bool = False
    ) -> Iterator[tuple[str, Any]]:
        """All files, as pairs of the directory's URI and the path below it.

        Args:
            maxdepth: How many levels to go down; None: all.
            topdown: The files of a folder before those of the folders in it.
            detail: Give ``{path below: what the file system knows of it}`` as the second part.
        """
        place = self._here()
        files = FlyteContextManager.current_context().file_access
        for folder, _, names in files.walk(place, maxdepth, topdown):
            for name in names:
                uri = uris.join(folder, name)
                relative = uri.removeprefix(place).lstrip("/")
                yield place, ({relative: files.filesystem(uri).info(uri)} if detail else relative)

    @classmethod
    def of(cls, value: Any) -> tuple[Location, bool]:
        if isinstance(value, FlyteDirectory):
            return value, False
        if isinstance(value, Location) or not isinstance(value, str | os.PathLike):
            raise TypeTransformerFailedError(
                f"Expected FlyteDirectory or os.PathLike object, received {describe_value(value)} of "
                f"{describe_type(type(value))}."
            )
        return cls._root(value), True  # type: ignore[call-arg]

    def _check(self, local: str, format: str) -> None:
        if not os.path.isdir(local):
            raise self.missing()

    def _fetch(self, files: FileAccessLike, uri: str, place: str) -> None:
        _limited(files, self._batch_size).get_data(uri, place, is_multipart=True)

    def _upload(self, files: FileAccessLike, local: str, destination: str | None, options: dict[str, Any]) -> str:
        target = files.get_random_remote_directory() if destination is None else destination
        return _limited(files, options.get("batch_size")).put_data(local, target, is_multipart=True)


FlyteDirectory._root, FlyteDirectory._of_format = FlyteDirectory, {}


def _limited(files: FileAccessLike, batch_size: int | None) -> FileAccessLike:
    """The same storage, which moves no more files at once than asked for."""
    if batch_size is None or not isinstance(files, FileAccess):
        return files
    return FileAccess(files.raw_output_prefix, settings=msgspec.structs.replace(files.settings, concurrency=batch_size))
