"""Messages of `flyteidl` behind the attributes that Flytekit's model classes have, for code that was written against those.

The messages are the model, here as everywhere. A class of this module reads one field by field, when somebody asks: maps are dicts,
what is not set is None, `Struct`s are plain data. What it has handed out it keeps, since such code also changes what it was
given; `to_flyte_idl` is the message with the changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, Self

from flyteidl.admin import agent_pb2
from flyteidl.core import (
    execution_pb2,
    identifier_pb2,
    interface_pb2,
    literals_pb2,
    security_pb2,
    tasks_pb2,
    types_pb2,
)
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import BoolValue

from hardpoint.idl.builders import struct

__all__ = ["Model", "message_of", "model_of", "view"]


_ALWAYS = {
    "flyteidl.admin.TaskExecutionMetadata": {"task_execution_id"},
    "flyteidl.core.Blob": {"metadata"},
    "flyteidl.core.BlobMetadata": {"type"},
    "flyteidl.core.Container": {"resources"},
    "flyteidl.core.K8sPod": {"metadata", "pod_spec"},
    "flyteidl.core.NodeExecutionIdentifier": {"execution_id"},
    "flyteidl.core.StructuredDataset": {"metadata"},
    "flyteidl.core.StructuredDatasetMetadata": {"structured_dataset_type"},
    "flyteidl.core.TaskExecutionIdentifier": {"task_id", "node_execution_id"},
    "flyteidl.core.TaskMetadata": {"runtime", "timeout", "retries"},
    "flyteidl.core.TaskTemplate": {"id", "metadata", "interface", "custom"},
    "flyteidl.core.TypedInterface": {"inputs", "outputs"},
    "flyteidl.core.Variable": {"type"},
}
"""Fields that are there, empty, also where the message has none; others are then None."""

_AS_THEY_ARE = {("flyteidl.core.Scalar", "generic")}
"""Fields that hold a `Struct`, and are handed out as one."""

_OTHER_NAMES = {
    ("flyteidl.core.Container", "data_loading_config"): "data_config",
    ("flyteidl.core.Union", "stored_type"): "type",
}


def _plain(value: Struct | ListValue | Value) -> Any:
    """The plain data of a `Struct`. Numbers are floats, whole ones as well: that is what travelled."""
    if isinstance(value, Struct):
        return {name: _plain(item) for name, item in value.fields.items()}
    if isinstance(value, ListValue):
        return [_plain(item) for item in value.values]
    kind = value.WhichOneof("kind")
    if kind in (None, "null_value"):
        return None
    inner = getattr(value, kind)
    return _plain(inner) if isinstance(inner, Struct | ListValue) else inner


def _moment(value: Timestamp) -> datetime:
    return value.ToDatetime(tzinfo=timezone.utc)  # noqa: UP017 - what others compare it with


def _timestamp(value: Any) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(value)
    return made


def _duration(value: Any) -> Duration:
    made = Duration()
    made.FromTimedelta(value)
    return made


def _variables(value: Any) -> interface_pb2.VariableMap:
    return interface_pb2.VariableMap(variables={name: message_of(item) for name, item in value.items()})


_READ: dict[str, Callable[[Any], Any]] = {
    "flyteidl.core.VariableMap": lambda value: {name: _wrap(item) for name, item in value.variables.items()},
    "google.protobuf.BoolValue": lambda value: value.value,
    "google.protobuf.Duration": Duration.ToTimedelta,
    "google.protobuf.Struct": _plain,
    "google.protobuf.Timestamp": _moment,
}
"""What becomes of a message that is handed out as something simpler, by its full name."""

_WRITE: dict[str, tuple[type | tuple[type, ...], Callable[[Any], Message]]] = {
    "flyteidl.core.VariableMap": (Mapping, _variables),
    "google.protobuf.BoolValue": (bool, lambda value: BoolValue(value=value)),
    "google.protobuf.Duration": (timedelta, _duration),
    "google.protobuf.Struct": (Mapping, struct),
    "google.protobuf.Timestamp": (datetime, _timestamp),
}
"""The way back: of which Python type it is, and how it is made."""

_PAIRS = "flyteidl.core.KeyValuePair"

_models: dict[str, type[Model]] = {}


class Model:
    """A message, behind attributes.

    Args:
        values: Values of its fields, in their order.
        fields: Values of its fields, by name.
    """

    message_type: ClassVar[Any]
    _message: Any
    _held: dict[str, Any]
    """What was handed out or assigned, by field: it may have been changed since."""

    def __init_subclass__(cls, *, of: Any = None) -> None:
        if of is None:
            return
        cls.message_type = of
        _models[of.DESCRIPTOR.full_name] = cls
        for enum in of.DESCRIPTOR.enum_types:
            setattr(cls, enum.name, getattr(of, enum.name))
        for nested in of.DESCRIPTOR.nested_types:
            if not nested.GetOptions().map_entry:
                setattr(cls, nested.name, model_of(getattr(of, nested.name)))

    def __init__(self, *values: Any, **fields: Any) -> None:
        self._hold(self.message_type())
        names = [field.name for field in self.message_type.DESCRIPTOR.fields]
        if len(values) > len(names):
            raise TypeError(f"{type(self).__name__} has {len(names)} fields, but {len(values)} values were given.")
        given = dict(zip(names, values, strict=False))
        for name, value in fields.items():
            if self._field(name) is None:
                raise TypeError(f"{type(self).__name__} has no field {name!r}; it has {', '.join(names)}.")
            if name in given:
                raise TypeError(f"{type(self).__name__} got several values for {name!r}.")
            given[name] = value
        for name, value in given.items():
            if value is not None:
                setattr(self, name, value)
        self.to_flyte_idl()  # a value that does not fit is told to whoever gave it

    def _hold(self, message: Any) -> None:
        vars(self).update(_message=message, _held={})

    @classmethod
    def _field(cls, name: str) -> Any:
        full_name = cls.message_type.DESCRIPTOR.full_name
        return cls.message_type.DESCRIPTOR.fields_by_name.get(_OTHER_NAMES.get((full_name, name), name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        field = self._field(name)
        if field is None:  # a method of the message
            return getattr(self.to_flyte_idl(), name)
        if field.name not in self._held:
            value = _read(self._message, field)
            if not isinstance(value, list | dict | Model | Message):
                return value
            self._held[field.name] = value
        return self._held[field.name]

    def __setattr__(self, name: str, value: Any) -> None:
        field = self._field(name)
        if field is None:
            raise AttributeError(f"{type(self).__name__!r} object has no field {name!r}")
        self._held[field.name] = value

    def to_flyte_idl(self) -> Any:
        """The message, one of the caller's own."""
        message = self.message_type()
        message.CopyFrom(self._message)
        for name, value in self._held.items():
            _write(message, message.DESCRIPTOR.fields_by_name[name], value)
        return message

    @classmethod
    def from_flyte_idl(cls, message: Any) -> Self:
        """A message behind attributes; the message stays as it is."""
        made = cls.__new__(cls)
        made._hold(message)
        return made

    @property
    def is_empty(self) -> bool:
        """Whether nothing is set."""
        return not self.to_flyte_idl().ByteSize()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Model | Message):
            return NotImplemented
        return bool(self.to_flyte_idl() == message_of(other))

    def __hash__(self) -> int:
        return hash(self.to_flyte_idl().SerializeToString(deterministic=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.to_flyte_idl()).strip()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.message_type, self.to_flyte_idl().SerializeToString())


def _restore(message_type: Any, data: bytes) -> Model:
    return model_of(message_type).from_flyte_idl(message_type.FromString(data))


def model_of(message_type: Any) -> type[Model]:
    """The class for messages of a type; made where there is none of a name."""
    name = message_type.DESCRIPTOR.full_name
    if name not in _models:
        type(message_type.DESCRIPTOR.name, (Model,), {"__module__": __name__}, of=message_type)
    return _models[name]


def message_of(value: Any) -> Any:
    """The message behind a view; anything else as it is."""
    return value.to_flyte_idl() if isinstance(value, Model) else value


def view(value: Any) -> Any:
    """What a connector is called with, as one that was written for Flytekit expects it."""
    return _models[value.DESCRIPTOR.full_name].from_flyte_idl(value) if type(value) in _VIEWED else value


# -- fields ------------------------------------------------------------------------------------------------------------


def _wrap(message: Any) -> Any:
    name = message.DESCRIPTOR.full_name
    if name in _READ:
        return _READ[name](message)
    return model_of(type(message)).from_flyte_idl(message)


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _read(message: Any, field: Any) -> Any:
    value = getattr(message, field.name)
    if _is_map(field):
        is_plain = field.message_type.fields_by_name["value"].message_type is None
        return {key: item if is_plain else _wrap(item) for key, item in value.items()}
    if field.is_repeated:
        if field.message_type is None:
            return list(value)
        if field.message_type.full_name == _PAIRS:
            return {pair.key: pair.value for pair in value}
        return [_wrap(item) for item in value]
    owner = field.containing_type.full_name
    if field.has_presence and not message.HasField(field.name) and field.name not in _ALWAYS.get(owner, ()):
        return None
    if field.message_type is None:
        return value
    return value if (owner, field.name) in _AS_THEY_ARE else _wrap(value)


def _write(message: Any, field: Any, value: Any) -> None:
    if value is None:
        message.ClearField(field.name)
    elif _is_map(field):
        _write_map(message, field, value)
    elif field.is_repeated:
        _write_list(message, field, value)
    elif field.message_type is None:
        setattr(message, field.name, value)
    else:
        made = message_of(value)
        if not isinstance(made, Message):
            made = _made(field.message_type.full_name, value)
        # What is always there has been looked at, and need not have been set.
        always = field.name in _ALWAYS.get(field.containing_type.full_name, ())
        if made.ByteSize() or message.HasField(field.name) or not always:
            getattr(message, field.name).CopyFrom(made)


def _made(name: str, value: Any) -> Message:
    kinds, make = _WRITE.get(name, ((), None))
    if make is None or not isinstance(value, kinds):
        raise TypeError(f"{value!r} is no {name}.")
    return make(value)


def _write_map(message: Any, field: Any, value: Mapping[str, Any]) -> None:
    message.ClearField(field.name)
    target = getattr(message, field.name)
    if field.message_type.fields_by_name["value"].message_type is None:
        target.update(value)
        return
    for key, item in value.items():
        target[key].CopyFrom(message_of(item))


def _write_list(message: Any, field: Any, value: Any) -> None:
    message.ClearField(field.name)
    target = getattr(message, field.name)
    if isinstance(value, Mapping) and field.message_type is not None and field.message_type.full_name == _PAIRS:
        for key, text in value.items():
            target.add(key=key, value=text)
    else:
        target.extend(message_of(item) for item in value)


# -- the classes that have names of their own --------------------------------------------------------------------------


class _OneOf(Model):
    @property
    def value(self) -> Any:
        """What it holds."""
        chosen = self.to_flyte_idl().WhichOneof("value")
        return None if chosen is None else getattr(self, chosen)


class Primitive(_OneOf, of=literals_pb2.Primitive):
    """A value of a simple type."""


class Binary(Model, of=literals_pb2.Binary):
    """MessagePack bytes."""


class BlobType(Model, of=types_pb2.BlobType):
    """What a blob is."""


class BlobMetadata(Model, of=literals_pb2.BlobMetadata):
    """Of what kind a blob is."""


class Blob(Model, of=literals_pb2.Blob):
    """A file or a directory."""


class DatasetColumn(Model, of=types_pb2.StructuredDatasetType.DatasetColumn):
    """A column of a dataset."""


class StructuredDatasetType(Model, of=types_pb2.StructuredDatasetType):
    """The type of a dataset."""


class StructuredDatasetMetadata(Model, of=literals_pb2.StructuredDatasetMetadata):
    """What a dataset is."""


class StructuredDataset(Model, of=literals_pb2.StructuredDataset):
    """A dataset."""


class SchemaType(Model, of=types_pb2.SchemaType):
    """The type of a schema."""


class Schema(Model, of=literals_pb2.Schema):
    """Data with columns, as older releases had it."""


class Void(Model, of=literals_pb2.Void):
    """Nothing."""


class Union(Model, of=literals_pb2.Union):
    """A value of one of several types."""


class Scalar(_OneOf, of=literals_pb2.Scalar):
    """A value that is no collection."""


class LiteralCollection(Model, of=literals_pb2.LiteralCollection):
    """Literals in a list."""


class LiteralMap(Model, of=literals_pb2.LiteralMap):
    """Literals by name."""


class Literal(_OneOf, of=literals_pb2.Literal):
    """A value on its way from task to task."""


class EnumType(Model, of=types_pb2.EnumType):
    """The words of an enumeration."""


class UnionType(Model, of=types_pb2.UnionType):
    """Several types, one of which a value has."""


class TypeStructure(Model, of=types_pb2.TypeStructure):
    """What tells types of one kind apart."""


class TypeAnnotation(Model, of=types_pb2.TypeAnnotation):
    """What a type says beside itself."""


class LiteralType(Model, of=types_pb2.LiteralType):
    """The type of a literal."""


class Variable(Model, of=interface_pb2.Variable):
    """An input or an output."""


class TypedInterface(Model, of=interface_pb2.TypedInterface):
    """The inputs and outputs of a task, by name."""


class Identifier(Model, of=identifier_pb2.Identifier):
    """Which task, workflow or launch plan."""

    def resource_type_name(self) -> str:
        """What it is of, in a word."""
        return str(identifier_pb2.ResourceType.Name(self.resource_type))


class WorkflowExecutionIdentifier(Model, of=identifier_pb2.WorkflowExecutionIdentifier):
    """Which execution."""


class NodeExecutionIdentifier(Model, of=identifier_pb2.NodeExecutionIdentifier):
    """Which node of an execution."""


class TaskExecutionIdentifier(Model, of=identifier_pb2.TaskExecutionIdentifier):
    """Which attempt of a node."""


class Identity(Model, of=security_pb2.Identity):
    """As whom a task runs."""


class Secret(Model, of=security_pb2.Secret):
    """A secret that a task asks for."""


class SecurityContext(Model, of=security_pb2.SecurityContext):
    """Secrets and identity of a task."""


class ResourceEntry(Model, of=tasks_pb2.Resources.ResourceEntry):
    """How much of something."""


class Resources(Model, of=tasks_pb2.Resources):
    """What a container may use."""


class Container(Model, of=tasks_pb2.Container):
    """The container of a task."""


class K8sObjectMetadata(Model, of=tasks_pb2.K8sObjectMetadata):
    """Labels and annotations of a pod."""


class K8sPod(Model, of=tasks_pb2.K8sPod):
    """The pod of a task."""


class Sql(Model, of=tasks_pb2.Sql):
    """The statement of a task."""


class RuntimeMetadata(Model, of=tasks_pb2.RuntimeMetadata):
    """What wrote a template."""


class RetryStrategy(Model, of=literals_pb2.RetryStrategy):
    """How often a task is tried again."""


class TaskMetadata(Model, of=tasks_pb2.TaskMetadata):
    """Caching, retries and the like."""


class TaskTemplate(Model, of=tasks_pb2.TaskTemplate):
    """A task, as the backend knows it."""


class TaskExecutionMetadata(Model, of=agent_pb2.TaskExecutionMetadata):
    """For whom a task is run."""


class TaskLog(Model, of=execution_pb2.TaskLog):
    """A link for people."""


_VIEWED = frozenset({tasks_pb2.TaskTemplate, literals_pb2.LiteralMap, agent_pb2.TaskExecutionMetadata})
