"""Turns what a call was given, values and promises mixed, into bindings."""

from __future__ import annotations

import types
import typing
from typing import Any, get_args, get_origin

from hardpoint.errors import FlyteAssertion, TypeTransformerFailedError
from hardpoint.idl import BindingData, Literal, LiteralType, SimpleType
from hardpoint.types import TypeEngine
from hardpoint.types.codec import describe_type, describe_value
from hardpoint.types.matching import castable
from hardpoint.types.transformer import unannotated
from hardpoint.workflows.promise import Promise, VoidPromise, reference, scope_of, type_of

__all__ = ["bind", "binding_of", "holds_promise"]


def bind(value: Any, t: Any, scope: Any = None) -> BindingData:
    """The binding of a value, a promise, or a list or dict that holds both.

    Args:
        value: What was given; it is not changed.
        t: The type that the receiver declares.
        scope: The compilation in which it is bound; promises of another one are refused.

    Raises:
        FlyteAssertion: a promise of another type or another workflow, a tuple, or what a task without outputs gave.
        TypeTransformerFailedError: a value that does not fit the type.
    """
    if isinstance(value, Promise):
        _check(value, t, scope)
        return BindingData(promise=reference(value))
    if isinstance(value, VoidPromise):
        raise FlyteAssertion(f"{value!r} is the output of a task that produces no outputs; it cannot be passed on.")
    if isinstance(value, tuple):
        raise FlyteAssertion(
            f"A tuple is not a value: {describe_value(value)}.",
            remedy="If a task returned several outputs, pass on the one that is meant, as in v.x or v[0].",
        )
    base = unannotated(t)
    if isinstance(value, list | dict):
        if get_origin(base) in (typing.Union, types.UnionType):
            return _bind_variant(value, t, get_args(base), scope)
        if holds_promise(value):
            return _bind_parts(value, t, base, scope)
    return binding_of(TypeEngine.codec(t).encode(value))


def _bind_variant(value: Any, t: Any, variants: tuple[Any, ...], scope: Any) -> BindingData:
    """The first variant of a union that a container fits. A union's own codec knows nothing of promises."""
    reasons: list[str] = []
    for variant in variants:
        try:
            return bind(value, variant, scope)
        except (FlyteAssertion, TypeTransformerFailedError) as error:
            reasons.append(f"{describe_type(variant)}: {error}")
    raise FlyteAssertion(
        f"{describe_value(value)} fits no variant of {describe_type(t)}:\n  " + "\n  ".join(reasons), reasons=reasons
    )


def _bind_parts(value: Any, t: Any, base: Any, scope: Any) -> BindingData:
    kind = "collection_type" if isinstance(value, list) else "map_value_type"
    args = get_args(base)
    if TypeEngine.codec(t).literal_type.WhichOneof("type") != kind or not args:
        declare = "list[T]" if isinstance(value, list) else "dict[str, T]"
        raise FlyteAssertion(
            f"A promise cannot be put into {describe_type(t)}: on the wire that is one value, not a container of them.",
            remedy=f"Declare the input as {declare}.",
        )
    binding = BindingData()
    if isinstance(value, list):
        binding.collection.SetInParent()
        for part in value:
            binding.collection.bindings.add().CopyFrom(bind(part, args[0], scope))
    else:
        binding.map.SetInParent()
        for key, part in value.items():
            if not isinstance(key, str):
                raise FlyteAssertion(f"The key {key!r} is not a str; only such can be the keys of a map with promises.")
            binding.map.bindings[key].CopyFrom(bind(part, args[1], scope))
    return binding


def _check(promise: Promise, t: Any, scope: Any) -> None:
    if scope is not None and scope_of(promise) is not scope:
        raise FlyteAssertion(
            f"{promise!r} belongs to another workflow than the one that is being compiled.",
            remedy="Pass it in as an input.",
        )
    upstream = type_of(promise)
    if upstream is Any or t is Any or upstream == t:
        return
    up, down = TypeEngine.codec(upstream).literal_type, TypeEngine.codec(t).literal_type
    # The control plane lets strings flow into enums as well; their values are checked when they are read.
    if not castable(up, down) and not castable(_without_enums(up), _without_enums(down)):
        raise FlyteAssertion(
            f"Expected type '{describe_type(t)}' does not match upstream type '{describe_type(upstream)}': {promise!r}",
            expected=t,
            upstream=upstream,
        )


def _without_enums(t: LiteralType) -> LiteralType:
    """The type with strings in place of enums."""
    result = LiteralType()
    kind = t.WhichOneof("type")
    if kind == "enum_type":
        result.simple = SimpleType.STRING
    elif kind == "collection_type":
        result.collection_type.CopyFrom(_without_enums(t.collection_type))
    elif kind == "map_value_type":
        result.map_value_type.CopyFrom(_without_enums(t.map_value_type))
    elif kind == "union_type":
        result.union_type.variants.extend(_without_enums(variant) for variant in t.union_type.variants)
    else:
        result.CopyFrom(t)
    return result


def holds_promise(value: Any) -> bool:
    """Whether a value is a promise, or a list or dict that holds one, however deep."""
    if isinstance(value, list):
        return any(map(holds_promise, value))
    if isinstance(value, dict):
        return any(map(holds_promise, value.values()))
    return isinstance(value, Promise | VoidPromise)


def binding_of(literal: Literal) -> BindingData:
    """The binding that always has the value of a literal."""
    binding = BindingData()
    kind = literal.WhichOneof("value")
    if kind == "collection":
        binding.collection.SetInParent()
        for part in literal.collection.literals:
            binding.collection.bindings.add().CopyFrom(binding_of(part))
    elif kind == "map":
        binding.map.SetInParent()
        for name, part in literal.map.literals.items():
            binding.map.bindings[name].CopyFrom(binding_of(part))
    else:
        binding.scalar.CopyFrom(literal.scalar)
    return binding
