"""Codecs of the scalar types: int, float, bool, str, datetime, date, timedelta and None.

Wire facts: flyteidl/core/literals.proto (`Primitive`). Conversions that lose something are refused, the others are made:
an int is a float, a whole float literal is an int, a NumPy scalar is what it holds; a bool is neither.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hardpoint.errors import TypeTransformerFailedError
from hardpoint.idl import Literal, SimpleType, boolean, simple
from hardpoint.types.codec import Codec, mismatch, wrong_literal
from hardpoint.types.transformer import CodecTransformer, plain_of

__all__ = ["SCALARS", "ScalarTransformer"]

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EXACT = 2**32
"""Seconds below which a double tells all microseconds apart; that way is the faster one."""


def _plain(kind: type) -> Callable[[Any], Any]:
    """Reader of plain data that must be of exactly this class."""

    def from_plain(data: Any) -> Any:
        if type(data) is not kind:
            raise mismatch(kind, data)
        return data

    return from_plain


# -- int -----------------------------------------------------------------------------------------------------------------


def _as_int(value: Any) -> int:
    """Integers of other libraries (NumPy's) as int; anything else is refused."""
    if isinstance(value, bool) or not hasattr(type(value), "__index__") or getattr(value, "shape", ()) != ():
        raise mismatch(int, value)
    return operator.index(value)


def fill_int(value: Any, literal: Literal) -> None:
    if type(value) is not int:
        value = _as_int(value)
    try:
        literal.scalar.primitive.integer = value
    except ValueError as error:
        raise mismatch(int, value, "it does not fit in 64 bits") from error


def read_int(literal: Literal) -> int:
    primitive = literal.scalar.primitive
    value: int = primitive.integer  # 0 where it is not set, so that only a zero needs the question
    if value or primitive.HasField("integer"):
        return value
    if primitive.HasField("float_value"):
        return _whole(primitive.float_value)
    return _int_from_plain(plain_of(literal, int))


def _whole(value: float) -> int:
    if not math.isfinite(value) or not value.is_integer():
        raise TypeTransformerFailedError(
            f"Expected value of type int but the literal holds {value!r}, which is not whole."
        )
    return int(value)


def _int_from_plain(data: Any) -> int:
    if type(data) is int:
        return data
    if type(data) is float:
        return _whole(data)
    raise mismatch(int, data)


# -- float ---------------------------------------------------------------------------------------------------------------


def _as_float(value: Any) -> float:
    """An int that a double holds exactly, or another library's floating number, as float."""
    cls = type(value)
    if isinstance(value, bool) or getattr(value, "shape", ()) != () or cls.__name__ in ("bool", "bool_"):
        raise mismatch(float, value)
    if hasattr(cls, "__index__"):
        try:
            number = float(operator.index(value))
        except OverflowError as error:
            raise mismatch(float, value, "it is too large") from error
        if int(number) != operator.index(value):
            raise mismatch(float, value, "a float would not hold it exactly")
        return number
    if isinstance(value, float) or (cls.__module__ == "numpy" and cls.__name__.startswith("float")):
        return float(value)
    raise mismatch(float, value)


def fill_float(value: Any, literal: Literal) -> None:
    if type(value) is not float:
        value = _as_float(value)
    literal.scalar.primitive.float_value = value


def read_float(literal: Literal) -> float:
    primitive = literal.scalar.primitive
    value: float = primitive.float_value
    if value or primitive.HasField("float_value"):
        return value
    if primitive.HasField("integer"):
        return float(primitive.integer)
    return _float_from_plain(plain_of(literal, float))


def _float_from_plain(data: Any) -> float:
    if type(data) is float:
        return data
    if type(data) is int:
        return _as_float(data)
    raise mismatch(float, data)


# -- bool, str -----------------------------------------------------------------------------------------------------------


# Parsing is twice as fast as filling, and there are but two values.
_TRUE, _FALSE = boolean(True).SerializeToString(), boolean(False).SerializeToString()


def fill_bool(value: Any, literal: Literal) -> None:
    if value is True:
        literal.MergeFromString(_TRUE)
    elif value is False:
        literal.MergeFromString(_FALSE)
    elif type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):
        literal.MergeFromString(_TRUE if value else _FALSE)
    else:
        raise mismatch(bool, value)


def read_bool(literal: Literal) -> bool:
    primitive = literal.scalar.primitive
    if primitive.HasField("boolean"):
        return primitive.boolean
    value: bool = _plain(bool)(plain_of(literal, bool))
    return value


def fill_str(value: Any, literal: Literal) -> None:
    if not isinstance(value, str):
        raise mismatch(str, value)
    try:
        literal.scalar.primitive.string_value = value if type(value) is str else str.__str__(value)
    except (UnicodeError, ValueError) as error:
        raise mismatch(str, value, "it holds a lone surrogate, which UTF-8 cannot carry") from error


def read_str(literal: Literal) -> str:
    primitive = literal.scalar.primitive
    value: str = primitive.string_value
    if value or primitive.HasField("string_value"):
        return value
    value = _plain(str)(plain_of(literal, str))
    return value


# -- time ----------------------------------------------------------------------------------------------------------------


def _aware(value: datetime) -> datetime:
    """A naive time is taken as UTC, as everywhere on the wire."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def fill_datetime(value: Any, literal: Literal) -> None:
    if not isinstance(value, datetime):
        raise mismatch(datetime, value)
    micros = (_aware(value) - _EPOCH) // _MICROSECOND
    stamp = literal.scalar.primitive.datetime
    stamp.SetInParent()
    stamp.seconds, stamp.nanos = micros // 1_000_000, micros % 1_000_000 * 1000


def read_datetime(literal: Literal) -> datetime:
    primitive = literal.scalar.primitive
    stamp = primitive.datetime
    seconds, nanos = stamp.seconds, stamp.nanos
    if not (seconds or nanos or primitive.HasField("datetime")):  # both 0 also where it is not set
        return _datetime_from_plain(plain_of(literal, datetime))
    if 0 <= seconds < _EXACT:
        return datetime.fromtimestamp(seconds + nanos // 1000 * 1e-6, UTC)
    try:
        return _EPOCH + timedelta(0, seconds, nanos // 1000)
    except OverflowError as error:
        raise wrong_literal(
            datetime, literal, f"{seconds} seconds since 1970 is outside of the years 1 to 9999"
        ) from error


def _datetime_from_plain(data: Any) -> datetime:
    if type(data) is str:
        try:
            return _aware(datetime.fromisoformat(data))
        except ValueError as error:
            raise mismatch(datetime, data, str(error)) from error
    if isinstance(data, datetime):
        return _aware(data)
    raise mismatch(datetime, data)


def fill_date(value: Any, literal: Literal) -> None:
    if not isinstance(value, date):
        raise mismatch(date, value)
    if isinstance(value, datetime):
        raise mismatch(date, value, "its time of day would be lost; give value.date()")
    stamp = literal.scalar.primitive.datetime
    stamp.SetInParent()
    stamp.seconds = (value.toordinal() - _EPOCH.toordinal()) * 86_400


def read_date(literal: Literal) -> date:
    if literal.scalar.primitive.HasField("datetime"):
        return read_datetime(literal).date()
    return _date_from_plain(plain_of(literal, date))


def _date_from_plain(data: Any) -> date:
    if type(data) is str:
        try:
            return datetime.fromisoformat(data).date()
        except ValueError as error:
            raise mismatch(date, data, str(error)) from error
    raise mismatch(date, data)


def fill_timedelta(value: Any, literal: Literal) -> None:
    if not isinstance(value, timedelta):
        raise mismatch(timedelta, value)
    micros = value // _MICROSECOND
    span = literal.scalar.primitive.duration
    span.SetInParent()
    # Seconds and nanoseconds of a Duration bear the same sign.
    sign = -1 if micros < 0 else 1
    seconds, rest = divmod(abs(micros), 1_000_000)
    span.seconds, span.nanos = sign * seconds, sign * rest * 1000


def read_timedelta(literal: Literal) -> timedelta:
    primitive = literal.scalar.primitive
    if primitive.HasField("duration"):
        span = primitive.duration
        try:
            return timedelta(seconds=span.seconds, microseconds=int(span.nanos / 1000))
        except OverflowError as error:
            raise wrong_literal(timedelta, literal, str(error)) from error
    return _timedelta_from_plain(plain_of(literal, timedelta))


def _timedelta_from_plain(data: Any) -> timedelta:
    if type(data) not in (int, float):
        raise mismatch(timedelta, data)
    try:
        return timedelta(seconds=data)
    except (OverflowError, ValueError) as error:
        raise mismatch(timedelta, data, str(error)) from error


# -- None ----------------------------------------------------------------------------------------------------------------


def fill_none(value: Any, literal: Literal) -> None:
    if value is not None:
        raise mismatch(None, value)
    literal.scalar.none_type.SetInParent()


def read_none(literal: Literal) -> None:
    scalar = literal.scalar
    if not scalar.HasField("none_type") and plain_of(literal, None) is not None:
        raise wrong_literal(None, literal)


def _none_from_plain(data: Any) -> None:
    if data is not None:
        raise mismatch(None, data)


class _ScalarCodec(Codec):
    """A codec that is met when the messages have been loaded, and so need not be looked up for each value."""

    __slots__ = ()

    def encode(self, value: Any) -> Literal:
        literal = Literal()
        self.fill(value, literal)
        return literal


class ScalarTransformer(CodecTransformer[Any]):
    """One of the scalar types, with its codec made beforehand."""

    def __init__(self, name: str, t: type, codec: Codec) -> None:
        super().__init__(name, t)
        self._codec = codec
        codec.transformer = self

    def compile(self, t: Any) -> Codec:
        return self._codec

    def to_plain(self, value: Any, t: Any) -> Any:
        return self._codec.to_plain(value)

    def from_plain(self, data: Any, t: Any) -> Any:
        return self._codec.from_plain(data)


def _scalar(
    name: str,
    t: Any,
    kind: SimpleType,
    fill: Callable[[Any, Literal], None],
    read: Callable[[Literal], Any],
    from_plain: Callable[[Any], Any],
    schema: dict[str, Any],
    accepts: Callable[[Any], bool],
    to_plain: Callable[[Any], Any] | None = None,
) -> ScalarTransformer:
    codec = _ScalarCodec(
        python_type=t,
        name=name,
        literal_type=simple(kind),
        fill=fill,
        read=read,
        accepts=accepts,
        to_plain=to_plain or _checked(t, fill),
        from_plain=from_plain,
        schema=lambda: dict(schema),
        strict=True,
        transparent=to_plain is None,
    )
    return ScalarTransformer(name, t, codec)


def _checked(t: Any, fill: Callable[[Any, Literal], None]) -> Callable[[Any], Any]:
    """The plain form of a type that is its own: the value, unless it is not of the class, in which case `fill` says why."""
    field = {int: "integer", float: "float_value", bool: "boolean", str: "string_value"}.get(t)

    def to_plain(value: Any) -> Any:
        if type(value) is t:
            return value
        literal = Literal()
        fill(value, literal)
        return getattr(literal.scalar.primitive, field) if field else None

    return to_plain


def _is_integer(value: Any) -> bool:
    if isinstance(value, bool) or not (isinstance(value, int) or _numpy_kind(value) == "int"):
        return False
    return bool(_INT_MIN <= value <= _INT_MAX)


def _is_floating(value: Any) -> bool:
    if isinstance(value, float) or _numpy_kind(value) == "float":
        return True
    return _is_integer(value) and int(float(value)) == int(value)


def _numpy_kind(value: Any) -> str:
    cls = type(value)
    return cls.__name__.lstrip("u").rstrip("0123456789_") if cls.__module__ == "numpy" else ""


def _iso(value: datetime) -> str:
    if not isinstance(value, datetime):
        raise mismatch(datetime, value)
    return value.isoformat()


def _iso_date(value: date) -> str:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise mismatch(date, value)
    return value.isoformat()


def _seconds(value: timedelta) -> float:
    if not isinstance(value, timedelta):
        raise mismatch(timedelta, value)
    return value.total_seconds()


SCALARS: tuple[ScalarTransformer, ...] = (
    _scalar("int", int, SimpleType.INTEGER, fill_int, read_int, _int_from_plain, {"type": "integer"}, _is_integer),
    _scalar(
        "float", float, SimpleType.FLOAT, fill_float, read_float, _float_from_plain, {"type": "number"}, _is_floating
    ),
    _scalar(
        "bool",
        bool,
        SimpleType.BOOLEAN,
        fill_bool,
        read_bool,
        _plain(bool),
        {"type": "boolean"},
        lambda v: type(v) is bool or _numpy_kind(v) == "bool",
    ),
    _scalar(
        "str", str, SimpleType.STRING, fill_str, read_str, _plain(str), {"type": "string"}, lambda v: isinstance(v, str)
    ),
    _scalar(
        "datetime",
        datetime,
        SimpleType.DATETIME,
        fill_datetime,
        read_datetime,
        _datetime_from_plain,
        {"type": "string", "format": "date-time"},
        lambda v: isinstance(v, datetime),
        _iso,
    ),
    _scalar(
        "date",
        date,
        SimpleType.DATETIME,
        fill_date,
        read_date,
        _date_from_plain,
        {"type": "string", "format": "date"},
        lambda v: isinstance(v, date) and not isinstance(v, datetime),
        _iso_date,
    ),
    _scalar(
        "timedelta",
        timedelta,
        SimpleType.DURATION,
        fill_timedelta,
        read_timedelta,
        _timedelta_from_plain,
        {"type": "number", "format": "time-delta"},
        lambda v: isinstance(v, timedelta),
        _seconds,
    ),
    _scalar(
        "none",
        type(None),
        SimpleType.NONE,
        fill_none,
        read_none,
        _none_from_plain,
        {"type": "null"},
        lambda v: v is None,
    ),
)
