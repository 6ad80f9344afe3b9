"""Codecs of dataclasses: MessagePack on the wire, with the class's JSON schema in the literal type.

Where every field is of a kind that msgspec carries in the same form, msgspec does both ways in C; otherwise a plan made once a
class converts field by field. Neither changes the user's object.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin

import msgspec

from hardpoint import idl
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType, SimpleType
from hardpoint.integration import public_path
from hardpoint.settings import settings
from hardpoint.types.codec import Codec, describe_type, mismatch
from hardpoint.types.fields import field_codec
from hardpoint.types.plain import MSGPACK_ENCODER, json_data, plain_data
from hardpoint.types.transformer import CodecTransformer, plain_of, unannotated

__all__ = ["DataclassTransformer", "record_codec"]

_MISSING = dataclasses.MISSING


def record_codec(
    *,
    python_type: Any,
    name: str,
    accepts: Callable[[Any], bool],
    to_plain: Callable[[Any], Any],
    from_plain: Callable[[Any], Any],
    schema: Callable[[], dict[str, Any]],
    members: Mapping[str, LiteralType],
    io: bool,
    transformer: CodecTransformer[Any],
    pack: Callable[[Any], bytes] | None = None,
    unpack: Callable[[bytes], Any] | None = None,
    transparent: bool = False,
) -> Codec:
    """The codec of a type that travels as MessagePack with a schema: a dataclass, a pydantic model.

    Args:
        members: The literal types of its fields.
        pack, unpack: Faster ways than by `to_plain` and `from_plain`; where they raise `msgspec.ValidationError` or
            TypeError, the slow way decides, and explains.
    """
    literal_type = LiteralType(simple=SimpleType.STRUCT)
    literal_type.metadata.update(schema())
    idl.msgpack_annotation(literal_type)
    literal_type.structure.SetInParent()
    for field, member in members.items():
        if member.WhichOneof("type"):  # of a tuple nothing can be said there
            literal_type.structure.dataclass_type[field].CopyFrom(member)

    def fill(value: Any, literal: Literal) -> None:
        binary = literal.scalar.binary
        try:
            if pack is not None:
                try:
                    binary.value = pack(value)
                    binary.tag = idl.MSGPACK
                    return
                except (TypeError, AttributeError):
                    pass  # a value of an unusual class somewhere inside, which the slow way may know
            binary.value = MSGPACK_ENCODER.encode(to_plain(value))
        except (TypeError, OverflowError, UnicodeError) as error:
            if isinstance(error, TypeTransformerFailedError):
                raise
            raise mismatch(python_type, value, str(error)) from error
        binary.tag = idl.MSGPACK

    def fill_struct(value: Any, literal: Literal) -> None:
        try:
            literal.scalar.generic.CopyFrom(idl.struct(json_data(to_plain(value))))
        except (TypeError, ValueError) as error:
            if isinstance(error, TypeTransformerFailedError):
                raise
            raise mismatch(python_type, value, str(error)) from error

    def read(literal: Literal) -> Any:
        binary = literal.scalar.binary
        if unpack is not None and binary.tag == idl.MSGPACK:
            try:
                return unpack(binary.value)
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass  # the slow way either knows better or says what is wrong
        return from_plain(plain_of(literal, python_type))

    return Codec(
        python_type=python_type,
        name=name,
        literal_type=literal_type,
        fill=fill_struct if settings().types.old_format else fill,
        read=read,
        accepts=accepts,
        to_plain=to_plain,
        from_plain=from_plain,
        schema=schema,
        io=io,
        transparent=transparent,
        transformer=transformer,
    )


class DataclassTransformer(CodecTransformer[Any]):
    """Any dataclass whose fields can be carried."""

    def __init__(self) -> None:
        super().__init__("Object-Dataclass-Transformer", object)

    def compile(self, t: Any) -> Codec:
        base = unannotated(t)
        klass: Any = get_origin(base) or base
        fields = dataclasses.fields(klass)
        hints = _hints(base, klass)
        codecs: dict[str, Codec] = {}
        for field in fields:
            try:
                hint = hints[field.name]
                codecs[field.name] = field_codec(hint)
                codecs[field.name].schema()
            except TypeTransformerFailedError as error:
                error.add_note(f"in field {field.name!r} of dataclass {describe_type(klass)}")
                raise
        if any(path == "mashumaro.mixins.json.DataClassJSONMixin" for c in klass.__mro__ for path in public_path(c)):
            to_plain: Callable[[Any], Any] = lambda value: msgspec.json.decode(value.to_json())  # noqa: E731
            from_plain: Callable[[Any], Any] = lambda data: klass.from_json(msgspec.json.encode(data))  # noqa: E731
            transparent = False
        else:
            to_plain, from_plain = _by_field(klass, fields, codecs)
            transparent = (
                all(codec.transparent for codec in codecs.values())
                and all(field.init for field in fields)
                and not any(isinstance(f, dataclasses.InitVar) for f in klass.__annotations__.values())
                and base is klass
                and not issubclass(klass, Mapping | list | tuple | str)
            )
        pack = unpack = None
        if transparent:
            pack, unpack = _native(klass)

        def accepts(value: Any) -> bool:
            return isinstance(value, klass)

        def schema() -> dict[str, Any]:
            return _schema(klass, fields, codecs)

        return record_codec(
            python_type=t,
            name=self.name,
            accepts=accepts,
            to_plain=to_plain,
            from_plain=from_plain,
            schema=schema,
            members={name: codec.literal_type for name, codec in codecs.items()},
            io=any(codec.io for codec in codecs.values()),
            transformer=self,
            pack=pack,
            unpack=unpack,
            transparent=transparent,
        )


def _hints(base: Any, klass: Any) -> dict[str, Any]:
    """The fields' types, with the type variables of a generic dataclass filled in."""
    try:
        hints = typing.get_type_hints(klass, include_extras=True)
    except NameError as error:
        raise TypeTransformerFailedError(
            f"A field of dataclass {describe_type(klass)} has a type that could not be resolved: {error}.",
            remedy="Define or import the name at the module's top level.",
        ) from error
    parameters = getattr(klass, "__parameters__", ())
    chosen = dict(zip(parameters, get_args(base), strict=False))
    if not chosen:
        return hints
    return {
        name: chosen.get(hint, hint[tuple(chosen[p] for p in hint.__parameters__)])
        if getattr(hint, "__parameters__", ())
        else chosen.get(hint, hint)
        for name, hint in hints.items()
    }


def _native(klass: Any) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    """Both ways through msgspec. A subclass has other fields and takes the slow way."""
    encode = MSGPACK_ENCODER.encode

    def pack(value: Any) -> bytes:
        if type(value) is not klass:
            raise TypeError
        return encode(value)

    return pack, msgspec.msgpack.Decoder(klass).decode


def _by_field(
    klass: Any, fields: tuple[dataclasses.Field[Any], ...], codecs: Mapping[str, Codec]
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Both ways, field by field."""
    writers = [(field.name, codecs[field.name].to_plain) for field in fields]
    readers = [(field.name, codecs[field.name].from_plain) for field in fields if field.init]
    required = {
        field.name for field in fields if field.init and field.default is _MISSING and field.default_factory is _MISSING
    }

    def to_plain(value: Any) -> dict[str, Any]:
        if not isinstance(value, klass):
            raise mismatch(klass, value)
        out: dict[str, Any] = {}
        for name, write in writers:
            try:
                out[name] = write(getattr(value, name))
            except TypeTransformerFailedError as error:
                error.add_note(f"in field {name!r} of dataclass {describe_type(klass)}")
                raise
        return out

    def from_plain(data: Any) -> Any:
        if not isinstance(data, dict):
            raise mismatch(klass, data)
        values: dict[str, Any] = {}
        for name, read in readers:
            if name in data:
                try:
                    values[name] = read(data[name])
                except TypeTransformerFailedError as error:
                    error.add_note(f"in field {name!r} of dataclass {describe_type(klass)}")
                    raise
            elif name in required:
                raise mismatch(klass, data, f"field {name!r} is missing")
        return klass(**values)

    return to_plain, from_plain


def _schema(klass: Any, fields: tuple[dataclasses.Field[Any], ...], codecs: Mapping[str, Codec]) -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a dataclass, nested ones inlined."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    for field in fields:
        if not field.init:
            continue
        described = dict(codecs[field.name].schema())
        if field.default is not _MISSING:
            described["default"] = _plain_default(codecs[field.name], field.default)
        elif field.default_factory is _MISSING:
            required.append(field.name)
        properties[field.name] = described
    schema: dict[str, Any] = {"type": "object", "title": klass.__name__, "properties": properties}
    if required:
        schema["required"] = required
    schema["additionalProperties"] = False
    return schema


def _plain_default(codec: Codec, value: Any) -> Any:
    """A field's default for the schema. Defaults are not checked by dataclasses, so a None without Optional is usual."""
    try:
        return json_data(codec.to_plain(value))
    except TypeTransformerFailedError:
        return json_data(plain_data(value))
