"""The one transformer of all dataframe types: which handler writes, which reads, and what stands in the literal."""

from __future__ import annotations

import html
from typing import Any

from flyteidl.core.literals_pb2 import StructuredDataset as DatasetLiteral
from flyteidl.core.literals_pb2 import StructuredDatasetMetadata

from hardpoint._lazy import Ref
from hardpoint.context import FlyteContext, FlyteContextManager
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType, SimpleType, StructuredDatasetType
from hardpoint.storage import uris
from hardpoint.types.codec import mismatch, wrong_literal
from hardpoint.types.columns import convert_schema_type_to_structured_dataset_type
from hardpoint.types.structured import registry
from hardpoint.types.structured.dataset import StructuredDataset, check_frame, decoder_for
from hardpoint.types.structured.declaration import Declaration, declaration
from hardpoint.types.structured.handlers import PARQUET
from hardpoint.types.transformer import TypeTransformer, message_of, plain_of

__all__ = ["StructuredDatasetTransformer", "StructuredDatasetTransformerEngine"]

_RENDER = Ref("hardpoint.deck:render")
_REGISTER_RENDERER = Ref("hardpoint.deck:register_renderer")


class StructuredDatasetTransformer(TypeTransformer[Any]):
    """Carries `StructuredDataset` and every dataframe type that has handlers."""

    ENCODERS = registry.ENCODERS
    DECODERS = registry.DECODERS
    DEFAULT_PROTOCOLS = registry.DEFAULT_PROTOCOLS
    DEFAULT_FORMATS = registry.DEFAULT_FORMATS

    register = staticmethod(registry.register)
    get_encoder = staticmethod(registry.find_encoder)
    get_decoder = staticmethod(registry.find_decoder)

    def __init__(self) -> None:
        super().__init__("StructuredDataset Transformer", StructuredDataset, enable_type_assertions=False)

    @staticmethod
    def register_renderer(python_type: type, renderer: Any) -> None:
        """Render frames of a type, and of its subclasses, with `renderer` in decks."""
        _REGISTER_RENDERER.load()(python_type, renderer)

    def get_literal_type(self, t: Any) -> LiteralType:
        return declaration(t).literal_type

    def guess_python_type(self, literal_type: LiteralType) -> type[Any]:
        if literal_type.WhichOneof("type") == "structured_dataset_type":
            return StructuredDataset
        raise ValueError(f"{self.name} does not stand for this literal type")

    # -- to the wire ---------------------------------------------------------------------------------------------------

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        declared = declaration(python_type)
        kind = StructuredDatasetType()
        kind.CopyFrom(expected.structured_dataset_type)
        if isinstance(python_val, StructuredDataset):
            if python_val.literal is not None:  # received as an input, or written before
                return _literal(python_val.literal)
            if python_val.dataframe is None:
                return self._from_uri(ctx, python_val, kind)
            kind.format = kind.format or python_val.file_format
            return self._encode(ctx, python_val, kind)
        if issubclass(declared.base, StructuredDataset):
            raise TypeTransformerFailedError(
                f"Expected a StructuredDataset instance, but got {type(python_val)} instead."
                " Did you forget to wrap your dataframe in a StructuredDataset instance?",
                remedy="Return StructuredDataset(dataframe=...).",
            )
        if not isinstance(python_val, declared.base):
            raise mismatch(python_type, python_val)
        return self._encode(ctx, StructuredDataset(dataframe=python_val, write_options=declared.write), kind)

    def _from_uri(self, ctx: FlyteContext, dataset: StructuredDataset, kind: StructuredDatasetType) -> Literal:
        uri = dataset.uri
        if not uri:
            raise TypeTransformerFailedError(
                f"If dataframe is not specified, then the uri should be specified. {dataset!r}"
            )
        if not ctx.file_access.is_remote(uri):
            uri = ctx.file_access.put_raw_data(uri)
        # What the annotation says goes before what the value says.
        kind.format = kind.format or dataset.file_format
        return _literal(DatasetLiteral(uri=uri, metadata=StructuredDatasetMetadata(structured_dataset_type=kind)))

    def _encode(self, ctx: FlyteContext, dataset: StructuredDataset, kind: StructuredDatasetType) -> Literal:
        cls = type(dataset.dataframe)
        protocol = registry.default_protocol(cls) or uris.protocol(dataset.uri or ctx.file_access.raw_output_prefix)
        handler = registry.find_encoder(cls, protocol, kind.format)
        given = StructuredDatasetType()
        given.CopyFrom(kind)  # a handler may change what it gets
        made = handler.encode(ctx, dataset, given)
        written = DatasetLiteral(uri=made.uri)
        metadata = getattr(made, "metadata", None)
        own = message_of(getattr(metadata, "structured_dataset_type", None))
        written.metadata.structured_dataset_type.CopyFrom(own if isinstance(own, StructuredDatasetType) else kind)
        written.metadata.structured_dataset_type.format = handler.supported_format
        dataset.written_as(written)
        return _literal(written)

    # -- from the wire -------------------------------------------------------------------------------------------------

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        kind = lv.scalar.WhichOneof("value")
        if kind in ("binary", "generic"):
            return self.from_plain(plain_of(lv, expected_python_type), expected_python_type)
        if kind == "schema":
            return self._open(ctx, _from_schema(lv), declaration(expected_python_type))
        if kind != "structured_dataset":
            raise wrong_literal(expected_python_type, lv)
        return self._open(ctx, lv.scalar.structured_dataset, declaration(expected_python_type))

    def _open(self, ctx: FlyteContext, literal: DatasetLiteral, declared: Declaration) -> Any:
        metadata = StructuredDatasetMetadata()
        metadata.CopyFrom(literal.metadata)
        wanted = metadata.structured_dataset_type
        if declared.type.columns:
            del wanted.columns[:]
            wanted.columns.extend(declared.type.columns)
        if declared.type.external_schema_bytes:
            wanted.external_schema_type = declared.type.external_schema_type
            wanted.external_schema_bytes = declared.type.external_schema_bytes
        if issubclass(declared.base, StructuredDataset):
            kept = DatasetLiteral()
            kept.CopyFrom(literal)
            return declared.base.from_literal(kept, metadata, declared.read)
        decoder = decoder_for(declared.base, literal)
        return check_frame(decoder.read(ctx, literal, metadata, declared.read), declared.base, decoder)

    # -- inside of dataclasses and models ------------------------------------------------------------------------------

    def to_plain(self, value: Any, t: Any) -> Any:
        literal = self.to_literal(FlyteContextManager.current_context(), value, t, self.get_literal_type(t))
        dataset = literal.scalar.structured_dataset
        return {"uri": dataset.uri, "file_format": dataset.metadata.structured_dataset_type.format}

    def from_plain(self, data: Any, t: Any) -> Any:
        uri = data.get("uri") if isinstance(data, dict) else None
        if not uri:
            raise TypeTransformerFailedError(
                "StructuredDataset's uri and file format should not be None",
                remedy="Give {'uri': ..., 'file_format': ...}.",
            )
        kind = StructuredDatasetType(format=data.get("file_format") or "")
        literal = DatasetLiteral(uri=uri, metadata=StructuredDatasetMetadata(structured_dataset_type=kind))
        return self._open(FlyteContextManager.current_context(), literal, declaration(t))

    def plain_schema(self, t: Any) -> dict[str, Any]:
        text = [{"type": "string"}, {"type": "null"}]
        return {
            "type": "object",
            "title": "StructuredDataset",
            "properties": {"uri": {"anyOf": text, "default": None}, "file_format": {"anyOf": text, "default": ""}},
            "additionalProperties": False,
        }

    # -- in decks ------------------------------------------------------------------------------------------------------

    def to_html(self, ctx: FlyteContext, python_val: Any, expected_python_type: Any) -> str:
        """The frame as its renderer shows it; of a dataset that is not open, what is declared."""
        if isinstance(python_val, StructuredDataset):
            if python_val.dataframe is None:
                return _declared_html(python_val)
            python_val = python_val.dataframe
        # Of type `object`, lest the deck ask this transformer for a frame that has no renderer.
        markup: str = _RENDER.load()(python_val, object)
        return markup


def _literal(dataset: DatasetLiteral) -> Literal:
    literal = Literal()
    literal.scalar.structured_dataset.CopyFrom(dataset)
    return literal


def _from_schema(lv: Literal) -> DatasetLiteral:
    """A legacy schema as the dataset that it is; its files are always parquet."""
    kind = StructuredDatasetType(format=PARQUET)
    for column in lv.scalar.schema.type.columns:
        simple = convert_schema_type_to_structured_dataset_type(column.type)
        kind.columns.add(name=column.name, literal_type=LiteralType(simple=simple))
    return DatasetLiteral(uri=lv.scalar.schema.uri, metadata=StructuredDatasetMetadata(structured_dataset_type=kind))


def _declared_html(dataset: StructuredDataset) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(_kind_name(kind))}</td></tr>"
        for name, kind in dataset.columns().items()
    )
    caption = html.escape(f"{dataset.uri or ''} {dataset.file_format}".strip())
    return f"<table><caption>{caption}</caption><tr><th>column</th><th>type</th></tr>{rows}</table>"


def _kind_name(kind: LiteralType) -> str:
    if kind.WhichOneof("type") == "collection_type":
        return f"list of {_kind_name(kind.collection_type)}"
    if kind.WhichOneof("type") == "map_value_type":
        return f"map of {_kind_name(kind.map_value_type)}"
    return SimpleType.Name(kind.simple).lower()


StructuredDatasetTransformerEngine = StructuredDatasetTransformer
"""The name under which handlers are registered in code that was written for Flytekit."""
