"""`TypeTransformer`: the public contract by which a data type joins in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args, get_origin

import msgspec

from hardpoint import idl
from hardpoint.context import FlyteContext, FlyteContextManager
from hardpoint.errors import HardpointError, TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralType
from hardpoint.types.codec import Codec, describe_type, mismatch, wrong_literal

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = [
    "AsyncTypeTransformer",
    "CodecTransformer",
    "SimpleTransformer",
    "TypeTransformer",
    "message_of",
    "plain_of",
    "unannotated",
]

T = TypeVar("T")


def unannotated(t: Any) -> Any:
    """The type without `Annotated`."""
    while hasattr(t, "__metadata__"):
        t = get_args(t)[0]
    return t


def runtime_class(t: Any) -> Any:
    """The class to test values against."""
    base = unannotated(t)
    return get_origin(base) or base


def message_of(value: Any) -> Any:
    """The message behind an object of `hardpoint.models`, as code makes it that was written for Flytekit; others as they are."""
    # A message is looked at by its class, since it takes its time to say that it has no such attribute.
    return value.to_flyte_idl() if hasattr(type(value), "to_flyte_idl") else value


def plain_of(literal: Literal, expected: Any) -> Any:
    """The plain data of a literal that a promise's attribute access produced.

    Raises:
        TypeTransformerFailedError: it holds neither MessagePack nor a `Struct`, or broken MessagePack.
    """
    scalar = literal.scalar
    if scalar.HasField("binary"):
        if scalar.binary.tag != idl.MSGPACK:
            raise wrong_literal(expected, literal, f"unsupported binary format {scalar.binary.tag!r}")
        try:
            return msgspec.msgpack.decode(scalar.binary.value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise wrong_literal(expected, literal, f"its MessagePack is broken ({error})") from error
    if scalar.HasField("generic"):
        return idl.native(scalar.generic)
    raise wrong_literal(expected, literal)


class TypeTransformer(Generic[T]):
    """Carries values of one Python type to literals and back.

    Subclasses write `get_literal_type`, `to_literal` and `to_python_value`. The engine compiles them to a `Codec` once
    a type.

    Args:
        name: Its name; it is the tag of a union's variant on the wire.
        t: The Python class.
        enable_type_assertions: Whether values are checked against `t` before they are converted.
    """

    is_async: ClassVar[bool] = False
    io: ClassVar[bool] = True
    """Whether conversions may move data; False lets them run without a thread."""

    def __init__(self, name: str, t: type[T], enable_type_assertions: bool = True) -> None:
        self._name, self._t, self._assertions = name, t, enable_type_assertions

    @property
    def name(self) -> str:
        return self._name

    @property
    def python_type(self) -> type[T]:
        return self._t

    @property
    def type_assertions_enabled(self) -> bool:
        return self._assertions

    def get_literal_type(self, t: type[T]) -> LiteralType:
        """The literal type of `t`."""
        raise NotImplementedError

    def to_literal(self, ctx: FlyteContext, python_val: T, python_type: type[T], expected: LiteralType) -> Literal:
        """The value as a literal."""
        raise NotImplementedError

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: type[T]) -> T:
        """The value of a literal."""
        raise NotImplementedError

    def guess_python_type(self, literal_type: LiteralType) -> type[T]:
        """The Python type for a literal type; ValueError where it is not one of this transformer's."""
        raise ValueError(f"{self.name} cannot be guessed from a literal type")

    def assert_type(self, t: Any, v: T) -> None:
        """Raise `TypeTransformerFailedError` unless `v` is a `t`."""
        cls = runtime_class(t)
        if isinstance(cls, type) and not isinstance(v, cls):
            raise mismatch(t, v)

    def to_html(self, ctx: FlyteContext, python_val: T, expected_python_type: type[T]) -> str:
        """The value for a deck. The default is its text, escaped."""
        import html

        return html.escape(str(python_val))

    def from_binary_idl(self, binary: Any, expected_python_type: type[T]) -> T:
        """The value of MessagePack bytes, which attribute access on a promise produces."""
        literal = Literal()
        literal.scalar.binary.CopyFrom(binary)
        value: T = self.compile(expected_python_type).from_plain(plain_of(literal, expected_python_type))
        return value

    def from_generic_idl(self, generic: Any, expected_python_type: type[T]) -> T:
        """The value of a `Struct`, as older releases wrote it."""
        value: T = self.compile(expected_python_type).from_plain(idl.native(generic))
        return value

    def schema_match(self, schema: dict[str, Any]) -> bool:
        """Whether a JSON schema, met while a dataclass is guessed, stands for this type."""
        return False

    # -- the plain form, for fields of dataclasses ---------------------------------------------------------------------

    def to_plain(self, value: T, t: Any) -> Any:
        """The value as MessagePack-able data, so that it may be a dataclass's field."""
        raise TypeTransformerFailedError(f"{describe_type(t)} ({self.name}) cannot be a field of a dataclass.")

    def from_plain(self, data: Any, t: Any) -> T:
        """The reverse of `to_plain`."""
        raise TypeTransformerFailedError(
            f"{describe_type(t)} ({self.name}) cannot be read from {type(data).__name__} data."
        )

    def plain_schema(self, t: Any) -> dict[str, Any]:
        """The JSON schema of the plain form."""
        raise TypeTransformerFailedError(f"{describe_type(t)} ({self.name}) cannot be a field of a dataclass.")

    def compile(self, t: Any) -> Codec:
        """The codec for `t`; called once a type."""
        literal_type = message_of(self.get_literal_type(t))
        cls = runtime_class(t)
        check = self.assert_type if self._assertions else None
        current = FlyteContextManager.current_context

        def fill(value: Any, literal: Literal) -> None:
            if check is not None:
                check(t, value)
            try:
                made = self.to_literal(current(), value, t, literal_type)
            except HardpointError:
                raise
            except (TypeError, ValueError, AssertionError) as error:
                raise TypeTransformerFailedError(
                    f"{self.name} could not convert a value of {describe_type(t)}: {error}"
                ) from error
            literal.CopyFrom(message_of(made))

        def read(literal: Literal) -> Any:
            try:
                return self.to_python_value(current(), literal, t)
            except HardpointError:
                raise
            except (TypeError, ValueError, AssertionError, AttributeError) as error:
                raise TypeTransformerFailedError(f"{self.name} could not read {describe_type(t)}: {error}") from error

        return Codec(
            python_type=t,
            name=self.name,
            literal_type=literal_type,
            fill=fill,
            read=read,
            accepts=lambda value: isinstance(value, cls) if isinstance(cls, type) else False,
            to_plain=lambda value: self.to_plain(value, t),
            from_plain=lambda data: self.from_plain(data, t),
            schema=lambda: self.plain_schema(t),
            io=self.io,
            transformer=self,
        )


class _Loop:
    """One event loop in a thread of its own, for asynchronous transformers that are called from plain code."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: AbstractEventLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        import asyncio  # a quarter of the time that importing a module with one task takes, and few need it

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="hardpoint-types", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


_loop = _Loop()


class AsyncTypeTransformer(TypeTransformer[T]):
    """A transformer whose conversions are coroutines; the engine runs them on a loop of its own."""

    is_async: ClassVar[bool] = True

    async def async_to_literal(
        self, ctx: FlyteContext, python_val: T, python_type: type[T], expected: LiteralType
    ) -> Literal:
        raise NotImplementedError

    async def async_to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: type[T]) -> T:
        raise NotImplementedError

    def to_literal(self, ctx: FlyteContext, python_val: T, python_type: type[T], expected: LiteralType) -> Literal:
        return _loop.run(self.async_to_literal(ctx, python_val, python_type, expected))

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: type[T]) -> T:
        return _loop.run(self.async_to_python_value(ctx, lv, expected_python_type))


class CodecTransformer(TypeTransformer[T]):
    """A built-in transformer that writes `compile` itself; the other methods follow from it."""

    io: ClassVar[bool] = False

    def compile(self, t: Any) -> Codec:
        raise NotImplementedError

    def get_literal_type(self, t: type[T]) -> LiteralType:
        return self.compile(t).literal_type

    def to_literal(self, ctx: FlyteContext, python_val: T, python_type: type[T], expected: LiteralType) -> Literal:
        return self.compile(python_type).encode(python_val)

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: type[T]) -> T:
        value: T = self.compile(expected_python_type).decode(lv)
        return value


class SimpleTransformer(TypeTransformer[T]):
    """A transformer made of two functions; values must be of exactly the class `t`.

    Args:
        name: Its name.
        t: The Python class.
        lt: The literal type.
        to_literal_transformer: Value to literal.
        from_literal_transformer: Literal to value.
    """

    io: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        t: type[T],
        lt: LiteralType,
        to_literal_transformer: Callable[[T], Literal],
        from_literal_transformer: Callable[[Literal], T],
    ) -> None:
        super().__init__(name, t)
        self._lt, self._to, self._from = lt, to_literal_transformer, from_literal_transformer

    def get_literal_type(self, t: type[T] | None = None) -> LiteralType:
        return self._lt

    def to_literal(self, ctx: FlyteContext, python_val: T, python_type: type[T], expected: LiteralType) -> Literal:
        if type(python_val) is not self._t:
            raise mismatch(self._t, python_val)
        return self._to(python_val)

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: type[T]) -> T:
        value = self._from(lv)
        if type(value) is not self._t:
            raise wrong_literal(self._t, lv)
        return value

    def guess_python_type(self, literal_type: LiteralType) -> type[T]:
        if literal_type.WhichOneof("type") == self._lt.WhichOneof("type") and literal_type.simple == self._lt.simple:
            return self._t
        raise ValueError(f"{self.name} does not stand for this literal type")
