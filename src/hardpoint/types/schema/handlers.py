"""Who reads and writes the tables of a `FlyteSchema`, for each class of table."""

from __future__ import annotations

import enum
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from hardpoint._lazy import Ref
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.integration import public_path
from hardpoint.types.codec import describe_type

__all__ = [
    "LocalIOSchemaReader",
    "LocalIOSchemaWriter",
    "SchemaEngine",
    "SchemaFormat",
    "SchemaHandler",
    "SchemaOpenMode",
    "SchemaReader",
    "SchemaWriter",
]


class SchemaFormat(enum.Enum):
    """What the files of a schema are."""

    PARQUET = "parquet"


class SchemaOpenMode(enum.Enum):
    """What a schema is opened for."""

    READ = "r"
    WRITE = "w"


class SchemaReader(ABC):
    """Reads tables of one class.

    Args:
        from_path: The folder of the files; for a handler with ``handles_remote_io``, its URI.
        cols: The declared columns; None or empty: all that there are.
        fmt: What the files are.
    """

    def __init__(self, from_path: str, cols: Mapping[str, Any] | None, fmt: SchemaFormat) -> None:
        self._from_path, self._columns, self._fmt = from_path, cols, fmt

    @property
    def from_path(self) -> str:
        return self._from_path

    @property
    def column_names(self) -> list[str] | None:
        """The declared columns; None if none were declared."""
        return list(self._columns) if self._columns else None

    @abstractmethod
    def iter(self, **kwargs: Any) -> Iterator[Any]:
        """One table a file, in the order in which they were written."""

    @abstractmethod
    def all(self, **kwargs: Any) -> Any:
        """All files as one table."""


class SchemaWriter(ABC):
    """Writes tables of one class.

    Args:
        to_path: The folder of the files; for a handler with ``handles_remote_io``, its URI.
        cols: The declared columns; None or empty: all that there are.
        fmt: What the files shall be.
    """

    def __init__(self, to_path: str, cols: Mapping[str, Any] | None, fmt: SchemaFormat) -> None:
        self._to_path, self._columns, self._fmt = to_path, cols, fmt
        self._written = 0

    @property
    def to_path(self) -> str:
        return self._to_path

    @property
    def column_names(self) -> list[str] | None:
        """The declared columns; None if none were declared."""
        return list(self._columns) if self._columns else None

    @abstractmethod
    def write(self, *dfs: Any, **kwargs: Any) -> None:
        """Add tables, each as a file of its own."""


class LocalIOSchemaReader(SchemaReader):
    """A reader of local files; a subclass says how to read some of them as one table, with `_read`."""

    @abstractmethod
    def _read(self, *path: str, **kwargs: Any) -> Any:
        """These files as one table."""

    def _files(self) -> list[str]:
        """The files, by name; hidden ones, and those whose name begins with an underscore, are no data."""
        found = sorted(
            entry.path
            for entry in os.scandir(self._from_path)
            if entry.is_file() and not entry.name.startswith((".", "_"))
        )
        if not found:
            raise TypeTransformerFailedError(f"There are no files in {self._from_path}.", path=self._from_path)
        return found

    def iter(self, **kwargs: Any) -> Iterator[Any]:
        for path in self._files():
            yield self._read(path, **kwargs)

    def all(self, **kwargs: Any) -> Any:
        return self._read(*self._files(), **kwargs)


class LocalIOSchemaWriter(SchemaWriter):
    """A writer of local files, named ``00000``, ``00001``, ...; a subclass says how to write one, with `_write`."""

    @abstractmethod
    def _write(self, df: Any, path: str, **kwargs: Any) -> None:
        """Write one table to one file."""

    def write(self, *dfs: Any, **kwargs: Any) -> None:
        for df in dfs:
            while os.path.exists(path := os.path.join(self._to_path, f"{self._written:05}")):
                self._written += 1
            self._write(df, path, **kwargs)


@dataclass
class SchemaHandler:
    """Who reads and writes tables of one class.

    Args:
        name: For messages.
        object_type: The class of table.
        reader: Built with a path, the columns and the format.
        writer: Likewise.
        handles_remote_io: Whether both are given URIs instead of local folders.
    """

    name: str
    object_type: type[Any]
    reader: type[SchemaReader]
    writer: type[SchemaWriter]
    handles_remote_io: bool = False


class SchemaEngine:
    """The handlers, by the class of table."""

    _handlers: ClassVar[dict[type[Any], SchemaHandler]] = {}
    _builtin: ClassVar[dict[str, Ref]] = {
        "pandas.DataFrame": Ref("hardpoint.types.schema.arrow:PANDAS"),
        "pyarrow.Table": Ref("hardpoint.types.schema.arrow:ARROW"),
    }

    @classmethod
    def register_handler(cls, h: SchemaHandler) -> None:
        """Add a handler.

        Raises:
            ValueError: its class of table has one already.
        """
        if h.object_type in cls._handlers:
            raise TypeTransformerFailedError(
                f"{describe_type(h.object_type)} has the handler {cls._handlers[h.object_type].name} already."
            )
        cls._handlers[h.object_type] = h

    @classmethod
    def find(cls, t: type[Any]) -> SchemaHandler | None:
        """The handler of a class or of one of its bases; None if there is none."""
        for ancestor in t.__mro__:
            known = cls._handlers.get(ancestor)
            if known is not None:
                return known
            for path in public_path(ancestor):
                if path in cls._builtin:
                    handler: SchemaHandler = cls._builtin[path].load()
                    return handler
        return None

    @classmethod
    def get_handler(cls, t: type[Any]) -> SchemaHandler:
        """The handler of a class or of one of its bases.

        Raises:
            ValueError: there is none.
        """
        found = cls.find(t)
        if found is None:
            raise TypeTransformerFailedError(
                f"DataFrames of type {describe_type(t)} are not supported currently",
                remedy="Give SchemaEngine.register_handler a SchemaHandler for it, or use StructuredDataset.",
                type=t,
            )
        return found
