"""Inputs as the text that a script is given."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC
from typing import Any

from hardpoint.errors import UserError
from hardpoint.idl import Literal, native

__all__ = ["is_number", "text_of"]


def is_number(literal: Literal) -> bool:
    """Whether a value is a number, so that its text is one in every language."""
    primitive = literal.scalar.primitive
    return literal.scalar.HasField("primitive") and primitive.WhichOneof("value") in ("integer", "float_value")


def text_of(literal: Literal, place: Callable[[Literal], str]) -> str:
    """A value as text: as Python's ``str`` writes it, lists and mappings as JSON, nothing as no text.

    Args:
        literal: The value.
        place: Says where a file or a folder is to be found.

    Raises:
        UserError: there is no text for values of this kind.
    """
    if literal.WhichOneof("value") in ("collection", "map"):
        return json.dumps(_plain(literal, place))
    value = _plain(literal, place)
    if isinstance(value, dict | list):
        return json.dumps(value)
    return "" if value is None else str(value)


def _plain(literal: Literal, place: Callable[[Literal], str]) -> Any:
    kind = literal.WhichOneof("value")
    if kind == "collection":
        return [_plain(item, place) for item in literal.collection.literals]
    if kind == "map":
        return {key: _plain(item, place) for key, item in literal.map.literals.items()}
    scalar = literal.scalar
    which = scalar.WhichOneof("value")
    if which == "union":
        return _plain(scalar.union.value, place)
    if which in ("none_type", None):
        return None
    if which == "blob":
        return place(literal)
    if which in ("structured_dataset", "schema"):
        return getattr(scalar, which).uri
    if which == "generic":
        return native(scalar.generic)
    if which == "binary":
        import msgspec

        return msgspec.msgpack.decode(scalar.binary.value)
    if which != "primitive":
        raise UserError(f"A script cannot be given a value of the kind {which}.")
    name = scalar.primitive.WhichOneof("value")
    value = getattr(scalar.primitive, name)
    if name == "datetime":
        return value.ToDatetime(tzinfo=UTC).isoformat()
    return str(value.ToTimedelta()) if name == "duration" else value
