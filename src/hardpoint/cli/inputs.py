"""Values of the command line and of input files as literals, as the declared types ask.

Each type is compiled once to a `Form`: what it is called in help, what is expected of a value, and how text and JSON-like
data become a literal.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing
from collections.abc import Callable, Mapping
from typing import Any, get_args

from hardpoint.cli import places, words
from hardpoint.cli.form import Form, Misfit
from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal, SimpleType
from hardpoint.types.codec import Codec, describe_type, describe_value
from hardpoint.types.engine import TypeEngine
from hardpoint.types.transformer import unannotated

__all__ = ["form"]


def form(t: Any) -> Form:
    """The form of a type.

    Raises:
        UserError: values of the type cannot be given as text; the message says why.
    """
    codec = TypeEngine.codec(t)
    base = unannotated(t)
    while isinstance(base, typing.NewType):
        base = unannotated(base.__supertype__)
    kind = codec.literal_type.WhichOneof("type")
    if kind == "blob":
        return places.blob(base, codec)
    if kind in ("structured_dataset_type", "schema"):
        return places.table(codec, kind)
    if kind == "union_type":
        return _union(base, codec)
    if kind in ("collection_type", "map_value_type") and get_args(base):
        return _container(base, codec, kind)
    if kind == "enum_type":
        return _choice(codec, list(codec.literal_type.enum_type.values))
    if typing.get_origin(base) is typing.Literal:
        return _choice(codec, list(get_args(base)))
    if kind == "simple" and codec.literal_type.simple in _SCALARS:
        return _scalar(base, codec)
    return _record(base, codec)


# -- scalars -------------------------------------------------------------------------------------------------------------


def _truth(text: str) -> bool:
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        raise ValueError(f"{text!r} is neither") from None


def _verbatim(text: str) -> str:
    return text


# Python type -> (metavar, what is expected, how text is read).
_READERS: dict[type, tuple[str, str, Callable[[str], Any]]] = {
    int: ("INTEGER", "a whole number", int),
    float: ("NUMBER", "a number", float),
    bool: ("true|false", "true or false", _truth),
    str: ("TEXT", "text", _verbatim),
    dt.datetime: ("TIME", "a time, such as 2026-01-31T12:00 or now", words.moment),
    dt.date: ("DAY", "a day, such as 2026-01-31 or today", words.day),
    dt.timedelta: ("DURATION", "a length of time, such as 1h30m, 90 (seconds) or PT1H30M", words.duration),
    type(None): ("null", "null", lambda text: None if text == "null" else text),
}

_SCALARS: dict[int, type] = {
    SimpleType.INTEGER: int,
    SimpleType.FLOAT: float,
    SimpleType.BOOLEAN: bool,
    SimpleType.STRING: str,
    SimpleType.DATETIME: dt.datetime,
    SimpleType.DURATION: dt.timedelta,
    SimpleType.NONE: type(None),
}


def _scalar(base: Any, codec: Codec) -> Form:
    """A type whose literals are scalars: one of Python's own, or one that somebody's transformer writes as such."""
    own = base if base in _READERS else _SCALARS[codec.literal_type.simple]
    metavar, expected, read = _READERS[own]
    plain = TypeEngine.codec(own)

    def encode(value: Any, given: Any) -> Literal:
        try:
            literal = plain.encode(value)
            return literal if codec is plain else codec.encode(codec.read(literal))
        except TypeTransformerFailedError as error:
            detail = "" if own is base else f" ({error.message})"
            raise Misfit(
                f"{expected} of 64 bits" if own is int else expected, describe_value(given) + detail
            ) from error

    def of_text(text: str) -> Literal:
        try:
            value = read(text)
        except ValueError as error:
            raise Misfit(expected, repr(text)) from error
        return encode(value, text)

    def of_data(data: Any) -> Literal:
        if isinstance(data, str) and own in (dt.datetime, dt.date, dt.timedelta):
            return of_text(data)
        try:
            value = plain.from_plain(data)
        except TypeTransformerFailedError as error:
            raise Misfit(expected, describe_value(data)) from error
        return encode(value, data)

    return Form(metavar, expected, of_data, of_text, flag=own is bool)


def _choice(codec: Codec, values: list[Any]) -> Form:
    """An enum or a `typing.Literal`."""
    by_text = {str(value): value for value in values}
    expected = f"one of {', '.join(by_text)}"

    def of_data(data: Any) -> Literal:
        if not any(type(data) is type(value) and data == value for value in values):
            raise Misfit(expected, describe_value(data))
        return codec.encode(codec.from_plain(data))

    def of_text(text: str) -> Literal:
        if text not in by_text:
            raise Misfit(expected, repr(text))
        return of_data(by_text[text])

    return Form("|".join(by_text), expected, of_data, of_text, choices=tuple(by_text))


# -- what is made of others ----------------------------------------------------------------------------------------------


def _structural(metavar: str, expected: str, of_data: Callable[[Any], Literal]) -> Form:
    """A form whose text is JSON or YAML, or ``@`` and the name of a file that holds it."""

    def of_text(text: str) -> Literal:
        try:
            data = words.load_file(text[1:]) if text.startswith("@") else words.load(text)
        except ValueError as error:
            raise Misfit(expected, f"{describe_value(text, 60)} ({error})") from error
        return of_data(data)

    return Form(metavar, expected, of_data, of_text)


def _container(base: Any, codec: Codec, kind: str) -> Form:
    """A list, a dict with text as keys, or something else that travels as one of the two."""
    element = form(get_args(base)[-1])

    def of_list(data: Any) -> Literal:
        if not isinstance(data, list):
            raise Misfit(expected, describe_value(data))
        literal = Literal()
        literal.collection.SetInParent()
        for index, item in enumerate(data):
            try:
                literal.collection.literals.append(element.of_data(item))
            except Misfit as misfit:
                raise misfit.inside(f"[{index}]") from misfit
        return literal

    def of_dict(data: Any) -> Literal:
        if not isinstance(data, dict):
            raise Misfit(expected, describe_value(data))
        literal = Literal()
        literal.map.SetInParent()
        for key, item in data.items():
            if not isinstance(key, str):
                raise Misfit("text", repr(key), f" key {key!r}")
            try:
                literal.map.literals[key].CopyFrom(element.of_data(item))
            except Misfit as misfit:
                raise misfit.inside(f"[{key!r}]") from misfit
        return literal

    if kind == "collection_type":
        expected = f"a list such as [{element.metavar}, ...] as JSON or YAML"
        return _structural(f"[{element.metavar}, ...]", expected, of_list)
    expected = f"an object such as {{KEY: {element.metavar}, ...}} as JSON or YAML"
    return _structural(f"{{KEY: {element.metavar}, ...}}", expected, of_dict)


def _union(base: Any, codec: Codec) -> Form:
    """The first variant that takes the value, except that text and then float come last, since these take most."""
    forms = [form(arg) for arg in get_args(base)]
    types = list(codec.literal_type.union_type.variants)

    def greed(index: int) -> int:
        if types[index].WhichOneof("type") != "simple":
            return 0
        return {SimpleType.FLOAT: 1, SimpleType.STRING: 2}.get(types[index].simple, 0)

    order = sorted(range(len(forms)), key=greed)
    solid = [f for f in forms if f.metavar != _READERS[type(None)][0]]
    expected = " or ".join(f.expected for f in solid) + ("" if len(solid) == len(forms) else ", or null")

    def convert(value: Any, read: Callable[[Form], Callable[[Any], Literal]]) -> Literal:
        misfits: list[Misfit] = []
        for index in order:
            try:
                inner = read(forms[index])(value)
            except Misfit as misfit:
                misfits.append(misfit)
                continue
            literal = Literal()
            literal.scalar.union.value.CopyFrom(inner)
            literal.scalar.union.type.CopyFrom(types[index])
            return literal
        deep = [misfit for misfit in misfits if misfit.where]
        if len(deep) == 1:  # the value has the shape of one variant, and something inside of it is wrong
            raise deep[0]
        raise Misfit(expected, describe_value(value))

    only = solid[0] if len(solid) == 1 else None
    return Form(
        metavar="|".join(f.metavar for f in solid),
        expected=expected,
        of_data=lambda data: convert(data, lambda f: f.of_data),
        of_text=lambda text: convert(text, lambda f: f.of_text),
        choices=only.choices if only else (),
        flag=only.flag if only else False,
        path=next((f.path for f in solid if f.path), ""),
    )


def _record(base: Any, codec: Codec) -> Form:
    """A dataclass, a model, an untyped dict, or whatever else has a plain form."""
    name = describe_type(base).rpartition(".")[2]
    expected = f"{name} as JSON or YAML"

    def of_data(data: Any) -> Literal:
        if dataclasses.is_dataclass(base):
            _refuse_strangers(data, codec.schema())
        try:
            return codec.encode(codec.from_plain(data))
        except TypeTransformerFailedError as error:
            detail = "; ".join([error.message.replace("\n", " "), *getattr(error, "__notes__", ())])
            raise Misfit(expected, f"{describe_value(data, 60)}: {detail}") from error

    return _structural(f"{name} (JSON)", expected, of_data)


def _refuse_strangers(data: Any, schema: Mapping[str, Any], where: str = "") -> None:
    """Raise for keys that a dataclass has no field for; they would be ignored."""
    if isinstance(data, dict):
        known = schema.get("properties", {})
        if schema.get("additionalProperties") is False:
            for key in data:
                if key not in known:
                    raise Misfit(f"an object with the keys {', '.join(known)}", f"the key {key!r}", where)
        for key, value in data.items():
            inner = known.get(key, schema.get("additionalProperties"))
            if isinstance(inner, Mapping):
                _refuse_strangers(value, inner, f"{where}[{key!r}]")
    elif isinstance(data, list) and isinstance(schema.get("items"), Mapping):
        for index, item in enumerate(data):
            _refuse_strangers(item, schema["items"], f"{where}[{index}]")
