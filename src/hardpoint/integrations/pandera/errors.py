"""The error for a frame that does not fit its schema, and what it says in a form that programs read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pandera.errors import SchemaErrors

from hardpoint.errors import UserError

__all__ = ["Failure", "FrameValidationError"]

_MAX_CHARS = 200
_SHOWN_IN_MESSAGE = 5


@dataclass(frozen=True)
class Failure:
    """One check that a frame does not pass.

    Attributes:
        kind: ``SCHEMA`` where the frame's form is wrong, ``DATA`` where values are.
        column: The column; the schema's name for a check of the whole frame.
        check: The check, as in ``greater_than(0)``.
        code: Pandera's name for the kind of failure, as in ``WRONG_DATATYPE``.
        message: Pandera's words, cut after 200 characters.
        count: Values that do not fit; 0 where the check is not about single values.
        cases: The first of them, as text.
    """

    kind: str
    column: str
    check: str
    code: str
    message: str
    count: int = 0
    cases: Sequence[str] = field(default=())


class _SchemaErrors(SchemaErrors):
    """Pandera's error by type alone: what it computes from a frame has been computed before."""

    def __init__(self, *args: Any) -> None:
        Exception.__init__(self, *args)


class FrameValidationError(UserError, _SchemaErrors):
    """A frame does not fit its Pandera schema; also Pandera's own `SchemaErrors`, for whoever catches that.

    Args:
        cause: Pandera's error.
        rows: Rows of the frame; None if nobody counted them.
        max_cases: Values that do not fit, of each check, that are kept as text.

    Attributes:
        schema_name: Name of the schema.
        rows: As above.
        failures: A `Failure` for each check that did not pass.
        schema, data, schema_errors, failure_cases, error_counts: As in `SchemaErrors`. They stay behind when the error
            goes to another process.
    """

    code = "USER:ValidationError"
    schema_name: str
    rows: int | None
    failures: Sequence[Failure]

    def __init__(self, cause: SchemaErrors, rows: int | None, max_cases: int) -> None:
        failures = list(_failures(cause, max_cases))
        name = str(cause.schema.name or type(cause.schema).__name__)
        UserError.__init__(
            self,
            _sentence(name, rows, failures),
            remedy="Mend the data or the schema; ValidationConfig(on_error=...) can warn, or drop rows, instead.",
            schema_name=name,
            rows=rows,
            failures=failures,
            schema=cause.schema,
            data=cause.data,
            schema_errors=cause.schema_errors,
            failure_cases=cause.failure_cases,
            error_counts=dict(cause.error_counts),
        )

    @property
    def summary(self) -> dict[str, Any]:
        """The failures as plain data, fit for JSON."""
        return {
            "schema": self.schema_name,
            "rows": self.rows,
            "failures": [{**vars(failure), "cases": list(failure.cases)} for failure in self.failures],
        }

    def __reduce__(self) -> tuple[Any, ...]:
        restore, (cls, args, state) = super().__reduce__()[:2]
        heavy = ("schema", "data", "schema_errors", "failure_cases")
        return restore, (cls, args, {**state, **dict.fromkeys(heavy)})


def _failures(error: SchemaErrors, max_cases: int) -> Iterator[Failure]:
    values = _cases(error.failure_cases)
    seen: set[tuple[str, ...]] = set()
    for kind, by_code in error.message.items():
        for code, entries in by_code.items():
            for entry in entries:
                column, check = str(entry["column"]), str(entry["check"])
                if (kind, code, column, check) in seen:
                    continue
                seen.add((kind, code, column, check))
                cases = values.get((column, check), []) if kind == "DATA" else []
                shown = [_cut(str(case)) for case in cases[:max_cases]]
                yield Failure(kind, column, check, code, _cut(str(entry["error"])), len(cases), shown)


def _cases(table: Any) -> dict[tuple[str, str], list[Any]]:
    """The values of a table of failure cases, of pandas or of polars, by column and check."""
    found: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    columns = (list(table[name]) for name in ("column", "check", "failure_case"))
    for column, check, case in zip(*columns, strict=True):
        found[str(column), str(check)].append(case)
    return found


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARS else f"{text[:_MAX_CHARS]}…"


def _sentence(name: str, rows: int | None, failures: Sequence[Failure]) -> str:
    size = "The frame" if rows is None else f"The frame of {rows:,} rows"
    lines = [f"{size} does not fit the schema {name}: {len(failures)} check{'s'[: len(failures) != 1]} failed."]
    for failure in failures[:_SHOWN_IN_MESSAGE]:
        values = ", ".join(failure.cases)
        more = f" and {failure.count - len(failure.cases):,} more" if failure.count > len(failure.cases) else ""
        what = f"{values}{more}" if failure.cases else failure.message
        lines.append(f"  {failure.column}: {failure.check}: {what}")
    if len(failures) > _SHOWN_IN_MESSAGE:
        lines.append(f"  and {len(failures) - _SHOWN_IN_MESSAGE} more")
    return "\n".join(lines)
