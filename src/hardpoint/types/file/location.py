"""What a `FlyteFile` and a `FlyteDirectory` have in common: content that is fetched when it is needed."""

from __future__ import annotations

import os
import threading
from abc import ABCMeta
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, Self, get_args, get_origin

from hardpoint.context import FileAccessLike, FlyteContextManager
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.storage import uris
from hardpoint.types.codec import describe_type, mismatch

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema
    from typing_extensions import TypeVar

    F = TypeVar("F", default=str)

    class OfFormat(Generic[F]):
        """Tells type checkers that ``FlyteFile[csv]`` is a type; what happens is `Location.__class_getitem__`."""

else:
    F = str

    class OfFormat:
        """Nothing, at run time."""

        def __class_getitem__(cls, item):
            return cls


__all__ = ["F", "FileExt", "Location", "OfFormat", "noop"]


class FileExt:
    """A format that is no Python name: ``FlyteFile[Annotated[str, FileExt("tar.gz")]]``.

    Args:
        ext: The format.
    """

    def __init__(self, ext: str) -> None:
        self._ext = ext

    def __str__(self) -> str:
        return self._ext

    def __repr__(self) -> str:
        return f"FileExt({self._ext!r})"

    @staticmethod
    def check_and_convert_to_str(item: Any) -> str:
        """The format that stands in the brackets of ``FlyteFile[...]``, without a leading dot.

        Raises:
            TypeTransformerFailedError: it is no format.
        """
        if get_origin(item) is Annotated:
            base, *extras = get_args(item)
            if base is not str:
                raise TypeTransformerFailedError("Underlying type of File Extension must be of type <str>")
            item = next((extra for extra in extras if isinstance(extra, FileExt)), item)
        if not isinstance(item, str | FileExt) and type(item).__name__ != "TypeVar":
            raise TypeTransformerFailedError(
                f"{describe_type(item)} is not a file format.", remedy='Write FlyteFile["csv"], for example.'
            )
        return str(item).lstrip("~").lstrip(".")


def noop() -> None:
    """The downloader of something that is here already."""


def _rebuild(cls: type[Location], format: str, state: dict[str, Any]) -> Location:
    made: Location = object.__new__(cls.__class_getitem__(format) if format else cls)
    made.__dict__.update(state, _lock=threading.RLock())
    return made


class Location(os.PathLike[str]):
    """Content at a local path or a URI. It is fetched once, when its local path is first needed."""

    multipart: ClassVar[bool] = False
    """Whether it is many files."""
    noun: ClassVar[str] = "file"
    plain_schema: ClassVar[dict[str, Any]]
    """The JSON schema of the form that it has in dataclasses and models."""
    _format: ClassVar[str] = ""
    _root: ClassVar[type[Location]]
    """The class without a format."""
    _of_format: ClassVar[dict[str, type[Location]]]
    """Its classes with one."""

    def __class_getitem__(cls, item: Any) -> Any:
        format = "" if item is None else FileExt.check_and_convert_to_str(item)
        if not format:
            return cls._root
        known = cls._root._of_format.get(format)
        if known is None:
            body = {"_format": format, "__module__": cls._root.__module__, "__doc__": cls._root.__doc__}
            body["__qualname__"] = f"{cls._root.__qualname__}[{format!r}]"
            made: Any = ABCMeta(cls.__name__, (cls._root,), body)
            known = cls._root._of_format.setdefault(format, made)
        return known

    @classmethod
    def extension(cls) -> str:
        """The declared format; empty if there is none."""
        return cls._format

    def __init__(
        self,
        path: str | os.PathLike[str],
        downloader: Callable[[], Any] | None,
        destination: str | os.PathLike[str] | Literal[False] | None,
    ) -> None:
        if isinstance(path, Location):
            path = path.remote_source or path.path
        self._path: str | None = uris.local_path(path)
        self._downloader = None if downloader is noop else downloader
        self._destination: str | Literal[False] | None = (
            destination if destination is None or destination is False else os.fspath(destination)
        )
        self._remote_source: str | None = self._path if uris.is_remote(self._path) else None
        self._fetched: str | None = None
        self._lock = threading.RLock()

    @classmethod
    def from_source(cls, source: str | os.PathLike[str]) -> Self:
        """What is at a path or URI, as a task receives it: its `path` is local, and it is fetched when it is needed."""
        made = cls(source)  # type: ignore[call-arg]
        if made._remote_source is not None:
            made._path = None
        return made

    # -- places --------------------------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """The path or URI that it was made with; of something that a task received, the local path."""
        with self._lock:
            if self._path is None:
                self._path = self._new_local_path()
            return self._path

    @path.setter
    def path(self, value: str | os.PathLike[str]) -> None:
        self._path = os.fspath(value)

    @property
    def remote_source(self) -> str | None:
        """The URI that it comes from, if it comes from one."""
        return self._remote_source

    @property
    def downloaded(self) -> bool:
        """Whether the content was fetched."""
        return self._fetched is not None

    def _new_local_path(self) -> str:
        return FlyteContextManager.current_context().file_access.get_random_local_path(self._remote_source)

    def download(self) -> str:
        """The local path of the content, which is fetched if that was not done yet. Threads may call it at once."""
        with self._lock:
            if self._fetched is not None:
                return self._fetched
            if self._downloader is None and self._remote_source is None:
                return self.path
            place = self._new_local_path() if self._path is not None and uris.is_remote(self._path) else self.path
            if self._downloader is not None:
                self._downloader()
            else:
                assert self._remote_source is not None
                self._fetch(FlyteContextManager.current_context().file_access, self._remote_source, place)
            self._fetched = place
            return place

    def _fetch(self, files: FileAccessLike, uri: str, place: str) -> None:
        files.get_data(uri, place, is_multipart=self.multipart)

    def __fspath__(self) -> str:
        return self.download()

    # -- onto the wire -------------------------------------------------------------------------------------------------

    @classmethod
    def of(cls, value: Any) -> tuple[Location, bool]:
        """A value that may stand for one, as one; and whether it is uploaded even where a local run would not.

        Raises:
            TypeTransformerFailedError: the value is no path.
        """
        raise NotImplementedError

    def publish(self, *, format: str = "", always: bool = False, **options: Any) -> str:
        """The URI at which others find the content; uploads it if the circumstances ask for that.

        What comes from a URI is not uploaded, nor what was made with ``False`` as its destination, nor, in local runs,
        what has no destination.

        Args:
            format: The declared format, with which the content is compared.
            always: Upload in local runs as well.
            options: For the upload.

        Raises:
            TypeTransformerFailedError: there is no such file or folder.
        """
        if self._remote_source is not None:
            return self._remote_source
        local = self.download()
        self._check(local, format)
        if self._destination is False:
            return self.path
        context = FlyteContextManager.current_context()
        if self._destination is None and not always and context.mode.is_local:
            return self.path
        return self._upload(context.file_access, local, self._destination, options)

    def _check(self, local: str, format: str) -> None:
        raise NotImplementedError

    def _upload(self, files: FileAccessLike, local: str, destination: str | None, options: dict[str, Any]) -> str:
        raise NotImplementedError

    def missing(self) -> TypeTransformerFailedError:
        """The error for content that is not where it should be."""
        return TypeTransformerFailedError(
            f"Error converting {self.path} because it's not a {self.noun}.",
            remedy=f"Make the {self.noun} before it is handed on, or give the path at which it is.",
            path=self.path,
        )

    # -- the plain form, for fields of dataclasses and models ----------------------------------------------------------

    def to_plain(self, **options: Any) -> dict[str, Any]:
        """The form that it has in dataclasses and models: ``{"path": uri}``."""
        return {"path": self.publish(**options)}

    @classmethod
    def from_plain(cls, data: Any) -> Self:
        """The reverse of `to_plain`; a path or URI will do as well.

        Raises:
            TypeTransformerFailedError: the data is neither.
        """
        if isinstance(data, Mapping):
            path = data.get("path")
            if isinstance(path, str):
                return cls.from_source(path)
            raise mismatch(cls._root, data, "it should have a 'path', which is text")
        if isinstance(data, str):
            return cls.from_source(data)
        raise mismatch(cls._root, data)

    @classmethod
    def _validate(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return cls.from_plain(value)
        if isinstance(value, cls._root):
            return value
        return cls(value) if isinstance(value, str | os.PathLike) else cls.from_plain(value)  # type: ignore[call-arg]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Models hold it as it is, take a path or the plain form, and write the plain form as JSON."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls._validate,
            ref=f"{cls._root.__module__}.{cls._root.__name__}:{id(cls)}",
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: cls.of(value)[0].to_plain(format=cls._format), when_used="json"
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = cls.plain_schema
        properties = {name: {**described, "title": name.title()} for name, described in schema["properties"].items()}
        return {"properties": properties, "title": schema["title"], "type": "object"}

    # -- as a value ----------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({self._identity()!r})"

    def _identity(self) -> str:
        return self._remote_source or self.path

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Location):
            return (self._identity(), self._destination, self._root, self._format) == (
                other._identity(),
                other._destination,
                other._root,
                other._format,
            )
        return self._identity() == other if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce__(self) -> Any:
        state = {name: value for name, value in vars(self).items() if name != "_lock"}
        if self._remote_source is not None:  # what was fetched is of this machine; another one fetches it anew
            state["_fetched"] = None
            if self._path != self._remote_source:
                state["_path"] = None
        generated = type(self) is self._of_format.get(self._format)
        return _rebuild, (self._root if generated else type(self), self._format if generated else "", state)
