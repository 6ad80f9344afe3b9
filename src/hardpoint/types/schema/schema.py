"""`FlyteSchema`: a table as older code declares it.

New code uses `hardpoint.types.structured.StructuredDataset`, with which it is exchangeable.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteAssertion
from hardpoint.types.codec import describe_type
from hardpoint.types.schema.handlers import (
    SchemaEngine,
    SchemaFormat,
    SchemaHandler,
    SchemaOpenMode,
    SchemaReader,
    SchemaWriter,
)

__all__ = ["FlyteSchema"]


class FlyteSchema:
    """A table in parquet files. ``FlyteSchema[kwtypes(name=str, age=int)]`` declares columns.

    A new one is written to, file by file; one that a task receives is read, and fetched when it is first read.

    Args:
        local_path: The folder of the files; a fresh one if None.
        remote_path: Where they are, or are uploaded to; a new place below the raw output prefix if None.
        supported_mode: What it may be opened for.
        downloader: Called with the remote and the local path to fetch the files; storage does it if None.
    """

    _columns: ClassVar[dict[str, Any]] = {}
    _of_columns: ClassVar[dict[Any, type[FlyteSchema]]] = {}

    def __class_getitem__(cls, columns: Mapping[str, Any]) -> type[FlyteSchema]:
        if not isinstance(columns, Mapping):
            raise FlyteAssertion(
                "Columns should be specified as an ordered dict of column names and their types, "
                f"received {describe_type(type(columns))}"
            )
        if not columns:
            return FlyteSchema
        key = tuple(columns.items())
        known = FlyteSchema._of_columns.get(key)
        if known is None:
            body = {"_columns": dict(columns), "__module__": __name__, "__doc__": cls.__doc__}
            known = FlyteSchema._of_columns.setdefault(key, type("FlyteSchema", (FlyteSchema,), body))
        return known

    @classmethod
    def columns(cls) -> dict[str, Any]:
        """The declared columns and their types."""
        return dict(cls._columns)

    @classmethod
    def column_names(cls) -> list[str]:
        """The declared columns."""
        return list(cls._columns)

    @classmethod
    def format(cls) -> SchemaFormat:
        """What the files are."""
        return SchemaFormat.PARQUET

    def __init__(
        self,
        local_path: str | os.PathLike[str] | None = None,
        remote_path: str | None = None,
        supported_mode: SchemaOpenMode = SchemaOpenMode.WRITE,
        downloader: Callable[[str, str], Any] | None = None,
    ) -> None:
        files = FlyteContextManager.current_context().file_access
        self._supported_mode = supported_mode
        if local_path is not None:
            os.makedirs(local_path, exist_ok=True)
        self._local_path = files.get_random_local_directory() if local_path is None else os.fspath(local_path)
        self._written_here = self._here = local_path is not None or supported_mode is SchemaOpenMode.WRITE
        self.remote_path = remote_path or files.get_random_remote_directory()
        self._downloader = downloader
        self._lock = threading.Lock()

    @property
    def local_path(self) -> str:
        return self._local_path

    @property
    def supported_mode(self) -> SchemaOpenMode:
        return self._supported_mode

    def open(
        self, dataframe_fmt: type[Any] | None = None, override_mode: SchemaOpenMode | None = None
    ) -> SchemaReader | SchemaWriter:
        """A reader or a writer.

        Args:
            dataframe_fmt: The class of table; a pandas frame if None.
            override_mode: READ to read what was just written.

        Raises:
            FlyteAssertion: it is there to be read, and is to be written.
            ValueError: nobody handles that class of table.
        """
        mode = override_mode or self._supported_mode
        if mode is SchemaOpenMode.WRITE and self._supported_mode is SchemaOpenMode.READ:
            raise FlyteAssertion(
                "Readonly schema cannot be opened in write mode!", remedy="Write to a new FlyteSchema()."
            )
        if dataframe_fmt is None:
            import pandas as pd

            dataframe_fmt = pd.DataFrame
        handler = SchemaEngine.get_handler(dataframe_fmt)
        build = handler.reader if mode is SchemaOpenMode.READ else handler.writer
        return build(self._place(handler, mode), self.columns(), self.format())

    def _place(self, handler: SchemaHandler, mode: SchemaOpenMode) -> str:
        if handler.handles_remote_io:
            return self.remote_path
        if mode is SchemaOpenMode.READ:
            self.fetch()
        return self._local_path

    def fetch(self) -> str:
        """The local folder of the files, which are fetched if that was not done yet."""
        with self._lock:
            if not self._here:
                if self._downloader is not None:
                    self._downloader(self.remote_path, self._local_path)
                else:
                    files = FlyteContextManager.current_context().file_access
                    files.get_data(self.remote_path, self._local_path, is_multipart=True)
                self._here = True
        return self._local_path

    def as_readonly(self) -> FlyteSchema:
        """The same table, to be read."""
        if self._supported_mode is SchemaOpenMode.READ:
            return self
        return type(self)(self._local_path, self.remote_path, SchemaOpenMode.READ, self._downloader)

    def publish(self) -> str:
        """The URI at which others find the table; uploads what was written."""
        with self._lock:
            if self._written_here and os.listdir(self._local_path):  # empty if the handler writes to the store itself
                files = FlyteContextManager.current_context().file_access
                files.put_data(self._local_path, self.remote_path, is_multipart=True)
        return self.remote_path

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}(remote_path={self.remote_path!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FlyteSchema):
            return NotImplemented
        return (self.remote_path, self._columns) == (other.remote_path, other._columns)

    def __hash__(self) -> int:
        return hash(self.remote_path)
