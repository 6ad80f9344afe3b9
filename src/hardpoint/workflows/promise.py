"""`Promise`: what a call gives while a workflow is compiled, in place of the value that it will have."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn, get_args, get_origin

from hardpoint.errors import FlyteAssertion, FlyteValidationException
from hardpoint.idl import OutputReference
from hardpoint.workflows.expression import Comparison

if TYPE_CHECKING:
    from hardpoint.workflows.graph import Node

__all__ = ["Promise", "VoidPromise", "element_type", "node_of", "reference", "scope_of", "task_output", "type_of"]


class Promise:
    """A value that a node will have, or an input of the workflow that is being compiled.

    Hand it to tasks; take parts of it with ``p.field``, ``p["key"]`` and ``p[0]``; compare it in conditions. Apart from
    its few methods its own names start with an underscore, so that they hide no fields; ``p["_field"]`` always works.
    """

    __slots__ = ("_node", "_path", "_scope", "_type", "_var")

    def __init__(self, node: Node | None, var: str, type: Any, scope: Any, path: tuple[str | int, ...] = ()) -> None:
        self._node, self._var, self._type, self._scope, self._path = node, var, type, scope, path

    def _part(self, key: Any) -> Promise:
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise ValueError(f"A part of {self!r} is asked for with {key!r}; use a str or an int.")
        return Promise(self._node, self._var, element_type(self._type, key, self), self._scope, (*self._path, key))

    def __getattr__(self, name: str) -> Promise:
        if name.startswith("_"):
            raise AttributeError(name)  # protocols of Python and of notebooks look for such names
        return self._part(name)

    def __getitem__(self, key: Any) -> Promise:
        return self._part(key)

    def __iter__(self) -> NoReturn:
        raise ValueError(
            f"{self!r} is not iterable: its value is not known while the workflow is compiled. Index it with [i], "
            "map over it with map_task, or loop inside a @dynamic."
        )

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError(f"{self!r} has no text while the workflow is compiled. Make the text inside a task.")

    def __len__(self) -> NoReturn:
        raise TypeError(f"{self!r} has no length while the workflow is compiled. Take it inside a task or a @dynamic.")

    def __bool__(self) -> NoReturn:
        raise ValueError(
            f"{self!r} has no truth value while the workflow is compiled. Choose with conditional(...).if_(...), for a "
            "bool with p.is_true(), and join conditions with & and | instead of `and`, `or` and `not`."
        )

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Comparison:  # type: ignore[override]
        return Comparison(self, "==", other)

    def __ne__(self, other: object) -> Comparison:  # type: ignore[override]
        return Comparison(self, "!=", other)

    def __gt__(self, other: Any) -> Comparison:
        return Comparison(self, ">", other)

    def __ge__(self, other: Any) -> Comparison:
        return Comparison(self, ">=", other)

    def __lt__(self, other: Any) -> Comparison:
        return Comparison(self, "<", other)

    def __le__(self, other: Any) -> Comparison:
        return Comparison(self, "<=", other)

    def is_(self, v: bool) -> Comparison:
        """The condition that it is `v`."""
        return Comparison(self, "==", v)

    def is_true(self) -> Comparison:
        return self.is_(True)

    def is_false(self) -> Comparison:
        return self.is_(False)

    def is_none(self) -> Comparison:
        return Comparison(self, "==", None)

    def __and__(self, other: Any) -> NoReturn:
        raise ValueError(f"{self!r} cannot be joined with &: only conditions can. Write ({self!r}.is_true()) & (...).")

    __or__ = __rand__ = __ror__ = __and__

    def with_overrides(self, **changes: Any) -> Promise:
        """Change how the node is run that makes this value; see `hardpoint.workflows.overrides.apply`.

        Raises:
            FlyteAssertion: it is an input of the workflow.
        """
        if self._node is None:
            raise FlyteAssertion(f"{self!r} is an input of the workflow; no node makes it that could be changed.")
        self._node.with_overrides(**changes)
        return self

    def runs_before(self, other: Any) -> None:
        """Make the node of `other` wait for the node of this value."""
        if self._node is not None:
            self._node.runs_before(other)

    def __rshift__(self, other: Any) -> Any:
        self.runs_before(other)
        return other

    def __repr__(self) -> str:
        origin = self._node.id if self._node is not None else "input"
        parts = "".join(f"[{key!r}]" for key in self._path)
        return f"Promise({origin}.{self._var}{parts})"


class VoidPromise:
    """What the call of an entity without outputs gives. It orders nodes and takes overrides; it is no value."""

    __slots__ = ("_name", "_node", "_scope")

    def __init__(self, node: Node, name: str, scope: Any) -> None:
        self._node, self._name, self._scope = node, name, scope

    def with_overrides(self, **changes: Any) -> VoidPromise:
        """Change how the node is run; see `hardpoint.workflows.overrides.apply`."""
        self._node.with_overrides(**changes)
        return self

    def runs_before(self, other: Any) -> None:
        """Make the node of `other` wait for this one."""
        self._node.runs_before(other)

    def __rshift__(self, other: Any) -> Any:
        self.runs_before(other)
        return other

    def _refuse(self, *_: Any) -> NoReturn:
        raise FlyteAssertion(f"Task {self._name} returns nothing, NoneType return cannot be used")

    __hash__ = object.__hash__
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __and__ = __or__ = __xor__ = __add__ = __mod__ = __bool__ = __iter__ = __len__ = __getitem__ = _refuse

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        self._refuse()

    def __repr__(self) -> str:
        return f"VoidPromise({self._node.id} of {self._name})"


def scope_of(promise: Promise | VoidPromise) -> Any:
    """The compilation that a promise belongs to."""
    return promise._scope


def type_of(promise: Promise) -> Any:
    """The Python type of a promise; `Any` where it is not known."""
    return promise._type


def reference(promise: Promise) -> OutputReference:
    """The message of a promise."""
    message = OutputReference(node_id=promise._node.key if promise._node is not None else "", var=promise._var)
    for key in promise._path:
        if isinstance(key, int):
            message.attr_path.add(int_value=key)
        else:
            message.attr_path.add(string_value=key)
    return message


def node_of(value: Any) -> Node:
    """The node behind a promise, a tuple of promises, or a node itself.

    Raises:
        FlyteAssertion: there is none.
    """
    if isinstance(value, Promise | VoidPromise):
        node = value._node
        if node is None:
            raise FlyteAssertion(f"{value!r} is an input of the workflow, not the output of a node.")
        return node
    if isinstance(value, tuple) and value and isinstance(value[0], Promise):
        return node_of(value[0])
    if hasattr(value, "bindings"):
        found: Node = value
        return found
    raise FlyteAssertion(f"Expected a node or what a call in a workflow returned, but got {value!r}.")


_LEAVES = (int, float, str, bool, bytes)


def element_type(t: Any, key: str | int, whole: Any) -> Any:
    """The type of a part of a value of type `t`; `Any` where it is not known.

    Raises:
        FlyteAssertion: values of type `t` cannot have that part.
    """
    while hasattr(t, "__metadata__"):
        t = get_args(t)[0]
    origin = get_origin(t)
    if origin in (typing.Union, types.UnionType):
        members = [member for member in get_args(t) if member is not type(None)]
        return element_type(members[0], key, whole) if len(members) == 1 else Any
    if origin is list:
        if isinstance(key, str):
            raise FlyteAssertion(f"{whole!r} is a list; it is indexed with an int, not {key!r}.")
        return get_args(t)[0]
    if origin is dict:
        return get_args(t)[1]
    if t in _LEAVES:
        raise FlyteAssertion(f"{whole!r} is of type {t.__name__} and has no part {key!r}.")
    if isinstance(t, type) and dataclasses.is_dataclass(t) and isinstance(key, str):
        names = [field.name for field in dataclasses.fields(t)]
        if key not in names:
            raise FlyteAssertion(f"{whole!r} is of type {t.__qualname__}, which has no field {key!r}; it has {names}.")
        return _field_types(t).get(key, Any)
    return Any


@lru_cache(maxsize=256)
def _field_types(cls: type) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except NameError:  # an annotation that exists for type checkers only
        return {}


class _Outputs(tuple[Promise, ...]):
    """Several outputs of one node, as a tuple with named fields."""

    __slots__ = ()

    def with_overrides(self, **changes: Any) -> Any:
        self[0].with_overrides(**changes)
        return self

    def runs_before(self, other: Any) -> None:
        self[0].runs_before(other)

    def __rshift__(self, other: Any) -> Any:
        return self[0] >> other


@lru_cache(maxsize=1024)
def _outputs_class(name: str, fields: tuple[str, ...]) -> Any:
    from collections import namedtuple

    try:
        base = namedtuple(name, fields)  # type: ignore[misc]
    except ValueError as error:
        raise FlyteValidationException(f"The outputs {list(fields)} cannot be fields of a tuple: {error}") from error
    return type(name, (base, _Outputs), {"__slots__": ()})


def task_output(node: Node, name: str, scope: Any, tuple_name: str | None) -> Any:
    """What a call returns: one promise, a named tuple of them, or a `VoidPromise`.

    Args:
        node: The node of the call; its `outputs` are set.
        name: Name of the entity.
        scope: The compilation.
        tuple_name: Name of the NamedTuple that the entity declares as its output, if any.
    """
    outputs = node.outputs
    if not outputs:
        return VoidPromise(node, name, scope)
    if len(outputs) == 1 and not tuple_name:
        return next(iter(outputs.values()))
    return _outputs_class(tuple_name or "DefaultNamedTupleOutput", tuple(outputs))(*outputs.values())
