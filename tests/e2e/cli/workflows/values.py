"""Tasks that take one of every kind of input and say what they got."""

import datetime as dt
import enum
import typing
from dataclasses import dataclass, field

from hardpoint import task, workflow
from hardpoint.types.codec import describe_type


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Optimizer:
    name: str
    rate: float = 0.1


@dataclass
class Config:
    epochs: int
    optimizer: Optimizer = field(default_factory=lambda: Optimizer("sgd"))
    tags: list[str] = field(default_factory=list)
    limit: dt.timedelta = dt.timedelta(seconds=1)


@task
def scalars(
    whole_number: int,
    ratio: float,
    text: str,
    dry_run: bool,
    when: dt.datetime,
    day: dt.date,
    wait: dt.timedelta,
    color: Color,
    size: typing.Literal["s", "m"],
) -> str:
    """Take scalars.

    Args:
        whole_number: How many.
        ratio: how much of it
        text: Any words.
    """
    return repr(
        (whole_number, ratio, text, dry_run, when.isoformat(), str(day), wait.total_seconds(), color.name, size)
    )


@task
def structures(
    numbers: list[int],
    prices: dict[str, float],
    config: Config,
    anything: dict,
    either: int | str | list[int] = "neither",
    maybe: int | None = None,
    delays: list[dt.timedelta] | None = None,
) -> str:
    return repr((numbers, prices, config, anything, either, maybe, delays))


class Opaque:
    pass


@task
def pickled(opaque: Opaque, n: int = 0) -> str:
    return describe_type(type(opaque))


@workflow
def outputs(n: int = 2) -> str:
    """The one workflow of this file."""
    return scalars(
        whole_number=n,
        ratio=0.5,
        text="x",
        dry_run=False,
        when=dt.datetime(2026, 1, 31, tzinfo=dt.UTC),
        day=dt.date(2026, 1, 31),
        wait=dt.timedelta(seconds=2),
        color=Color.RED,
        size="s",
    )
