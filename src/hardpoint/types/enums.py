"""Codecs of `enum.Enum` with string values, and of `typing.Literal`."""

from __future__ import annotations

import enum
from typing import Any, get_args

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType
from hardpoint.types.codec import Codec, describe_type, mismatch, wrong_literal
from hardpoint.types.engine import TypeEngine
from hardpoint.types.transformer import CodecTransformer, plain_of, unannotated

__all__ = ["EnumTransformer", "LiteralTransformer"]


class EnumTransformer(CodecTransformer[enum.Enum]):
    """An enum whose values are strings; on the wire the value."""

    def __init__(self) -> None:
        super().__init__("DefaultEnumTransformer", enum.Enum)

    def compile(self, t: Any) -> Codec:
        klass: type[enum.Enum] = unannotated(t)
        members = {member.value: member for member in klass}
        if not all(isinstance(value, str) for value in members):
            raise TypeTransformerFailedError(
                f"Only EnumTypes with value of string are supported, but {describe_type(klass)} has others.",
                remedy="Give its members string values.",
            )
        literal_type = LiteralType()
        literal_type.enum_type.values.extend(members)

        def value_of(value: Any) -> str:
            if type(value) is klass:
                return str(value.value)
            if isinstance(value, str) and not isinstance(value, enum.Enum) and value in members:
                return value
            raise mismatch(t, value, f"it should be one of {', '.join(members)}")

        def fill(value: Any, literal: Literal) -> None:
            literal.scalar.primitive.string_value = value_of(value)

        def from_plain(data: Any) -> enum.Enum:
            member = members.get(data) if isinstance(data, str) else None
            if member is None:
                raise mismatch(t, data, f"it should be one of {', '.join(members)}")
            return member

        def read(literal: Literal) -> enum.Enum:
            primitive = literal.scalar.primitive
            return from_plain(primitive.string_value if primitive.HasField("string_value") else plain_of(literal, t))

        return Codec(
            python_type=t,
            name=self.name,
            literal_type=literal_type,
            fill=fill,
            read=read,
            accepts=lambda value: type(value) is klass,
            to_plain=value_of,
            from_plain=from_plain,
            schema=lambda: {"enum": list(members)},
            transparent=True,
            transformer=self,
        )


class LiteralTransformer(CodecTransformer[Any]):
    """``typing.Literal["a", "b"]``: the base type on the wire, with the set of values as annotation, which is checked."""

    def __init__(self) -> None:
        super().__init__("LiteralTypeTransformer", object)

    def compile(self, t: Any) -> Codec:
        choices = get_args(unannotated(t))
        kinds = {type(choice) for choice in choices}
        if len(kinds) != 1 or not kinds <= {str, int, bool, float}:
            raise TypeTransformerFailedError(
                f"{describe_type(t)} mixes types or has values that are not str, int, float or bool.",
                remedy="Use a Union of several Literal types, each of one base type.",
            )
        kind = kinds.pop()
        base = TypeEngine.codec(kind)
        literal_type = LiteralType()
        literal_type.CopyFrom(base.literal_type)
        literal_type.annotation.annotations.update({"literal_values": list(choices)})
        allowed = frozenset(choices)

        def checked(value: Any) -> Any:
            if type(value) is not kind or value not in allowed:
                raise mismatch(t, value, f"it should be one of {', '.join(map(repr, choices))}")
            return value

        def read(literal: Literal) -> Any:
            value = base.read(literal)
            if value not in allowed:
                raise wrong_literal(t, literal, f"{value!r} is not one of {', '.join(map(repr, choices))}")
            return value

        return Codec(
            python_type=t,
            name=self.name,
            literal_type=literal_type,
            fill=lambda value, literal: base.fill(checked(value), literal),
            read=read,
            accepts=lambda value: type(value) is kind and value in allowed,
            to_plain=checked,
            from_plain=lambda data: checked(base.from_plain(data)),
            schema=lambda: {"enum": list(choices)},
            transparent=kind in (str, int),
            transformer=self,
        )
