"""`Interface`: what goes into a task or a workflow and what comes out, by name and Python type.

Nothing is compiled when an interface is made; literal types and codecs come into being when they are first asked for.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args, get_origin

from hardpoint import idl
from hardpoint.errors import FlyteAssertion, FlyteValidationException
from hardpoint.types.codec import Codec, describe_type

if TYPE_CHECKING:
    from hardpoint.idl import TypedInterface
    from hardpoint.tasks.docstring import Docstring

__all__ = ["Interface", "bind_arguments", "interface_of", "is_optional"]


class Interface:
    """Names and Python types of inputs and outputs.

    Args:
        inputs: Name -> type, or name -> (type, default).
        outputs: Name -> type.
        output_tuple_name: Name of the NamedTuple that the function declares, if it does.
        output_tuple: That class; results of several outputs are handed over in it.
        docstring: The function's docstring, from which descriptions are taken, or a function that gives its parts.

    Attributes:
        inputs: Name -> type, in the order of the signature.
        defaults: Name -> value, for inputs that have one.
        outputs: Name -> type.
    """

    def __init__(
        self,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        output_tuple_name: str | None = None,
        output_tuple: type[tuple[Any, ...]] | None = None,
        docstring: str | Callable[[], Docstring] | None = None,
    ) -> None:
        self.inputs: dict[str, Any] = {}
        self.defaults: dict[str, Any] = {}
        for name, declared in (inputs or {}).items():
            if isinstance(declared, tuple):
                self.inputs[name], self.defaults[name] = declared
            else:
                self.inputs[name] = declared
        self.outputs: dict[str, Any] = dict(outputs or {})
        self.output_tuple_name = output_tuple_name
        self._output_tuple, self._docstring = output_tuple, docstring

    @property
    def inputs_with_defaults(self) -> dict[str, tuple[Any, Any]]:
        """Name -> (type, default), the default being None where there is none."""
        return {name: (t, self.defaults.get(name)) for name, t in self.inputs.items()}

    @property
    def output_names(self) -> list[str]:
        return list(self.outputs)

    @cached_property
    def output_tuple(self) -> type[tuple[Any, ...]]:
        """The class in which several outputs are handed to the caller."""
        if self._output_tuple is not None:
            return self._output_tuple
        return namedtuple("DefaultNamedTupleOutput", list(self.outputs))

    @cached_property
    def docstring(self) -> Docstring:
        """What the function's docstring says."""
        if callable(self._docstring):
            return self._docstring()
        from hardpoint.tasks.docstring import parse

        return parse(self._docstring)

    @cached_property
    def input_codecs(self) -> dict[str, Codec]:
        """How each input travels.

        Raises:
            TypeTransformerFailedError: a type has no literal type; the message names the input.
        """
        return _compile(self.inputs, "input")

    @cached_property
    def output_codecs(self) -> dict[str, Codec]:
        """How each output travels; errors as for `input_codecs`."""
        return _compile(self.outputs, "output")

    @cached_property
    def typed(self) -> TypedInterface:
        """The interface as the control plane knows it. Do not change it; copy it."""
        message = idl.TypedInterface()
        message.inputs.SetInParent()
        message.outputs.SetInParent()
        docs = self.docstring
        texts = docs.of_outputs(self.outputs)
        for name, codec in self.input_codecs.items():
            variable = message.inputs.variables[name]
            variable.type.CopyFrom(codec.literal_type)
            variable.description = docs.inputs.get(name) or name
        for name, codec in self.output_codecs.items():
            variable = message.outputs.variables[name]
            variable.type.CopyFrom(codec.literal_type)
            variable.description = texts.get(name, name)
        return message

    def with_inputs(self, extra_inputs: Mapping[str, Any]) -> Interface:
        """A copy with further inputs.

        Raises:
            FlyteValidationException: one of them is there already.
        """
        for name in extra_inputs:
            if name in self.inputs:
                raise FlyteValidationException(f"There is an input named {name!r} already.")
        return self._with({**self._declared(), **extra_inputs}, self.outputs)

    def remove_inputs(self, vars: Iterable[str] | None) -> Interface:
        """A copy without these inputs."""
        gone = set(vars or ())
        return self._with({name: t for name, t in self._declared().items() if name not in gone}, self.outputs)

    def with_outputs(self, extra_outputs: Mapping[str, Any]) -> Interface:
        """A copy with further outputs.

        Raises:
            FlyteValidationException: one of them is there already.
        """
        for name in extra_outputs:
            if name in self.outputs:
                raise FlyteValidationException(f"There is an output named {name!r} already.")
        return Interface(self._declared(), {**self.outputs, **extra_outputs}, docstring=self._docstring)

    def _declared(self) -> dict[str, Any]:
        return {name: (t, self.defaults[name]) if name in self.defaults else t for name, t in self.inputs.items()}

    def _with(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Interface:
        return Interface(inputs, outputs, self.output_tuple_name, self._output_tuple, self._docstring)

    def __repr__(self) -> str:
        inputs = ", ".join(
            f"{name}: {describe_type(t)}{' = ...' if name in self.defaults else ''}" for name, t in self.inputs.items()
        )
        outputs = ", ".join(f"{name}: {describe_type(t)}" for name, t in self.outputs.items())
        return f"Interface({inputs} -> {outputs or None})"


def _compile(named: Mapping[str, Any], kind: str) -> dict[str, Codec]:
    from hardpoint.types.engine import TypeEngine

    codecs: dict[str, Codec] = {}
    for name, t in named.items():
        try:
            codecs[name] = TypeEngine.codec(t)
        except Exception as error:
            error.add_note(f"The type is that of {kind} {name!r}: {describe_type(t)}.")
            raise
    return codecs


def is_optional(t: Any) -> bool:
    """Whether None is one of the values that the type allows."""
    while hasattr(t, "__metadata__"):
        t = get_args(t)[0]
    return get_origin(t) in (typing.Union, types.UnionType) and type(None) in get_args(t)


def interface_of(fn: Callable[..., Any], pickle_untyped: bool = False) -> Interface:
    """The interface that a function's signature declares.

    Args:
        fn: The function; coroutine functions and callable objects are welcome too.
        pickle_untyped: Let arguments without annotation, and a missing return annotation, travel as pickles.

    Raises:
        FlyteValidationException: the signature cannot be one of a task or workflow; the message names the argument.
    """
    name = getattr(fn, "__name__", str(fn))
    hints = _hints(fn, name)
    inputs: dict[str, Any] = {}
    for parameter in inspect.signature(fn).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise FlyteValidationException(
                f"{name}() takes {stars}{parameter.name}, but every input needs a name and a type of its own.",
                remedy="Name the arguments, or take one list or dict.",
            )
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise FlyteValidationException(
                f"{name}() takes {parameter.name} by position only, but inputs are handed over by name.",
                remedy=f"Take out the / that follows {parameter.name} in its signature.",
                argument=parameter.name,
            )
        t = hints.get(parameter.name, typing.Any if pickle_untyped else parameter.empty)
        if t is parameter.empty:
            raise FlyteValidationException(
                f"'{parameter.name}' has no type. Please add a type annotation to the input parameter.",
                remedy=f"Annotate it in {name}(), or pass pickle_untyped=True.",
                argument=parameter.name,
            )
        inputs[parameter.name] = t if parameter.default is parameter.empty else (t, parameter.default)
    missing = typing.Any if pickle_untyped and "return" not in hints else None
    outputs, tuple_name, tuple_class = _outputs(hints.get("return", missing), name)
    return Interface(inputs, outputs, tuple_name, tuple_class, docstring=fn.__doc__)


def _hints(fn: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(fn, include_extras=True)
    except NameError as error:
        raise FlyteValidationException(
            f"An annotation of {name}() names {error.name!r}, which cannot be found in its module.",
            remedy="Import it at the module's top level, not only under TYPE_CHECKING and not inside a function.",
        ) from error
    except (TypeError, SyntaxError) as error:
        raise FlyteValidationException(f"An annotation of {name}() is no type: {error}.") from error


def _outputs(annotation: Any, function: str) -> tuple[dict[str, Any], str | None, type[tuple[Any, ...]] | None]:
    if annotation is None or annotation is type(None):
        return {}, None, None
    if isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        hints = typing.get_type_hints(annotation, include_extras=True)
        untyped = [field for field in annotation._fields if field not in hints]
        if untyped:
            raise FlyteValidationException(
                f"{function}() returns {annotation.__name__}, whose field {untyped[0]!r} has no type.",
                remedy="Declare it with typing.NamedTuple.",
            )
        return {field: hints[field] for field in annotation._fields}, annotation.__name__, annotation
    if annotation is tuple or get_origin(annotation) is tuple or annotation is typing.Tuple:  # noqa: UP006
        args = get_args(annotation)
        if Ellipsis in args or (not args and get_origin(annotation) is None):
            raise FlyteValidationException(
                f"{function}() returns {describe_type(annotation)}, but the number of outputs must be known.",
                remedy="Return a list, or write the type of each output: tuple[int, str].",
            )
        if len(args) == 1:
            raise FlyteValidationException(
                f"{function}() returns {describe_type(annotation)}. Tuples should be used to indicate multiple return "
                "values, found only one return variable.",
                remedy=f"Return {describe_type(args[0])} itself.",
            )
        return {f"o{index}": t for index, t in enumerate(args)}, None, None
    return {"o0": annotation}, None, None


def bind_arguments(
    entity_name: str, interface: Interface, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The inputs of a call by name, in the order of the interface, with defaults filled in.

    An input that may be None and has no default is None.

    Raises:
        FlyteAssertion: too many, unknown, doubled or missing arguments.
    """
    inputs = interface.inputs
    if len(args) > len(inputs):
        raise FlyteAssertion(
            f"Received more arguments than expected in function '{entity_name}'. "
            f"Expected {len(inputs)} but got {len(args)}"
        )
    given = dict(zip(inputs, args, strict=False))
    for name, value in kwargs.items():
        if name not in inputs:
            raise FlyteAssertion(f"Received unexpected keyword argument '{name}' in function '{entity_name}'")
        if name in given:
            raise FlyteAssertion(f"Got multiple values for argument '{name}' in function '{entity_name}'")
        given[name] = value
    bound: dict[str, Any] = {}
    for name, t in inputs.items():
        if name in given:
            bound[name] = given[name]
        elif name in interface.defaults:
            bound[name] = interface.defaults[name]
        elif is_optional(t):
            bound[name] = None
        else:
            raise FlyteAssertion(f"Input {name} of type {t} was not specified for function {entity_name}")
    return bound
