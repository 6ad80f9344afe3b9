"""Batch scripts: a function's, and the user's own with values in it.

A value never becomes a part of the script's text. A placeholder becomes a variable of the shell, in whatever quotes it stands, and
the variables are set, quoted, where the commands begin.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hardpoint.errors import FlyteValidationException, UserError
from hardpoint.tasks.command import EXECUTE, FAST_EXECUTE, MAP_EXECUTE

__all__ = ["FUNCTION", "PROGRAMS", "check_script", "function_script", "interpolate", "names_in", "shell_script"]

FUNCTION = "{task.fn}"
"""What stands in a script for the command that runs the task's function."""

_DEFAULT = f"#!/bin/bash -i\n{FUNCTION}\n"  # -i reads ~/.bashrc, which is where people set their environments up
PROGRAMS = {EXECUTE: "execute", MAP_EXECUTE: "map-execute", FAST_EXECUTE: "fast-execute"}
"""What the module that runs functions on a node is told, by the program that a container would start."""
_MODULE = "hardpoint.integrations.slurm.execute"

_TOKEN = re.compile(r"\{\{|\}\}|\{((?:inputs|outputs|ctx)\.[^{}]*)\}")
_SHELL = re.compile(r"#!\s*(?:/usr/bin/env\s+(?:-S\s+)?)?(?:\S*/)?(?:ba|da|k|z|a|mk)?sh(?:\s.*)?")
_HEREDOC = re.compile(r"<<(-?)[ \t]*(\\?)(['\"]?)([\w.-]+)\3")
_SAFE = re.compile(r"[\w@%+=:,./-]*", re.ASCII)


def function_script(script: str | None, command: Sequence[str], environment: Mapping[str, str]) -> str:
    """The script that runs a function.

    Args:
        script: The user's, with `FUNCTION` where the function is to run; None: only that.
        command: The command of the task's container.
        environment: Variables of the container.
    """
    words = list(command)
    # A node has a Python environment where an image has programs.
    for position, word in enumerate(words):
        if word in PROGRAMS:
            words[position : position + 1] = ["python3", "-m", _MODULE, PROGRAMS[word]]
            break
    if environment:
        words = ["env", *(f"{name}={value}" for name, value in environment.items()), *words]
    return (script or _DEFAULT).replace(FUNCTION, shlex.join(words))


def names_in(text: str) -> set[str]:
    """The placeholders of a text, as ``inputs.x``."""
    return {token[1] for token in _TOKEN.finditer(text) if token[1]}


def interpolate(text: str, values: Mapping[str, str], where: str) -> str:
    """A text that is no program, with values in the place of ``{inputs.x}``; doubled braces stand for single ones.

    Raises:
        UserError: it names what there is not.
    """
    return _TOKEN.sub(lambda token: token[0][0] if token[1] is None else _known(values, token[1], where), text)


def shell_script(script: str, values: Mapping[str, str], numbers: frozenset[str] = frozenset()) -> str:
    """A script with values in the place of ``{inputs.x}``, ``{outputs.x}`` and ``{ctx.x}``; doubled braces stand for single ones.

    Args:
        script: The script. Other single braces are its own.
        values: Text by placeholder.
        numbers: Placeholders whose values are numbers, which every language may have in its text.

    Raises:
        UserError: it names what there is not, or names it where no variable can stand.
    """
    first, _, _ = script.partition("\n")
    is_shell = _SHELL.fullmatch(first.rstrip()) is not None
    scanner, parts, used, position = _Scanner(), [], {}, 0
    for token in _TOKEN.finditer(script):
        parts.append(scanner.read(script[position : token.start()]))
        position = token.end()
        if token[1] is None:
            parts.append(scanner.read(token[0][0]))
            continue
        value = _known(values, token[1], "The script")
        line = script[script.rfind("\n", 0, token.start()) + 1 : token.start()]
        if token[1] in numbers or (line.startswith("#SBATCH") and _SAFE.fullmatch(value)):
            parts.append(value)
        elif line.startswith("#SBATCH"):
            raise UserError(
                f"{{{token[1]}}} stands in a line of #SBATCH, and its value has more than letters, digits and @%+=:,./-",
                remedy="Put the option in sbatch_config.",
            )
        elif not is_shell:
            raise UserError(
                f"{{{token[1]}}} stands in a script for {first.removeprefix('#!').strip() or 'no program'}, and is text.",
                remedy="Write the script for a shell, and hand the value from there to the other program as an argument.",
            )
        else:
            variable = f"HARDPOINT_{token[1].replace('.', '_')}"
            used[variable] = value
            parts.append(scanner.variable(variable, token[1]))
    parts.append(scanner.read(script[position:]))
    return _with_variables("".join(parts), used)


def _known(values: Mapping[str, str], name: str, where: str) -> str:
    try:
        return values[name]
    except KeyError:
        raise UserError(
            f"{where} names {{{name}}}; there is {', '.join(sorted(values)) or 'nothing'}.",
            remedy="Only the names themselves can be put in, without attributes, elements or formats.",
        ) from None


def _with_variables(script: str, variables: Mapping[str, str]) -> str:
    """The script with the variables set before its first command; Slurm reads its options from the lines before that."""
    if not variables:
        return script
    lines = script.splitlines(keepends=True)
    count = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    set_ = [f"{name}={shlex.quote(value)}\n" for name, value in variables.items()]
    return "".join([*lines[:count], *set_, *lines[count:]])


@dataclass
class _Scanner:
    """Follows the quotes of a shell script. Where it errs, a value comes out wrong, but is still no code.

    Attributes:
        quotes: The quotes that are open: ``"``, ``'``, or ``(`` of ``$(``.
        heredocs: Here-documents that begin with the next line: their delimiters, and whether values are put into them.
        inside: The here-document that is being read.
    """

    quotes: list[str] = field(default_factory=list)
    heredocs: list[tuple[str, bool]] = field(default_factory=list)
    inside: tuple[str, bool] | None = None
    line: str = ""
    comment: bool = False
    escaped: bool = False

    def variable(self, name: str, placeholder: str) -> str:
        """The variable as it has to be written here."""
        self.line += "x"
        if self.inside is not None:
            if not self.inside[1]:
                raise UserError(
                    f"{{{placeholder}}} stands in a here-document whose delimiter {self.inside[0]!r} is quoted.",
                    remedy="Write the delimiter without quotes, and a backslash before what else the shell would replace.",
                )
            return f"${{{name}}}"
        quote = self.quotes[-1] if self.quotes else ""
        return {'"': f"${{{name}}}", "'": f"'\"${{{name}}}\"'"}.get(quote, f'"${{{name}}}"')

    def read(self, text: str) -> str:
        """The text, having been read."""
        position = 0
        while position < len(text):
            position += self._step(text, position)
        return text

    def _step(self, text: str, position: int) -> int:
        """Read on from a position; how many characters that were."""
        char = text[position]
        if char == "\n":
            self._end_line()
            return 1
        before, self.line = self.line, self.line + char
        if self.inside is not None or self.comment:
            return 1
        quote = self.quotes[-1] if self.quotes else ""
        if self.escaped:
            self.escaped = False
        elif quote == "'":
            if char == "'":
                self.quotes.pop()
        elif char == "\\":
            self.escaped = True
        elif text.startswith("$(", position):
            self.quotes.append("(")
            self.line += "("
            return 2
        elif char == '"':
            self._toggle(char, quote)
        elif quote == '"':
            return 1
        elif char == "'":
            self.quotes.append(char)
        elif char == ")" and quote == "(":
            self.quotes.pop()
        elif char == "#" and (not before or before[-1] in " \t;"):
            self.comment = True
        elif (heredoc := _HEREDOC.match(text, position)) and not text.startswith("<<<", position):
            self.heredocs.append((heredoc[4], not (heredoc[2] or heredoc[3])))
            self.line += heredoc[0][1:]
            return len(heredoc[0])
        elif text.startswith("<<<", position):
            self.line += "<<"
            return 3
        return 1

    def _toggle(self, char: str, quote: str) -> None:
        if quote == char:
            self.quotes.pop()
        else:
            self.quotes.append(char)

    def _end_line(self) -> None:
        line, self.line = self.line, ""
        self.comment = self.escaped = False
        if self.inside is not None:
            if line.lstrip("\t") == self.inside[0]:
                self.inside = self.heredocs.pop(0) if self.heredocs else None
            return
        if self.heredocs:
            self.inside = self.heredocs.pop(0)


def check_script(script: str) -> None:
    """Refuse a script that can do nothing.

    Raises:
        FlyteValidationException: it is empty, or begins with no program.
    """
    lines = [line for line in script.splitlines() if line.strip() and not line.startswith("#")]
    if not script.startswith("#!"):
        raise FlyteValidationException(
            "A batch script begins with the program that reads it.", remedy="Begin it with the line #!/bin/bash."
        )
    if not lines:
        raise FlyteValidationException("The script has no command.", remedy="Write what the job is to do into it.")
