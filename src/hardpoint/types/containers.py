"""Codecs of lists and dictionaries, composed from the codecs of their elements."""

from __future__ import annotations

import contextvars
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

from hardpoint import idl
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType, SimpleType, simple
from hardpoint.settings import settings
from hardpoint.types import builtin
from hardpoint.types.codec import Codec, mismatch, wrong_literal
from hardpoint.types.engine import TypeEngine
from hardpoint.types.plain import MSGPACK_ENCODER, json_data, plain_data
from hardpoint.types.transformer import CodecTransformer, plain_of, unannotated

__all__ = ["DictTransformer", "ListTransformer", "map_io", "object_schema"]


def map_io(function: Callable[..., Any], *columns: Iterable[Any]) -> list[Any]:
    """Apply a function that moves data to many elements, some at once, in order; the first failure is raised."""
    rows = list(zip(*columns, strict=True))
    workers = min(settings().types.max_concurrency, len(rows))
    if workers < 2:
        return [function(*row) for row in rows]
    with ThreadPoolExecutor(workers, thread_name_prefix="hardpoint-convert") as pool:
        # Each element runs in a copy of this context, so that it sees the task's storage and secrets.
        futures = [pool.submit(contextvars.copy_context().run, function, *row) for row in rows]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise


class ListTransformer(CodecTransformer[list[Any]]):
    """``list[T]`` as a collection of literals."""

    def __init__(self) -> None:
        super().__init__("Typed List", list)

    def compile(self, t: Any) -> Codec:
        args = get_args(unannotated(t))
        if len(args) != 1:
            raise TypeTransformerFailedError(
                "A list without the type of its elements has no literal type.", remedy="Write list[int], for example."
            )
        element = TypeEngine.codec(args[0])
        literal_type = LiteralType()
        literal_type.collection_type.CopyFrom(element.literal_type)
        fill_one, read_one = element.fill, element.read

        def at(error: TypeTransformerFailedError, index: int) -> None:
            error.add_note(f"while converting element {index} of a list")

        def fill(value: Any, literal: Literal) -> None:
            if type(value) is not list:
                raise mismatch(t, value)
            literals = literal.collection.literals
            literal.collection.SetInParent()
            add = literals.add
            try:
                for item in value:
                    fill_one(item, add())
            except TypeTransformerFailedError as error:
                at(error, len(literals) - 1)
                raise

        def fill_io(value: Any, literal: Literal) -> None:
            if type(value) is not list:
                raise mismatch(t, value)
            literal.collection.SetInParent()
            made = [literal.collection.literals.add() for _ in value]
            map_io(fill_one, value, made)

        def read(literal: Literal) -> list[Any]:
            if not literal.HasField("collection"):
                return from_plain(plain_of(literal, t))
            items = literal.collection.literals
            out: list[Any] = []
            append = out.append
            try:
                if element.io:
                    return map_io(read_one, items)
                for item in items:
                    append(read_one(item))
            except TypeTransformerFailedError as error:
                at(error, len(out))
                raise
            return out

        one_to_plain, one_from_plain, one_accepts = element.to_plain, element.from_plain, element.accepts

        def to_plain(value: Any) -> list[Any]:
            if type(value) is not list:
                raise mismatch(t, value)
            return [one_to_plain(item) for item in value]

        def from_plain(data: Any) -> list[Any]:
            if type(data) is not list:
                raise mismatch(t, data)
            return [one_from_plain(item) for item in data]

        return Codec(
            python_type=t,
            name=self.name,
            literal_type=literal_type,
            fill=fill_io if element.io else fill,
            read=read,
            accepts=lambda value: type(value) is list and all(map(one_accepts, value)),
            to_plain=to_plain,
            from_plain=from_plain,
            schema=lambda: {"type": "array", "items": element.schema()},
            io=element.io,
            transparent=element.transparent,
            transformer=self,
        )


class DictTransformer(CodecTransformer[dict[Any, Any]]):
    """``dict[str, T]`` as a map of literals; other dictionaries as MessagePack."""

    def __init__(self) -> None:
        super().__init__("Typed Dict", dict)

    def compile(self, t: Any) -> Codec:
        args = get_args(unannotated(t))
        if args and args[0] is str:
            return self._map(t, TypeEngine.codec(args[1]))
        return self._binary(t, args)

    def _map(self, t: Any, element: Codec) -> Codec:
        literal_type = LiteralType()
        literal_type.map_value_type.CopyFrom(element.literal_type)
        fill_one, read_one = element.fill, element.read
        one_to_plain, one_from_plain, one_accepts = element.to_plain, element.from_plain, element.accepts

        def checked(value: Any) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise mismatch(t, value)
            return value

        def fill(value: Any, literal: Literal) -> None:
            literal.map.SetInParent()
            literals = literal.map.literals
            key: Any = None
            try:
                if element.io:
                    keys = list(checked(value))
                    map_io(fill_one, [value[k] for k in keys], [literals[k] for k in keys])
                    return
                for key, item in checked(value).items():
                    fill_one(item, literals[key])
            except TypeTransformerFailedError as error:
                error.add_note(f"while converting the value of key {key!r}")
                raise
            except (TypeError, UnicodeError) as error:
                raise mismatch(t, value, f"its keys should be str ({error})") from error

        def read(literal: Literal) -> dict[str, Any]:
            if not literal.HasField("map"):
                return from_plain(plain_of(literal, t))
            items = literal.map.literals
            if element.io:
                keys = list(items)
                return dict(zip(keys, map_io(read_one, [items[k] for k in keys]), strict=True))
            key = ""
            try:
                out: dict[str, Any] = {}
                for key, item in items.items():
                    out[key] = read_one(item)
                return out
            except TypeTransformerFailedError as error:
                error.add_note(f"while converting the value of key {key!r}")
                raise

        def to_plain(value: Any) -> dict[str, Any]:
            return {_key(k): one_to_plain(v) for k, v in checked(value).items()}

        def from_plain(data: Any) -> dict[str, Any]:
            return {_key(k): one_from_plain(v) for k, v in checked(data).items()}

        return Codec(
            python_type=t,
            name=self.name,
            literal_type=literal_type,
            fill=fill,
            read=read,
            accepts=lambda value: (
                isinstance(value, dict) and all(isinstance(k, str) and one_accepts(v) for k, v in value.items())
            ),
            to_plain=to_plain,
            from_plain=from_plain,
            schema=lambda: object_schema(TypeEngine.codec(str), element),
            io=element.io,
            transparent=element.transparent,
            transformer=self,
        )

    def _binary(self, t: Any, args: tuple[Any, ...]) -> Codec:
        literal_type = simple(SimpleType.STRUCT)
        idl.msgpack_annotation(literal_type)
        key_codec = TypeEngine.codec(args[0]) if args else None
        value_codec = TypeEngine.codec(args[1]) if args else None
        pickled = any(isinstance(e, OrderedDict) and e.get("allow_pickle") for e in getattr(t, "__metadata__", ()))

        def to_plain(value: Any) -> Any:
            if not isinstance(value, dict):
                raise mismatch(t, value)
            if key_codec is None or value_codec is None:
                return plain_data(value)
            return {key_codec.to_plain(k): value_codec.to_plain(v) for k, v in value.items()}

        def from_plain(data: Any) -> Any:
            if not isinstance(data, dict):
                raise mismatch(t, data)
            if key_codec is None or value_codec is None:
                return data
            return {_restored(key_codec, k): value_codec.from_plain(v) for k, v in data.items()}

        def fill(value: Any, literal: Literal) -> None:
            try:
                literal.scalar.binary.value = MSGPACK_ENCODER.encode(to_plain(value))
                literal.scalar.binary.tag = idl.MSGPACK
            except (TypeError, OverflowError, RecursionError, UnicodeError) as error:
                if not pickled or isinstance(error, RecursionError):
                    raise mismatch(t, value, f"MessagePack cannot hold it ({error})") from error
                literal.Clear()
                _fill_pickled(value, literal)

        def fill_struct(value: Any, literal: Literal) -> None:
            try:
                literal.scalar.generic.CopyFrom(idl.struct(json_data(to_plain(value))))
                literal.metadata["format"] = "json"
            except (TypeError, ValueError, RecursionError) as error:
                if isinstance(error, TypeTransformerFailedError):
                    raise
                raise mismatch(t, value, f"a Struct cannot hold it ({error})") from error

        def read(literal: Literal) -> Any:
            if literal.metadata.get("format") == "pickle" or _is_pickled(literal):
                return _read_pickled(literal)
            return from_plain(plain_of(literal, t))

        return Codec(
            python_type=t,
            name=self.name,
            literal_type=literal_type,
            fill=fill_struct if settings().types.old_format else fill,
            read=read,
            accepts=lambda value: (
                isinstance(value, dict)
                and (
                    key_codec is None
                    or value_codec is None
                    or all(key_codec.accepts(k) and value_codec.accepts(v) for k, v in value.items())
                )
            ),
            to_plain=to_plain,
            from_plain=from_plain,
            schema=lambda: object_schema(key_codec, value_codec),
            io=pickled or any(c is not None and c.io for c in (key_codec, value_codec)),
            transformer=self,
        )


def object_schema(key: Codec | None, value: Codec | None) -> dict[str, Any]:
    """The JSON schema of a mapping."""
    made: dict[str, Any] = {"type": "object"}
    for name, codec in (("additionalProperties", value), ("propertyNames", key)):
        if codec is not None and (described := codec.schema()):
            made[name] = described
    return made


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise mismatch(str, key, "keys of this dict should be str")
    return key


def _restored(codec: Codec, key: Any) -> Any:
    """A key as the type asks; a `Struct`, as older releases wrote it, made strings of numbers."""
    if isinstance(key, str) and codec.name == "int" and key.lstrip("-").isdigit():
        key = int(key)
    return codec.from_plain(key)


def _is_pickled(literal: Literal) -> bool:
    return literal.scalar.HasField("generic") and set(literal.scalar.generic.fields) == {"pickle_file"}


def _pickled() -> Codec:
    """The codec of what is meant to be a pickle."""
    return TypeEngine.codec(builtin.FLYTE_PICKLE.load())


def _fill_pickled(value: Any, literal: Literal) -> None:
    made = _pickled().encode(value)
    literal.scalar.generic.update({"pickle_file": made.scalar.blob.uri})
    literal.metadata["format"] = "pickle"


def _read_pickled(literal: Literal) -> Any:
    uri = literal.scalar.generic.fields["pickle_file"].string_value
    if not uri:
        raise wrong_literal(dict, literal, "it names no pickle file")
    return _pickled().decode(idl.blob(uri, "PythonPickle"))
