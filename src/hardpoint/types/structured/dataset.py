"""`StructuredDataset`: a table that somebody has, or that is somewhere and is read when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from flyteidl.core.literals_pb2 import StructuredDataset as DatasetLiteral
from flyteidl.core.literals_pb2 import StructuredDatasetMetadata

from hardpoint.context import FlyteContext, FlyteContextManager
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import LiteralType, StructuredDatasetType
from hardpoint.storage import uris
from hardpoint.types import builtin
from hardpoint.types.codec import describe_type
from hardpoint.types.structured import registry
from hardpoint.types.structured.handlers import StructuredDatasetDecoder
from hardpoint.types.structured.options import ReadOptions, WriteOptions

__all__ = ["StructuredDataset", "check_frame", "decoder_for"]

_BATCH_ROWS = 1 << 16


class StructuredDataset:
    """A table of any library, by value or by URI.

    A task returns ``StructuredDataset(dataframe=frame)`` and receives one whose data is fetched only by
    ``open(pandas.DataFrame).all()`` or ``.iter()``.

    Args:
        dataframe: The frame, if it is here.
        uri: Where the data is; or with a frame, where it shall be written to.
        metadata: Declared columns, format and schema.
        file_format: ``"parquet"``, ``"csv"`` or another that a handler knows; empty for the usual one of the frame.
        write_options: How the frame is written.

    Attributes:
        uri: As above; set for a dataset that a task receives.
        file_format: As above.
        write_options: As above.
    """

    def __init__(
        self,
        dataframe: Any = None,
        uri: str | None = None,
        metadata: StructuredDatasetMetadata | None = None,
        *,
        file_format: str | None = "",
        write_options: WriteOptions | None = None,
    ) -> None:
        self.uri = uri
        self.file_format = file_format or ""
        self.write_options = write_options or WriteOptions()
        self._dataframe = dataframe
        self._metadata = metadata
        self._literal: DatasetLiteral | None = None
        self._opened: type | None = None
        self._columns: Sequence[str] | None = None
        self._read = ReadOptions()

    @classmethod
    def from_literal(
        cls, literal: DatasetLiteral, metadata: StructuredDatasetMetadata, options: ReadOptions
    ) -> StructuredDataset:
        """A dataset that is not read yet.

        Args:
            literal: Where it is, and as what it was written.
            metadata: What its reader declares.
            options: How its reader wants it.
        """
        made = cls(uri=literal.uri, metadata=metadata, file_format=metadata.structured_dataset_type.format)
        made._literal, made._read = literal, options
        return made

    def written_as(self, literal: DatasetLiteral) -> None:
        """Remember where the data was written, so that it is written once."""
        self._literal = literal

    @property
    def dataframe(self) -> Any:
        """The frame, if it was given; what is at the URI is read by `open`."""
        return self._dataframe

    @property
    def metadata(self) -> StructuredDatasetMetadata | None:
        """Declared columns, format and schema."""
        return self._metadata

    @property
    def literal(self) -> DatasetLiteral | None:
        """The dataset on the wire, once it has been received or written."""
        return self._literal

    def columns(self) -> dict[str, LiteralType]:
        """The declared columns; empty if none were."""
        declared = self._metadata.structured_dataset_type.columns if self._metadata is not None else ()
        return {column.name: column.literal_type for column in declared}

    def column_names(self) -> list[str]:
        """The names of the declared columns."""
        return list(self.columns())

    def open(
        self,
        dataframe_type: type,
        *,
        columns: Sequence[str] | None = None,
        filters: Any = None,
        cast: bool | None = None,
    ) -> StructuredDataset:
        """This dataset, to be read as frames of a type.

        Args:
            dataframe_type: For example `pandas.DataFrame` or `pyarrow.Table`.
            columns: Only these; default: those that are declared, or else all.
            filters: Only rows that pass; see `ReadOptions`.
            cast: Convert columns to their declared types.
        """
        self._opened = dataframe_type
        self._columns = columns
        self._read = replace(
            self._read,
            filters=self._read.filters if filters is None else filters,
            cast=self._read.cast if cast is None else cast,
        )
        return self

    def all(self) -> Any:
        """The whole data as one frame.

        Raises:
            ValueError: `open` has not said of what type.
            MissingColumnsError: columns are wanted that are not there.
        """
        cls = self._frame_type()
        if isinstance(self._dataframe, cls) and self._columns is None and self._read == ReadOptions():
            return self._dataframe
        ctx = FlyteContextManager.current_context()
        literal = self._located(ctx)
        decoder = decoder_for(cls, literal)
        return check_frame(decoder.read(ctx, literal, self._request(literal), self._read), cls, decoder)

    def iter(self, batch_rows: int = _BATCH_ROWS) -> Iterator[Any]:
        """The data as frames, one after the other.

        Args:
            batch_rows: The most rows of each.

        Raises:
            ValueError: `open` has not said of what type, or `batch_rows` is not positive.
        """
        cls = self._frame_type()
        if batch_rows < 1:
            raise TypeTransformerFailedError(f"batch_rows should be positive, but is {batch_rows}.")
        ctx = FlyteContextManager.current_context()
        literal = self._located(ctx)
        decoder = decoder_for(cls, literal)
        return decoder.batches(ctx, literal, self._request(literal), self._read, batch_rows)

    def set_literal(self, ctx: FlyteContext, expected: LiteralType) -> None:
        """Write the data, if it is not written yet, so that `literal` says where it is.

        Args:
            ctx: For its storage.
            expected: The literal type as which it is written.
        """
        made = builtin.load(builtin.STRUCTURED).to_literal(ctx, self, type(self), expected)
        self.written_as(made.scalar.structured_dataset)

    def _frame_type(self) -> type:
        if self._opened is None:
            raise TypeTransformerFailedError(
                "No dataframe type set. Use open() to set the local dataframe type you want to use.",
                remedy="For example dataset.open(pandas.DataFrame).all().",
            )
        return self._opened

    def _located(self, ctx: FlyteContext) -> DatasetLiteral:
        if self._literal is None and self._dataframe is None and self.uri:
            declared = StructuredDatasetType(format=self.file_format)
            return DatasetLiteral(uri=self.uri, metadata=StructuredDatasetMetadata(structured_dataset_type=declared))
        if self._literal is None:
            expected = LiteralType()
            if self._metadata is not None:
                expected.structured_dataset_type.CopyFrom(self._metadata.structured_dataset_type)
            else:
                expected.structured_dataset_type.SetInParent()
            self.set_literal(ctx, expected)
            assert self._literal is not None
        return self._literal

    def _request(self, literal: DatasetLiteral) -> StructuredDatasetMetadata:
        request = StructuredDatasetMetadata()
        request.CopyFrom(self._metadata if self._metadata is not None else literal.metadata)
        if self._columns is not None:
            known = {column.name: column for column in request.structured_dataset_type.columns}
            chosen = [known.get(n, StructuredDatasetType.DatasetColumn(name=n)) for n in self._columns]
            del request.structured_dataset_type.columns[:]
            request.structured_dataset_type.columns.extend(chosen)
        return request

    def __repr__(self) -> str:
        return f"{type(self).__name__}(uri={self.uri!r}, file_format={self.file_format!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StructuredDataset):
            return NotImplemented
        mine = (self.uri, self.file_format)
        return mine == (other.uri, other.file_format) and self._dataframe is other._dataframe

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        transformer = builtin.load(builtin.STRUCTURED)

        def from_plain(data: Any) -> Any:
            return data if isinstance(data, cls) else transformer.from_plain(data, cls)

        return core_schema.no_info_plain_validator_function(
            from_plain,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: transformer.to_plain(value, cls)
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        text = [{"type": "string"}, {"type": "null"}]
        return {
            "properties": {
                "uri": {"anyOf": text, "default": None, "title": "Uri"},
                "file_format": {"anyOf": text, "default": "", "title": "File Format"},
            },
            "title": "StructuredDataset",
            "type": "object",
        }


def decoder_for(cls: type, literal: DatasetLiteral) -> StructuredDatasetDecoder[Any]:
    """The decoder that reads a dataset as frames of a class."""
    format = literal.metadata.structured_dataset_type.format
    # Data that somebody points at seldom comes with a format, but its name tells.
    if not format and uris.file_name(literal.uri).lower().endswith(".csv"):
        format = "csv"
    return registry.find_decoder(cls, uris.protocol(literal.uri), format)


def check_frame(frame: Any, cls: type, decoder: StructuredDatasetDecoder[Any]) -> Any:
    """The frame, unless it came from a base class's decoder and is not what was asked for.

    Raises:
        TypeTransformerFailedError: it is not a `cls`.
    """
    if decoder.python_type is cls or isinstance(frame, cls):
        return frame
    raise TypeTransformerFailedError(
        f"{decoder!r} read a {describe_type(type(frame))}, which is no {describe_type(cls)}.",
        remedy=f"Register a StructuredDatasetDecoder for {describe_type(cls)}.",
    )
