"""`hardpoint new`: what is needed to begin an integration, whole and working."""

from __future__ import annotations

import keyword
import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from pathlib import Path
from string import Template

import click

from hardpoint.cli.shell import Group, style
from hardpoint.errors import UserError

__all__ = ["new"]

_NAME = re.compile(r"[a-z][a-z0-9_]*[a-z0-9]")
_LONGEST = 24

# Where each template goes; {name} and {package} are filled in.
_OUTSIDE = {
    "pyproject.toml": "pyproject.toml",
    "readme.md": "README.md",
    "manifest.py": "src/{package}/__init__.py",
    "task.py": "src/{package}/task.py",
    "states.py": "src/{package}/states.py",
    "client.py": "src/{package}/client.py",
    "connector.py": "src/{package}/connector.py",
    "conftest.py": "tests/conftest.py",
    "fake.py": "tests/fake_{name}.py",
    "test_conformance.py": "tests/test_conformance.py",
    "test_example.py": "tests/test_example.py",
    "docs.md": "docs/{name}.md",
    "example.py": "examples/{name}_example.py",
}
_WITHIN = {
    "manifest.py": "src/hardpoint/integrations/{name}/__init__.py",
    "task.py": "src/hardpoint/integrations/{name}/task.py",
    "states.py": "src/hardpoint/integrations/{name}/states.py",
    "client.py": "src/hardpoint/integrations/{name}/client.py",
    "connector.py": "src/hardpoint/integrations/{name}/connector.py",
    "fake.py": "tests/integrations/{name}/fake_{name}.py",
    "test_conformance.py": "tests/conformance/test_{name}.py",
    "test_example.py": "tests/integrations/{name}/test_example.py",
    "docs.md": "docs/integrations/{name}.md",
    "example.py": "examples/{name}_example.py",
}


@click.group(cls=Group)
def new() -> None:
    """Begin an integration."""


@new.command(
    examples="""
        hardpoint new connector lake                # hardpoint-lake/, a package of its own
        hardpoint new connector lake --dir ../plugins
        hardpoint new connector lake --built-in     # within a checkout of Hardpoint
    """
)
@click.argument("name")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="FOLDER",
    help="Where it is put.  [default: here]",
)
@click.option(
    "--third-party/--built-in",
    "outside",
    default=None,
    help="A package of its own, or a part of the checkout of Hardpoint in that folder.  [default: what fits the folder]",
)
def connector(name: str, folder: Path, outside: bool | None) -> None:
    """Write a connector for a service of jobs: NAME is its name in lower case.

    It comes with a task, a stand-in for the service, tests that pass, a page of documentation and an example. Then make
    it speak to the real service, one file after the other; the tests say what is still missing.
    """
    _check(name)
    if outside is None:
        outside = not _is_checkout(folder)
    elif not outside and not _is_checkout(folder):
        raise UserError(
            f"{folder.resolve()} is no checkout of Hardpoint.", remedy="Name one with --dir, or leave out --built-in."
        )
    plan = _third_party(name, folder) if outside else _built_in(name, folder)
    files = plan.files()
    _write(plan.root, files)
    click.echo(f"Wrote {len(files)} files:")
    for path in files:
        click.echo(f"  {(plan.root / path)}")
    click.echo(f"\n{style('Next:', bold=True)}")
    for line in plan.next_steps:
        click.echo(f"  {line}" if line else "")


@dataclass(frozen=True)
class _Plan:
    """What is written.

    Attributes:
        root: The folder.
        places: From a template to where it goes below the root.
        words: What the templates are filled with.
        next_steps: What is left to be done.
    """

    root: Path
    places: dict[str, str]
    words: dict[str, str]
    next_steps: tuple[str, ...]

    def files(self) -> dict[str, str]:
        """The files: their contents by their places."""
        templates = resources.files("hardpoint.cli") / "templates" / "connector"
        found: dict[str, str] = {}
        for template, place in self.places.items():
            text = (templates / f"{template}.tmpl").read_text(encoding="utf-8")
            filled = Template(text).substitute(self.words)
            found[place.format(**self.words)] = _sorted(filled) if template.endswith(".py") else filled
        if "pyproject.toml" in self.places:
            found["src/{package}/py.typed".format(**self.words)] = ""
        return found


def _words(name: str, **more: str) -> dict[str, str]:
    parts = name.split("_")
    return {
        "name": name,
        "NAME": name.upper(),
        "Name": "".join(part.capitalize() for part in parts),
        "title": " ".join(part.capitalize() for part in parts),
        "host": "-".join(parts),
        **more,
    }


def _third_party(name: str, folder: Path) -> _Plan:
    distribution = f"hardpoint-{name.replace('_', '-')}"
    words = _words(
        name,
        package=f"hardpoint_{name}",
        distribution=distribution,
        extra="None",
        bracket="",
        tests="",
        depth="1",
    )
    steps = (
        f"cd {folder / distribution}",
        "pip install -e .",
        "python -m pytest            # the connector against its stand-in, with a saboteur in between",
        "",
        "Then, in this order: states.py, client.py, connector.py, task.py, and the stand-in in tests/.",
        "docs/testing-connectors.md of Hardpoint explains what the tests prove.",
    )
    return _Plan(folder / distribution, _OUTSIDE, words, steps)


def _built_in(name: str, folder: Path) -> _Plan:
    package = f"hardpoint.integrations.{name}"
    words = _words(
        name,
        package=package,
        distribution="hardpoint",
        extra=f'"{name}"',
        bracket=f"[{name}]",
        tests=f"tests.integrations.{name}.",
        depth="3",
    )
    steps = (
        "in pyproject.toml, under [project.optional-dependencies], with what the service's library needs, and in `all`:",
        f"    {name} = []",
        'in pyproject.toml, under [project.entry-points."hardpoint.integrations"]:',
        f'    {name} = "{package}:integration"',
        "make setup && make docs",
        f"python -m pytest tests/conformance/test_{name}.py tests/integrations/{name}",
    )
    return _Plan(folder, _WITHIN, words, steps)


def _check(name: str) -> None:
    """Raise unless an integration may have this name."""
    from hardpoint.integration import catalogue

    if not _fits(name):
        likely = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        raise UserError(
            f"{name!r} cannot be the name of an integration: it begins with a lower-case letter, goes on with such letters, "
            f"digits and single underscores, has at least 2 and at most {_LONGEST} characters, and is no word of Python.",
            remedy=f"hardpoint new connector {likely}" if _fits(likely) else "Choose another.",
        )
    if name in {integration.name for integration in catalogue.all()}:
        raise UserError(f"There is an integration {name} already.", remedy="Choose another name.")


def _fits(name: str) -> bool:
    words = _NAME.fullmatch(name) is not None and "__" not in name and not keyword.iskeyword(name)
    return words and len(name) <= _LONGEST


def _is_checkout(folder: Path) -> bool:
    """Whether a folder is a checkout of Hardpoint itself."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, tomllib.TOMLDecodeError):
        return False
    return project.get("name") == "hardpoint" and (folder / "src/hardpoint/integrations").is_dir()


def _write(root: Path, files: dict[str, str]) -> None:
    """Write the files, all of them or, if one is there already, none."""
    there = [path for path in files if (root / path).exists()]
    if there:
        raise UserError(
            f"{root / there[0]} is there already" + (f", and {len(there) - 1} more." if len(there) > 1 else "."),
            remedy="Choose another name or folder, or remove what is there.",
        )
    for path, text in files.items():
        place = root / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(f"{place} cannot be written: {error.strerror}", remedy="Name another --dir.") from error


def _sorted(source: str) -> str:
    """The source with each block of imports in order and within 120 columns; both depend on the package's name."""
    lines: list[str] = []
    for imports, block in groupby(source.split("\n"), key=lambda line: line.lstrip().startswith("from ")):
        found = list(block)
        if imports:
            found = [_within(line) for line in sorted(found, key=lambda line: line.split()[1])]
        lines += found
    return "\n".join(lines)


def _within(line: str) -> str:
    if len(line) <= 120:
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    head, names = line.split(" import ")
    return "\n".join((f"{head} import (", *(f"{indent}    {name}," for name in names.split(", ")), f"{indent})"))
