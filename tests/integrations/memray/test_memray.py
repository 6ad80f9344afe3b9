"""memray_profiling on the real memray."""

from __future__ import annotations

import asyncio
import html
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import memray
import pytest

from hardpoint import Deck, ExecutionParameters, FlyteContextManager, task
from hardpoint.engine import RunOptions, execute
from hardpoint.integrations.memray import memray_profiling
from hardpoint.integrations.memray.profiling import UnknownReporterError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def decks() -> Iterator[list[Any]]:
    """The decks of a running task."""
    params = ExecutionParameters(enable_deck=True)
    with FlyteContextManager.use(params=params):
        yield params.decks


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders go; nothing may be left there."""
    folder = tmp_path / "with a space"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def allocate_much() -> int:
    kept = []
    for _ in range(5):
        kept.append(bytearray(1_000_000))  # noqa: PERF401 - the function's own frame, not one of a comprehension
    return len(kept)


@task(enable_deck=True)
@memray_profiling
def profiled(n: int) -> int:
    return n * allocate_much()


@task(enable_deck=True)
@memray_profiling(memray_html_reporter="table")
def failing() -> int:
    allocate_much()
    raise ValueError("the task's own")


def document(deck: Deck) -> str:
    """The report inside its frame."""
    found = re.search(r'srcdoc="([^"]*)"', deck.html)
    assert found is not None, deck.html[:500]
    return html.unescape(found[1])


def test_a_task_shows_its_flamegraph_in_its_deck(tmp_path: Path, temporary: Path) -> None:
    run = execute(profiled, {"n": 2}, RunOptions(state_dir=str(tmp_path / "state")))
    assert run.outputs == {"o0": 10}
    assert run.deck is not None
    page = run.deck.read_text()
    assert "Memray Flamegraph" in page
    assert "allocate_much" in page
    assert list(temporary.iterdir()) == []


def test_a_task_that_fails_has_its_report_as_well(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the task's own"):
        execute(failing, {}, RunOptions(state_dir=str(tmp_path / "state")))
    (page,) = (tmp_path / "state").glob("runs/*/data/deck.html")
    assert "Memray Table" in page.read_text()
    assert "allocate_much" in page.read_text()


def test_the_report_needs_no_network_and_stays_in_its_frame(decks: list[Any], temporary: Path) -> None:
    assert memray_profiling(allocate_much)() == 5
    (deck,) = decks
    assert deck.name == "Memray Flamegraph"
    assert 'sandbox="allow-scripts"' in deck.html
    assert re.findall(r'<script[^>]* src="|<link[^>]* href="http', document(deck)) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [["--leaks"], ["--temporary-allocation-threshold", "3"], ["--temporary-allocation-threshold=3", "--split-threads"]],
)
def test_arguments_reach_the_reporter(decks: list[Any], arguments: list[str]) -> None:
    memray_profiling(memray_html_reporter="table", memray_reporter_args=arguments)(allocate_much)()
    (deck,) = decks
    assert deck.name == "Memray Table"
    assert "memray" in document(deck)


def test_an_option_that_memray_does_not_know_is_told_in_the_deck(
    decks: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert memray_profiling(memray_reporter_args=["--<b>"])(allocate_much)() == 5
    (deck,) = decks
    assert "unrecognized arguments: --&lt;b&gt;" in deck.html
    assert "There is no memray report of allocate_much" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memray_html_reporter": "summary"}, "summary is not a supported html reporter"),
        ({"memray_reporter_args": ["leaks"]}, "unrecognized arguments for flamegraph reporter: 'leaks'"),
        ({"memray_reporter_args": ["--leaks=a", "; --rm"]}, "'; --rm' is neither an option"),
        ({"memray_reporter_args": ["--leaks", "a", "b"]}, "'b' is neither an option"),
        ({"memray_reporter_args": ["--"]}, "'--' is neither an option"),
        ({"memray_reporter_args": [3]}, "3 is neither an option"),
        ({"memray_reporter_args": ["--leaks", ""]}, "'' is neither an option"),
        ({"memray_reporter_args": ["--output=x"], "memray_html_reporter": "table"}, "for the decorator to say"),
    ],
)
def test_what_is_no_argument_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownReporterError, match=re.escape(message)) as caught:
        memray_profiling(**options)
    assert isinstance(caught.value, ValueError)
    assert caught.value.remedy


def test_nothing_reaches_a_shell(decks: list[Any], tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    memray_profiling(memray_reporter_args=[f"--leaks;touch {canary}"])(allocate_much)()
    assert not canary.exists()
    assert "There is no memray report" in decks[0].html


def test_a_large_flamegraph_becomes_a_table_and_then_a_notice(decks: list[Any]) -> None:
    def recorded(max_report_mb: float) -> Deck:
        memray_profiling(max_report_mb=max_report_mb)(allocate_much)()
        deck: Deck = decks.pop()
        return deck

    flamegraph = len(document(recorded(100)).encode()) / 1e6
    table = recorded(flamegraph - 0.1)
    assert table.name == "Memray Table"
    assert "allocate_much" in document(table)
    nothing = recorded(0.1)
    assert "more than max_report_mb=0.1 allows" in nothing.html


def test_results_are_kept_where_one_asks(decks: list[Any], tmp_path: Path) -> None:
    memray_profiling(keep_results=str(tmp_path / "kept"), memray_html_reporter="table")(allocate_much)()
    (folder,) = (tmp_path / "kept").iterdir()
    assert folder.name.startswith("allocate_much-")
    with memray.FileReader(folder / "recording.bin") as reader:
        assert reader.metadata.peak_memory > 5_000_000
    same = (folder / "recording.table.html").read_text() == document(decks[0])
    assert same  # not in one line: pytest would explain how megabytes differ


def test_without_a_deck_there_is_no_profile(caplog: pytest.LogCaptureFixture) -> None:
    assert memray_profiling(allocate_much)() == 5
    assert "allocate_much is not profiled: it has no deck" in caplog.text


def test_one_is_profiled_at_a_time(decks: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    inner = memray_profiling(allocate_much)
    assert memray_profiling(lambda: inner())() == 5
    assert len(decks) == 1
    assert "allocate_much is not profiled: memray profiles one task of a process at a time" in caplog.text


def test_a_tracker_that_is_not_ours_is_left_alone(
    decks: list[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, temporary: Path
) -> None:
    with memray.Tracker(tmp_path / "theirs.bin"):
        assert memray_profiling(allocate_much)() == 5
    assert decks == []
    assert "No more than one Tracker" in caplog.text
    assert list(temporary.iterdir()) == []


def test_a_disk_that_cannot_be_written_does_not_fail_the_task(
    decks: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent/folder")
    assert memray_profiling(allocate_much)() == 5
    assert decks == []
    assert "allocate_much is not profiled" in caplog.text


def test_the_body_of_a_coroutine_function_is_profiled_and_the_loop_stays_free(decks: list[Any]) -> None:
    beats = 0

    async def allocate_later() -> int:
        await asyncio.sleep(0)
        return allocate_much()

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    async def both() -> int:
        other = asyncio.ensure_future(beat())
        result: int = await memray_profiling(memray_html_reporter="table")(allocate_later)()
        other.cancel()
        return result

    assert asyncio.run(both()) == 5
    assert "allocate_much" in document(decks[0])
    assert beats >= 10  # while the reporter ran


def test_two_calls_within_a_second(decks: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    wrapped = memray_profiling(memray_html_reporter="table")(allocate_much)
    assert (wrapped(), wrapped()) == (5, 5)
    assert len(decks) == 2
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_the_example_runs() -> None:
    command = [str(Path(sys.executable).with_name("hardpoint")), "run", "examples/memray_example.py"]
    ran = subprocess.run([*command, "histogram_of_squares", "--n", "1000"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    (page,) = Path(os.environ["HARDPOINT_LOCAL_STATE_DIR"]).glob("runs/*/data/deck.html")
    assert "Memray Table" in page.read_text()
