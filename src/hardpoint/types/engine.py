"""`TypeEngine`: finds the transformer of a Python type, compiles the type once and keeps its codec."""

from __future__ import annotations

import enum
import inspect
import threading
import types
import typing
from collections.abc import Callable, Coroutine, Iterable, KeysView, Mapping
from typing import Any, get_args, get_origin

from hardpoint._lazy import Ref
from hardpoint.context import FlyteContext
from hardpoint.errors import FlyteValidationException, RestrictedTypeError, TypeTransformerFailedError
from hardpoint.idl import Literal, LiteralMap, LiteralType
from hardpoint.integration import catalogue, public_path
from hardpoint.types import builtin
from hardpoint.types.annotations import annotate
from hardpoint.types.codec import Codec, describe_type
from hardpoint.types.scalars import SCALARS
from hardpoint.types.transformer import TypeTransformer, message_of, unannotated

__all__ = ["TypeEngine"]

R = typing.TypeVar("R")

_CACHE_LIMIT = 10_000


def _structure(t: Any) -> Any:
    """A key that tells types apart which compare equal: the order of a union's members is part of the wire format."""
    args = get_args(t)
    if not args:
        return t
    extras: tuple[Any, ...] = getattr(t, "__metadata__", ())
    return (get_origin(t), tuple(_structure(a) for a in args), tuple(id(e) for e in extras))


class TypeEngine:
    """Finds, compiles and keeps codecs. All methods are class methods; the state is the process's."""

    _lock = threading.RLock()
    _by_id: typing.ClassVar[dict[int, tuple[Any, Codec]]] = {}
    _by_structure: typing.ClassVar[dict[Any, tuple[Any, Codec]]] = {}
    _registered: typing.ClassVar[dict[Any, TypeTransformer[Any]]] = {s.python_type: s for s in SCALARS}
    _restricted: typing.ClassVar[dict[Any, str]] = {
        tuple: "a tuple has no literal type; use a NamedTuple for several outputs, or a list or a dataclass for one value"
    }
    _compiling = threading.local()

    # -- registration --------------------------------------------------------------------------------------------------

    @classmethod
    def register(cls, transformer: TypeTransformer[Any], additional_types: Iterable[type] | None = None) -> None:
        """Add a transformer for its `python_type`, and for further types.

        Raises:
            ValueError: one of the types has a transformer already.
        """
        for t in (transformer.python_type, *(additional_types or ())):
            known = cls._registered.get(t)
            if known is not None:
                raise FlyteTypeRegistered(known, transformer, t)
        for t in (transformer.python_type, *(additional_types or ())):
            cls._set(t, transformer)

    @classmethod
    def register_additional_type(
        cls, transformer: TypeTransformer[Any], additional_type: Any, override: bool = False
    ) -> None:
        """Let a transformer also serve `additional_type`; without `override` an existing one stays."""
        if override or additional_type not in cls._registered:
            cls._set(additional_type, transformer)

    @classmethod
    def register_restricted_type(cls, name: str, type_: Any) -> None:
        """Refuse a type wherever it is met; `name` says why."""
        cls._restricted[type_] = name

    @classmethod
    def _set(cls, t: Any, transformer: TypeTransformer[Any]) -> None:
        with cls._lock:
            cls._registered[t] = transformer
            cls._by_id.clear()
            cls._by_structure.clear()

    @classmethod
    def get_available_transformers(cls) -> KeysView[Any]:
        """The types for which a transformer is registered; further ones are found by their names when they are met."""
        return cls._registered.keys()

    # -- look-up -------------------------------------------------------------------------------------------------------

    @classmethod
    def codec(cls, t: Any) -> Codec:
        """The codec of a type, compiled when it is first asked for.

        Raises:
            TypeTransformerFailedError: nothing can carry the type; the message says what could.
            MissingDependencyError: an integration could carry it, but its library is missing.
        """
        known = cls._by_id.get(id(t))
        if known is not None and known[0] is t:
            return known[1]
        return cls._compile(t)

    @classmethod
    def _compile(cls, t: Any) -> Codec:
        with cls._lock:
            key: Any = None
            try:
                key = _structure(t)
                found = cls._by_structure.get(key)
            except TypeError:  # an extra of Annotated that cannot be hashed: the object itself is the key
                key, found = None, None
            if found is None:
                found = (t, cls._build(t))
                if key is not None:
                    if len(cls._by_structure) > _CACHE_LIMIT:
                        cls._by_structure.clear()
                    cls._by_structure[key] = found
            if len(cls._by_id) > _CACHE_LIMIT:
                cls._by_id.clear()
            cls._by_id[id(t)] = (t, found[1])
            return found[1]

    @classmethod
    def _build(cls, t: Any) -> Codec:
        stack: list[Any] = cls._compiling.__dict__.setdefault("stack", [])
        if any(other is t for other in stack):
            raise RestrictedTypeError(
                f"{describe_type(t)} contains itself, and a literal type cannot express that.",
                remedy="Break the circle with a dict, or annotate the field with a JSON-like type.",
            )
        stack.append(t)
        try:
            codec = cls.get_transformer(t).compile(t)
            return annotate(codec, t) if hasattr(t, "__metadata__") else codec
        finally:
            stack.pop()

    @classmethod
    def get_transformer(cls, t: Any) -> TypeTransformer[Any]:
        """The transformer that serves a type."""
        for extra in getattr(t, "__metadata__", ()):
            if isinstance(extra, TypeTransformer):
                return extra
        base = unannotated(t)
        while isinstance(base, typing.NewType):
            base = unannotated(base.__supertype__)
        if base is None:
            base = type(None)
        for candidate in cls._candidates(base):
            if candidate is not None:
                return candidate
        return builtin.load(builtin.PICKLE)

    @classmethod
    def _candidates(cls, base: Any) -> Iterable[TypeTransformer[Any] | None]:
        """The look-ups in their order; the first that finds something decides."""
        registered = cls._registered
        origin = get_origin(base)
        if isinstance(base, enum.EnumType):
            yield builtin.load(builtin.ENUM)
        if origin is typing.Literal:
            yield builtin.load(builtin.LITERAL)
        if origin is typing.Union or origin is types.UnionType:
            yield builtin.load(builtin.UNION)
        try:
            yield registered.get(base)
        except TypeError:
            pass  # not hashable, so nobody can have registered it
        special = builtin.FORMS.get(_name_of(base))
        if special is not None:
            yield builtin.load(special)
        if origin is not None:
            yield registered.get(origin)
        klass = origin if isinstance(origin, type) else base
        if typing.is_typeddict(klass):
            raise RestrictedTypeError(
                f"Transformer for type {describe_type(klass)} is restricted currently: no value says that it is one.",
                remedy="Use a dataclass, or dict.",
                type=klass,
            )
        if isinstance(klass, type):
            cls._refuse(klass)
            for ancestor in klass.__mro__:
                yield registered.get(ancestor)
                yield cls._by_path(ancestor)
            if "__dataclass_fields__" in vars(klass) or hasattr(klass, "__dataclass_fields__"):
                yield builtin.load(builtin.DATACLASS)
        elif isinstance(base, typing.TypeVar):
            raise RestrictedTypeError(
                f"The type variable {base} stands for no type in particular.", remedy="Write the type that is meant."
            )
        elif isinstance(base, str | typing.ForwardRef):
            raise RestrictedTypeError(
                f"The annotation {getattr(base, '__forward_arg__', base)!r} could not be resolved to a type.",
                remedy="Import the name at the module's top level, not only under TYPE_CHECKING.",
            )

    @classmethod
    def _refuse(cls, klass: type) -> None:
        for restricted, why in cls._restricted.items():
            if isinstance(restricted, type) and issubclass(klass, restricted):
                raise RestrictedTypeError(
                    f"Transformer for type {describe_type(klass)} is restricted currently: {why}.", type=klass
                )

    @classmethod
    def _by_path(cls, klass: type) -> TypeTransformer[Any] | None:
        """A transformer that a table or a manifest gives by the class's public path."""
        if klass is object:
            return None
        for path in public_path(klass):
            ref = builtin.TYPES.get(path)
            if ref is not None:
                return builtin.load(ref)
            if klass.__module__ == "builtins":
                return None
            owner = catalogue.find("types", path)
            if owner is not None:
                integration, target = owner
                made = integration.load(target)
                return made() if isinstance(made, type) else made  # type: ignore[no-any-return]
            if path in builtin.DATASETS or catalogue.find("datasets", path) is not None:
                return builtin.load(builtin.STRUCTURED)
        return None

    # -- conversions ---------------------------------------------------------------------------------------------------

    @classmethod
    def to_literal_type(cls, python_type: Any) -> LiteralType:
        """A copy of the literal type of a Python type."""
        literal_type = LiteralType()
        literal_type.CopyFrom(cls.codec(python_type).literal_type)
        return literal_type

    @classmethod
    def to_literal(
        cls, ctx: FlyteContext | None, python_val: Any, python_type: Any, expected: LiteralType | None = None
    ) -> Literal:
        """The value as a literal of the type."""
        return cls.codec(python_type).encode(python_val)

    @classmethod
    def to_python_value(cls, ctx: FlyteContext | None, lv: Literal, expected_python_type: Any) -> Any:
        """The value of a literal, as the type asks."""
        return cls.codec(expected_python_type).decode(lv if type(lv) is Literal else message_of(lv))

    @classmethod
    async def async_to_literal(
        cls, ctx: FlyteContext | None, python_val: Any, python_type: Any, expected: LiteralType | None = None
    ) -> Literal:
        """As `to_literal`; in a thread where that may move data."""
        if cls.codec(python_type).io:
            return await _in_thread(cls.to_literal, ctx, python_val, python_type, expected)
        return cls.to_literal(ctx, python_val, python_type, expected)

    @classmethod
    async def async_to_python_value(cls, ctx: FlyteContext | None, lv: Literal, expected_python_type: Any) -> Any:
        """As `to_python_value`; in a thread where that may move data."""
        if cls.codec(expected_python_type).io:
            return await _in_thread(cls.to_python_value, ctx, lv, expected_python_type)
        return cls.to_python_value(ctx, lv, expected_python_type)

    @classmethod
    def to_html(cls, ctx: FlyteContext | None, python_val: Any, expected_python_type: Any) -> str:
        """The value for a deck."""
        html: str = Ref("hardpoint.deck:render").load()(python_val, expected_python_type)
        return html

    @classmethod
    def dict_to_literal_map(
        cls, ctx: FlyteContext | None, d: Mapping[str, Any], type_hints: Mapping[str, Any] | None = None
    ) -> LiteralMap:
        """Named values as a `LiteralMap`; where no hint is given, by the value's own type. Literals stay as they are."""
        result = LiteralMap()
        hints = type_hints or {}
        for name, value in d.items():
            made = message_of(value)
            if isinstance(made, Literal):
                result.literals[name].CopyFrom(made)
                continue
            try:
                cls.codec(hints[name] if name in hints else cls.type_of(value)).fill(value, result.literals[name])
            except TypeTransformerFailedError as error:
                error.add_note(f"while converting {name!r}")
                raise
        return result

    @classmethod
    def literal_map_to_kwargs(
        cls,
        ctx: FlyteContext | None,
        lm: LiteralMap,
        python_types: Mapping[str, Any] | None = None,
        literal_types: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The values of a `LiteralMap`, by Python types or else by guessing from literal types, or from an interface's variables.

        Raises:
            ValueError: more literals than types.
        """
        lm = message_of(lm)
        if python_types is None:
            python_types = {k: cls.guess_python_type(getattr(v, "type", v)) for k, v in (literal_types or {}).items()}
        extra = sorted(set(lm.literals) - set(python_types))
        if extra:
            raise TypeTransformerFailedError(
                f"Received more inputs than were declared: {', '.join(extra)} (declared: {', '.join(python_types) or 'none'})."
            )
        values: dict[str, Any] = {}
        for name, literal in lm.literals.items():
            try:
                values[name] = cls.codec(python_types[name]).decode(literal)
            except TypeTransformerFailedError as error:
                error.add_note(f"while converting input {name!r} to {describe_type(python_types[name])}")
                raise
        return values

    @classmethod
    def type_of(cls, value: Any) -> Any:
        """The type by which an unannotated value travels: lists and dicts get the types of their elements, if these agree."""
        if type(value) is list:
            kinds = {describe_type(k): k for k in map(cls.type_of, value)}
            if not kinds:
                return list[int]
            return list[next(iter(kinds.values()))] if len(kinds) == 1 else list[typing.Any]  # type: ignore[misc]
        return type(value)

    @classmethod
    def guess_python_type(cls, literal_type: LiteralType) -> Any:
        """A Python type for a literal type, whatever has been imported so far.

        Raises:
            ValueError: no transformer stands for it.
        """
        guess: Callable[[LiteralType, Iterable[TypeTransformer[Any]]], Any] = Ref("hardpoint.types.guess:guess").load()
        return guess(message_of(literal_type), list(dict.fromkeys(cls._registered.values())))

    @classmethod
    def guess_python_types(cls, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Python types for the variables of an interface."""
        return {name: cls.guess_python_type(variable.type) for name, variable in variables.items()}


def _in_thread(function: Callable[..., R], *arguments: Any) -> Coroutine[Any, Any, R]:
    import asyncio  # which takes long, and whoever comes here has it already

    return asyncio.to_thread(function, *arguments)


def _name_of(base: Any) -> str:
    """Path of a generic's origin, or of the type itself: the key of `builtin.FORMS`."""
    target = get_origin(base) or base
    if inspect.isclass(target):
        return f"{target.__module__}.{target.__qualname__}"
    return f"typing.{getattr(target, '_name', None) or getattr(target, '__name__', '')}"


class FlyteTypeRegistered(FlyteValidationException, ValueError):
    """A type has a transformer already."""

    def __init__(self, old: TypeTransformer[Any], new: TypeTransformer[Any], t: Any) -> None:
        super().__init__(
            f"Transformer {old.name} for type {describe_type(t)} is already registered. Cannot override with {new.name}",
            remedy="Give register_additional_type(..., override=True) if that is what you want.",
        )
