"""Codecs of what the fields of a record may be beside the types of tasks: tuples, sets, UUIDs, decimals, times of day and the like.

A record is plain data on the wire, in which these have a form, though no literal has. The forms are those of mashumaro, with which
the reference writes dataclasses: https://github.com/Fatal1ty/mashumaro#supported-data-types
"""

from __future__ import annotations

import collections.abc
import types
import typing
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import time
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Annotated, Any, get_args, get_origin
from uuid import UUID

from hardpoint import idl
from hardpoint.errors import RestrictedTypeError, TypeTransformerFailedError
from hardpoint.idl import LiteralType, SimpleType, simple
from hardpoint.types import builtin
from hardpoint.types.codec import Codec, describe_type, mismatch
from hardpoint.types.containers import object_schema
from hardpoint.types.engine import TypeEngine
from hardpoint.types.transformer import unannotated
from hardpoint.types.union import union_codec

__all__ = ["carried_codec", "field_codec"]

_PICKLED = "FlytePickle"
"""What the reference takes these for where it looks at the type alone."""

_TEXTS: dict[type, tuple[str, Callable[[Any], str], Callable[[str], Any]]] = {
    UUID: ("uuid", str, UUID),
    Decimal: ("decimal", str, Decimal),
    time: ("time", time.isoformat, time.fromisoformat),
}
"""Types that are text on the wire: its format in the schema, and both ways."""

_SEQUENCES: dict[Any, tuple[type, Callable[[Any], Any]]] = {
    list: (list, list),
    collections.abc.Sequence: (collections.abc.Sequence, list),
    collections.abc.MutableSequence: (collections.abc.MutableSequence, list),
    set: (set, set),
    frozenset: (frozenset, frozenset),
    collections.abc.Set: (collections.abc.Set, frozenset),
    collections.abc.MutableSet: (collections.abc.MutableSet, set),
    deque: (deque, deque),
}
"""Collections that are arrays on the wire: what their values are, and what is made of an array."""

_MAPPINGS: dict[Any, tuple[type, Callable[[Any], Any]]] = {
    dict: (dict, dict),
    collections.abc.Mapping: (collections.abc.Mapping, dict),
    collections.abc.MutableMapping: (collections.abc.MutableMapping, dict),
    OrderedDict: (OrderedDict, OrderedDict),
    defaultdict: (defaultdict, dict),
    Counter: (Counter, Counter),
}


_NATIVE = (
    list,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    dict,
    collections.abc.Mapping,
    collections.abc.MutableMapping,
)
"""Those that msgspec makes the same of."""


def carried_codec(t: Any) -> Codec:
    """The codec of a field whose values the record itself carries, so that nothing is said of pickles where nothing else fits."""
    if _is_pickled(t):
        return TypeEngine.codec(Annotated[t, builtin.ALLOW_PICKLE.load()()])
    return TypeEngine.codec(t)


def field_codec(t: Any) -> Codec:
    """The codec of a field: that of tasks, where there is one that carries plain data, else one of the forms above.

    Of a type that no literal can hold, as of a tuple, the codec's literal type is empty.

    Raises:
        TypeTransformerFailedError: nothing can carry the type.
    """
    found = _form(unannotated(t))
    if found is not None:
        return found
    return TypeEngine.codec(t)


def _is_pickled(t: Any) -> bool:
    """Whether nobody has said how the type travels."""
    return TypeEngine.get_transformer(t) is builtin.load(builtin.PICKLE)


def _form(t: Any) -> Codec | None:
    """The codec of a type that is, or holds, one of the forms above; None: the engine has what it takes."""
    while isinstance(t, typing.NewType):
        t = unannotated(t.__supertype__)
    if t is Any:
        return carried_codec(t)
    origin, args = get_origin(t) or t, get_args(t)
    is_union = origin is typing.Union or origin is types.UnionType
    if is_union or (args and origin in (list, dict)):
        forms = [_form(unannotated(arg)) for arg in args]
        if not any(forms):
            return None
        parts = [form or TypeEngine.codec(arg) for form, arg in zip(forms, args, strict=True)]
        if is_union:
            return _union(t, parts)
        return _sequence(t, list, parts[0]) if origin is list else _mapping(t, dict, parts[0], parts[1])
    if not isinstance(origin, type) or origin is dict:
        return None
    if origin is list:
        return _sequence(t, list, carried_codec(Any))
    if issubclass(origin, tuple):
        try:
            TypeEngine.get_transformer(t)
        except RestrictedTypeError:
            return _tuple(t, origin, args)
        return None  # somebody has said how it travels
    if origin not in _TEXTS and origin not in _SEQUENCES and origin not in _MAPPINGS:
        return None
    if not (_is_pickled(t) or issubclass(origin, dict)):
        return None  # somebody has said how it travels
    if origin in _TEXTS:
        return _text(t, origin)
    if origin in _SEQUENCES:
        return _sequence(t, origin, field_codec(args[0] if args else Any))
    key, value = (*args, int)[:2] if args else (Any, int if origin is Counter else Any)
    return _mapping(t, origin, field_codec(key), field_codec(value))


def _made(
    t: Any,
    literal_type: LiteralType,
    accepts: Callable[[Any], bool],
    to_plain: Callable[[Any], Any],
    from_plain: Callable[[Any], Any],
    schema: Callable[[], dict[str, Any]],
    parts: list[Codec],
    *,
    name: str = _PICKLED,
    transparent: bool = True,
) -> Codec:
    """A codec that knows the plain form alone; a record never asks for more."""

    def no_literal(*_: Any) -> Any:
        raise RestrictedTypeError(f"{describe_type(t)} has a form within a dataclass only.", type=t)

    return Codec(
        python_type=t,
        name=name,
        literal_type=literal_type,
        fill=no_literal,
        read=no_literal,
        accepts=accepts,
        to_plain=to_plain,
        from_plain=from_plain,
        schema=schema,
        io=any(part.io for part in parts),
        transparent=transparent and all(part.transparent for part in parts),
    )


def _pickle_type(t: Any) -> LiteralType:
    return builtin.load(builtin.PICKLE).get_literal_type(t)


def _union(t: Any, variants: list[Codec]) -> Codec:
    made = union_codec(t, variants)
    if not all(variant.literal_type.WhichOneof("type") for variant in variants):
        made.literal_type.Clear()
    return made


def _text(t: Any, kind: type) -> Codec:
    told, write, read = _TEXTS[kind]

    def to_plain(value: Any) -> str:
        if not isinstance(value, kind):
            raise mismatch(t, value)
        return write(value)

    def from_plain(data: Any) -> Any:
        try:
            if type(data) is str:
                return read(data)
        except (ValueError, InvalidOperation) as error:
            raise mismatch(t, data, str(error)) from error
        raise mismatch(t, data)

    return _made(
        t,
        _pickle_type(t),
        lambda value: isinstance(value, kind),
        to_plain,
        from_plain,
        lambda: {"type": "string", "format": told},
        [],
        transparent=kind is not time,  # msgspec writes Z for +00:00
    )


def _items(t: Any, data: Any) -> list[Any]:
    if type(data) is not list:
        raise mismatch(t, data)
    return data


def _sequence(t: Any, origin: Any, element: Codec) -> Codec:
    kind: Any
    kind, make = _SEQUENCES[origin]
    is_set = issubclass(kind, collections.abc.Set)
    one_to_plain, one_from_plain, one_accepts = element.to_plain, element.from_plain, element.accepts

    def accepts(value: Any) -> bool:
        return isinstance(value, kind) and not isinstance(value, str | bytes) and all(map(one_accepts, value))

    def to_plain(value: Any) -> list[Any]:
        if not isinstance(value, kind) or isinstance(value, str | bytes):
            raise mismatch(t, value)
        plain = [one_to_plain(item) for item in value]
        if is_set:  # whose order differs from process to process
            try:
                plain.sort()
            except TypeError:
                plain.sort(key=repr)
        return plain

    def from_plain(data: Any) -> Any:
        try:
            return make([one_from_plain(item) for item in _items(t, data)])
        except TypeError as error:
            if isinstance(error, TypeTransformerFailedError):
                raise
            raise mismatch(t, data, str(error)) from error

    def schema() -> dict[str, Any]:
        made: dict[str, Any] = {"type": "array"}
        if items := element.schema():
            made["items"] = items
        if is_set:
            made["uniqueItems"] = True
        return made

    literal_type, name = _pickle_type(t), _PICKLED
    if origin is list:
        literal_type, name = LiteralType(), "Typed List"
        if get_args(t) and element.literal_type.WhichOneof("type"):
            literal_type.collection_type.CopyFrom(element.literal_type)
    return _made(
        t, literal_type, accepts, to_plain, from_plain, schema, [element], name=name, transparent=origin in _NATIVE
    )


def _tuple(t: Any, origin: Any, args: tuple[Any, ...]) -> Codec:
    """A tuple of a length, one of any length, or a named one."""
    make: Callable[[Any], Any] = tuple
    if "_fields" in vars(origin):
        hints = typing.get_type_hints(origin, include_extras=True)
        args = tuple(hints.get(name, Any) for name in origin._fields)
        make = origin._make
    elif t in (tuple, typing.Tuple) or args[1:] == (Ellipsis,):  # noqa: UP006
        element = field_codec(args[0] if args else Any)
        one = _sequence(list[Any], list, element)
        return _made(
            t,
            LiteralType(),
            lambda value: isinstance(value, tuple) and all(map(element.accepts, value)),
            lambda value: one.to_plain(list(_checked(t, tuple, value))),
            lambda data: tuple(one.from_plain(data)),
            one.schema,
            [element],
        )
    codecs = [field_codec(arg) for arg in args]
    count = len(codecs)
    names = getattr(origin, "_fields", args)
    defaults = {
        name: codec.to_plain(getattr(origin, "_field_defaults", {})[name])
        for name, codec in zip(names, codecs, strict=True)
        if name in getattr(origin, "_field_defaults", {})
    }

    def accepts(value: Any) -> bool:
        return (
            isinstance(value, origin)
            and len(value) == count
            and all(codec.accepts(item) for codec, item in zip(codecs, value, strict=True))
        )

    def to_plain(value: Any) -> list[Any]:
        if len(_checked(t, origin, value)) != count:
            raise mismatch(t, value, f"it should have {count} elements")
        return [codec.to_plain(item) for codec, item in zip(codecs, value, strict=True)]

    def from_plain(data: Any) -> Any:
        if len(_items(t, data)) != count:
            raise mismatch(t, data, f"it should have {count} elements")
        return make([codec.from_plain(item) for codec, item in zip(codecs, data, strict=True)])

    def schema() -> dict[str, Any]:
        made: dict[str, Any] = {"type": "array", "maxItems": count}
        if codecs:
            items = [
                codec.schema() | ({"default": defaults[name]} if name in defaults else {})
                for name, codec in zip(names, codecs, strict=True)
            ]
            made |= {"prefixItems": items, "minItems": count}
        return made

    return _made(t, LiteralType(), accepts, to_plain, from_plain, schema, codecs)


def _checked(t: Any, kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise mismatch(t, value)
    return value


def _mapping(t: Any, origin: Any, key: Codec, value: Codec) -> Codec:
    kind: Any
    kind, make = _MAPPINGS[origin]
    if origin is defaultdict:
        factory = value.python_type
        make = partial(defaultdict, (get_origin(factory) or factory) if factory is not Any else None)

    def accepts(data: Any) -> bool:
        return isinstance(data, kind) and all(key.accepts(k) and value.accepts(v) for k, v in data.items())

    def to_plain(data: Any) -> dict[Any, Any]:
        return {key.to_plain(k): value.to_plain(v) for k, v in _checked(t, kind, data).items()}

    def from_plain(data: Any) -> Any:
        return make({key.from_plain(k): value.from_plain(v) for k, v in _checked(t, dict, data).items()})

    literal_type, name = _pickle_type(t), _PICKLED
    if origin is dict:
        name = "Typed Dict"
        literal_type = LiteralType()
        if get_args(t)[0] is not str:
            literal_type = simple(SimpleType.STRUCT)
            idl.msgpack_annotation(literal_type)
        elif value.literal_type.WhichOneof("type"):
            literal_type.map_value_type.CopyFrom(value.literal_type)
    return _made(
        t,
        literal_type,
        accepts,
        to_plain,
        from_plain,
        lambda: object_schema(key, value),
        [key, value],
        name=name,
        transparent=origin in _NATIVE,
    )
