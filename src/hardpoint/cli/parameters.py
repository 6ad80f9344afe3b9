"""Options made from the inputs of a workflow or a task, and the literals that come of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click
import msgspec

from hardpoint.cli import words
from hardpoint.cli.form import Form, Misfit
from hardpoint.cli.inputs import form
from hardpoint.cli.shell import nearest
from hardpoint.context import FlyteContextManager, Mode
from hardpoint.errors import HardpointError, TypeTransformerFailedError, UserError
from hardpoint.idl import Literal
from hardpoint.tasks.interface import Interface, is_optional
from hardpoint.types.codec import describe_type, describe_value

__all__ = ["Parameter", "parameters_of", "read_inputs"]


class Parameter(msgspec.Struct, frozen=True):
    """One input as an option.

    Attributes:
        name: Its name in the signature.
        form: How its values are given; None if they cannot be.
        help: What the docstring says, the type, and the default.
        required: Whether it must be given.
        refusal: Why values cannot be given.
    """

    name: str
    form: Form | None
    help: str
    required: bool
    refusal: UserError | None = None

    @property
    def option(self) -> str:
        """How it is written: ``--learning-rate``."""
        return f"--{self.name.replace('_', '-')}"

    def to_click(self) -> click.Option:
        """The option."""
        spellings = dict.fromkeys((self.name.replace("_", "-"), self.name))
        if self.form is not None and self.form.flag:
            declared = [f"--{name}/--no-{name}" for name in spellings]
            return _InputOption([*declared, self.name], default=None, help=self.help)
        kind = _InputType(self)
        return _InputOption([*(f"--{name}" for name in spellings), self.name], type=kind, help=self.help)

    def from_text(self, text: str) -> Literal:
        """The literal that a word of the command line stands for."""
        return self._convert(text, lambda known: known.of_text)

    def from_data(self, data: Any) -> Literal:
        """The literal that a value of an input file stands for."""
        return self._convert(data, lambda known: known.of_data)

    def _convert(self, value: Any, way: Callable[[Form], Callable[[Any], Literal]]) -> Literal:
        if self.form is None:
            raise self.refuse()
        try:
            with FlyteContextManager.use(mode=Mode.LOCAL_WORKFLOW_EXECUTION):
                return way(self.form)(value)
        except Misfit as misfit:
            raise click.UsageError(f"{self.option}{misfit.where} {misfit.message}.") from misfit

    def refuse(self) -> click.UsageError:
        """The complaint about an input whose values cannot be given."""
        assert self.refusal is not None, "an input without a form says why"
        remedy = f" {self.refusal.remedy}" if self.refusal.remedy else ""
        return click.UsageError(f"{self.option} cannot be given. {self.refusal.message}{remedy}")


class _InputOption(click.Option):
    """An option whose second spelling, with underscores, is understood but not shown."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        if record is None:
            return None
        written = record[0]
        for spelling in (*self.opts, *self.secondary_opts):
            if "_" in spelling:
                written = written.replace(f", {spelling}", "")
        return written, record[1]


class _InputType(click.ParamType[Any]):
    """Text as the literal of an input."""

    name = "input"

    def __init__(self, parameter: Parameter) -> None:
        self._parameter = parameter

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return self._parameter.form.metavar if self._parameter.form is not None else "-"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if ctx is not None and ctx.resilient_parsing:
            return value
        return self._parameter.from_text(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        known = self._parameter.form
        if known is None:
            return []
        if known.path:
            return [CompletionItem(incomplete, type=known.path)]
        return [CompletionItem(choice) for choice in known.choices if choice.startswith(incomplete)]


def parameters_of(interface: Interface) -> dict[str, Parameter]:
    """The inputs of an interface as options, by name."""
    found: dict[str, Parameter] = {}
    for name, t in interface.inputs.items():
        known: Form | None = None
        refusal: UserError | None = None
        try:
            known = form(t)
        except UserError as error:
            refusal = error
        required = name not in interface.defaults and not is_optional(t)
        text = " ".join((interface.docstring.inputs.get(name) or "").split())
        notes = [describe_type(t)]
        if refusal is not None:
            notes.append("cannot be given here")
        if required:
            notes.append("required")
        elif name in interface.defaults:
            notes.append(f"default: {_default(interface.defaults[name])}")
        shown = f"{text}{'' if not text or text[-1] in '.!?' else '.'}  [{'; '.join(notes)}]".strip()
        found[name] = Parameter(name, known, shown, required, refusal)
    return found


def _default(value: Any) -> str:
    return str(value) if isinstance(value, str) and value else describe_value(value, 60)


def read_inputs(
    name: str, interface: Interface, known: Mapping[str, Parameter], given: Mapping[str, Any], file: str | None
) -> dict[str, Literal]:
    """All inputs of a run: those given as options, else those of the file, else the defaults.

    Args:
        name: What is run, for messages.
        interface: Its interface.
        known: Its inputs as options.
        given: Input -> literal, or True or False for a flag.
        file: A JSON or YAML file with further inputs.

    Raises:
        click.UsageError: an input is missing, unknown or of the wrong type; the message names it.
    """
    literals: dict[str, Literal] = {}
    for key, data in (_from_file(file, known) if file else {}).items():
        if given.get(key) is None:
            literals[key] = known[key].from_data(data)
    for key, value in given.items():
        if value is not None:
            literals[key] = value if isinstance(value, Literal) else known[key].from_data(value)
    missing = [p for key, p in known.items() if p.required and key not in literals]
    for parameter in missing:
        if parameter.form is None:
            raise parameter.refuse()
    if missing:
        told = ", ".join(f"{p.option} ({p.form.expected})" for p in missing if p.form is not None)
        raise click.UsageError(f"{name} needs {told}.")
    for key, codec in interface.input_codecs.items():
        if key in literals:
            continue
        try:
            with FlyteContextManager.use(mode=Mode.LOCAL_WORKFLOW_EXECUTION):
                literals[key] = codec.encode(interface.defaults.get(key))
        except TypeTransformerFailedError as error:
            raise click.UsageError(
                f"The default of {known[key].option} does not fit its type: {error.message}"
            ) from error
        except HardpointError as error:
            error.add_note(f"while storing the default of {key!r}")
            raise
    return {key: literals[key] for key in interface.inputs}


def _from_file(file: str, known: Mapping[str, Parameter]) -> dict[str, Any]:
    try:
        data = words.load_file(file)
    except ValueError as error:
        raise click.UsageError(f"--inputs-file: {error}.") from error
    if not isinstance(data, dict):
        raise click.UsageError(f"--inputs-file: {file} should hold an object with the inputs by name.")
    for key in data:
        if key not in known:
            raise click.UsageError(f"--inputs-file: there is no input {key!r}{nearest(str(key), known)}")
    return data
