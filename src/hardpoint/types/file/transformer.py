"""How files travel: `FlyteFile` and `os.PathLike` as blobs of one part, and blobs read as open files."""

from __future__ import annotations

import html
import os
import typing
from typing import Any

from hardpoint import idl
from hardpoint.context import FlyteContext
from hardpoint.errors import FlyteAssertion, TypeTransformerFailedError
from hardpoint.idl import BlobType, Literal, LiteralType
from hardpoint.storage import uris
from hardpoint.types.codec import Codec
from hardpoint.types.file.file import FlyteFile
from hardpoint.types.file.location import Location
from hardpoint.types.transformer import TypeTransformer, plain_of, unannotated

__all__ = ["BinaryIOTransformer", "FlyteFilePathTransformer", "TextIOTransformer", "blob_type", "blob_uri"]


def blob_type(format: str, *, multipart: bool = False) -> LiteralType:
    """The literal type of a blob."""
    literal_type = LiteralType()
    literal_type.blob.format = format
    literal_type.blob.dimensionality = BlobType.MULTIPART if multipart else BlobType.SINGLE
    return literal_type


def blob_uri(literal: Literal, noun: str, *, multipart: bool = False) -> str:
    """The URI of a literal that holds a blob.

    Raises:
        TypeTransformerFailedError: it is a folder where a file is expected, or the other way round.
    """
    blob = literal.scalar.blob
    wanted = BlobType.MULTIPART if multipart else BlobType.SINGLE
    if blob.metadata.type.dimensionality != wanted:
        raise TypeTransformerFailedError(f"{blob.uri} is not a {noun}.", uri=blob.uri)
    return blob.uri


def _is_local_folder(value: Any) -> bool:
    return not uris.is_remote(value) and os.path.isdir(uris.local_path(value))


class FlyteFilePathTransformer(TypeTransformer[Any]):
    """`FlyteFile` of any format, and ``os.PathLike``, which is handed on by its path and never uploaded."""

    def __init__(self) -> None:
        super().__init__("FlyteFilePath", FlyteFile, enable_type_assertions=False)

    @staticmethod
    def _class_of(t: Any) -> type[FlyteFile] | None:
        """The declared class of file; None for ``os.PathLike``."""
        base = unannotated(t)
        return base if isinstance(base, type) and issubclass(base, FlyteFile) else None

    def get_literal_type(self, t: Any) -> LiteralType:
        declared = self._class_of(t)
        return blob_type(declared.extension() if declared else "")

    def compile(self, t: Any) -> Codec:
        codec = super().compile(t)
        format = codec.literal_type.blob.format

        def accepts(value: Any) -> bool:
            if isinstance(value, Location):
                return isinstance(value, FlyteFile) and (not format or value.extension() in ("", format))
            return isinstance(value, str | os.PathLike) and not _is_local_folder(value)

        codec.accepts = accepts
        return codec

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        declared = self._class_of(python_type)
        file, is_path = FlyteFile.of(python_val)
        if declared is None:
            return idl.blob(file.remote_source or file.path)
        literal = idl.blob(file.publish(format=declared.extension(), always=is_path), declared.extension())
        if isinstance(file, FlyteFile) and file.metadata:
            literal.metadata.update(file.metadata)
        return literal

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        if not lv.scalar.HasField("blob"):
            return self.from_plain(plain_of(lv, expected_python_type), expected_python_type)
        uri = blob_uri(lv, "file")
        declared = self._class_of(expected_python_type)
        if declared is None:
            file = FlyteFile(uri)
        else:
            file = declared.from_source(uri)
            if file.remote_source is None and not os.path.isfile(uris.local_path(uri)):
                raise FlyteAssertion(
                    f"Expected a file, but {uri} is not a file.",
                    remedy="Local files are handed on by their path; has it been moved or removed?",
                    uri=uri,
                )
        if lv.metadata:
            file.metadata = dict(lv.metadata)
        return file

    def to_plain(self, value: Any, t: Any) -> Any:
        declared = self._class_of(t)
        file, is_path = FlyteFile.of(value)
        if declared is None:
            return {"path": file.remote_source or file.path}
        return file.to_plain(format=declared.extension(), always=is_path)

    def from_plain(self, data: Any, t: Any) -> Any:
        return (self._class_of(t) or FlyteFile).from_plain(data)

    def plain_schema(self, t: Any) -> dict[str, Any]:
        return dict(FlyteFile.plain_schema)

    def schema_match(self, schema: dict[str, Any]) -> bool:
        return schema.get("title") == "FlyteFile" and "path" in schema.get("properties", ())

    def to_html(self, ctx: FlyteContext, python_val: Any, expected_python_type: Any) -> str:
        file, _ = FlyteFile.of(python_val)
        return html.escape(file.remote_source or file.path)

    def guess_python_type(self, literal_type: LiteralType) -> type[Any]:
        blob = literal_type.blob
        if literal_type.WhichOneof("type") != "blob" or blob.dimensionality != BlobType.SINGLE:
            raise ValueError("not a file")
        if blob.format == "PythonPickle" or literal_type.HasField("metadata"):
            raise ValueError("a file that stands for something else")
        guessed: type[Any] = FlyteFile.__class_getitem__(blob.format)
        return guessed


class _OpenFileTransformer(TypeTransformer[Any]):
    """A blob as an open file. It is read only: a stream does not know when its writer has finished."""

    mode: str
    format: str

    def get_literal_type(self, t: Any) -> LiteralType:
        return blob_type(self.format)

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        raise TypeTransformerFailedError(f"A {self.name} can be an input, but no output.", remedy="Return a FlyteFile.")

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        if not lv.scalar.HasField("blob"):
            return self.from_plain(plain_of(lv, expected_python_type), expected_python_type)
        return self._open(FlyteFile(blob_uri(lv, "file")))

    def from_plain(self, data: Any, t: Any) -> Any:
        return self._open(FlyteFile.from_plain(data))

    def _open(self, file: FlyteFile) -> Any:
        return open(file, self.mode, encoding=None if "b" in self.mode else "utf-8")


class TextIOTransformer(_OpenFileTransformer):
    """``typing.TextIO``: the file, open for reading UTF-8 text."""

    mode, format = "r", "text/plain"

    def __init__(self) -> None:
        super().__init__("TextIO", typing.TextIO)


class BinaryIOTransformer(_OpenFileTransformer):
    """``typing.BinaryIO``: the file, open for reading bytes."""

    mode, format = "rb", "application/octet-stream"

    def __init__(self) -> None:
        super().__init__("BinaryIO", typing.BinaryIO)
