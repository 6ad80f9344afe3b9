from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hardpoint as package
from hardpoint.cli.main import cli
from hardpoint.cli.main import main as main_


def test_help_lists_the_commands_and_the_exit_statuses(hardpoint: Any) -> None:
    ended = hardpoint("--help")
    assert ended.status == 0
    assert re.findall(r"^  (\w+)  ", ended.out.partition("Commands:")[2].partition("Examples:")[0], re.M)[:8] == [
        "run",
        "runs",
        "jobs",
        "serve",
        "cache",
        "doctor",
        "new",
        "completion",
    ]
    for status in ("0 ", "1 ", "2 ", "3 ", "130 "):
        assert f"\n  {status}" in ended.out


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from hardpoint.cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert (
        loaded & {"flyteidl", "google", "msgspec", "rich", "rich_click", "asyncio", "yaml", "sqlite3", "fsspec"}
        == set()
    )
    assert not [name for name in done.stderr.split() if name.startswith(("hardpoint.engine", "hardpoint.types"))]


def test_version(hardpoint: Any) -> None:
    assert hardpoint("--version").out == f"hardpoint {package.__version__}\n"


def test_no_command_shows_the_help_on_standard_error(hardpoint: Any) -> None:
    ended = hardpoint()
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("Usage: hardpoint")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["rnu"], "error: There is no command 'rnu'; did you mean 'run'?\n"),
        (["runs", "shwo"], "error: There is no command 'shwo'; did you mean 'show'?\n"),
        (["--nope"], "error: No such option '--nope'.\n"),
        (["run"], None),
        (["run", "--quiet"], "error: FILE is missing: hardpoint run FILE [NAME].\n"),
        (["run", "-e", "X", "steps.py"], "error: -e should be KEY=VALUE, but got 'X'.\n"),
        (["run", "nope.py"], "error: There is no file nope.py.\n"),
        (
            ["run", "no file"],
            "error: 'no file' is neither a Python file nor the name of a module, such as package.module.\n",
        ),
        (["run", "--resume", "nope"], None),
    ],
)
def test_bad_usage_is_one_line_and_status_2(words: list[str], complaint: str | None, capfd: Any) -> None:
    assert main_(words) == 2
    out, err = capfd.readouterr()
    assert out == ""
    if complaint is not None:
        assert err == complaint


def test_every_command_has_help_with_examples() -> None:
    import click

    def visit(command: click.Command, path: tuple[str, ...]) -> None:
        context = click.Context(command, info_name=" ".join(path))
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                visit(inner, (*path, name))
            if not command.list_commands(context):
                assert "Examples:" in command.get_help(context)
        else:
            assert "Examples:" in command.get_help(context), path

    for name in ("run", "runs", "cache", "doctor", "completion"):
        inner = cli.get_command(click.Context(cli), name)
        assert inner is not None
        visit(inner, ("hardpoint", name))


def test_colors_are_for_terminals(hardpoint: Any) -> None:
    assert "\x1b" not in hardpoint("run", "nope.py").err


def test_cache_clear(hardpoint: Any, tmp_path: Path) -> None:
    for n in ("1", "1", "2"):
        assert hardpoint("run", "-q", "steps.py", "cached", "--n", n).out == f"o0  {n}\n"
    assert (tmp_path / "marks").read_text() == "cached 1\ncached 2\n"
    assert hardpoint("run", "-q", "--no-cache", "steps.py", "cached", "--n", "1").status == 0
    assert hardpoint("run", "-q", "--overwrite-cache", "steps.py", "cached", "--n", "1").status == 0
    assert (tmp_path / "marks").read_text().count("cached 1") == 3
    assert hardpoint("cache", "clear", "--task", "steps.other").out == "Removed 0 entries of steps.other.\n"
    assert hardpoint("cache", "clear").out == "Removed 2 entries.\n"
    assert hardpoint("cache", "clear").out == "Removed 0 entries.\n"
