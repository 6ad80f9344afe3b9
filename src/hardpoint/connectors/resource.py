"""What a connector tells of a job: `ResourceMeta`, by which it is found again, and `Resource`, how it stands.

Wire facts: flyteidl/admin/agent.proto; the metadata is JSON, as the reference writes it, so that either
can follow the other's jobs.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, get_args, get_origin

from flyteidl.admin.agent_pb2 import Resource as ResourceMessage

from hardpoint import idl
from hardpoint.connectors.errors import LONGEST, cut
from hardpoint.connectors.phases import Phase
from hardpoint.errors import PermanentError
from hardpoint.idl import LiteralMap, TaskLog
from hardpoint.types import TypeEngine
from hardpoint.types.codec import describe_type

__all__ = ["MetaError", "Resource", "ResourceMeta", "log_link"]


_MOST_INFO = 256 << 10
"""Bytes of custom_info."""


class MetaError(PermanentError, ValueError):
    """Bytes are not the metadata of a job of this connector."""

    code = "SYSTEM:BadResourceMeta"


@dataclass
class ResourceMeta:
    """What is needed to find a job again. Subclass it as a dataclass.

    The control plane stores it and shows it to whoever may look, so no secret belongs in it. Its fields are None, bool, int, float,
    str, lists and dicts of these, and dataclasses.
    """

    _hints: ClassVar[dict[type, dict[str, Any]]] = {}

    def encode(self) -> bytes:
        """Its JSON, in UTF-8."""
        return _ENCODER.encode({field.name: getattr(self, field.name) for field in dataclasses.fields(self)}).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The metadata of its JSON. Fields that this release does not know are left out.

        Raises:
            MetaError: the bytes are no JSON, or a field is missing or of another type.
        """
        try:
            fields = json.loads(data)
        except (ValueError, UnicodeDecodeError) as error:
            raise MetaError(f"The metadata of a job is not JSON: {error}", metadata=data[:200]) from error
        made: Self = _build(cls, fields, cls.__name__)
        return made


def _fields_of(value: Any) -> dict[str, Any]:
    """What a dataclass within metadata is in JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_ENCODER = json.JSONEncoder(default=_fields_of)


def _build(cls: Any, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise MetaError(f"{where} should be an object, but is {type(data).__name__}.")
    try:
        hints = ResourceMeta._hints.get(cls) or ResourceMeta._hints.setdefault(cls, typing.get_type_hints(cls))
    except NameError as error:
        raise MetaError(f"A field of {cls.__qualname__} has a type that could not be resolved: {error}") from error
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        if field.name in data:
            values[field.name] = _value(hints[field.name], data[field.name], f"{where}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise MetaError(
                f"{where} has no field {field.name!r}; it has {', '.join(sorted(data)) or 'none'}.",
                remedy="The job was made by another connector, or by a release that this one cannot follow.",
            )
    return cls(**values)


def _value(t: Any, data: Any, where: str) -> Any:
    """A field's value: dataclasses are rebuilt, wherever they stand in its type; simple types are checked."""
    origin, args = get_origin(t), get_args(t)
    if origin in (typing.Union, types.UnionType):
        if data is None and type(None) in args:
            return None
        errors: list[str] = []
        for arg in (a for a in args if a is not type(None)):
            try:
                return _value(arg, data, where)
            except MetaError as error:
                errors.append(error.message)
        raise MetaError("; ".join(errors))
    if origin in (list, Sequence, tuple) and isinstance(data, list) and args:
        items = [_value(args[0], item, f"{where}[{i}]") for i, item in enumerate(data)]
        return tuple(items) if origin is tuple else items
    if origin in (dict, Mapping) and isinstance(data, dict) and args:
        return {key: _value(args[1], item, f"{where}[{key!r}]") for key, item in data.items()}
    if dataclasses.is_dataclass(t):
        return _build(t, data, where)
    if t is float and type(data) is int:
        return float(data)
    if t in (bool, int, float, str) and type(data) is not t:
        raise MetaError(f"{where} should be of type {describe_type(t)}, but is {data!r}.")
    return data


@dataclass
class Resource:
    """How a job stands.

    Attributes:
        phase: Its phase; the number that it has on the wire is taken as well.
        message: What there is to say; of a failure, the service's own words and the remedy. Of a long one the middle goes.
        log_links: Links for people, made by `log_link`.
        outputs: Once it has succeeded: values by output, or a `LiteralMap`. None: the job has written them itself.
        custom_info: JSON-like data about it, up to 256 KiB of it on the wire.
    """

    phase: Phase
    message: str | None = None
    log_links: Sequence[TaskLog] | None = None
    outputs: LiteralMap | Mapping[str, Any] | None = None
    custom_info: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if type(self.phase) is not Phase:
            self.phase = Phase(self.phase)
        if self.message and len(self.message) > LONGEST // 4:  # characters, of which none has more bytes than four
            self.message = cut(self.message, LONGEST)

    def literals(self, types: Mapping[str, Any] | None = None) -> LiteralMap | None:
        """The outputs as literals; by `types` where these are known, else by the values' own."""
        if self.outputs is None or isinstance(self.outputs, LiteralMap):
            return self.outputs
        return TypeEngine.dict_to_literal_map(None, self.outputs, types)

    def proto(self, types: Mapping[str, Any] | None = None) -> ResourceMessage:
        """The message; `types` are the declared types of the outputs. It may move data, so call it in a thread."""
        message = ResourceMessage(phase=int(self.phase), message=self.message or "")  # type: ignore[arg-type]
        message.log_links.extend(self.log_links or ())
        outputs = self.literals(types)
        if outputs is not None:
            message.outputs.CopyFrom(outputs)
        if self.custom_info:
            info = idl.struct(self.custom_info)
            if info.ByteSize() <= _MOST_INFO:
                message.custom_info.CopyFrom(info)
            else:  # an engine would take none of the message
                message.message = f"{message.message}\n{info.ByteSize():,} bytes of custom_info are left out.".strip()
        return message

    @classmethod
    def of_proto(cls, message: ResourceMessage) -> Resource:
        """The reverse of `proto`."""
        return cls(
            phase=Phase(message.phase),
            message=message.message or None,
            log_links=list(message.log_links),
            outputs=message.outputs if message.HasField("outputs") else None,
            custom_info=idl.native(message.custom_info) if message.HasField("custom_info") else None,
        )


def log_link(name: str, uri: str, *, while_pending: bool = True) -> TaskLog:
    """A link for people.

    Args:
        name: What it is called.
        uri: Where it leads.
        while_pending: Whether it is shown before the job runs.
    """
    return TaskLog(name=name, uri=uri, message_format=TaskLog.JSON, ShowWhilePending=while_pending)
