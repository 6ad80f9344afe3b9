"""Codecs of `Union` and `Optional`: a value is judged before it is converted, so nothing is uploaded twice."""

from __future__ import annotations

from typing import Any, get_args

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType
from hardpoint.types.codec import Codec, describe_type, mismatch, wrong_literal
from hardpoint.types.engine import TypeEngine
from hardpoint.types.matching import castable
from hardpoint.types.transformer import CodecTransformer, plain_of, runtime_class, unannotated

__all__ = ["UnionTransformer", "union_codec"]

_NAME = "Typed Union"


class UnionTransformer(CodecTransformer[Any]):
    """``Union[A, B]``, ``A | B``, ``Optional[A]``; the variant's transformer name is the tag on the wire."""

    def __init__(self) -> None:
        super().__init__(_NAME, object)

    def compile(self, t: Any) -> Codec:
        return union_codec(t, [TypeEngine.codec(arg) for arg in get_args(unannotated(t))], self)


def union_codec(t: Any, variants: list[Codec], transformer: CodecTransformer[Any] | None = None) -> Codec:
    """The codec of a union, composed from those of its variants."""
    tagged: list[LiteralType] = []
    literal_type = LiteralType()
    for codec in variants:
        variant = literal_type.union_type.variants.add()
        variant.CopyFrom(codec.literal_type)
        variant.structure.Clear()  # a variant's structure is its tag and nothing else
        variant.structure.tag = codec.name
        tagged.append(variant)
    classes = [runtime_class(codec.python_type) for codec in variants]

    def choose(value: Any) -> int:
        """The variant that a value belongs to; one of exactly its class wins over one that merely accepts it."""
        cls = type(value)
        exact = [i for i, c in enumerate(classes) if c is cls]
        fits = [i for i in exact if variants[i].accepts(value)] or [
            i for i, codec in enumerate(variants) if codec.accepts(value)
        ]
        if len(fits) == 1:
            return fits[0]
        if not fits:
            raise TypeTransformerFailedError(
                str(mismatch(t, value)), expected=t, value_type=cls, remedy=_reason(variants, exact, value)
            )
        if value == [] or value == {}:
            return fits[0]  # an empty container is the same literal whatever its elements would have been
        names = [describe_type(variants[i].python_type) for i in fits]
        raise TypeTransformerFailedError(
            f"Ambiguous choice of variant for union type {describe_type(t)}: the value fits {' and '.join(names)}.",
            remedy="Make the variants distinguishable, for example by different classes.",
        )

    def fill(value: Any, literal: Literal) -> None:
        index = choose(value)
        union = literal.scalar.union
        variants[index].fill(value, union.value)
        union.type.CopyFrom(tagged[index])

    def candidates(stored: LiteralType) -> list[int]:
        tag = stored.structure.tag
        same = [i for i, v in enumerate(tagged) if v == stored]
        if same:
            return same[:1]
        return [
            i
            for i, codec in enumerate(variants)
            if (not tag or tag == codec.name) and castable(stored, codec.literal_type)
        ]

    def read(literal: Literal) -> Any:
        if literal.scalar.HasField("union"):
            union = literal.scalar.union
            tries, inner = candidates(union.type), union.value
            if not tries and union.type.WhichOneof("type") is None:
                tries = list(range(len(variants)))
        elif literal.scalar.HasField("binary") or literal.scalar.HasField("generic"):
            return from_literal(literal)
        else:
            tries, inner = list(range(len(variants))), literal
        return _only([(variants[i], lambda i=i: variants[i].read(inner)) for i in tries], t, literal)

    def from_literal(literal: Literal) -> Any:
        """Attribute access, or a dataclass that was written where no union was declared."""
        return from_plain(plain_of(literal, t))

    def to_plain(value: Any) -> Any:
        return variants[choose(value)].to_plain(value)

    def from_plain(data: Any) -> Any:
        exact = [c for c, k in zip(variants, classes, strict=True) if k is type(data)]
        for codec in exact:
            if codec.accepts(data):
                return codec.from_plain(data)
        found: list[Any] = []
        for codec in variants:
            try:
                found.append(codec.from_plain(data))
            except TypeTransformerFailedError:
                continue
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            raise TypeTransformerFailedError(
                f"Ambiguous choice of variant for union type {describe_type(t)}: the data fits {len(found)} of them."
            )
        raise mismatch(t, data)

    return Codec(
        python_type=t,
        name=_NAME,
        literal_type=literal_type,
        fill=fill,
        read=read,
        accepts=lambda value: any(codec.accepts(value) for codec in variants),
        to_plain=to_plain,
        from_plain=from_plain,
        schema=lambda: {"anyOf": [codec.schema() for codec in variants]},
        io=any(codec.io for codec in variants),
        transparent=_optional_transparent(variants),
        transformer=transformer,
    )


def _optional_transparent(variants: list[Codec]) -> bool:
    """Whether msgspec may carry it by itself: an optional of something transparent, where no choice is to be made."""
    solid = [codec for codec in variants if codec.name != "none"]
    return len(solid) == 1 and solid[0].transparent


def _reason(variants: list[Codec], exact: list[int], value: Any) -> str | None:
    """Why the variant of the value's own class did not take it."""
    for index in exact:
        try:
            variants[index].encode(value)
        except TypeTransformerFailedError as error:
            return error.message
    return None


def _only(attempts: list[tuple[Codec, Any]], t: Any, literal: Literal) -> Any:
    """The value of the one variant that can read the literal."""
    found: list[Any] = []
    errors: list[TypeTransformerFailedError] = []
    for _, attempt in attempts:
        try:
            found.append(attempt())
        except TypeTransformerFailedError as error:
            errors.append(error)
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        raise TypeTransformerFailedError(
            f"Ambiguous choice of variant for union type {describe_type(t)}: the literal fits {len(found)} of them."
        )
    raise wrong_literal(t, literal, "; ".join(e.message for e in errors) or "no variant has its type") from (
        errors[0] if len(errors) == 1 else None
    )
