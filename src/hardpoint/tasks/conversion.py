"""Values of a call to literals and back, with errors that say which argument or output of which task is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hardpoint import idl
from hardpoint.errors import HardpointError, TypeTransformerFailedError
from hardpoint.tasks.interface import Interface
from hardpoint.types.codec import Codec, describe_type, describe_value

if TYPE_CHECKING:
    from hardpoint.idl import Literal

__all__ = ["decode", "encode_inputs", "encode_outputs", "named_outputs"]


def decode(task: str, codecs: Mapping[str, Codec], literals: Mapping[str, Literal]) -> dict[str, Any]:
    """Literals as Python values; see `PythonTask.decode_inputs`."""
    values: dict[str, Any] = {}
    moving: list[str] = []
    for name, literal in literals.items():
        codec = codecs.get(name)
        if codec is None:
            raise TypeTransformerFailedError(
                f"Error encountered while converting inputs of '{task}':\n  "
                f"There is no input named {name!r}; it has {', '.join(codecs) or 'none'}.",
                task=task,
                argument=name,
            )
        if codec.io:
            moving.append(name)
            values[name] = None  # keeps the order
            continue
        try:
            values[name] = codec.decode(literal)
        except Exception as error:
            raise _input_error(
                f"Error encountered while converting inputs of '{task}'", task, name, codec, error
            ) from error
    if moving:
        values.update(_decode_moving(task, codecs, {name: literals[name] for name in moving}))
    return values


def _decode_moving(task: str, codecs: Mapping[str, Codec], literals: Mapping[str, Literal]) -> dict[str, Any]:
    """Those inputs whose conversion may move data, side by side."""
    from hardpoint.types.containers import map_io

    def read(name: str) -> Any:
        try:
            return codecs[name].decode(literals[name])
        except Exception as error:
            where = f"Error encountered while converting inputs of '{task}'"
            raise _input_error(where, task, name, codecs[name], error) from error

    return dict(zip(literals, map_io(read, list(literals)), strict=True))


def encode_inputs(task: str, codecs: Mapping[str, Codec], values: Mapping[str, Any]) -> dict[str, Literal]:
    """Arguments as literals; see `PythonTask.encode_inputs`."""
    literals: dict[str, Literal] = {}
    for name, value in values.items():
        literal = idl.Literal()
        try:
            codecs[name].fill(value, literal)
        except Exception as error:
            raise _input_error(f"Failed to convert inputs of task '{task}'", task, name, codecs[name], error) from error
        literals[name] = literal
    return literals


def _input_error(where: str, task: str, name: str, codec: Codec, error: Exception) -> Exception:
    """The error to raise: one about the type says where it happened, any other goes on as it is, with a note."""
    if isinstance(error, TypeTransformerFailedError):
        return TypeTransformerFailedError(
            f"{where}:\n  Failed argument '{name}': {_said(error)}",
            remedy=error.remedy,
            task=task,
            argument=name,
            expected=codec.python_type,
        )
    error.add_note(f"{where}: argument '{name}', declared as {describe_type(codec.python_type)}")
    return error


def _said(error: TypeTransformerFailedError) -> str:
    """What an error says, with where in the value it was."""
    return "; ".join([error.message or type(error).__name__, *getattr(error, "__notes__", ())])


def named_outputs(task: str, interface: Interface, value: Any) -> dict[str, Any]:
    """What a task returned, by output.

    Raises:
        TypeTransformerFailedError: it is no tuple of as many values as there are outputs.
    """
    names = list(interface.outputs)
    if not names:
        return {}
    if len(names) == 1:
        if isinstance(value, tuple):
            if interface.output_tuple_name is not None and len(value) == 1:
                return {names[0]: value[0]}
            raise TypeTransformerFailedError(
                f"Output({names[0]}) in task '{task}' received a tuple {describe_value(value)}, instead of "
                f"{describe_type(interface.outputs[names[0]])}",
                remedy="Declare each of several outputs: -> tuple[int, str].",
                task=task,
                output=names[0],
            )
        return {names[0]: value}
    if not isinstance(value, tuple | list):
        raise TypeTransformerFailedError(
            f"Task '{task}' declares {len(names)} outputs ({', '.join(names)}), but returned {describe_value(value)}.",
            remedy="Return a tuple with one value for each of them.",
            task=task,
        )
    if len(value) != len(names):
        raise TypeTransformerFailedError(
            f"Task '{task}' declares {len(names)} outputs ({', '.join(names)}), but returned {len(value)} values.",
            task=task,
        )
    return dict(zip(names, value, strict=True))


def encode_outputs(task: str, interface: Interface, value: Any) -> dict[str, Literal]:
    """What a task returned, as literals; see `PythonTask.encode_outputs`."""
    outputs = named_outputs(task, interface, value)
    codecs = interface.output_codecs
    literals: dict[str, Literal] = {}
    moving: list[str] = []
    for name, output in outputs.items():
        codec, literal = codecs[name], idl.Literal()
        literals[name] = literal
        if codec.io:
            moving.append(name)
            continue
        try:
            codec.fill(output, literal)
        except Exception as error:
            raise _output_error(task, interface, name, output, error) from error
    if moving:
        _encode_moving(task, interface, {name: outputs[name] for name in moving}, literals)
    return literals


def _encode_moving(
    task: str, interface: Interface, outputs: Mapping[str, Any], literals: Mapping[str, Literal]
) -> None:
    """Fill the literals of those outputs whose conversion may move data, side by side."""
    from hardpoint.types.containers import map_io

    def fill(name: str) -> None:
        try:
            interface.output_codecs[name].fill(outputs[name], literals[name])
        except Exception as error:
            raise _output_error(task, interface, name, outputs[name], error) from error

    map_io(fill, list(outputs))


def _output_error(task: str, interface: Interface, name: str, value: Any, error: Exception) -> Exception:
    position = name if interface.output_tuple_name is not None else list(interface.outputs).index(name)
    expected = interface.outputs[name]
    if isinstance(error, HardpointError) and not isinstance(error, TypeTransformerFailedError):
        error.add_note(f"while output {position} of task '{task}' was stored")
        return error  # moving the data failed, which may succeed later; the value is not to blame
    if isinstance(error, TypeTransformerFailedError):
        return TypeTransformerFailedError(
            f"Failed to convert outputs of task '{task}' at position {position}.\n"
            f"Failed to convert type {type(value)} to type {expected}.\n"
            f"Error Message: {_said(error)}.",
            remedy=error.remedy,
            task=task,
            output=name,
            expected=expected,
        )
    error.add_note(f"while output {position} of task '{task}' was converted to {describe_type(expected)}")
    return error
