"""Values as the text that BigQuery's REST API takes for a type.

https://cloud.google.com/bigquery/docs/reference/standard-sql/conversion_rules
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from hardpoint.errors import TypeTransformerFailedError

__all__ = ["ParameterError", "text_of"]


class ParameterError(TypeTransformerFailedError):
    """A value does not fit the type of its query parameter."""


def text_of(kind: str, value: Any) -> str:
    """A scalar as text.

    Args:
        kind: BigQuery's type.
        value: Of Python, or text that came in its stead.

    Raises:
        ParameterError: it does not fit the type.
    """
    write = _WRITERS.get(kind)
    if write is None:
        return str(value)  # a type that is newer than this table
    try:
        return write(value)
    except (ValueError, TypeError, InvalidOperation, OverflowError, binascii.Error) as error:
        # The value itself may be private.
        raise ParameterError(
            f"a {type(value).__name__} does not fit the parameter type {kind}: {error or 'refused'}"
        ) from None


def _json(data: Any) -> str:
    return json.dumps(data, default=_plain, allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def _int(value: Any) -> str:
    if isinstance(value, bool) or int(value) != value:
        raise ValueError("it is no whole number")
    if not -(2**63) <= int(value) < 2**63:
        raise ValueError("it does not fit in 64 bits")
    return str(int(value))


def _float(value: Any) -> str:
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return repr(number)


def _bool(value: Any) -> str:
    if not isinstance(value, bool):
        raise ValueError("it is neither true nor false")
    return str(value).lower()


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("it is no text")
    return value


def _bytes(value: Any) -> str:
    data = value if isinstance(value, bytes) else base64.b64decode(value, validate=True)
    return base64.b64encode(data).decode()


def _moment(value: Any) -> datetime.datetime:
    if isinstance(value, str):
        return datetime.datetime.fromisoformat(value)
    if not isinstance(value, datetime.datetime):
        raise ValueError("it is no time")
    return value


def _date(value: Any) -> str:
    return _moment(value).date().isoformat()


def _datetime(value: Any) -> str:
    return _moment(value).replace(tzinfo=None).isoformat()


def _timestamp(value: Any) -> str:
    moment = _moment(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.astimezone(datetime.UTC).isoformat(" ")


def _time(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        value = value.time()
    clock = value if isinstance(value, datetime.time) else datetime.time.fromisoformat(value)
    if clock.tzinfo is not None:
        raise ValueError("a TIME has no time zone")
    return clock.isoformat()


def _decimal(whole: int, fraction: int) -> Callable[[Any], str]:
    def write(value: Any) -> str:
        number = Decimal(repr(value) if isinstance(value, float) else value)
        exponent = number.normalize().as_tuple().exponent
        if not isinstance(exponent, int):
            raise ValueError("it is no number")
        if -exponent > fraction or number.adjusted() >= whole:
            raise ValueError(
                f"it has more than {whole} digits before the point or {fraction} after it; "
                "a parameter of the input's name in the QueryJobConfig can declare it as BIGNUMERIC"
            )
        return f"{number:f}"

    return write


def _interval(value: Any) -> str:
    if isinstance(value, str):
        value = msgspec.convert(value, datetime.timedelta)
    if not isinstance(value, datetime.timedelta):
        raise ValueError("it is no duration")
    sign = "-" if value < datetime.timedelta() else ""
    span = abs(value)
    hours, rest = divmod(span.seconds, 3600)
    fraction = f".{span.microseconds:06d}" if span.microseconds else ""
    return f"0-0 {sign if span.days else ''}{span.days} {sign}{hours}:{rest // 60}:{rest % 60}{fraction}"


_WRITERS: dict[str, Callable[[Any], str]] = {
    "BIGNUMERIC": _decimal(38, 38),
    "BOOL": _bool,
    "BYTES": _bytes,
    "DATE": _date,
    "DATETIME": _datetime,
    "FLOAT64": _float,
    "INT64": _int,
    "INTERVAL": _interval,
    "JSON": _json,
    "NUMERIC": _decimal(29, 9),
    "STRING": _string,
    "TIME": _time,
    "TIMESTAMP": _timestamp,
}
