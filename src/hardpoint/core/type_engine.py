"""Names that users know from `flytekit.core.type_engine`."""

from collections.abc import Mapping
from typing import Any

from hardpoint.context import FlyteContext
from hardpoint.errors import RestrictedTypeError, TypeTransformerFailedError
from hardpoint.models.literals import Literal, LiteralMap
from hardpoint.models.types import LiteralType
from hardpoint.types import AsyncTypeTransformer, SimpleTransformer, TypeTransformer
from hardpoint.types import TypeEngine as Engine
from hardpoint.types.containers import DictTransformer

__all__ = [
    "AsyncTypeTransformer",
    "DictTransformer",
    "RestrictedTypeError",
    "SimpleTransformer",
    "TypeEngine",
    "TypeTransformer",
    "TypeTransformerFailedError",
]


class TypeEngine(Engine):
    """`hardpoint.extend.TypeEngine`, whose answers are objects of `hardpoint.models`. Both know the same types."""

    @classmethod
    def to_literal_type(cls, python_type: Any) -> Any:
        """The literal type of a Python type."""
        return LiteralType.from_flyte_idl(super().to_literal_type(python_type))

    @classmethod
    def to_literal(cls, ctx: FlyteContext | None, python_val: Any, python_type: Any, expected: Any = None) -> Any:
        """The value as a literal of the type."""
        return Literal.from_flyte_idl(super().to_literal(ctx, python_val, python_type))

    @classmethod
    def dict_to_literal_map(
        cls, ctx: FlyteContext | None, d: Mapping[str, Any], type_hints: Mapping[str, Any] | None = None
    ) -> Any:
        """Named values as a `LiteralMap`; where no hint is given, by the value's own type."""
        return LiteralMap.from_flyte_idl(super().dict_to_literal_map(ctx, d, type_hints))
