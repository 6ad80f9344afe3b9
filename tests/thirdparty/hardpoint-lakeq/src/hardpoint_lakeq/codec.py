"""Carries `lakeq.Interval` as the text ``low..high``."""

from hardpoint import idl
from hardpoint.context import FlyteContext
from hardpoint.types.transformer import TypeTransformer
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
        return idl.string(f"{python_val.low}..{python_val.high}")

    def to_python_value(self, ctx: FlyteContext, lv: idl.Literal, expected_python_type: type[Interval]) -> Interval:
        low, _, high = lv.scalar.primitive.string_value.partition("..")
        return expected_python_type(int(low), int(high))
