"""How directories travel: `FlyteDirectory` as a blob of many parts."""

from __future__ import annotations

import html
import os
from typing import Any

from hardpoint import idl
from hardpoint.context import FlyteContext
from hardpoint.errors import FlyteAssertion
from hardpoint.idl import BlobType, Literal, LiteralType
from hardpoint.storage import uris
from hardpoint.types.codec import Codec
from hardpoint.types.directory.directory import BatchSize, FlyteDirectory
from hardpoint.types.file.location import Location
from hardpoint.types.file.transformer import blob_type, blob_uri
from hardpoint.types.transformer import TypeTransformer, plain_of, unannotated

__all__ = ["FlyteDirToMultipartBlobTransformer"]


def _batch_size(t: Any) -> int | None:
    return next((extra.val for extra in getattr(t, "__metadata__", ()) if isinstance(extra, BatchSize)), None)


class FlyteDirToMultipartBlobTransformer(TypeTransformer[Any]):
    """`FlyteDirectory` of any format."""

    def __init__(self) -> None:
        super().__init__("FlyteDirectory", FlyteDirectory, enable_type_assertions=False)

    @staticmethod
    def _class_of(t: Any) -> type[FlyteDirectory]:
        declared: type[FlyteDirectory] = unannotated(t)
        return declared

    def get_literal_type(self, t: Any) -> LiteralType:
        return blob_type(self._class_of(t).extension(), multipart=True)

    def compile(self, t: Any) -> Codec:
        codec = super().compile(t)
        format = codec.literal_type.blob.format

        def accepts(value: Any) -> bool:
            if isinstance(value, Location):
                return isinstance(value, FlyteDirectory) and (not format or value.extension() in ("", format))
            return isinstance(value, str | os.PathLike) and not os.path.isfile(uris.local_path(value))

        codec.accepts = accepts
        return codec

    @staticmethod
    def _options(t: Any) -> dict[str, Any]:
        limit = _batch_size(t)
        return {} if limit is None else {"batch_size": limit}

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        directory, is_path = FlyteDirectory.of(python_val)
        uri = directory.publish(always=is_path, **self._options(python_type))
        return idl.blob(uri, self._class_of(python_type).extension(), multipart=True)

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        if not lv.scalar.HasField("blob"):
            return self.from_plain(plain_of(lv, expected_python_type), expected_python_type)
        uri = blob_uri(lv, "directory", multipart=True)
        directory = self._received(self._class_of(expected_python_type).from_source(uri), expected_python_type)
        if directory.remote_source is None and not os.path.isdir(uris.local_path(uri)):
            raise FlyteAssertion(
                f"Expected a directory, but the given uri '{uri}' is not a directory.",
                remedy="Local directories are handed on by their path; has it been moved or removed?",
                uri=uri,
            )
        return directory

    @staticmethod
    def _received(directory: FlyteDirectory, t: Any) -> FlyteDirectory:
        directory._batch_size = _batch_size(t)
        return directory

    def to_plain(self, value: Any, t: Any) -> Any:
        directory, is_path = FlyteDirectory.of(value)
        return directory.to_plain(always=is_path, **self._options(t))

    def from_plain(self, data: Any, t: Any) -> Any:
        return self._received(self._class_of(t).from_plain(data), t)

    def plain_schema(self, t: Any) -> dict[str, Any]:
        return dict(FlyteDirectory.plain_schema)

    def schema_match(self, schema: dict[str, Any]) -> bool:
        return schema.get("title") == "FlyteDirectory" and "path" in schema.get("properties", ())

    def to_html(self, ctx: FlyteContext, python_val: Any, expected_python_type: Any) -> str:
        directory, _ = FlyteDirectory.of(python_val)
        return html.escape(directory.remote_source or directory.path)

    def guess_python_type(self, literal_type: LiteralType) -> type[Any]:
        blob = literal_type.blob
        if literal_type.WhichOneof("type") != "blob" or blob.dimensionality != BlobType.MULTIPART:
            raise ValueError("not a directory")
        guessed: type[Any] = FlyteDirectory.__class_getitem__(blob.format)
        return guessed
