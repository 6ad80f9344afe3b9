"""The contract by which a dataframe library joins in: an encoder and a decoder for each kind of frame."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hardpoint.errors import TypeTransformerFailedError, UserError
from hardpoint.types.codec import describe_type
from hardpoint.types.structured.options import ReadOptions

if TYPE_CHECKING:
    from flyteidl.core.literals_pb2 import StructuredDataset as DatasetLiteral
    from flyteidl.core.literals_pb2 import StructuredDatasetMetadata

    from hardpoint.context import FlyteContext
    from hardpoint.idl import StructuredDatasetType
    from hardpoint.types.structured.dataset import StructuredDataset

__all__ = [
    "CSV",
    "GENERIC_FORMAT",
    "GENERIC_PROTOCOL",
    "PARQUET",
    "DuplicateHandlerError",
    "HandlerNotFoundError",
    "MissingColumnsError",
    "StructuredDatasetDecoder",
    "StructuredDatasetEncoder",
    "StructuredDatasetFormat",
    "WrongHandlerError",
]

T = TypeVar("T")

StructuredDatasetFormat = str
PARQUET: StructuredDatasetFormat = "parquet"
CSV: StructuredDatasetFormat = "csv"
GENERIC_FORMAT: StructuredDatasetFormat = ""
GENERIC_PROTOCOL: str = "generic protocol"


class WrongHandlerError(UserError, ValueError):
    """A handler cannot be registered as it is."""


class DuplicateHandlerError(WrongHandlerError):
    """Two handlers want the same type, protocol and format."""


class HandlerNotFoundError(TypeTransformerFailedError):
    """No handler is known for a type, protocol and format (attributes of these names)."""


class MissingColumnsError(TypeTransformerFailedError):
    """Columns were declared that the data does not have.

    Args:
        missing: Their names.
        available: The columns that the data has.
        where: The URI of the data, or what else the user will recognise it by.
    """

    def __init__(self, missing: list[str], available: list[str], where: str) -> None:
        shown = ", ".join(available[:50]) + (f" and {len(available) - 50} more" if len(available) > 50 else "")
        super().__init__(
            f"{where} has no column {', '.join(map(repr, missing))}; it has {shown or 'none'}.",
            remedy="Correct the columns in the annotation, or the data that is returned.",
            missing=missing,
            available=available,
            where=where,
        )


class _Handler(Generic[T]):
    def __init__(self, python_type: type[T], protocol: str | None = None, supported_format: str | None = None) -> None:
        self._python_type = python_type
        self._protocol = re.sub(r"://.*\Z", "", protocol) if protocol else protocol
        self._format = supported_format or GENERIC_FORMAT

    @property
    def python_type(self) -> type[T]:
        return self._python_type

    @property
    def protocol(self) -> str | None:
        """The URI scheme; None: every storage."""
        return self._protocol

    @property
    def supported_format(self) -> str:
        return self._format

    def __repr__(self) -> str:
        where = self._protocol or "any storage"
        return f"<{type(self).__qualname__}: {describe_type(self._python_type)}, {where}, format {self._format!r}>"


class StructuredDatasetEncoder(_Handler[T], ABC):
    """Writes frames of one type.

    Args:
        python_type: The class of the frames; subclasses are served too, unless they have an encoder of their own.
        protocol: The one URI scheme that it writes to, such as ``"bq"``; None for every storage.
        supported_format: The format that it writes; None if the place has no such notion.
    """

    @abstractmethod
    def encode(
        self,
        ctx: FlyteContext,
        structured_dataset: StructuredDataset,
        structured_dataset_type: StructuredDatasetType,
    ) -> DatasetLiteral | Any:
        """Write a frame and return where it is.

        Args:
            ctx: The context, for its `file_access`.
            structured_dataset: Holds the frame (`dataframe`), the URI that the user wants, if any (`uri`), and how to
                write (`write_options`).
            structured_dataset_type: The declared columns, format and schema.

        Returns:
            A `flyteidl` message `StructuredDataset`, or any object with `uri` and perhaps `metadata`.
        """


class StructuredDatasetDecoder(_Handler[T], ABC):
    """Reads frames of one type.

    Args:
        python_type: The class of the frames that it makes.
        protocol: The one URI scheme that it reads from; None for every storage.
        supported_format: The format that it reads; None for any.
        additional_protocols: Has no effect; accepted for code that gives it.
    """

    def __init__(
        self,
        python_type: type[T],
        protocol: str | None = None,
        supported_format: str | None = None,
        additional_protocols: list[str] | None = None,
    ) -> None:
        super().__init__(python_type, protocol, supported_format)

    @abstractmethod
    def decode(
        self, ctx: FlyteContext, flyte_value: DatasetLiteral, current_task_metadata: StructuredDatasetMetadata
    ) -> T | Iterator[T]:
        """The data as a frame, or as an iterator of frames.

        Args:
            ctx: The context, for its `file_access`.
            flyte_value: Where the data is, and of what type it was written.
            current_task_metadata: The columns that the reader wants (none: all), and the format and schema of the data.
        """

    def read(
        self,
        ctx: FlyteContext,
        flyte_value: DatasetLiteral,
        current_task_metadata: StructuredDatasetMetadata,
        options: ReadOptions,
    ) -> T | Iterator[T]:
        """Like `decode`, with filters and casts. Override it where the format, or the service, can do these.

        Raises:
            UserError: something was asked for that this decoder cannot do.
        """
        if options.filters is not None or options.cast:
            what = "filter rows" if options.filters is not None else "cast columns"
            raise UserError(f"{type(self).__qualname__} cannot {what} while it reads.", remedy="Do it on the frame.")
        return self.decode(ctx, flyte_value, current_task_metadata)

    def batches(
        self,
        ctx: FlyteContext,
        flyte_value: DatasetLiteral,
        current_task_metadata: StructuredDatasetMetadata,
        options: ReadOptions,
        batch_rows: int,
    ) -> Iterator[T]:
        """The data piece by piece. Override it where the format can be read so; else it comes as `decode` gives it.

        Args:
            ctx: As in `decode`.
            flyte_value: As in `decode`.
            current_task_metadata: As in `decode`.
            options: As in `read`.
            batch_rows: The most rows that a frame should have.
        """
        result = self.read(ctx, flyte_value, current_task_metadata, options)
        if isinstance(result, Iterator):
            yield from result
        else:
            yield result
