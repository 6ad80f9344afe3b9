"""Words of the command line as times, lengths of time and data."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

__all__ = ["day", "duration", "load", "load_file", "moment"]

_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001, "us": 0.000001}
_TERM = re.compile(r"(\d+(?:\.\d+)?)\s*(w|d|h|ms|us|m|s)\s*")
# https://en.wikipedia.org/wiki/ISO_8601#Durations, without years and months, whose length varies.
_ISO = re.compile(
    r"P(?:(?P<w>\d+(?:\.\d+)?)W)?(?:(?P<d>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<h>\d+(?:\.\d+)?)H)?(?:(?P<m>\d+(?:\.\d+)?)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?"
)
_RELATIVE = re.compile(r"(now|today)\s*(?:([+-])\s*(.+))?", re.IGNORECASE)


def duration(text: str) -> timedelta:
    """A length of time: ``1h30m``, ``90`` (seconds), ``PT1H30M``, each perhaps with a sign.

    Raises:
        ValueError: it is none of these, or longer than a `timedelta` can be.
    """
    words = text.strip()
    sign = -1 if words.startswith("-") else 1
    words = words[1:].strip() if words[:1] in ("+", "-") else words
    try:
        return timedelta(seconds=sign * _seconds(words))
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long") from error


def _seconds(words: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", words):
        return float(words)
    if re.fullmatch(f"(?:{_TERM.pattern})+", words):
        return sum(float(number) * _UNITS[unit] for number, unit in _TERM.findall(words))
    iso = _ISO.fullmatch(words)
    if iso is not None and any(iso.groupdict().values()):
        return sum(float(number) * _UNITS[unit] for unit, number in iso.groupdict().items() if number)
    raise ValueError(f"{words!r} is no length of time")


def moment(text: str) -> datetime:
    """A time: ISO 8601, ``now`` or ``today`` (midnight), the latter two perhaps with ``+ 1d`` or ``- 2h``; in UTC where
    no zone is given.

    Raises:
        ValueError: it is none of these.
    """
    relative = _RELATIVE.fullmatch(text.strip())
    if relative is None:
        made = datetime.fromisoformat(text.strip())
        return made.replace(tzinfo=UTC) if made.tzinfo is None else made
    base = datetime.now(UTC)
    if relative[1].lower() == "today":
        base = base.replace(hour=0, minute=0, second=0, microsecond=0)
    if relative[2] is None:
        return base
    try:
        return base + duration(relative[3]) * (1 if relative[2] == "+" else -1)
    except OverflowError as error:
        raise ValueError(f"{text!r} is too far away") from error


def day(text: str) -> date:
    """A day: ``2026-01-31``, or ``today`` (in UTC), perhaps with ``- 1d``.

    Raises:
        ValueError: it is neither.
    """
    words = text.strip()
    return moment(words).date() if words.lower().startswith("today") else date.fromisoformat(words)


def load(text: str) -> Any:
    """JSON, or else YAML, as data. YAML's times, its yes and no, and its numbers of base 60 stay text, as in JSON.

    Raises:
        ValueError: it is neither.
    """
    import json

    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        refusal = error
    import yaml

    try:
        return yaml.load(text, _loader())
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        place = f" in line {where.line + 1}, column {where.column + 1}" if where is not None else ""
        problem = getattr(error, "problem", None) or refusal
        raise ValueError(f"{problem}{place}") from error


def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """The core schema of YAML 1.2."""

        yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    for tag, pattern, first in (
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
        ("float", r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
        ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
        ("merge", r"<<", ["<"]),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), first)
    return Loader


def load_file(path: str) -> Any:
    """The data in a JSON or YAML file.

    Raises:
        ValueError: it cannot be read, or is neither.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            return load(stream.read())
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text") from error
