"""How values travel for which there is nothing better: as pickles, if the policy allows it."""

from __future__ import annotations

import base64
import pickle
import re
import warnings
from typing import Any

from hardpoint import idl
from hardpoint.context import FlyteContext
from hardpoint.errors import RestrictedTypeError, UserError
from hardpoint.idl import BlobType, Literal, LiteralType
from hardpoint.settings import settings
from hardpoint.types.codec import Codec, describe_type, mismatch, wrong_literal
from hardpoint.types.file.transformer import blob_type
from hardpoint.types.pickle.marker import AllowPickle, FlytePickle
from hardpoint.types.pickle.store import load, store
from hardpoint.types.plain import plain_data
from hardpoint.types.transformer import TypeTransformer, plain_of, runtime_class, unannotated

__all__ = ["BytesTransformer", "FlytePickleTransformer", "PickleWarning"]

FORMAT = "PythonPickle"
_FILE = "pickle_file"
"""The key that names a pickle within plain data."""
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_SUPPORTED = (
    "int, float, bool, str, bytes, datetime, date, timedelta, list, dict, Enum, dataclasses, pydantic models, "
    "protobuf messages, FlyteFile, FlyteDirectory, StructuredDataset and dataframes, numpy arrays, iterators"
)


class PickleWarning(UserWarning):
    """A type travels as a pickle, because nothing better is known for it."""


def pickle_type(t: Any) -> LiteralType:
    """The literal type of a value of type `t` that is pickled."""
    literal_type = blob_type(FORMAT)
    literal_type.metadata.update({"python_class_name": _ADDRESS.sub("", str(unannotated(t)))})
    return literal_type


def _subject(t: Any) -> Any:
    """The type of the values themselves."""
    base = unannotated(t)
    if isinstance(base, type) and issubclass(base, FlytePickle):
        return base.python_type() or Any
    return base


def _belongs(value: Any, cls: Any) -> bool:
    """Whether a value is of a class. A class that was pickled by value comes back as another one of the same name."""
    if cls is Any or not isinstance(cls, type) or getattr(cls, "_is_protocol", False) or isinstance(value, cls):
        return True
    names = {cls.__module__, "__main__"}
    return any(k.__qualname__ == cls.__qualname__ and k.__module__ in names for k in type(value).__mro__)


class FlytePickleTransformer(TypeTransformer[Any]):
    """Any type at all, if ``types.pickle`` allows it, or `AllowPickle` or `FlytePickle` says that it is meant."""

    def __init__(self) -> None:
        super().__init__("FlytePickle", FlytePickle, enable_type_assertions=False)

    def get_literal_type(self, t: Any) -> LiteralType:
        return pickle_type(t)

    def compile(self, t: Any) -> Codec:
        self._apply_policy(t)
        codec = super().compile(t)
        cls = runtime_class(_subject(t))
        codec.accepts = lambda value: _belongs(value, cls)
        return codec

    @staticmethod
    def _apply_policy(t: Any) -> None:
        base = unannotated(t)
        if any(isinstance(e, AllowPickle) or e is AllowPickle for e in getattr(t, "__metadata__", ())):
            return
        if isinstance(base, type) and issubclass(base, FlytePickle):
            return
        policy = settings().types.pickle
        if policy == "allow":
            return
        remedy = (
            "Use a supported type, register a TypeTransformer for it, or write "
            f"Annotated[{describe_type(base)}, AllowPickle()] if a pickle is what you want."
        )
        if policy == "deny":
            raise RestrictedTypeError(
                f"{describe_type(base)} would travel as a pickle, which types.pickle = 'deny' forbids. "
                f"Supported are {_SUPPORTED}.",
                remedy=remedy,
                type=base,
            )
        if policy != "warn":
            raise UserError(f"types.pickle is {policy!r}.", remedy="Set HARDPOINT_TYPES_PICKLE to allow, warn or deny.")
        warnings.warn(
            f"{describe_type(base)} travels as a pickle: only the same code and versions can read it, and reading runs "
            f"code that the pickle names. {remedy}",
            PickleWarning,
            stacklevel=2,
        )

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        return idl.blob(self._store(python_val, python_type), FORMAT)

    @staticmethod
    def _store(value: Any, t: Any) -> str:
        if not _belongs(value, runtime_class(_subject(t))):
            raise mismatch(_subject(t), value)
        return store(value)

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        scalar = lv.scalar
        if scalar.HasField("binary") or scalar.HasField("generic"):
            return self.from_plain(plain_of(lv, expected_python_type), expected_python_type)
        if not scalar.HasField("blob") or scalar.blob.metadata.type.dimensionality != BlobType.SINGLE:
            raise wrong_literal(expected_python_type, lv)
        return self._load(scalar.blob.uri, expected_python_type)

    @staticmethod
    def _load(uri: str, t: Any) -> Any:
        value = load(uri)
        if not _belongs(value, runtime_class(_subject(t))):
            raise mismatch(_subject(t), value, f"that is what the pickle {uri} holds")
        return value

    def to_plain(self, value: Any, t: Any) -> Any:
        """A field of a dataclass names its pickle; one that is declared as anything is plain data, written as it is."""
        if _subject(t) not in (Any, object):
            return {_FILE: self._store(value, t)}
        try:
            return plain_data(value)
        except TypeError as error:
            raise mismatch(t, value, f"it has no plain form ({error})") from error

    def from_plain(self, data: Any, t: Any) -> Any:
        """The reverse; also what a promise's attribute access has taken out, where nothing said what it is."""
        subject = _subject(t)
        if isinstance(data, dict) and isinstance(data.get(_FILE), str) and subject not in (Any, object):
            return self._load(data[_FILE], t)
        if not _belongs(data, runtime_class(subject)):
            raise mismatch(subject, data)
        return data

    def plain_schema(self, t: Any) -> dict[str, Any]:
        if _subject(t) in (Any, object):
            return {}
        return {
            "type": "object",
            "title": "FlytePickle",
            "properties": {_FILE: {"type": "string"}},
            "required": [_FILE],
            "additionalProperties": False,
        }

    def guess_python_type(self, literal_type: LiteralType) -> type[Any]:
        blob = literal_type.blob
        if blob.format == FORMAT and blob.dimensionality == BlobType.SINGLE:
            return FlytePickle
        raise ValueError("not a pickle")


class _NoClasses(pickle.Unpickler):
    """Reads pickles of built-in values only, so that reading runs no code."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}, but should hold bytes only")


class BytesTransformer(TypeTransformer[bytes]):
    """``bytes``. They are pickled, as the reference does it, but reading them runs no code, so no policy forbids it."""

    def __init__(self) -> None:
        super().__init__("FlytePickle", bytes)

    def get_literal_type(self, t: Any) -> LiteralType:
        return pickle_type(bytes)

    def to_literal(self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType) -> Literal:
        return idl.blob(store(python_val), FORMAT)

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> Any:
        if not lv.scalar.HasField("blob"):
            return self.from_plain(plain_of(lv, expected_python_type), expected_python_type)
        value = load(lv.scalar.blob.uri, unpickler=_NoClasses)
        if not isinstance(value, bytes):
            raise mismatch(bytes, value, f"that is what the pickle {lv.scalar.blob.uri} holds")
        return value

    def to_plain(self, value: Any, t: Any) -> Any:
        self.assert_type(t, value)
        return value

    def from_plain(self, data: Any, t: Any) -> Any:
        if isinstance(data, str):  # as JSON has them
            try:
                return base64.b64decode("".join(data.split()), validate=True)
            except ValueError as error:
                raise mismatch(bytes, data, f"it is not base64: {error}") from error
        if not isinstance(data, bytes):
            raise mismatch(bytes, data)
        return data

    def plain_schema(self, t: Any) -> dict[str, Any]:
        return {"type": "string", "format": "base64"}
