"""Runs in real processes: what they show, how they fail, and how they are taken up again."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., "subprocess.Popen[str]"]
Command = Callable[..., list[str]]


@pytest.fixture
def marks(tmp_path: Path) -> Callable[[], list[str]]:
    """What the tasks have noted so far."""
    file = tmp_path / "marks"
    return lambda: file.read_text().split("\n")[:-1] if file.exists() else []


def go(tmp_path: Path) -> None:
    (tmp_path / "marks.go").touch()


def until(marks: Callable[[], list[str]], word: str, process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 60
    while word not in marks():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.02)


def run_id(text: str) -> str:
    found = re.search(r"--resume (\S+)", text)
    assert found is not None, text
    return found[1]


# -- what is run ---------------------------------------------------------------------------------------------------------


def test_the_one_workflow_needs_no_name(hardpoint: Any) -> None:
    ended = hardpoint("run", "values.py", "--n", "5")
    assert ended.out == "o0  (5, 0.5, 'x', False, '2026-01-31T00:00:00+00:00', '2026-01-31', 2.0, 'RED', 's')\n"
    lines = [line.split() for line in ended.err.splitlines()]
    assert lines[0] == ["n0", "values.scalars", "running"]
    assert lines[1][:3] == ["n0", "values.scalars", "succeeded"]


def test_a_file_says_what_it_has(hardpoint: Any) -> None:
    shown = hardpoint("run", "plans.py", "--help")
    assert shown.status == 0
    assert re.findall(r"^(\w+ ?\w+):$", shown.out, re.M) == ["Options", "Workflows", "Tasks", "Launch plans"]
    several = hardpoint("run", "plans.py")
    assert (several.status, several.err) == (2, "error: Say which one of plans.py to run: total, other.\n")
    unknown = hardpoint("run", "plans.py", "totl")
    assert unknown.status == 2
    assert unknown.err == (
        "error: There is nothing named 'totl' in plans.py; did you mean 'total'? It has add, total, other, plan.\n"
    )


def test_launch_plans_bring_their_inputs(hardpoint: Any) -> None:
    assert hardpoint("run", "-q", "plans.py", "plan").out == "o0  15\n"
    assert hardpoint("run", "-q", "plans.py", "plan", "--b", "3").out == "o0  8\n"
    assert hardpoint("run", "-q", "plans.py", "plan", "--a", "3").status == 2


def test_modules_and_packages(hardpoint: Any, tmp_path: Path) -> None:
    package = tmp_path / "project" / "inner"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "helper.py").write_text("ANSWER = 42\n")
    (package / "flow.py").write_text(
        "from hardpoint import task\nfrom inner.helper import ANSWER\n@task\ndef ask() -> int:\n    return ANSWER\n"
    )
    assert hardpoint("run", "-q", "inner.flow", "ask", cwd=tmp_path / "project").out == "o0  42\n"
    assert hardpoint("run", "-q", str(package / "flow.py"), "ask").out == "o0  42\n"
    assert hardpoint("runs", "list").out.count("inner.flow.ask") == 2


def test_names_of_files_need_not_be_identifiers(hardpoint: Any, tmp_path: Path) -> None:
    text = "from hardpoint import task\n@task\ndef f() -> int:\n    return 1\n"
    for name in ("my-flow.py", "test.py"):
        (tmp_path / name).write_text(text)
        assert hardpoint("run", "-q", name, "f", cwd=tmp_path).out == "o0  1\n"
    (tmp_path / "json.py").write_text(text)
    ended = hardpoint("run", "-q", "json.py", "f", cwd=tmp_path)
    assert ended.status == 2
    assert ended.err == (
        "error: json.py cannot be imported: a library has a module named 'json' too. Rename the file.\n"
    )


@pytest.mark.parametrize(
    ("text", "status", "last"),
    [
        ("import nothing_of_that_name\n", 3, "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("def broken(:\n", 2, "SyntaxError: invalid syntax"),
        ("1 / 0\n", 2, "ZeroDivisionError: division by zero"),
        ("raise SystemExit(5)\n", 2, "SystemExit: 5"),
    ],
)
def test_a_file_that_cannot_be_imported(hardpoint: Any, tmp_path: Path, text: str, status: int, last: str) -> None:
    (tmp_path / "flow.py").write_text(text)
    ended = hardpoint("run", "flow.py", cwd=tmp_path)
    assert (ended.status, ended.out) == (status, "")
    lines = ended.err.splitlines()
    assert lines[0] == "error: flow.py cannot be imported."
    assert lines[-1] == last
    files = re.findall(r'File "([^"]+)"', ended.err)
    assert files == [str(tmp_path / "flow.py")]


def test_a_function_is_no_task(hardpoint: Any) -> None:
    told = hardpoint("run", "steps.py", "mark").err
    assert told == "error: mark in steps.py is neither a workflow nor a task; decorate it with @task or @workflow.\n"


# -- what is shown -------------------------------------------------------------------------------------------------------


def test_json_stands_alone_on_standard_output(hardpoint: Any) -> None:
    ended = hardpoint("run", "steps.py", "loud", "--output", "json")
    assert ended.json["state"] == "succeeded"
    assert ended.json["outputs"] == {"o0": "no greeting"}
    assert "printed by the task\nprinted by a child\n" in ended.err
    failed = hardpoint("run", "--output", "json", "steps.py", "failing", "--n", "3")
    assert failed.status == 1
    assert (failed.json["state"], failed.json["error"]) == ("failed", "ValueError: 4 is too much")
    assert failed.json["resume"] == f"hardpoint run --resume {failed.json['run']}"


def test_the_environment_is_set(hardpoint: Any) -> None:
    assert hardpoint("run", "-q", "-e", "GREETING=a=b", "steps.py", "loud").out.endswith("o0  a=b\n")


def test_decks_are_named(hardpoint: Any) -> None:
    shown = hardpoint("run", "-q", "steps.py", "shown", "--n", "3")
    page = re.search(r"^decks: (.+)$", shown.out, re.M)
    assert page is not None
    assert "<html" in Path(page[1]).read_text()


def test_outputs_go_where_they_are_sent(hardpoint: Any, tmp_path: Path) -> None:
    ended = hardpoint("run", "-q", "--raw-output-prefix", str(tmp_path / "out"), "steps.py", "shown", "--n", "3")
    assert f"decks: {tmp_path}/out/" in ended.out


def test_a_failure_shows_the_node_its_inputs_the_users_code_and_how_to_go_on(hardpoint: Any) -> None:
    ended = hardpoint("run", "-q", "steps.py", "failing", "--n", "3")
    assert (ended.status, ended.out) == (1, "")
    lines = ended.err.splitlines()
    assert lines[0] == "n1 (steps.fragile) failed"
    assert lines[1:3] == ["  n = 4", "  words = ['a', 'b', 'c', ...] (4 elements)"]
    assert "ValueError: 4 is too much" in lines
    assert lines[-1] == f"Resume with: hardpoint run --resume {run_id(ended.err)}"
    files = re.findall(r'File "([^"]+)"', ended.err)
    assert [Path(file).name for file in files] == ["steps.py"]


def test_a_failed_element_of_a_map_is_named(hardpoint: Any) -> None:
    ended = hardpoint("run", "-q", "steps.py", "squares", "--numbers", "[1, 13, 2]")
    assert ended.status == 1
    assert ended.err.splitlines()[:2] == ["n0/[1] (steps.square) failed", "  n = 13"]


def test_the_remedy_is_shown_once(hardpoint: Any) -> None:
    ended = hardpoint("run", "-q", "steps.py", "unfit")
    assert ended.status == 1
    assert ended.err.count("  -> Name one of a, b.") == 1


def test_a_missing_library_is_status_3(hardpoint: Any) -> None:
    ended = hardpoint("run", "-q", "steps.py", "lacking")
    assert ended.status == 3
    assert "  -> pip install 'hardpoint[nothing]'" in ended.err


def test_a_task_that_exits_has_failed(hardpoint: Any) -> None:
    ended = hardpoint("run", "-q", "steps.py", "quits")
    assert ended.status == 1
    assert ended.err.startswith("n0 (steps.quits) failed\n")


def test_nothing_is_kept_without_a_record(hardpoint: Any) -> None:
    ended = hardpoint("run", "-q", "--no-record", "steps.py", "failing", "--n", "3")
    assert ended.status == 1
    assert "Resume" not in ended.err
    assert hardpoint("runs", "list").out == "No runs yet.\n"


def test_questions_are_answered_from_standard_input(hardpoint: Any, marks: Callable[[], list[str]]) -> None:
    assert hardpoint("run", "-q", "steps.py", "approved", "--n", "1", stdin="y\n").out == "o0  3\n"
    denied = hardpoint("run", "-q", "steps.py", "approved", "--n", "1", stdin="n\n")
    assert denied.status == 1
    assert "was not approved" in denied.err
    silent = hardpoint("run", "-q", "steps.py", "approved", "--n", "1")
    assert silent.status == 1
    assert "-> Run it in a terminal, or pipe the answers in." in silent.err


def on_terminal(words: list[str], environment: dict[str, str], rows: int, columns: int) -> tuple[int, str]:
    """Run a command on a terminal of its own; its status and everything that it wrote."""
    import fcntl
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    sized = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        words,
        cwd=Path(__file__).parent / "workflows",
        env={**sized, "TERM": "xterm"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    written = bytearray()
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # Linux says so when the other side has closed
            break
        if not chunk:
            break
        written += chunk
    os.close(master)
    return process.wait(), written.decode()


def test_progress_is_live_on_a_terminal(command: Command, environment: dict[str, str], tmp_path: Path) -> None:
    go(tmp_path)
    status, text = on_terminal(command("run", "steps.py", "waiting", "--n", "1"), environment, 24, 80)
    assert status == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert re.search(r"✓ n0 +first +succeeded", plain)
    assert re.search(r"✓ n1 +patient +succeeded", plain)
    assert "o0  20" in plain


def test_the_live_view_is_no_higher_than_the_terminal(
    command: Command, environment: dict[str, str], tmp_path: Path
) -> None:
    lines = [f"    n{i} = one(n=n)" for i in range(40)]
    (tmp_path / "wide.py").write_text(
        "from hardpoint import task, workflow\n@task\ndef one(n: int) -> int:\n    return n\n"
        "@workflow\ndef wide(n: int = 1) -> int:\n" + "\n".join(lines) + "\n    return n0\n"
    )
    status, text = on_terminal(command("run", str(tmp_path / "wide.py")), environment, 10, 80)
    assert status == 0
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.rpartition("\x1b[2K")[2] or text)
    assert "of 40 succeeded" in text
    assert len(last.splitlines()) < 12


# -- taking up again -----------------------------------------------------------------------------------------------------


def test_a_failed_run_is_resumed_without_doing_again_what_succeeded(
    hardpoint: Any, tmp_path: Path, marks: Callable[[], list[str]]
) -> None:
    failed = hardpoint("run", "-q", "steps.py", "failing", "--n", "3")
    assert marks() == ["first"]
    go(tmp_path)
    resumed = hardpoint("run", "--resume", run_id(failed.err), cwd=tmp_path)
    assert (resumed.status, resumed.out) == (0, "o0  4\n"), resumed.err
    assert marks() == ["first"]
    assert "kept from the run that is resumed" in resumed.err
    again = hardpoint("run", "-q", "--resume", "latest")
    assert (again.status, again.out) == (0, "o0  4\n")
    listed = hardpoint("runs", "list", "--json").json
    assert [(run["name"], run["state"]) for run in listed] == [("steps.failing", "succeeded")]


def test_interrupt_says_how_to_resume_and_the_store_agrees(
    hardpoint: Any, start: Start, tmp_path: Path, marks: Callable[[], list[str]]
) -> None:
    process = start("run", "steps.py", "waiting", "--n", "4")
    until(marks, "patient", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    last = err.splitlines()[-1]
    assert last == f"Interrupted. Resume with: hardpoint run --resume {run_id(err)}"
    assert "Traceback" not in err
    shown = hardpoint("runs", "show", "--json").json
    assert (shown["run"], shown["state"]) == (run_id(err), "aborted")
    assert {node["name"]: node["state"] for node in shown["nodes"]} == {
        "steps.first": "succeeded",
        "steps.patient": "aborted",
    }
    go(tmp_path)
    assert hardpoint("run", "-q", "--resume", run_id(err)).out == "o0  50\n"
    assert marks() == ["first", "patient", "patient"]


def test_a_killed_run_is_resumed(hardpoint: Any, start: Start, tmp_path: Path, marks: Callable[[], list[str]]) -> None:
    process = start("run", "steps.py", "waiting", "--n", "4")
    until(marks, "patient", process)
    time.sleep(0.2)  # what a node that has just started leaves in the store is written a moment later
    running = hardpoint("run", "--resume", "latest")
    assert running.status == 2
    assert f"is still running (process {process.pid})" in running.err
    process.kill()
    process.communicate(timeout=30)
    assert hardpoint("runs", "show", "--json").json["state"] == "interrupted"
    go(tmp_path)
    resumed = hardpoint("run", "-q", "steps.py", "--resume", "latest")
    assert (resumed.status, resumed.out) == (0, "o0  50\n"), resumed.err
    assert marks() == ["first", "patient", "patient"]


def test_a_resumed_run_has_its_inputs_already(hardpoint: Any) -> None:
    hardpoint("run", "-q", "steps.py", "failing", "--n", "3")
    told = hardpoint("run", "--resume", "latest", "steps.py", "failing", "--n", "4")
    assert (told.status, told.err) == (2, "error: A run that is resumed has its inputs already; leave out --n.\n")
    other = hardpoint("run", "--resume", "latest", "steps.py", "loud")
    assert other.status == 2
    assert "is one of steps.failing, not of steps.loud." in other.err


def test_variables_of_a_run_are_asked_for_again_but_not_stored(hardpoint: Any, state_dir: Path) -> None:
    hardpoint("run", "-q", "-e", "TOKEN=verysecret", "steps.py", "failing", "--n", "3")
    told = hardpoint("run", "--resume", "latest")
    assert told.status == 2
    assert re.fullmatch(r"error: Run \S+ was started with -e TOKEN=\.\.\.; give it again\.\n", told.err)
    assert hardpoint("run", "-q", "-e", "TOKEN=verysecret", "--resume", "latest").status == 1
    kept = b"".join(path.read_bytes() for path in state_dir.rglob("*") if path.is_file())
    assert b"steps.failing" in kept
    assert b"verysecret" not in kept


def test_an_integration_that_refuses_shows_its_words_and_no_code_of_its_own(hardpoint: Any, tmp_path: Path) -> None:
    (tmp_path / "refused.py").write_text(
        "from hardpoint.integrations.sqlalchemy import SQLAlchemyConfig, SQLAlchemyTask\n"
        "task = SQLAlchemyTask('refused', 'SELECT a FROM nowhere', SQLAlchemyConfig('sqlite://'))\n"
    )
    done = hardpoint("run", "-q", str(tmp_path / "refused.py"), "task")
    assert done.status == 1
    assert "no such table: nowhere" in done.err
    assert "Traceback" not in done.err
    assert "File " not in done.err
