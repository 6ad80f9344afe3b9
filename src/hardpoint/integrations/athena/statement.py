"""A query's text: where its inputs stand, what Athena is sent, and values as the SQL expressions that it takes for parameters.

https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from hardpoint.errors import FlyteValidationException
from hardpoint.idl import Literal
from hardpoint.integrations._aws import plain

__all__ = ["Statement", "Statements", "expression", "quoted"]

# What has a meaning of its own in the text: comments, quoted text, quoted names, templates, and the parameters' sign.
_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<text>'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")*"|`[^`]*`)"""
    r"""|(?P<template>\{\{.*?\}\})|(?P<sign>\?)|(?P<end>;)""",
    re.DOTALL,
)
_TEMPLATE = re.compile(r"\{\{\s*\.(\w+)(?:\.(\w+))?\s*\}\}")
_PLACES = {"rawoutputdataprefix": "raw_output", "perretryuniquekey": "unique"}
_QUERY = re.compile(r"(?:SELECT|WITH|VALUES|TABLE)\b|\(", re.IGNORECASE)
LONGEST_PARAMETER = 1024


class StatementError(FlyteValidationException):
    """A query cannot be sent as it is written."""


@dataclass(frozen=True)
class Statement:
    """What Athena is sent.

    Attributes:
        text: The query, with ``?`` where parameters belong.
        parameters: SQL expressions, in their order.
    """

    text: str
    parameters: list[str] = field(default_factory=list)


class Statements:
    """A query template, taken apart.

    Args:
        template: The query, with ``{{ .inputs.x }}`` where the value of input ``x`` belongs. Quotes around one are allowed, as a
            backend that puts values into the text needs them; elsewhere in quotes only ``{{ .rawOutputDataPrefix }}`` and
            ``{{ .perRetryUniqueKey }}`` may stand.

    Raises:
        StatementError: it is empty, or has a template where no value can be bound, or one that is not known.
    """

    def __init__(self, template: str) -> None:
        self.template = template
        self.inputs: list[str] = []
        self.uses_output = False
        self._parts: list[tuple[str, str]] = []
        position, sign = 0, False
        for match in _TOKEN.finditer(template):
            self._add("", template[position : match.start()])
            kind = str(match.lastgroup)
            sign = sign or kind == "sign"
            self._take(kind, match[0])
            position = match.end()
        self._add("", template[position:])
        if sign and self.inputs:
            raise StatementError(
                "The query has a ? of its own beside inputs, so that parameters could not be told apart.",
                remedy="Use an input in its place: {{ .inputs.name }}.",
            )
        self._drop_end()
        if not any(kind != "comment" and text.strip() for kind, text in self._parts):
            raise StatementError("The query is empty.", remedy="Write a statement.")

    @property
    def is_query(self) -> bool:
        """Whether it gives rows, so that these can be unloaded."""
        bare = "".join(text if kind != "comment" else " " for kind, text in self._parts)
        return _QUERY.match(bare.lstrip()) is not None

    def check(self, declared: Mapping[str, Any]) -> None:
        """Raise unless the inputs are exactly those that the query uses.

        Raises:
            StatementError: they are not.
        """
        missing = [name for name in self.inputs if name not in declared]
        if missing:
            raise StatementError(
                f"The query uses {', '.join(missing)}, which is no input; there are {', '.join(declared) or 'none'}.",
                remedy="Declare it: inputs=kwtypes(name=type).",
            )
        unused = [name for name in declared if name not in self.inputs]
        if unused:
            raise StatementError(
                f"The query does not use the input {', '.join(unused)}.",
                remedy="Use it as {{ .inputs.name }}, or do not declare it.",
            )

    def bind(self, inputs: Mapping[str, Literal], *, raw_output: str, unique: str) -> Statement:
        """What Athena is sent for these inputs.

        Args:
            inputs: Values.
            raw_output: What ``{{ .rawOutputDataPrefix }}`` stands for; empty if there is no such place.
            unique: What ``{{ .perRetryUniqueKey }}`` stands for.

        Raises:
            StatementError: inputs and query do not fit, or a value is none that Athena takes.
        """
        self.check(inputs)
        if self.uses_output and not raw_output:
            raise StatementError(
                "The query writes to {{ .rawOutputDataPrefix }}, but there is no place in S3 for its outputs.",
                remedy="Give AthenaConfig(output_location='s3://...'), or keep raw outputs in S3.",
            )
        places = {"raw_output": raw_output, "unique": unique}
        text: list[str] = []
        parameters: list[str] = []
        for kind, part in self._parts:
            if kind in ("value", "as text"):
                literal = inputs[part]
                parameters.append(_short(expression(literal) if kind == "value" else _as_text(literal), part))
                text.append("?")
            elif kind == "text":
                text.append(_TEMPLATE.sub(lambda match: places[_place(match)].replace("'", "''"), part))
            else:
                text.append(part)
        return Statement("".join(text), parameters)

    def _add(self, kind: str, text: str) -> None:
        if text:
            self._parts.append((kind, text))

    def _take(self, kind: str, text: str) -> None:
        """One token: refuse it, or keep it as what it is."""
        if kind == "template":
            name = _input(_known(text))
            if name is None:
                raise StatementError(f"{text} stands outside of quotes.", remedy=f"Write '{text}'.")
            self._use("value", name)
        elif kind == "text" and "{{" in text:
            found = [_known(template) for template in re.findall(r"\{\{.*?\}\}", text, re.DOTALL)]
            name = _input(found[0])
            if name is not None and _TEMPLATE.fullmatch(text[1:-1].strip()):
                self._use("as text", name)
                return
            if any(_input(match) is not None for match in found):
                raise StatementError(
                    f"An input stands within the text {text}, where no value can be bound.",
                    remedy="Put the text together in SQL: 'before ' || {{ .inputs.name }}.",
                )
            self.uses_output = self.uses_output or any(_place(match) == "raw_output" for match in found)
            self._add("text", text)
        elif kind == "name" and "{{" in text:
            raise StatementError(f"A value cannot be a name, as in {text}.", remedy="Write the name itself.")
        else:
            self._add(kind, text)

    def _use(self, kind: str, name: str) -> None:
        self._add(kind, name)
        if name not in self.inputs:
            self.inputs.append(name)

    def _drop_end(self) -> None:
        """Leave out the semicolon at the end, which would not fit into another statement."""
        for position in range(len(self._parts) - 1, -1, -1):
            kind, text = self._parts[position]
            if kind == "end":
                del self._parts[position]
            elif kind != "comment" and text.strip():
                return


def _known(text: str) -> re.Match[str]:
    """The template's parts, if it is one that there is."""
    match = _TEMPLATE.fullmatch(text)
    if match is not None and (_input(match) is not None or (match[2] is None and match[1].lower() in _PLACES)):
        return match
    raise StatementError(
        f"There is no template {text}.",
        remedy="There are {{ .inputs.name }}, {{ .rawOutputDataPrefix }} and {{ .perRetryUniqueKey }}.",
    )


def _input(match: re.Match[str]) -> str | None:
    return match[2] if match[1].lower() == "inputs" else None


def _place(match: re.Match[str]) -> str:
    return _PLACES[match[1].lower()]


# -- values ------------------------------------------------------------------------------------------------------------


def quoted(text: str) -> str:
    """A text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def expression(literal: Literal) -> str:
    """A value as a SQL expression; Athena takes these for parameters.

    Datetimes are in UTC. Files and datasets are their URIs; what has attributes is JSON text.
    """
    match literal.WhichOneof("value"):
        case "collection":
            return f"ARRAY[{', '.join(map(expression, literal.collection.literals))}]"
        case "map":
            names, values = literal.map.literals.keys(), literal.map.literals.values()
            return f"MAP(ARRAY[{', '.join(map(quoted, names))}], ARRAY[{', '.join(map(expression, values))}])"
    scalar = literal.scalar
    if scalar.WhichOneof("value") == "union":
        return expression(scalar.union.value)
    if scalar.WhichOneof("value") == "primitive":
        return _primitive(scalar.primitive)
    value = plain(literal)
    if value is None:
        return "NULL"
    return quoted(value if isinstance(value, str) else json.dumps(value))


def _primitive(primitive: Any) -> str:
    match primitive.WhichOneof("value"):
        case "boolean":
            return "TRUE" if primitive.boolean else "FALSE"
        case "integer":
            return str(primitive.integer)
        case "float_value":
            return _double(primitive.float_value)
        case "datetime":
            return f"TIMESTAMP '{primitive.datetime.ToDatetime(UTC):%Y-%m-%d %H:%M:%S.%f}'"
        case "duration":
            return f"INTERVAL '{primitive.duration.ToTimedelta().total_seconds():.3f}' SECOND"
    return quoted(primitive.string_value)


def _double(value: float) -> str:
    if math.isnan(value):
        return "nan()"
    if math.isinf(value):
        return "infinity()" if value > 0 else "-infinity()"
    text = repr(value)
    return text.upper() if "e" in text else f"{text}E0"  # without an exponent it would be a decimal


def _as_text(literal: Literal) -> str:
    """A value that stands in quotes: text, whatever it is."""
    value = plain(literal)
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        value = str(value).lower()
    return quoted(value if isinstance(value, str) else json.dumps(value))


def _short(value: str, name: str) -> str:
    if len(value) > LONGEST_PARAMETER:
        raise StatementError(
            f"The input {name} is {len(value)} characters of SQL, but Athena takes at most {LONGEST_PARAMETER}.",
            remedy="Put the data into a table, and join that.",
        )
    return value
