"""What a failed run shows: the user's own traceback, the node, its inputs in short, and nothing of our internals."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType

import msgspec

import hardpoint
from hardpoint.errors import HardpointError
from hardpoint.idl import Literal
from hardpoint.secrets import redact_uri
from hardpoint.types.codec import describe_value, kind_of

__all__ = ["Failure", "describe_inputs", "explain", "trim"]

_PACKAGE = os.path.dirname(os.path.abspath(hardpoint.__file__)) + os.sep
_INTEGRATIONS = os.path.join(_PACKAGE, "integrations", "")
_ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep
_LIBRARY = os.path.dirname(os.path.dirname(asyncio.__file__)) + os.sep
_PACKAGES = os.path.join(_LIBRARY, "site-packages", "")


def _theirs(frames: Sequence[TracebackType], is_ours: bool) -> list[TracebackType]:
    """The frames that are not of the machinery: this package's, and those of the standard library that it calls.

    Args:
        frames: The outermost first.
        is_ours: Whether the error is one that this package raises: an integration then says all there is to say.
    """
    kept: list[TracebackType] = []
    within = True
    for tb in frames:
        file = tb.tb_frame.f_code.co_filename
        if file.startswith(_PACKAGE):
            within = is_ours or not file.startswith(_INTEGRATIONS)
        elif not file.startswith(_ASYNCIO):
            within = within and file.startswith(_LIBRARY) and not file.startswith(_PACKAGES)
        else:
            within = True
        if not within:
            kept.append(tb)
    return kept


def trim(error: BaseException) -> BaseException:
    """Take our own frames out of the traceback of an error, and out of those it was raised from. Changes it in place."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        frames: list[TracebackType] = []
        tb = current.__traceback__
        while tb is not None:
            frames.append(tb)
            tb = tb.tb_next
        theirs = _theirs(frames, isinstance(current, HardpointError))
        # An error that we raise says all there is to say; any other that has only our frames is our own fault.
        if theirs or isinstance(current, HardpointError):
            kept: TracebackType | None = None
            for tb in reversed(theirs):
                kept = TracebackType(kept, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)
            current.__traceback__ = kept
        pending += [current.__cause__, current.__context__]
    return error


def explain(error: BaseException) -> str:
    """An error as text, without our own frames and without secrets."""
    return redact_uri("".join(traceback.format_exception(trim(error))).rstrip())


def describe_inputs(inputs: Mapping[str, Literal], limit: int = 100) -> dict[str, str]:
    """The inputs of a node, each in a few words."""
    return {name: _describe(literal, limit) for name, literal in sorted(inputs.items())}


def _describe(literal: Literal, limit: int) -> str:
    kind = literal.WhichOneof("value")
    if kind == "collection":
        items = literal.collection.literals
        head = ", ".join(_describe(item, 20) for item in items[:3])
        return f"[{head}{', ...' if len(items) > 3 else ''}] ({len(items)} elements)"
    if kind == "map":
        keys = sorted(literal.map.literals)
        return f"{{{', '.join(keys[:5])}{', ...' if len(keys) > 5 else ''}}} ({len(keys)} keys)"
    scalar = literal.scalar
    which = scalar.WhichOneof("value")
    if which == "union":
        return _describe(scalar.union.value, limit)
    if which == "none_type":
        return "None"
    if which in ("blob", "structured_dataset", "schema"):
        return str(getattr(scalar, which).uri)
    if which == "primitive":
        name = scalar.primitive.WhichOneof("value")
        if name in ("datetime", "duration"):
            return str(getattr(scalar.primitive, name).ToJsonString())
        text = repr(getattr(scalar.primitive, name)) if name else "nothing"
        return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
    if which == "binary":
        try:
            return describe_value(msgspec.msgpack.decode(scalar.binary.value), limit)
        except msgspec.DecodeError:
            return f"{len(scalar.binary.value)} bytes"
    return kind_of(literal)


class Failure:
    """Where in a run it went wrong; it travels as an attribute (``hardpoint_failure``) of the error itself.

    Attributes:
        path: The node.
        name: Its task.
        inputs: Its inputs in short.
        attempt: 0 for the first.
    """

    def __init__(self, path: str, name: str, inputs: Mapping[str, str], attempt: int) -> None:
        self.path, self.name, self.inputs, self.attempt = path, name, dict(inputs), attempt

    @staticmethod
    def attach(error: BaseException, path: str, name: str, inputs: Mapping[str, Literal], attempt: int) -> None:
        """Note on the error which node it came from; the innermost node is the one that counts."""
        if getattr(error, "hardpoint_failure", None) is None:
            with suppress(AttributeError):  # an exception class with __slots__; its traceback still says enough
                error.hardpoint_failure = Failure(path, name, describe_inputs(inputs), attempt)  # type: ignore[attr-defined]

    @staticmethod
    def of(error: BaseException) -> Failure | None:
        """What was attached, if anything."""
        found: Failure | None = getattr(error, "hardpoint_failure", None)
        return found
