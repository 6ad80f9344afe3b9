"""Carries `lakeq.Interval` as the text ``low..high``."""

from typing import Any

from hardpoint import idl
from hardpoint.context import FlyteContext
from hardpoint.types import TypeTransformer
from lakeq import Interval


class IntervalTransformer(TypeTransformer[Interval]):
    """A transformer written against nothing but the public contract."""

    io = False

    def __init__(self) -> None:
        super().__init__("LakeQ interval", Interval)

    def get_literal_type(self, t: type[Interval]) -> idl.LiteralType:
        return idl.simple(idl.SimpleType.STRING)

    def to_literal(
        self, ctx: FlyteContext, python_val: Interval, python_type: type[Interval], expected: idl.LiteralType
    ) -> idl.Literal:
        return idl.string(self.to_plain(python_val, python_type))

    def to_python_value(self, ctx: FlyteContext, lv: idl.Literal, expected_python_type: type[Interval]) -> Interval:
        if lv.scalar.HasField("binary"):  # an attribute of a larger value
            return self.from_binary_idl(lv.scalar.binary, expected_python_type)
        return self.from_plain(lv.scalar.primitive.string_value, expected_python_type)

    def to_plain(self, value: Interval, t: Any) -> str:
        return f"{value.low}..{value.high}"

    def from_plain(self, data: str, t: Any) -> Interval:
        low, _, high = data.partition("..")
        return Interval(int(low), int(high))

    def plain_schema(self, t: Any) -> dict[str, Any]:
        return {"type": "string"}
