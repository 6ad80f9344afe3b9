"""Completion as shells ask for it, and in a real shell."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest


def complete(hardpoint: Any, line: str) -> list[str]:
    """What a shell would offer for the last word of a line."""
    words = line.split(" ")
    ended = hardpoint(
        _HARDPOINT_COMPLETE="bash_complete",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words) - 1),
    )
    assert ended.status == 0, ended.err
    offers = [offer.split(",", 1) for offer in ended.out.splitlines()]
    return [value if kind == "plain" else f"<{kind}>" for kind, value in offers]


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("hardpoint ru", ["run", "runs"]),
        ("hardpoint run steps.py fa", ["failing"]),
        ("hardpoint run steps.py failing --n", ["--n"]),
        ("hardpoint run values.py scalars --color ", ["red", "blue"]),
        ("hardpoint run values.py scalars --whole", ["--whole-number"]),
        ("hardpoint run --output ", ["table", "json"]),
        ("hardpoint run nope.py x", ["<file>"]),
        ("hardpoint run st", ["<file>"]),
        ("hardpoint run frames.py places --folder ", ["<dir>"]),
        ("hardpoint completion f", ["fish"]),
    ],
)
def test_offers(hardpoint: Any, line: str, offers: list[str]) -> None:
    assert complete(hardpoint, line) == offers


def test_runs_are_offered(hardpoint: Any) -> None:
    hardpoint("run", "-q", "plans.py", "plan")
    (listed,) = hardpoint("runs", "list", "--json").json
    assert complete(hardpoint, "hardpoint runs show ") == ["latest", listed["run"]]


def test_a_file_that_prints_or_fails_does_not_disturb(hardpoint: Any, tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text("print('noise')\nfrom hardpoint import task\n@task\ndef quiet() -> None: ...\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    assert complete(hardpoint, f"hardpoint run {tmp_path}/noisy.py q") == ["quiet"]
    assert complete(hardpoint, f"hardpoint run {tmp_path}/broken.py q") == ["<file>"]


def test_in_bash(hardpoint: Any, environment: dict[str, str], command: Any) -> None:
    script = hardpoint("completion", "bash").out
    program = Path(command()[0])
    asked = (
        "COMP_WORDS=(hardpoint run steps.py fai); COMP_CWORD=3; _hardpoint_completion hardpoint; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\n{asked}"],
        env={**environment, "PATH": f"{program.parent}:{environment['PATH']}"},
        cwd=Path(__file__).parent / "workflows",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "failing\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(hardpoint: Any, shell: str) -> None:
    assert "_HARDPOINT_COMPLETE" in hardpoint("completion", shell).out
