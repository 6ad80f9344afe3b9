"""What a Python type is compiled to: its literal type, and the functions that carry values across.

A type is compiled once and run many times. A codec composes from the codecs of its parts, so that ``list[int]`` is one
loop over one closure; nothing is looked up per value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hardpoint import idl
from hardpoint.context import FlyteContextManager
from hardpoint.errors import TypeTransformerFailedError

if TYPE_CHECKING:
    from hardpoint.idl import Literal, LiteralType
    from hardpoint.types.transformer import TypeTransformer

__all__ = ["Codec", "describe_type", "describe_value", "fetched", "mismatch", "wrong_literal"]


@dataclass(slots=True, eq=False)
class Codec:
    """How values of one Python type travel.

    Attributes:
        python_type: The type as the user wrote it, with `Annotated` extras.
        name: The transformer's name; it is the tag of a union's variant on the wire.
        literal_type: Do not change it; copy it.
        fill: Write a value into an empty `Literal`.
        read: Make a value from a `Literal`.
        accepts: Whether a value belongs to the type, judged without converting it; how a union picks its variant.
        to_plain: The value as MessagePack-able data (None, bool, int, float, str, bytes, list, dict), for fields of
            dataclasses.
        from_plain: The reverse; also how a value is read that a promise's attribute access has taken out of a larger
            one.
        schema: The JSON schema of the plain form.
        io: Whether `fill` or `read` may move data. Such codecs run in a thread, and containers run them side by side.
        strict: Whether `read` refuses a literal that holds nothing itself, so that an offloaded one is noticed only then.
        transparent: Whether `msgspec` itself carries the type to and from MessagePack, in the form that `to_plain` has.
        transformer: The transformer that it was compiled from.
    """

    python_type: Any
    name: str
    literal_type: LiteralType
    fill: Callable[[Any, Literal], None]
    read: Callable[[Literal], Any]
    accepts: Callable[[Any], bool]
    to_plain: Callable[[Any], Any]
    from_plain: Callable[[Any], Any]
    schema: Callable[[], dict[str, Any]]
    io: bool = False
    strict: bool = False
    transparent: bool = False
    transformer: TypeTransformer[Any] | None = None

    def encode(self, value: Any) -> Literal:
        """The value as a new `Literal`.

        Raises:
            TypeTransformerFailedError: the value does not fit the type.
        """
        literal = idl.Literal()
        self.fill(value, literal)
        return literal

    def decode(self, literal: Literal) -> Any:
        """The value of a `Literal`.

        Raises:
            TypeTransformerFailedError: the literal is not one of this type.
        """
        if self.strict:
            try:
                return self.read(literal)
            except TypeTransformerFailedError:
                if not literal.HasField("offloaded_metadata"):
                    raise
        return self.read(fetched(literal) if literal.HasField("offloaded_metadata") else literal)


def fetched(literal: Literal) -> Literal:
    """The literal that was too large for its message and stands in a file of its own.

    Wire facts: flyteidl/core/literals.proto, `LiteralOffloadedMetadata`.

    Raises:
        TypeTransformerFailedError: the file holds no literal.
    """
    from google.protobuf.message import DecodeError

    uri = literal.offloaded_metadata.uri
    try:
        with FlyteContextManager.current_context().file_access.open(uri, "rb") as stream:
            return idl.Literal.FromString(stream.read())
    except (DecodeError, ValueError, FileNotFoundError, IsADirectoryError) as error:  # other trouble may pass by itself
        raise TypeTransformerFailedError(f"{uri!r} should hold an offloaded literal, but does not: {error}") from error


def describe_type(t: Any) -> str:
    """A type as a user would write it."""
    if isinstance(t, type) and not hasattr(t, "__args__"):
        return t.__qualname__ if t.__module__ == "builtins" else f"{t.__module__}.{t.__qualname__}"
    return str(t).replace("typing.", "")


def describe_value(value: Any, limit: int = 120) -> str:
    """A value in short, with its type; never fails."""
    try:
        text = repr(value)
    except Exception as error:  # a user's __repr__ may do anything
        text = f"<{type(value).__qualname__}: its repr raised {type(error).__name__}>"
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"


def mismatch(expected: Any, value: Any, detail: str = "") -> TypeTransformerFailedError:
    """The error for a Python value that is not of the declared type."""
    tail = f": {detail}" if detail else ""
    return TypeTransformerFailedError(
        f"Expected value of type {describe_type(expected)} but got {describe_value(value)} of type "
        f"{describe_type(type(value))}{tail}",
        expected=expected,
        value_type=type(value),
    )


def kind_of(literal: Literal) -> str:
    """What a literal holds, as a path of its fields, such as ``scalar.primitive.integer``."""
    parts: list[str] = []
    message: Any = literal
    for oneof in ("value", "value", "value"):
        try:
            kind = message.WhichOneof(oneof)
        except ValueError:
            break
        if kind is None:
            break
        parts.append(kind)
        message = getattr(message, kind)
        if not hasattr(message, "WhichOneof"):
            break
    return ".".join(parts) or "nothing"


def wrong_literal(expected: Any, literal: Literal, detail: str = "") -> TypeTransformerFailedError:
    """The error for a literal that does not hold a value of the type."""
    tail = f": {detail}" if detail else ""
    return TypeTransformerFailedError(
        f"Cannot convert a literal that holds {kind_of(literal)} to {describe_type(expected)}{tail}", expected=expected
    )
