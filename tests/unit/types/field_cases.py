"""Dataclasses whose fields are more than the inputs of tasks may be. `fields.json` holds what the reference makes of each."""

import collections
import dataclasses
import datetime
import decimal
import enum
import typing
import uuid
from dataclasses import field
from typing import Any, NamedTuple


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


class Pair(NamedTuple):
    x: int
    y: str = "d"


@dataclasses.dataclass
class In:
    a: int = 1


def record(t: Any, *values: Any, **options: Any) -> tuple[Any, list[Any]]:
    """A dataclass with a field of a type, and objects of it."""
    made = dataclasses.make_dataclass("Record", [("f", t, field(**options))] if options else [("f", t)])
    return made, [made(value) for value in values]


ID = uuid.UUID(int=5)

CASES: dict[str, tuple[Any, list[Any]]] = {
    "tuple": record(tuple[int, str], (1, "a"), default=(1, "a")),
    "tuple of any length": record(tuple[int, ...], (1, 2), (), default=(1, 2)),
    "tuple of nothing": record(tuple[()], ()),
    "bare tuple": record(tuple, (1, "a"), default=(1, "a")),
    "tuple in a tuple": record(tuple[In, Pair], (In(4), Pair(1, "z"))),
    "tuple of bytes": record(
        tuple[bytes, datetime.date], (b"x", datetime.date(2026, 1, 2)), default=(b"x" * 80, datetime.date(2026, 1, 2))
    ),
    "named tuple": record(Pair, Pair(1), Pair(2, "b")),
    "optional tuple": record(typing.Optional[tuple[int, str]], None, (1, "q"), default=None),
    "optional named tuple": record(typing.Optional[Pair], None, Pair(3)),
    "union with a tuple": record(typing.Union[tuple[int, str], int], 3, (1, "s"), default=3),
    "list of tuples": record(list[tuple[int, str]], [(1, "a")], []),
    "dict of tuples": record(dict[str, tuple[int, ...]], {"k": (1, 2)}),
    "dict of numbers to tuples": record(dict[int, tuple[int, int]], {1: (1, 2)}),
    "bare list": record(list, [], [1, "a", {"b": 1.5}]),
    "dict of bare lists": record(dict[str, list], {"a": [1, "x"]}),
    "list of anything": record(list[Any], [], [1, "a", {"b": 1.5}]),
    "dict of anything": record(dict[str, Any], {"a": [1, "x"]}),
    "anything": record(Any, 1, [None], default=3),
    "bytes": record(bytes, b"", b"ab", default=b"ab"),
    "uuid": record(uuid.UUID, ID, default=ID),
    "optional uuid": record(typing.Optional[uuid.UUID], ID, None, default=None),
    "list of uuids": record(list[uuid.UUID], [ID]),
    "decimal": record(decimal.Decimal, decimal.Decimal("1.50"), default=decimal.Decimal("1.5")),
    "time": record(
        datetime.time,
        datetime.time(1, 2, 3, 4, tzinfo=datetime.timezone.utc),  # noqa: UP017
        default=datetime.time(1, 2, 3),
    ),
    "set": record(typing.Set[int], {2, 1}),  # noqa: UP006
    "set of uuids": record(set[uuid.UUID], {ID}),
    "bare set": record(set, {1}),
    "frozenset": record(typing.FrozenSet[str], frozenset({"a"}), default=frozenset({"a"})),  # noqa: UP006
    "dict of sets": record(dict[str, set[int]], {"k": {1}}),
    "list of optional sets": record(list[typing.Optional[set[str]]], [None, {"a"}]),
    "sequence": record(typing.Sequence[int], [1]),
    "sequence of dataclasses": record(typing.Sequence[In], [In(3)]),
    "mapping": record(typing.Mapping[str, typing.Sequence[decimal.Decimal]], {"a": [decimal.Decimal("1.10")]}),
    "deque": record(typing.Deque[int], collections.deque([1])),  # noqa: UP006
    "ordered dict": record(typing.OrderedDict[str, int], collections.OrderedDict(b=1, a=2)),
    "default dict": record(typing.DefaultDict[str, int], collections.defaultdict(int, a=1)),  # noqa: UP006
    "counter": record(typing.Counter[str], collections.Counter("aab")),
    "dict of numbers": record(dict[int, str], {1: "a"}),
    "dict of colours": record(dict[Colour, int], {Colour.RED: 1}),
}
