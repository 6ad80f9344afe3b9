"""Which Python type carries a value to a declared literal type, where only the literal type is known.

A shim task in a container has no Python types but those guessed from its template. What an executor returns is often of another:
a dataframe where the guess is `StructuredDataset`, the user's own dataclass where it is one made from the schema.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, Any, Union

from hardpoint.errors import HardpointError
from hardpoint.idl import LiteralType
from hardpoint.types.engine import TypeEngine
from hardpoint.types.matching import castable

__all__ = ["fitting_type"]


def fitting_type(value: Any, declared: LiteralType) -> Any:
    """The type by which `value` travels as a literal of type `declared`; the guessed one if no other is better.

    What is declared is kept: columns and format of a dataset, elements of a collection, variants of a union.
    """
    guessed = TypeEngine.guess_python_type(declared)
    kind = declared.WhichOneof("type")
    if kind == "collection_type" and isinstance(value, list) and value:
        return list[fitting_type(value[0], declared.collection_type)]  # type: ignore[misc]
    if kind == "map_value_type" and isinstance(value, dict) and value:
        return dict[str, fitting_type(next(iter(value.values())), declared.map_value_type)]  # type: ignore[misc]
    if TypeEngine.codec(guessed).accepts(value):
        return guessed
    if kind == "union_type":
        return _union(value, declared) or guessed
    runtime = _dataset(value, declared) if kind == "structured_dataset_type" else TypeEngine.type_of(value)
    return runtime if _fits(runtime, declared) else guessed


def _fits(t: Any, declared: LiteralType) -> bool:
    try:
        return castable(TypeEngine.codec(t).literal_type, declared)
    except HardpointError:  # nothing carries the type, so it cannot be meant
        return False


class _Columns(OrderedDict[str, Any]):
    """Columns that may stand in a member of a union, which has to be hashable."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))


def _dataset(value: Any, declared: LiteralType) -> Any:
    """The value's class, with the columns and the format that are declared."""
    table = declared.structured_dataset_type
    columns = _Columns((c.name, TypeEngine.guess_python_type(c.literal_type)) for c in table.columns)
    extras = [extra for extra in (columns, table.format) if extra]
    return Annotated[type(value), *extras] if extras else type(value)


def _union(value: Any, declared: LiteralType) -> Any:
    """The union in which one variant gives way to the value's own type; None if none of them may."""
    variants = list(declared.union_type.variants)
    guesses = [TypeEngine.guess_python_type(variant) for variant in variants]
    for index, variant in enumerate(variants):
        own = fitting_type(value, variant)
        if own is not guesses[index] and own != guesses[index]:
            return Union[*guesses[:index], own, *guesses[index + 1 :]]
    return None
