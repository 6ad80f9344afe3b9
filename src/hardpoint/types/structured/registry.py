"""Which encoder and which decoder serve a type, a protocol and a format.

A handler is found along the type's MRO, whatever has been imported before: built-in ones by `builtin.DATASETS`, those of
integrations by the key ``datasets`` of their manifests, when a type is met for the first time. A manifest names those
for every storage by ``"pandas.DataFrame"``, and those of one protocol by ``"bq://pandas.DataFrame"``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from hardpoint._lazy import Ref
from hardpoint.errors import MissingDependencyError, TypeTransformerFailedError
from hardpoint.integration import catalogue, public_path
from hardpoint.types import builtin
from hardpoint.types.codec import describe_type
from hardpoint.types.engine import TypeEngine
from hardpoint.types.structured.handlers import (
    GENERIC_FORMAT,
    DuplicateHandlerError,
    HandlerNotFoundError,
    StructuredDatasetDecoder,
    StructuredDatasetEncoder,
    WrongHandlerError,
)

__all__ = [
    "DECODERS",
    "DEFAULT_FORMATS",
    "DEFAULT_PROTOCOLS",
    "ENCODERS",
    "default_protocol",
    "find_decoder",
    "find_encoder",
    "is_dataframe_type",
    "register",
]

Handler = StructuredDatasetEncoder[Any] | StructuredDatasetDecoder[Any]
H = TypeVar("H", StructuredDatasetEncoder[Any], StructuredDatasetDecoder[Any])
Table = dict[type, dict[str, dict[str, H]]]

ENCODERS: Table[StructuredDatasetEncoder[Any]] = {}
DECODERS: Table[StructuredDatasetDecoder[Any]] = {}
DEFAULT_PROTOCOLS: dict[type, str] = {}
DEFAULT_FORMATS: dict[type, str] = {}

ANY_STORAGE = "fsspec"
"""The key under which handlers for every storage stand."""

_lock = threading.RLock()
_met: set[tuple[type, str]] = set()


def is_dataframe_type(cls: type) -> bool:
    """Whether there are handlers for a class or one of its bases. Imports nothing."""
    for base in cls.__mro__[:-1]:
        if base in ENCODERS or base in DECODERS:
            return True
        if any(path in builtin.DATASETS or catalogue.find("datasets", path) for path in public_path(base)):
            return True
    return False


def find_encoder(cls: type, protocol: str, format: str) -> StructuredDatasetEncoder[Any]:
    """The encoder for frames of a class.

    Args:
        cls: Of the frame.
        protocol: Scheme of the URI that is written to.
        format: The format that was asked for; empty for the usual one.

    Raises:
        HandlerNotFoundError: there is none; the message says what there is.
        MissingDependencyError: an integration has one, but its library is missing.
    """
    return _find(ENCODERS, cls, protocol, format)


def find_decoder(cls: type, protocol: str, format: str) -> StructuredDatasetDecoder[Any]:
    """The decoder that makes frames of a class. Arguments and errors are those of `find_encoder`."""
    return _find(DECODERS, cls, protocol, format)


def default_protocol(cls: type) -> str | None:
    """The protocol to which frames of a class go when nobody says where."""
    _meet(cls, ANY_STORAGE)
    return next((DEFAULT_PROTOCOLS[base] for base in cls.__mro__ if base in DEFAULT_PROTOCOLS), None)


def register(
    h: Any,
    default_for_type: bool = False,
    override: bool = False,
    default_format_for_type: bool = False,
    default_storage_for_type: bool = False,
) -> None:
    """Add an encoder or a decoder.

    Args:
        h: The handler.
        default_for_type: Frames of its type go to its protocol, in its format, unless somebody says otherwise.
        override: Take the place of an existing handler, and of existing defaults.
        default_format_for_type: Its format is the usual one of its type.
        default_storage_for_type: Its protocol is the usual one of its type.

    Raises:
        DuplicateHandlerError: there is another handler for the same type, protocol and format.
        ValueError: its protocol is empty, or is to be a default while it has none.
    """
    if not isinstance(h, StructuredDatasetEncoder | StructuredDatasetDecoder):
        raise TypeTransformerFailedError(f"{h!r} is neither a StructuredDatasetEncoder nor a StructuredDatasetDecoder.")
    if h.protocol == "":
        raise WrongHandlerError(f"The protocol of {h!r} is empty.", remedy="Use None for a handler of every storage.")
    if h.protocol is None and (default_for_type or default_storage_for_type):
        raise WrongHandlerError(
            f"{h!r} serves every storage, so it cannot make one the default.", remedy="Use default_format_for_type."
        )
    with _lock:
        with suppress(MissingDependencyError):  # then there is nothing that it could collide with
            _meet(h.python_type, h.protocol or ANY_STORAGE)  # what is given by hand comes on top, whenever it comes
        _add(h, override)
        if default_for_type or default_format_for_type:
            _set_default(DEFAULT_FORMATS, h.python_type, h.supported_format, override)
        if h.protocol is not None and (default_for_type or default_storage_for_type):
            _set_default(DEFAULT_PROTOCOLS, h.python_type, _key(h.protocol), override)
        structured = builtin.load(builtin.STRUCTURED)
        if TypeEngine.get_transformer(h.python_type) is not structured:
            TypeEngine.register_additional_type(structured, h.python_type, override=True)


def _key(protocol: str | None) -> str:
    if protocol is None:
        return ANY_STORAGE
    return "file" if protocol == "/" else protocol


def _set_default(defaults: dict[type, str], cls: type, value: str, override: bool) -> None:
    if value and (override or cls not in defaults):
        defaults[cls] = value


def _add(h: Handler, override: bool) -> None:
    table: Table[Any] = ENCODERS if isinstance(h, StructuredDatasetEncoder) else DECODERS
    formats = table.setdefault(h.python_type, {}).setdefault(_key(h.protocol), {})
    known = formats.get(h.supported_format)
    if known is not None and not override and describe_type(type(known)) != describe_type(type(h)):
        raise DuplicateHandlerError(
            f"{known!r} and {h!r} want the same frames.",
            remedy="Give register(..., override=True) to replace the first.",
        )
    formats[h.supported_format] = h


def _meet(cls: type, protocol: str) -> None:
    """Load the handlers of a class and its bases, those for every storage and those for one protocol."""
    if (cls, protocol) in _met:
        return
    with _lock:
        for base in reversed(cls.__mro__[:-1]):
            for key, refs in _offered(base, protocol):
                if (base, key) not in _met:
                    handlers = [made() if isinstance(made, type) else made for made in refs]
                    _met.add((base, key))
                    for handler in handlers:
                        _add(handler, override=False)
                        _set_default(DEFAULT_FORMATS, base, handler.supported_format, override=False)
        _met.add((cls, protocol))


def _offered(base: type, protocol: str) -> Iterator[tuple[str, Iterator[Any]]]:
    """What is on offer for exactly this class: a key that is met once, and the handlers or their classes."""
    for path in public_path(base):
        if path in builtin.DATASETS:
            yield path, _load_core(builtin.DATASETS[path])
        for key in (path, f"{protocol}://{path}"):
            owned = catalogue.find("datasets", key)
            if owned is not None:
                integration, targets = owned
                yield key, map(integration.load, targets)


def _load_core(refs: tuple[Ref, ...]) -> Iterator[Any]:
    try:
        for ref in refs:
            yield ref.load()
    except ImportError as error:
        raise MissingDependencyError("Dataframes in workflows", "pyarrow>=22", "pandas") from error


def _find(table: Table[H], cls: type, protocol: str, format: str) -> H:
    missing = None
    try:
        _meet(cls, protocol)
    except MissingDependencyError as error:
        missing = error  # it matters only if nobody else serves the type
    storage = _is_storage(protocol)
    for base in cls.__mro__:
        by_protocol = table.get(base, {})
        found = _pick(by_protocol.get(protocol, {}), format, DEFAULT_FORMATS.get(base), strict=False)
        if found is None and storage:
            found = _pick(by_protocol.get(ANY_STORAGE, {}), format, DEFAULT_FORMATS.get(base), strict=True)
        if found is not None:
            return found
    raise missing or _not_found(table, cls, protocol, format, storage)


def _pick(formats: Mapping[str, H], wanted: str, default: str | None, strict: bool) -> H | None:
    """One of a protocol's handlers. A service knows its own format; files are `strict` about what was asked for."""
    for format in (wanted, GENERIC_FORMAT):
        if format in formats:
            return formats[format]
    if wanted and strict:
        return None
    if default is not None and default in formats:
        return formats[default]
    return next(iter(formats.values())) if len(formats) == 1 else None


def _is_storage(protocol: str) -> bool:
    """Whether a protocol's URIs stand for files."""
    if protocol in ("file", "memory", ANY_STORAGE) or catalogue.find("storage", protocol):
        return True
    from fsspec.registry import known_implementations, registry

    return protocol in known_implementations or protocol in registry


def _not_found(table: Table[Any], cls: type, protocol: str, format: str, storage: bool) -> HandlerNotFoundError:
    if storage:
        known = sorted({f for base in cls.__mro__ for formats in table.get(base, {}).values() for f in formats})
        remedy = f"Formats that are known for it: {', '.join(known)}." if known else "Register a handler for this type."
    else:
        owners = sorted(
            f"{key.partition('://')[2]} by {owner.title}"
            for key, (owner, _) in catalogue.entries("datasets").items()
            if key.startswith(f"{protocol}://")
        )
        remedy = (
            f"{protocol}:// is served for {', '.join(owners)}."
            if owners
            else f"{protocol}:// is no storage, and no installed integration serves it; `hardpoint doctor` lists them."
        )
    return HandlerNotFoundError(
        f"Failed to find a handler for {describe_type(cls)}, protocol [{protocol}], fmt ['{format}']",
        remedy=remedy,
        type=cls,
        protocol=protocol,
        format=format,
    )
