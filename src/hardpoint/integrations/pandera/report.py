"""The report that validation leaves in a task's deck. It is bounded, escaped, and refers to nothing outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pandera.errors import SchemaErrors

from hardpoint.deck import SafeHtml, TopFrameRenderer, render
from hardpoint.deck.markup import escape, notice
from hardpoint.integrations.pandera.errors import Failure, FrameValidationError
from hardpoint.integrations.pandera.validation import rows_of

__all__ = ["PandasReportRenderer"]

_MAX_ROWS = 50
_MAX_CHARS = 200


class PandasReportRenderer:
    """Renders what validation found: a summary, the schema, the frame's head, and each check that failed.

    Args:
        title: The heading.
    """

    def __init__(self, title: str = "Pandera Error Report") -> None:
        self._title = title

    def to_html(self, data: Any, schema: Any, error: SchemaErrors | None = None, dropped: int = 0) -> SafeHtml:
        """The report.

        Args:
            data: The frame that was validated.
            schema: Its schema.
            error: Pandera's error; None if the frame fits.
            dropped: Rows that were taken out since they did not fit.
        """
        rows = rows_of(data)
        if error is not None and not isinstance(error, FrameValidationError):
            error = FrameValidationError(error, rows, max_cases=10)
        failures: Sequence[Failure] = error.failures if error is not None else ()
        form = [failure for failure in failures if failure.kind == "SCHEMA"]
        values = [failure for failure in failures if failure.kind != "SCHEMA"]
        columns = len(data.columns) if rows is not None else len(data.collect_schema())
        summary = [
            ("Schema Name", schema.name or ""),
            ("Shape", f"({'?' if rows is None else rows}, {columns})"),
            ("Total schema errors", len(form)),
            ("Total data errors", len(values)),
        ]
        if dropped:
            summary.append(("Rows dropped", dropped))
        banner = "Data validation succeeded." if error is None else "Data validation failed."
        parts = [
            f"<h3>{escape(self._title)}</h3>",
            f'<p class="hp-summary"><strong>{banner}</strong></p>',
            "<h4>Summary</h4>",
            _table(("Metadata", "Value"), summary),
            "<h4>Schema</h4>",
            _table(("Column", "Type", "Nullable", "Required", "Checks"), map(_column, schema.columns.items())),
            "<h4>Data Preview</h4>",
            render(data) if rows is None else TopFrameRenderer(max_rows=5).to_html(data),
        ]
        if form:
            lines = ((f.column, f.code, f.check, f.message) for f in form)
            parts += ["<h4>Schema-level Errors</h4>", _table(("Column", "Code", "Check", "Error"), lines)]
        if values:
            headings = ("Column", "Code", "Valid", "Check", "Failure Cases", "Error")
            lines_of_values = ((f.column, f.code, _share(f, rows), f.check, _cases(f), f.message) for f in values)
            parts += ["<h4>Data-level Errors</h4>", _table(headings, lines_of_values)]
        return SafeHtml("\n".join(parts))


def _column(item: tuple[Any, Any]) -> tuple[Any, ...]:
    name, column = item
    checks = ", ".join(str(check.name or check) for check in column.checks)
    return name, column.dtype or "", _yes(column.nullable), _yes(column.required), checks


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def _share(failure: Failure, rows: int | None) -> str:
    """The part of the rows that pass; nothing where there are no rows, or the check is not one of rows."""
    if not rows or not failure.count:
        return ""
    return f"{max(0.0, 1 - failure.count / rows):.2%}"


def _cases(failure: Failure) -> str:
    more = failure.count - len(failure.cases)
    return ", ".join(failure.cases) + (f" ... (+{more} more)" if more > 0 else "")


def _table(headings: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    given = list(lines)
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    body = "".join(f"<tr>{''.join(map(_cell, line))}</tr>" for line in given[:_MAX_ROWS])
    more = notice(f"{len(given) - _MAX_ROWS} more are not shown.") if len(given) > _MAX_ROWS else ""
    return (
        f'<div class="hp-scroll"><table class="hp-table"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{more}"
    )


def _cell(value: Any) -> str:
    text = str(value)
    limit = 10 * _MAX_CHARS
    return f"<td>{escape(text if len(text) <= limit else text[:limit] + '…')}</td>"
