"""What becomes of external jobs when `hardpoint run` is interrupted, without a terminal and at one."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from tests.e2e.cli.conftest import WORKFLOWS, until
from tests.unit.testing.lake import FakeLake

pytestmark = pytest.mark.usefixtures("lake_environment")


@pytest.fixture
def interrupted(start: Callable[..., subprocess.Popen[str]], lake: FakeLake) -> Callable[..., str]:
    """Interrupt a run that waits for its job: what it says."""

    def interrupt(*options: str, how: signal.Signals = signal.SIGINT) -> str:
        process = start("run", *options, "lake.py")
        until(lambda: lake.asked)
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (130, "")
        return err

    return interrupt


def test_a_job_is_left_to_the_run_that_is_resumed(
    interrupted: Callable[..., str], lake: FakeLake, hardpoint: Callable[..., Any]
) -> None:
    said = interrupted()
    assert "Left running; hardpoint jobs cancel KEY ends one." in said
    assert lake.alive("job-0")
    lake.end("job-0")
    assert hardpoint("run", "-q", "--resume", "latest").out == "o0  7\n"
    assert len(lake.created()) == 1


def test_a_run_that_is_terminated_ends_as_one_that_is_interrupted(
    interrupted: Callable[..., str], lake: FakeLake
) -> None:
    assert "Cancelled." in interrupted("--on-interrupt", "cancel", how=signal.SIGTERM)
    assert not lake.alive("job-0")


def test_a_job_is_ended_where_that_is_wished(
    interrupted: Callable[..., str], lake: FakeLake, hardpoint: Callable[..., Any]
) -> None:
    assert "Cancelled." in interrupted("--on-interrupt", "cancel")
    assert not lake.alive("job-0")
    assert hardpoint("jobs", "list").out == "No jobs.\n"


def test_a_job_of_a_run_that_cannot_be_resumed_is_ended(interrupted: Callable[..., str], lake: FakeLake) -> None:
    assert "Cancelled." in interrupted("--no-record")
    assert not lake.alive("job-0")


def test_a_job_that_does_not_end_is_told(interrupted: Callable[..., str], lake: FakeLake) -> None:
    lake.stubborn = True
    said = interrupted("--on-interrupt", "cancel")
    assert "It is not certain that these have ended: hp-" in said
    assert "hardpoint jobs cancel KEY --wait" in said


class Terminal:
    """A command at a terminal of its own."""

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.said = b""
        self.process = subprocess.Popen(
            words, cwd=WORKFLOWS, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def read_until(self, words: str) -> None:
        while words.encode() not in self.said:
            self._read()

    def answer(self, words: str) -> None:
        os.write(self._ours, words.encode())

    def end(self) -> int:
        try:
            while True:
                self._read()
        except OSError:  # Linux says so when the other end has been closed
            return self.process.wait(30)

    def _read(self) -> None:
        if not select.select([self._ours], [], [], 60)[0]:
            raise TimeoutError(self.said.decode())
        self.said += os.read(self._ours, 65536)


@pytest.fixture
def terminal(command: Callable[..., list[str]], environment: dict[str, str], lake: FakeLake) -> Iterator[Terminal]:
    """A run at a terminal that has been interrupted and asks what to do."""
    with closing(Terminal(command("run", "lake.py"), environment)) as running:
        until(lambda: lake.asked)
        running.process.send_signal(signal.SIGINT)
        running.read_until("[leave]: ")
        yield running


@pytest.mark.parametrize(("answer", "ends"), [("cancel\n", True), ("leave\n", False), ("\n", False)])
def test_whoever_sits_at_the_terminal_is_asked_once(
    terminal: Terminal, lake: FakeLake, answer: str, ends: bool
) -> None:
    terminal.answer(answer)
    assert terminal.end() == 130
    assert lake.alive("job-0") is not ends
    assert terminal.said.count(b"External jobs still run: cancel them, or leave them (cancel, leave)") == 1
    assert b"Resume with: hardpoint run --resume " in terminal.said


def test_a_second_interruption_leaves_the_job(terminal: Terminal, lake: FakeLake) -> None:
    # A signal that comes between the question and the wait for its answer is noticed once there is an answer, or another signal.
    while terminal.process.poll() is None:
        terminal.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            terminal.process.wait(5)
    assert terminal.end() == 130
    assert lake.alive("job-0")
    assert b"Traceback" not in terminal.said
