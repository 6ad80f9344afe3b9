"""`hardpoint new`: what it writes is whole, works, and is in good style, within Hardpoint and outside of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent


def called(*words: str | Path, cwd: Path, **variables: str) -> str:
    """What a program says that succeeds."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, "VIRTUAL_ENV": str(BIN.parent), **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def passed(folder: Path, *words: str, path: Path) -> None:
    """Tests in a process of their own pass."""
    told = (sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *words)
    said = called(*told, cwd=folder, PYTHONPATH=f"{path}:{os.environ.get('PYTHONPATH', '')}")
    assert " passed" in said


def is_in_good_style(folder: Path) -> None:
    called(BIN / "ruff", "check", "--no-cache", ".", cwd=folder)
    called(BIN / "ruff", "format", "--no-cache", "--check", ".", cwd=folder)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, command: Callable[..., list[str]]) -> tuple[Path, str]:
    """A package, and what was said when it was written."""
    folder = tmp_path_factory.mktemp("plugins")
    said = called(*command("new", "connector", "big_lake", "--dir", str(folder)), cwd=folder)
    return folder / "hardpoint-big-lake", said


@pytest.fixture(scope="module")
def installed(package: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is installed."""
    target = tmp_path_factory.mktemp("site")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--offline", "--target", target)
    called(BIN / "uv", "pip", "install", *options, package[0], cwd=package[0])
    return target


def test_it_says_what_comes_next(package: tuple[Path, str]) -> None:
    folder, said = package
    assert f"cd {folder}\n  pip install -e .\n  python -m pytest" in said
    for name in ("src/hardpoint_big_lake/connector.py", "tests/fake_big_lake.py", "docs/big_lake.md"):
        assert (folder / name).is_file()
        assert str(folder / name) in said


def test_its_tests_pass(package: tuple[Path, str], installed: Path) -> None:
    """Also where pytest-asyncio is installed, which warns of what is not configured, and where it is not."""
    passed(package[0], path=installed)
    passed(package[0], "-p", "no:asyncio", "tests/test_example.py", path=installed)


def test_its_types_are_strict(package: tuple[Path, str], installed: Path, tmp_path: Path) -> None:
    assert "Success" in called(BIN / "mypy", "--strict", "--cache-dir", tmp_path, "src", cwd=package[0])


def test_its_style_is_good(package: tuple[Path, str]) -> None:
    is_in_good_style(package[0])


@pytest.mark.parametrize("name", ["q1", "an_uncommonly_long_one"])
def test_its_style_is_good_by_any_name(tmp_path: Path, command: Callable[..., list[str]], name: str) -> None:
    called(*command("new", "connector", name, "--dir", str(tmp_path)), cwd=tmp_path)
    is_in_good_style(tmp_path / f"hardpoint-{name.replace('_', '-')}")


def test_a_checkout_gets_a_built_in_one(tmp_path: Path, command: Callable[..., list[str]]) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "src/hardpoint", tmp_path / "src/hardpoint", ignore=shutil.ignore_patterns("__pycache__"))
    said = called(*command("new", "connector", "lake"), cwd=tmp_path)
    assert 'lake = "hardpoint.integrations.lake:integration"' in said
    written = [path for path in tmp_path.rglob("*lake*") if path.is_file()]
    assert {path.relative_to(tmp_path).as_posix() for path in written} == {
        "docs/integrations/lake.md",
        "examples/lake_example.py",
        "tests/conformance/test_lake.py",
        "tests/integrations/lake/fake_lake.py",
    }
    places = ["src/hardpoint/integrations/lake", "tests", "examples"]
    called(BIN / "ruff", "check", "--no-cache", *places, cwd=tmp_path)
    called(BIN / "ruff", "format", "--no-cache", "--check", *places, cwd=tmp_path)
    some = "metas or declared_outputs or lost_response"
    passed(tmp_path, "tests/conformance", "-k", some, path=tmp_path / "src")


def test_the_documentation_shows_what_is_written(tmp_path: Path, command: Callable[..., list[str]]) -> None:
    called(*command("new", "connector", "lake", "--dir", str(tmp_path)), cwd=tmp_path)
    page = (ROOT / "docs/testing-connectors.md").read_text()
    [(file, source)] = re.findall(r"<!-- scaffold: (\S+) -->\n```python\n(.*?)```", page, re.DOTALL)
    assert source in (tmp_path / "hardpoint-lake" / file).read_text()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Big-Lake", "-> hardpoint new connector big_lake"),
        ("lake2go!", "-> hardpoint new connector lake2go"),
        ("a", "-> Choose another."),
        ("1st", "-> Choose another."),
        ("class", "no word of Python"),
        ("big__lake", "-> hardpoint new connector big_lake"),
        ("duckdb", "There is an integration duckdb already."),
        ("an_uncommonly_long_name_of_a_lake", "at most 24 characters"),
    ],
)
def test_a_name_that_does_not_do_is_refused(
    hardpoint: Callable[..., Any], tmp_path: Path, name: str, says: str
) -> None:
    done = hardpoint("new", "connector", name, cwd=tmp_path)
    assert done.status == 2
    assert says in done.err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(hardpoint: Callable[..., Any], tmp_path: Path) -> None:
    kept = tmp_path / "hardpoint-lake/src/hardpoint_lake/task.py"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    done = hardpoint("new", "connector", "lake", cwd=tmp_path)
    assert (done.status, "task.py is there already." in done.err) == (2, True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]
    assert kept.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_told(hardpoint: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = hardpoint("new", "connector", "lake", "--dir", "file/below", cwd=tmp_path)
    assert (done.status, "cannot be written" in done.err) == (2, True)


def test_built_in_is_for_a_checkout(hardpoint: Callable[..., Any], tmp_path: Path) -> None:
    done = hardpoint("new", "connector", "lake", "--built-in", cwd=tmp_path)
    assert (done.status, "is no checkout of Hardpoint" in done.err) == (2, True)
