"""Which statement gets which parameters. What a statement takes, DuckDB's own parser says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hardpoint.errors import UserError
from hardpoint.types.codec import describe_type, describe_value
from hardpoint.types.structured import StructuredDataset

__all__ = ["Bound", "ParameterError", "Parameters", "bind", "is_pandas", "read_inputs", "short"]

Parameters = list[Any] | dict[str, Any]
Bound = tuple[Any, Any, bool]
"""A statement, its parameters or None, and whether these are rows, for each of which it runs."""

_FOR_EACH_ROW = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE_INTO"})


class ParameterError(UserError, ValueError):
    """Parameters and statements do not fit together."""


def read_inputs(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], Parameters | None, list[str]]:
    """Inputs of the task as (tables by name, parameters, queries); no queries if no input gives any.

    Raises:
        ParameterError: an input is none of these, or there are several with parameters.
    """
    tables: dict[str, Any] = {}
    parameters: Parameters | None = None
    owner = ""
    queries: list[str] = []
    for name, value in inputs.items():
        if name == "query" and (value is None or isinstance(value, str)):
            queries = [value] if value else []
        elif name == "query" and isinstance(value, list) and all(isinstance(text, str) for text in value):
            queries = value
        elif isinstance(value, list | dict | str):
            if parameters is not None:
                raise ParameterError(
                    f"Both {owner!r} and {name!r} give parameters, but a DuckDBQuery takes them from one input.",
                    remedy="Give a list with one list of parameters for each statement.",
                )
            parameters, owner = _parsed(name, value), name
        elif isinstance(value, StructuredDataset) or hasattr(type(value), "__arrow_c_stream__") or is_pandas(value):
            tables[name] = value
        else:
            raise ParameterError(
                f"Expected inputs of type StructuredDataset, str or list, received {describe_type(type(value))}",
                remedy=f"Input {name!r} should be a dataframe, a dataset, a list, a dict or JSON text.",
            )
    return tables, parameters, queries


def is_pandas(value: Any) -> bool:
    """Whether it is a pandas frame, which in old versions does not speak Arrow."""
    return any(c.__module__.partition(".")[0] == "pandas" and c.__name__ == "DataFrame" for c in type(value).__mro__)


def _parsed(name: str, value: list[Any] | dict[str, Any] | str) -> Parameters:
    if not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value)
    except json.JSONDecodeError as error:
        raise ParameterError(
            f"Input {name!r} should be parameters as JSON, but is {describe_value(value)}: {error}",
            remedy="For example [\"a\", 1]. A statement goes into an input named 'query'.",
        ) from error
    if not isinstance(parsed, list | dict):
        raise ParameterError(f"Input {name!r} should be a JSON list or object, but is {describe_value(parsed)}.")
    return parsed


def bind(statements: Sequence[Any], parameters: Parameters | None) -> list[Bound]:
    """Each statement with its parameters.

    Raises:
        ParameterError: there are too few or too many; this is known before any statement runs.
    """
    taking = [statement for statement in statements if statement.named_parameters]
    if not taking and parameters:
        raise ParameterError("Parameters are given, but no statement takes any.", remedy="Write ? or $name in the SQL.")
    if taking and parameters is None:
        raise ParameterError(
            f"Parameter not specified: {short(taking[0])} needs {_names(taking[0])}.",
            remedy="Declare an input of type list or dict, and give the parameters in it.",
        )
    sets = _sets(taking, parameters)
    bound: list[Bound] = []
    used: set[str] = set()
    for statement in statements:
        if not statement.named_parameters:
            bound.append((statement, None, False))
            continue
        values, may_be_rows = next(sets)
        rows = may_be_rows and statement.type.name in _FOR_EACH_ROW and _is_rows(values)
        fitting = [_fitting(statement, row) for row in values] if rows else _fitting(statement, values)
        used |= statement.named_parameters
        bound.append((statement, fitting, rows))
    if isinstance(parameters, dict) and (unused := sorted(set(parameters) - used)):
        raise ParameterError(
            f"No statement takes the parameter {', '.join(unused)}; there are {', '.join(sorted(used)) or 'none'}."
        )
    return bound


def _sets(taking: Sequence[Any], parameters: Parameters | None) -> Iterator[tuple[Any, bool]]:
    """The parameters of each statement that takes some, and whether they may be rows."""
    first = parameters[0] if isinstance(parameters, list) and parameters else None
    if isinstance(first, dict) and taking and not _by_name(taking[0]):
        first = None  # a struct, which is one parameter like any other
    if not isinstance(first, list | dict):
        yield from ((parameters, False) for _ in taking)
        return
    assert isinstance(parameters, list)
    if len(parameters) != len(taking):
        which = "Parameter doesn't exist" if len(parameters) < len(taking) else "There are too many parameters"
        raise ParameterError(
            f"{which}: {len(parameters)} sets of parameters are given, and {len(taking)} statements take some.",
            remedy="Give one list for each; a list of rows for a statement that is to run once for each row.",
        )
    yield from ((values, True) for values in parameters)


def _is_rows(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(row, list | dict) for row in values)


def _by_name(statement: Any) -> bool:
    return not all(name.isdecimal() for name in statement.named_parameters)


def _fitting(statement: Any, values: Any) -> Any:
    """The parameters as DuckDB takes them.

    Raises:
        ParameterError: they are not those that the statement names.
    """
    wanted = statement.named_parameters
    if isinstance(values, dict):
        missing = sorted(wanted - set(values))
        if missing:
            raise ParameterError(f"Parameter doesn't exist: {short(statement)} needs {', '.join(missing)}.")
        return {name: values[name] for name in wanted}
    if not isinstance(values, list):
        raise ParameterError(
            f"{short(statement)} takes {_names(statement)}, but is given {describe_value(values)}.",
            remedy="Give a list, or a dict for parameters with names.",
        )
    if _by_name(statement):
        raise ParameterError(
            f"{short(statement)} takes {_names(statement)}, but is given a list.", remedy="Give a dict."
        )
    if len(values) != len(wanted):
        raise ParameterError(
            f"{short(statement)} takes {len(wanted)} parameters ({_names(statement)}), but {len(values)} are given."
        )
    return values


def _names(statement: Any) -> str:
    return ", ".join(f"${name}" for name in sorted(statement.named_parameters))


def short(statement: Any) -> str:
    """A statement for people."""
    text = " ".join(getattr(statement, "query", str(statement)).split())
    return f"the statement {text[:80]!r}{'...' if len(text) > 80 else ''}"
