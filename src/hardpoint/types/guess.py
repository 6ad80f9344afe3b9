"""Python types for literal types: the way back, for templates whose author's module is not at hand."""

from __future__ import annotations

import dataclasses
import enum
import typing
from collections.abc import Iterable
from typing import Any

from hardpoint import idl
from hardpoint._lazy import Ref
from hardpoint.idl import BlobType, LiteralType, SimpleType
from hardpoint.types import builtin
from hardpoint.types.scalars import SCALARS
from hardpoint.types.transformer import TypeTransformer

__all__ = ["guess"]

_SIMPLE = {
    s.get_literal_type(s.python_type).simple: s.python_type for s in reversed(SCALARS)
}  # reversed: a datetime and a date share one literal type, and the first of the two is meant

_cache: dict[bytes, Any] = {}


def guess(literal_type: LiteralType, registered: Iterable[TypeTransformer[Any]]) -> Any:
    """The Python type that stands for a literal type. It does not depend on what has been imported.

    Raises:
        ValueError: nothing stands for it.
    """
    key = literal_type.SerializeToString(deterministic=True)
    if key not in _cache:
        _cache[key] = _guess(literal_type, list(registered))
    return _cache[key]


def _guess(lt: LiteralType, registered: list[TypeTransformer[Any]]) -> Any:
    kind = lt.WhichOneof("type")
    if kind == "collection_type":
        return list[_guess(lt.collection_type, registered)]  # type: ignore[misc]
    if kind == "map_value_type":
        return dict[str, _guess(lt.map_value_type, registered)]  # type: ignore[misc]
    if kind == "union_type":
        return typing.Union[tuple(_guess(v, registered) for v in lt.union_type.variants)]  # noqa: UP007
    if kind == "enum_type":
        return enum.Enum("DynamicEnum", {value: value for value in lt.enum_type.values})
    for transformer in registered:
        if transformer in SCALARS:
            continue
        try:
            return transformer.guess_python_type(lt)
        except ValueError:
            continue
    if kind == "simple":
        return _guess_simple(lt, registered)
    if kind in ("structured_dataset_type", "schema"):
        return builtin.STRUCTURED_DATASET.load()
    if kind == "blob":
        return _guess_blob(lt)
    raise ValueError(f"No transformers could reverse Flyte literal type {lt}")


def _guess_simple(lt: LiteralType, registered: list[TypeTransformer[Any]]) -> Any:
    notes = lt.annotation.annotations.fields
    if "literal_values" in notes:
        return typing.Literal[tuple(idl.native(notes["literal_values"]))]
    if lt.simple == SimpleType.STRUCT:
        metadata = idl.native(lt.metadata)
        if "pb_type" in metadata:
            return builtin.load(builtin.TYPES["google.protobuf.message.Message"]).guess_python_type(lt)
        if "properties" in metadata or "definitions" in metadata:
            return _from_schema(metadata, metadata, dict(lt.structure.dataclass_type), registered)
        return dict
    if lt.simple == SimpleType.ERROR:
        return builtin.FLYTE_ERROR.load()
    if lt.simple in _SIMPLE:
        return _SIMPLE[lt.simple]
    raise ValueError(f"No transformers could reverse Flyte literal type {lt}")


def _guess_blob(lt: LiteralType) -> Any:
    if lt.blob.format == "NumpyArray":
        return Ref("numpy:ndarray").load()
    if lt.blob.format == "PythonPickle":
        return builtin.FLYTE_PICKLE.load()
    if lt.blob.format == "jsonl" and "format" in idl.native(lt.metadata):
        return builtin.JSON_ITERATOR.load()
    owner = builtin.FLYTE_DIRECTORY if lt.blob.dimensionality == BlobType.MULTIPART else builtin.FLYTE_FILE
    file_class = owner.load()
    return file_class[lt.blob.format] if lt.blob.format else file_class


def _resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """A schema, or what its ``$ref`` points to (``#/$defs/X``, ``#/definitions/X``)."""
    ref = schema.get("$ref")
    if not ref:
        return schema
    found: Any = root
    for part in ref.removeprefix("#/").split("/"):
        found = found[part]
    return typing.cast("dict[str, Any]", found)


def _from_schema(
    schema: dict[str, Any],
    root: dict[str, Any],
    members: dict[str, LiteralType],
    registered: list[TypeTransformer[Any]],
) -> Any:
    """A dataclass made from a JSON schema; literal types of the fields, where they are known, decide over the schema."""
    schema = _resolved(schema, root)
    required = set(schema.get("required", ()))
    fields: list[Any] = []
    for name, described in schema.get("properties", {}).items():
        if name in members and not _is_written_plainly(members[name], described):
            t = _guess(members[name], registered)
        else:
            t = _of_schema(described, root, registered)
        if name in required:
            fields.append((name, t))
        else:
            default = described.get("default")
            made = dataclasses.field(default=None) if default is None else _default(default, t)
            fields.append((name, t if default is not None else typing.Optional[t], made))  # noqa: UP045
    fields.sort(key=len)  # those without a default come first
    return dataclasses.make_dataclass(schema.get("title", "GuessedDataclass"), fields)


def _is_written_plainly(member: LiteralType, described: dict[str, Any]) -> bool:
    """Whether a field that would be pickled by itself is plain data within its record, as a UUID and a set are."""
    is_pickle = b"PythonPickle" in member.SerializeToString()
    return is_pickle and not described.keys().isdisjoint(("type", "anyOf")) and "pickle_file" not in str(described)


def _default(value: Any, t: Any) -> Any:
    if isinstance(value, list | dict):
        return dataclasses.field(default_factory=lambda: type(value)(value))
    if isinstance(t, enum.EnumType):
        return dataclasses.field(default=t(value))
    if isinstance(value, int) and t is float:
        value = float(value)
    return dataclasses.field(default=value)


def _of_schema(schema: dict[str, Any], root: dict[str, Any], registered: list[TypeTransformer[Any]]) -> Any:
    schema = _resolved(schema, root)
    for transformer in registered:
        if transformer.schema_match(schema):
            return transformer.python_type
    if "anyOf" in schema:
        return typing.Union[tuple(_of_schema(s, root, registered) for s in schema["anyOf"])]  # noqa: UP007
    if "enum" in schema:
        return str
    kind = schema.get("type")
    if (kind, schema.get("format")) == ("string", "base64"):
        return bytes
    if kind == "array":
        return list[_of_schema(schema.get("items", {}), root, registered)] if "items" in schema else list[typing.Any]  # type: ignore[misc]
    if kind == "object":
        if schema.get("properties"):
            return _from_schema(schema, root, {}, registered)
        values = schema.get("additionalProperties")
        return dict[str, _of_schema(values, root, registered)] if isinstance(values, dict) else dict  # type: ignore[misc]
    scalar = {"integer": int, "number": float, "string": str, "boolean": bool, "null": type(None)}.get(str(kind))
    if scalar is None:
        return dict if kind else typing.Any
    return scalar
