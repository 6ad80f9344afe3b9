"""The built-in transformers, by name, so that none is imported before its type is met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hardpoint._lazy import Ref

if TYPE_CHECKING:
    from hardpoint.types.transformer import TypeTransformer

__all__ = ["DATASETS", "FORMS", "TYPES", "load"]

ENUM = Ref("hardpoint.types.enums:EnumTransformer")
LITERAL = Ref("hardpoint.types.enums:LiteralTransformer")
UNION = Ref("hardpoint.types.union:UnionTransformer")
DATACLASS = Ref("hardpoint.types.dataclass:DataclassTransformer")
PICKLE = Ref("hardpoint.types.pickle.transformer:FlytePickleTransformer")
STRUCTURED = Ref("hardpoint.types.structured.transformer:StructuredDatasetTransformer")

STRUCTURED_DATASET = Ref("hardpoint.types.structured.dataset:StructuredDataset")
FLYTE_FILE = Ref("hardpoint.types.file:FlyteFile")
FLYTE_DIRECTORY = Ref("hardpoint.types.directory:FlyteDirectory")
FLYTE_PICKLE = Ref("hardpoint.types.pickle:FlytePickle")
FLYTE_ERROR = Ref("hardpoint.types.error:FlyteError")
ALLOW_PICKLE = Ref("hardpoint.types.pickle:AllowPickle")
JSON_ITERATOR = Ref("hardpoint.types.iterator:JSONIterator")

_ITERATOR = Ref("hardpoint.types.iterator.transformer:IteratorTransformer")
_LIST = Ref("hardpoint.types.containers:ListTransformer")
_DICT = Ref("hardpoint.types.containers:DictTransformer")

FORMS: dict[str, Ref] = {
    "builtins.list": _LIST,
    "builtins.dict": _DICT,
    "collections.abc.Iterator": _ITERATOR,
    "collections.abc.Iterable": _ITERATOR,
    "collections.abc.Generator": _ITERATOR,
    "collections.abc.AsyncIterator": _ITERATOR,
}
"""Generic forms, by the path of their origin."""

TYPES: dict[str, Ref] = {
    "builtins.bytes": Ref("hardpoint.types.pickle.transformer:BytesTransformer"),
    "os.PathLike": Ref("hardpoint.types.file.transformer:FlyteFilePathTransformer"),
    "pathlib.Path": Ref("hardpoint.types.path:PathTransformer"),
    "typing.TextIO": Ref("hardpoint.types.file.transformer:TextIOTransformer"),
    "typing.BinaryIO": Ref("hardpoint.types.file.transformer:BinaryIOTransformer"),
    "numpy.ndarray": Ref("hardpoint.types.numpy.transformer:NumpyArrayTransformer"),
    "hardpoint.types.file.file.FlyteFile": Ref("hardpoint.types.file.transformer:FlyteFilePathTransformer"),
    "hardpoint.types.directory.directory.FlyteDirectory": Ref(
        "hardpoint.types.directory.transformer:FlyteDirToMultipartBlobTransformer"
    ),
    "hardpoint.types.iterator.json_iterator.JSONIterator": Ref(
        "hardpoint.types.iterator.transformer:JSONIteratorTransformer"
    ),
    "hardpoint.types.pickle.marker.FlytePickle": PICKLE,
    "hardpoint.types.schema.schema.FlyteSchema": Ref("hardpoint.types.schema.transformer:FlyteSchemaTransformer"),
    "hardpoint.types.error.FlyteError": Ref("hardpoint.types.error:ErrorTransformer"),
    "google.protobuf.message.Message": Ref("hardpoint.types.protobuf:ProtobufTransformer"),
    "pydantic.main.BaseModel": Ref("hardpoint.types.pydantic:PydanticTransformer"),
    "hardpoint.types.structured.dataset.StructuredDataset": STRUCTURED,
}
"""Classes whose subclasses are served too, by public path."""

_STRUCTURED = "hardpoint.types.structured"
DATASETS: dict[str, tuple[Ref, ...]] = {
    "pandas.DataFrame": (
        Ref(f"{_STRUCTURED}.pandas_handlers:PandasToParquetEncodingHandler"),
        Ref(f"{_STRUCTURED}.pandas_handlers:ParquetToPandasDecodingHandler"),
        Ref(f"{_STRUCTURED}.pandas_handlers:PandasToCSVEncodingHandler"),
        Ref(f"{_STRUCTURED}.pandas_handlers:CSVToPandasDecodingHandler"),
    ),
    "pyarrow.Table": (
        Ref(f"{_STRUCTURED}.arrow_handlers:ArrowToParquetEncodingHandler"),
        Ref(f"{_STRUCTURED}.arrow_handlers:ParquetToArrowDecodingHandler"),
    ),
    "pyarrow.RecordBatchReader": (
        Ref(f"{_STRUCTURED}.arrow_handlers:ReaderToParquetEncodingHandler"),
        Ref(f"{_STRUCTURED}.arrow_handlers:ParquetToReaderDecodingHandler"),
    ),
}
"""Dataframe classes that the core itself serves, with their handlers; integrations name theirs in their manifests."""

_made: dict[Ref, TypeTransformer[Any]] = {}


def load(ref: Ref) -> TypeTransformer[Any]:
    """The transformer that a reference names; one instance a process."""
    made = _made.get(ref)
    if made is None:
        made = _made.setdefault(ref, ref.load()())
    return made
