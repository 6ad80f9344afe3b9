"""What a docstring says of a function, its arguments and its results: Google, NumPy and Sphinx style."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

__all__ = ["Docstring", "parse"]


@dataclass(frozen=True)
class Docstring:
    """The parts of a docstring.

    Attributes:
        short: The first line.
        long: The text after it, up to the first section; None if there is none.
        inputs: Text of each argument that is described.
        outputs: Text of each result; under None where the results have no names.
        results: The text of a section of several results as it stands; None where there is no such section.
    """

    short: str | None = None
    long: str | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str | None, str] = field(default_factory=dict)
    results: str | None = None

    def of_outputs(self, names: Iterable[str]) -> dict[str, str]:
        """The text of each of these outputs that has one.

        A text that is the only one is of all outputs, whatever it is headed by: ``out``, a type, or nothing. Where several texts
        are headed by types, each output has them all.
        """
        names, shared = list(names), self.outputs.get(None)
        if self.results is not None and self.outputs.keys().isdisjoint(names):
            shared = self.results
        elif len(self.outputs) == 1:
            (shared,) = self.outputs.values()
        found = {name: self.outputs.get(name) or shared for name in names}
        return {name: text for name, text in found.items() if text}


_ARGUMENTS = {"args", "arguments", "parameters", "params", "keyword args", "keyword arguments", "other parameters"}
_RESULTS = {"return", "returns", "yield", "yields"}
_OTHER = {
    *(
        "raises",
        "raise",
        "warns",
        "note",
        "notes",
        "example",
        "examples",
        "attributes",
        "see also",
        "references",
        "todo",
    ),
    *("warning", "warnings", "receives"),
}
_GOOGLE = r"^(?P<title>[A-Za-z][A-Za-z ]*):\s*$"
_GOOGLE_ENTRY = r"^(?P<name>\*{0,2}\w+)\s*(?:\((?P<type>[^)]*(?:\([^)]*\)[^)]*)*)\))?\s*:\s*(?P<text>.*)$"
_TYPE = r"[\w.]+(?:\[[^:]*\])?"
_TYPED = rf"^{_TYPE}(?:\s*(?:\||,|or)\s*{_TYPE})*:\s+(?P<text>.*)$"  # "int: the result", but no "A note: ..."
_SPHINX = r"^:(?P<kind>\w+)(?:\s+(?P<arg>[^:]*))?:\s*(?P<text>.*)$"
_SPHINX_ARGUMENTS = {"param", "parameter", "arg", "argument", "key", "keyword"}


def parse(text: str | None) -> Docstring:
    """Take a docstring apart; anything that is no section belongs to the long description."""
    if not text or not text.strip():
        return Docstring()
    lines = inspect.cleandoc(text).splitlines()
    start, sections = len(lines), []
    for begin, end, title in _sections(lines):
        start = min(start, begin)
        sections.append((title, lines[begin:end]))
    prose = lines[:start]
    inputs: dict[str, str] = {}
    outputs: dict[str | None, str] = {}
    results: str | None = None
    for title, body in sections:
        if title == "sphinx":
            _read_sphinx(body, inputs, outputs)
        elif title in _ARGUMENTS:
            inputs.update(_entries(body))
        elif title in _RESULTS:
            texts, results = _results(body)
            outputs.update(texts)
    short = prose[0].strip() if prose else None
    rest = "\n".join(prose[1:]).strip()
    return Docstring(short or None, rest or None, inputs, outputs, results)


def _sections(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """Where each section begins and ends, header included, and what it is."""
    heads: list[tuple[int, str]] = []
    for index, line in enumerate(lines):
        google = re.match(_GOOGLE, line)
        title = google["title"].lower() if google else line.strip().lower()
        known = title in _ARGUMENTS or title in _RESULTS or title in _OTHER
        underlined = index + 1 < len(lines) and re.fullmatch(r"-{3,}", lines[index + 1].strip()) is not None
        if known and (google or underlined):
            heads.append((index, title))
        elif re.match(_SPHINX, line) and (not heads or heads[-1][1] != "sphinx"):
            heads.append((index, "sphinx"))
    for position, (begin, title) in enumerate(heads):
        yield begin, heads[position + 1][0] if position + 1 < len(heads) else len(lines), title


def _read_sphinx(lines: list[str], inputs: dict[str, str], outputs: dict[str | None, str]) -> None:
    current: tuple[dict[str, str] | dict[str | None, str], str | None] | None = None
    for line in lines:
        match = re.match(_SPHINX, line)
        if match is None:
            if current is not None and line.strip():
                target, name = current
                target[name] = f"{target[name]}\n{line.strip()}"  # type: ignore[index]
            continue
        kind, words = match["kind"], (match["arg"] or "").split()
        if kind in _SPHINX_ARGUMENTS and words:
            inputs[words[-1].lstrip("*")] = match["text"].strip()
            current = (inputs, words[-1].lstrip("*"))
        elif kind in ("return", "returns"):
            key = words[-1] if words else None
            outputs[key] = match["text"].strip()
            current = (outputs, key)
        else:
            current = None


def _blocks(lines: list[str]) -> tuple[list[list[str]], bool]:
    """A section's entries, each with its continuation lines, and whether the section is in NumPy style."""
    numpy = len(lines) > 1 and set(lines[1].strip()) == {"-"}
    body = inspect.cleandoc("\n".join([" ", *lines[2 if numpy else 1 :]])).splitlines()
    blocks: list[list[str]] = []
    for line in body:
        if line and not line[0].isspace():
            blocks.append([line])
        elif blocks and line.strip():
            blocks[-1].append(line.strip())
    return blocks, numpy


def _entries(lines: list[str]) -> dict[str, str]:
    blocks, numpy = _blocks(lines)
    found: dict[str, str] = {}
    for head, *rest in blocks:
        if numpy:
            for name in head.partition(":")[0].split(","):
                found[name.strip().lstrip("*")] = "\n".join(rest)
        elif match := re.match(_GOOGLE_ENTRY, head):
            found[match["name"].lstrip("*")] = "\n".join([match["text"], *rest]).strip()
    return found


def _results(lines: list[str]) -> tuple[dict[str | None, str], str | None]:
    """The texts of results by their heads, and, where a Google section has several, the whole of it after the first head."""
    blocks, numpy = _blocks(lines)
    if not blocks:
        return {}, None
    if numpy:
        named = {head.partition(":")[0].strip(): "\n".join(rest) for head, *rest in blocks if ":" in head}
        return (dict(named.items()) if named else {None: "\n".join("\n".join(rest) for _, *rest in blocks)}), None
    text = "\n".join("\n".join(block) for block in blocks)
    first = re.match(_TYPED, text, re.DOTALL)
    whole = (first["text"] if first else text).strip()
    matches = [re.match(_GOOGLE_ENTRY, head) for head, *_ in blocks]
    if len(blocks) > 1 and all(matches):
        return {
            m["name"]: "\n".join([m["text"], *rest]).strip() for m, (_, *rest) in zip(matches, blocks, strict=True) if m
        }, whole
    return {None: whole}, None
