"""Extras of `Annotated` that the type engine itself understands: `HashMethod` and `FlyteAnnotation`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

from hardpoint.errors import FlyteValidationException
from hardpoint.idl import Literal, LiteralType
from hardpoint.types.codec import Codec

__all__ = ["FlyteAnnotation", "HashMethod", "annotate"]

T = TypeVar("T")
_RESERVED = "cache-key-metadata"


class HashMethod(Generic[T]):
    """Says how a value is hashed for the cache: ``Annotated[DataFrame, HashMethod(my_hash)]``.

    Args:
        function: Value to text. The cache key then holds only this text, not the literal.
    """

    def __init__(self, function: Callable[[T], str]) -> None:
        self._function = function

    def calculate(self, obj: T) -> str:
        return str(self._function(obj))


class FlyteAnnotation:
    """Free JSON data that travels in the literal type: ``Annotated[int, FlyteAnnotation({"unit": "m"})]``."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    @property
    def data(self) -> dict[str, Any]:
        return self._data


def annotate(codec: Codec, t: Any) -> Codec:
    """The codec of an `Annotated` type, with what its extras ask for."""
    hashes = [extra for extra in t.__metadata__ if isinstance(extra, HashMethod)]
    notes = [extra for extra in t.__metadata__ if isinstance(extra, FlyteAnnotation)]
    if len(notes) > 1:
        raise FlyteValidationException(f"More than one FlyteAnnotation in {t}.", remedy="Merge them into one.")
    if notes and _RESERVED in notes[0].data:
        raise FlyteValidationException(f"FlyteAnnotation may not use the key {_RESERVED!r}; it is reserved.")
    changed = replace(codec, python_type=t)
    if notes:
        literal_type = LiteralType()
        literal_type.CopyFrom(codec.literal_type)
        literal_type.annotation.annotations.update(notes[0].data)
        changed = replace(changed, literal_type=literal_type)
    if hashes:
        method, inner = hashes[0], codec.fill

        def fill(value: Any, literal: Literal) -> None:
            inner(value, literal)
            literal.hash = method.calculate(value)

        changed = replace(changed, fill=fill)
    return changed
