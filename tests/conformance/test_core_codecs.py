"""The core's own types pass the suite that every data type passes."""

import dataclasses
import enum
import typing
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pydantic

from hardpoint.testing import CodecConformance


class Colour(enum.Enum):
    RED = "red"
    MARKUP = "<script>alert(1)</script>"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5
    tags: list[str] = dataclasses.field(default_factory=list)
    inner: typing.Optional["Point2"] = None


@dataclasses.dataclass(frozen=True)
class Point2:
    when: datetime
    span: timedelta = timedelta(seconds=2)
    colour: Colour = Colour.RED


class Model(pydantic.BaseModel):
    a: int
    b: str | None = None
    points: list[Point] = []


class TestInt(CodecConformance):
    python_type = int
    name = "int"
    values = (0, -1, 2**63 - 1, -(2**63))
    wrong = (True, 1.5, "1", None, 2**63, np.bool_(True), np.array([1]))


class TestFloat(CodecConformance):
    python_type = float
    name = "float"
    values = (0.0, -1.5, 1e308, float("inf"))
    wrong = (True, "1", None, 10**400, 2**53 + 1)


class TestBool(CodecConformance):
    python_type = bool
    name = "bool"
    values = (True, False)
    wrong = (0, 1, "true", None)


class TestStr(CodecConformance):
    python_type = str
    name = "str"
    values = ("", "ä\x00", "<script>alert(1)</script>")
    wrong = (b"x", 1, None)


class TestDatetime(CodecConformance):
    python_type = datetime
    name = "datetime"
    values = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))
    wrong = ("2024-01-01", date(2024, 1, 1), 1.0, None)


class TestDate(CodecConformance):
    python_type = date
    name = "date"
    values = (date(1, 1, 1), date(9999, 12, 31))
    wrong = ("2024-01-01", datetime(2024, 1, 1, tzinfo=UTC), None)


class TestTimedelta(CodecConformance):
    python_type = timedelta
    name = "timedelta"
    values = (timedelta(0), timedelta(days=-1, microseconds=5), timedelta(days=10_000, microseconds=1))
    wrong = (1, "1s", None)


class TestEnum(CodecConformance):
    python_type = Colour
    name = "DefaultEnumTransformer"
    values = tuple(Colour)
    wrong = (1, None)


class TestLiteral(CodecConformance):
    python_type = typing.Literal["a", "b"]
    name = "LiteralTypeTransformer"
    values = ("a", "b")
    wrong = ("c", 1, None)


class TestLiteralInt(CodecConformance):
    python_type = typing.Literal[1, 2]
    values = (1, 2)
    wrong = (3, True, "1")


class TestList(CodecConformance):
    python_type = list[list[int]]
    name = "Typed List"
    values = ([[1], []], [])
    wrong = ([1], ([1],), None, [["1"]])


class TestDict(CodecConformance):
    python_type = dict[str, list[float]]
    name = "Typed Dict"
    values = ({"a": [1.0]}, {})
    wrong = ({"a": 1.0}, [1], None, {1: [1.0]})


class TestUntypedDict(CodecConformance):
    python_type = dict
    name = "Typed Dict"
    values = ({"a": [1, {"y": None}]}, {})
    wrong = ([1], None)


class TestIntDict(CodecConformance):
    python_type = dict[int, datetime]
    values = ({1: datetime(2024, 1, 1, tzinfo=UTC)}, {})
    wrong = ({"a": 1}, None)


class TestUnion(CodecConformance):
    python_type = int | str | list[Point] | dict[str, int]
    name = "Typed Union"
    values = (1, "1", [Point(1)], {"a": 1}, [])
    wrong = (1.5, None, [1])


class TestDataclass(CodecConformance):
    python_type = Point
    name = "Object-Dataclass-Transformer"
    values = (Point(1), Point(-1, 2.5, ["a"], Point2(datetime(2024, 1, 1, tzinfo=UTC), colour=Colour.MARKUP)))
    wrong = ({"x": 1}, None, Point2(datetime(2024, 1, 1, tzinfo=UTC)))


class TestPydantic(CodecConformance):
    python_type = Model
    name = "Pydantic Transformer"
    values = (Model(a=1), Model(a=2, b="<script>alert(1)</script>", points=[Point(1)]))
    wrong = ({"a": 1}, None)
