"""`SQLTask`, and queries whose inputs are bound as parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from hardpoint.errors import FlyteValidationException
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.metadata import TaskMetadata

__all__ = ["InputReference", "SQLTask", "bind_query", "parse_query"]

T = TypeVar("T")

_REFERENCE = re.compile(r"{{\s*\.inputs\.(\w+)\s*}}", re.IGNORECASE)


@dataclass(frozen=True)
class InputReference:
    """The place in a query where an input's value belongs.

    Args:
        name: The input.
        text: The expression as it was written.
    """

    name: str
    text: str


def parse_query(query: str) -> tuple[str | InputReference, ...]:
    """A query's text and the places of its inputs, in their order."""
    parts: list[str | InputReference] = []
    position = 0
    for match in _REFERENCE.finditer(query):
        parts += [query[position : match.start()], InputReference(match[1], match[0])]
        position = match.end()
    parts.append(query[position:])
    return tuple(part for part in parts if part != "")


def bind_query(
    parts: Sequence[str | InputReference],
    inputs: Mapping[str, Any],
    placeholder: str | Callable[[int, str], str],
    *,
    escape_percent: bool = False,
) -> tuple[str, list[Any]]:
    """The query with a driver's placeholders, and the values that belong to them; no value becomes part of the text.

    Args:
        parts: What `parse_query` gave.
        inputs: Values of the inputs.
        placeholder: What the driver calls a parameter (``"?"``, ``"%s"``), or a function of its number, from 1, and of
            the input's name.
        escape_percent: Double the percent signs of the text, for drivers that format it.

    Raises:
        FlyteValidationException: the query names an input that there is not, or does not use one that there is.
    """
    text: list[str] = []
    values: list[Any] = []
    for part in parts:
        if isinstance(part, str):
            text.append(part.replace("%", "%%") if escape_percent else part)
            continue
        if part.name not in inputs:
            raise FlyteValidationException(
                f"Variable {part.name} in Query (part of {part.text}) not found in inputs {inputs.keys()}"
            )
        values.append(inputs[part.name])
        text.append(placeholder if isinstance(placeholder, str) else placeholder(len(values), part.name))
    _refuse_unused(parts, inputs)
    return "".join(text), values


def _refuse_unused(parts: Sequence[str | InputReference], inputs: Mapping[str, Any]) -> None:
    used = {part.name for part in parts if isinstance(part, InputReference)}
    unused = {name for name in inputs if name not in used}
    if unused:
        raise FlyteValidationException(
            f"Extra Inputs have no matches in query template - missing {{{', '.join(map(repr, sorted(unused)))}}}",
            remedy="Use the input in the query as {{ .inputs.name }}, or do not declare it.",
        )


class SQLTask(PythonTask[T]):
    """A task that is a query. Its text is kept as it was written.

    Args:
        name: Its name.
        query_template: The query, with ``{{ .inputs.x }}`` where the value of input ``x`` belongs.
        task_config: What configures this kind of task.
        task_type: By which the backend chooses who runs it.
        inputs: Name -> type.
        metadata: Caching, retries and the like.
        outputs: Name -> type.
        kwargs: As for `PythonTask`.
    """

    def __init__(
        self,
        name: str,
        query_template: str,
        task_config: T | None = None,
        task_type: str = "sql_task",
        inputs: Mapping[str, Any] | None = None,
        metadata: TaskMetadata | None = None,
        outputs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            task_type=task_type,
            name=name,
            task_config=task_config,
            interface=Interface(inputs, outputs),
            metadata=metadata,
            **kwargs,
        )
        self._query_template = query_template

    @property
    def query_template(self) -> str:
        """The query as it was written."""
        return self._query_template

    @cached_property
    def query_parts(self) -> tuple[str | InputReference, ...]:
        """The query's text and the places of its inputs."""
        return parse_query(self._query_template)

    def bind(self, placeholder: str | Callable[[int, str], str], **inputs: Any) -> tuple[str, list[Any]]:
        """The query with a driver's placeholders, and their values; see `bind_query`."""
        return bind_query(self.query_parts, inputs, placeholder)
