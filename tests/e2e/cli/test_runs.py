from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from hardpoint.cli.runs import ago, runs
from hardpoint.cli.shell import length
from hardpoint.engine.store import RunStore


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0005, "0.5ms"),
        (0.5, "0.50s"),
        (42.35, "42.4s"),
        (61, "1m01s"),
        (119.7, "2m00s"),
        (3700, "1h01m"),
        (59.97, "1m00s"),
    ],
)
def test_lengths(seconds: float, text: str) -> None:
    assert length(seconds) == text


@pytest.mark.parametrize(
    ("passed", "text"), [(-1, "0 s ago"), (5, "5 s ago"), (90, "1 min ago"), (7200, "2 h ago"), (3 * 86400, "3 d ago")]
)
def test_relative_times(passed: float, text: str) -> None:
    assert ago(time.time() - passed) == text
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", ago(time.time() - 100 * 86400))


def test_list_show_and_remove(hardpoint: Any, state_dir: Path) -> None:
    assert hardpoint("runs", "list").out == "No runs yet.\n"
    assert hardpoint("runs", "show").status == 2
    hardpoint("run", "-q", "steps.py", "failing", "--n", "3")
    hardpoint("run", "-q", "steps.py", "squares", "--numbers", "[1, 2, 13, 3]", "--max-parallelism", "1")
    hardpoint("run", "-q", "plans.py", "plan")

    listed = hardpoint("runs", "list")
    lines = [line.split() for line in listed.out.splitlines()]
    assert lines[0] == ["run", "state", "started", "took", "what"]
    assert [(line[1], line[-1]) for line in lines[1:]] == [
        ("succeeded", "plans.ten"),
        ("failed", "steps.squares"),
        ("failed", "steps.failing"),
    ]
    assert len(hardpoint("runs", "list", "--limit", "1").out.splitlines()) == 2
    facts = hardpoint("runs", "list", "--json").json
    assert facts[0].keys() == {"run", "name", "state", "started", "ended", "source"}

    plan, squares, failing = (line[0] for line in lines[1:])
    shown = hardpoint("runs", "show", failing).out
    assert re.search(r"^inputs:\n  n  3$", shown, re.M)
    assert re.search(r"^  n0 +steps.first +succeeded", shown, re.M)
    assert re.search(r"^  n1 +steps.fragile +failed +\S+ +ValueError: 4 is too much$", shown, re.M)
    assert shown.endswith(f"Resume with: hardpoint run --resume {failing}\n")

    tree = hardpoint("runs", "show", plan).out
    assert re.search(r"^outputs:\n  o0  15$", tree, re.M)
    assert re.search(r"^  n0 +plans.ten +succeeded.*\n    n0 +plans.add +succeeded", tree, re.M)

    mapped = hardpoint("runs", "show", squares).out
    assert re.search(r"^    \[2\] +steps.square +failed +\S+ +ValueError: an unlucky number$", mapped, re.M)
    assert "[0]" not in mapped
    assert re.search(r"^    \[0\] +steps.square +succeeded", hardpoint("runs", "show", squares, "--elements").out, re.M)

    assert hardpoint("runs", "show", "latest", "--json").json["outputs"] == {"o0": 15}
    everything = hardpoint("runs", "show", plan[0])
    assert everything.status == 2
    assert everything.err.startswith(f"error: {plan[0]!r} is the beginning of 3 runs: ")

    asked = hardpoint("runs", "rm", "latest")
    assert (asked.status, asked.err) == (2, "error: This would remove 1 run; add --yes.\n")
    assert (state_dir / "runs" / plan).exists() or hardpoint("runs", "show", plan).status == 0
    assert hardpoint("runs", "rm", "latest", "--yes").out == "Removed 1 run.\n"
    assert not (state_dir / "runs" / plan).exists()
    assert hardpoint("runs", "rm", "--older-than", "1h", "-y").out == "Nothing to remove.\n"
    with sqlite3.connect(state_dir / "runs.sqlite") as db:
        db.execute("update runs set started = started - 7200 where id = ?", (failing,))
    db.close()
    assert hardpoint("runs", "rm", "--older-than", "1h", "-y").out == "Removed 1 run.\n"
    assert [run["run"] for run in hardpoint("runs", "list", "--json").json] == [squares]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["rm"], "Name the runs to remove, or give --older-than."),
        (["rm", "--older-than", "x"], "--older-than should be a length of time, such as 7d or 12h, but got 'x'."),
    ],
)
def test_bad_usage(words: list[str], complaint: str) -> None:
    from click.testing import CliRunner

    ended = CliRunner().invoke(runs, words)
    assert ended.exit_code == 2
    assert f"Error: {complaint}" in ended.output


def test_a_refusal_to_confirm_keeps_the_run(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run that is still going on keeps cannot be removed either."""
    from click.testing import CliRunner

    store = RunStore()
    store.start_run("261122-000000-abcd", "flow.main", "", b"")
    store.close()
    ended = CliRunner().invoke(runs, ["rm", "latest", "--yes"])
    assert "is still running" in str(ended.exception)
