"""`hardpoint jobs`, in processes of its own, while other processes run workflows and a service runs their jobs."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hardpoint.testing import CANARY
from tests.e2e.cli.conftest import WORKFLOWS, until
from tests.unit.testing.lake import WORDS, FakeLake, Job

pytestmark = pytest.mark.usefixtures("lake_environment")


class Started:
    """A command that runs."""

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            words, cwd=WORKFLOWS, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def start(command: Callable[..., list[str]], environment: dict[str, str]) -> Iterator[Callable[..., Started]]:
    """Start the command, and do not wait for it."""
    started: list[Started] = []

    def run(*words: str) -> Started:
        started.append(Started(command(*words), environment))
        return started[-1]

    yield run
    for each in started:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def run(start: Callable[..., Started], hardpoint: Callable[..., Any], lake: FakeLake) -> tuple[Started, str]:
    """A run that waits for its job; and the job's key."""
    running = start("run", "lake.py")
    until(lake.created)
    [fact] = until(lambda: [job for job in hardpoint("jobs", "list", "--json").json if job["metadata"]])
    return running, fact["key"]


def killed(run: Started) -> None:
    run.process.send_signal(signal.SIGKILL)
    run.end()


LAKE = ("--modules", "lake")


def test_a_job_is_shown_with_what_its_service_says(
    run: tuple[Started, str], hardpoint: Callable[..., Any], lake: FakeLake
) -> None:
    started, key = run
    lake.say("job-0", "EXECUTING")
    shown = hardpoint("jobs", "show", key, *LAKE, "--json").json
    assert shown["metadata"] == {"endpoint": lake.url, "job_id": "job-0"}
    assert (shown["type"], shown["node"], shown["attempt"]) == ("lake_job_v0", "n0", 0)
    assert shown["service"]["state"] == "running"
    assert shown["service"]["links"] == [{"name": "Lake", "uri": f"{lake.url}/ui/job-0"}]
    told = hardpoint("jobs", "show", key[:20], *LAKE)
    assert told.status == 0
    assert f"{lake.url}/ui/job-0" in told.out
    assert "EXECUTING" in told.out
    assert CANARY not in told.out + json.dumps(shown)
    lake.end("job-0")
    assert started.end()[0] == 0


def test_what_is_not_known_here_is_said(run: tuple[Started, str], hardpoint: Callable[..., Any]) -> None:
    shown = hardpoint("jobs", "show", run[1])
    assert shown.status == 0
    assert "The service could not be asked: Cannot find connector for task category: lake_job_v0." in shown.out
    assert "with --modules" in shown.out
    for verb in ("attach", "cancel"):
        refused = hardpoint("jobs", verb, run[1])
        assert (refused.status, "with --modules" in refused.err) == (2, True)
    assert hardpoint("jobs", "show", run[1], "--offline", "--json").json["service"] is None
    missing = hardpoint("jobs", "show", "hp-nobody")
    assert (missing.status, "No jobs begin with hp-nobody." in missing.err) == (2, True)
    broken = hardpoint("jobs", "show", run[1], "--modules", "no_such_module")
    assert (broken.status, "no_such_module cannot be imported" in broken.err) == (2, True)


def test_a_job_is_followed_to_its_end(run: tuple[Started, str], start: Callable[..., Started], lake: FakeLake) -> None:
    attached = start("jobs", "attach", run[1], *LAKE)
    assert attached.process.stdout is not None
    assert "queued  WAITING" in attached.process.stdout.readline()
    assert f"{lake.url}/ui/job-0" in attached.process.stdout.readline()
    lake.say("job-0", "EXECUTING")
    assert "running  EXECUTING" in attached.process.stdout.readline()
    lake.end("job-0")
    status, out, err = attached.end()
    assert (status, "succeeded" in out, err) == (0, True, "")
    assert run[0].end()[0] == 0


def test_a_job_that_fails_is_told_by_the_status(
    run: tuple[Started, str], hardpoint: Callable[..., Any], lake: FakeLake
) -> None:
    lake.end("job-0", ok=False)
    attached = hardpoint("jobs", "attach", run[1], *LAKE, "--json")
    assert attached.status == 1
    last = json.loads(attached.out.splitlines()[-1])
    assert (last["state"], last["message"], last["key"]) == ("failed", WORDS, run[1])
    assert run[0].end()[0] == 1


def test_who_stops_watching_cancels_nothing(
    run: tuple[Started, str], start: Callable[..., Started], lake: FakeLake
) -> None:
    attached = start("jobs", "attach", run[1], *LAKE)
    assert attached.process.stdout is not None
    attached.process.stdout.readline()
    attached.process.send_signal(signal.SIGINT)
    status, _, err = attached.end()
    assert status == 130
    assert "No longer watching; the job goes on." in err
    assert lake.alive("job-0")


def test_a_job_is_cancelled_and_its_end_confirmed(
    run: tuple[Started, str], hardpoint: Callable[..., Any], lake: FakeLake
) -> None:
    ended = hardpoint("jobs", "cancel", run[1][:20], *LAKE, "--wait")
    assert ended.status == 0
    assert f"Cancelled {run[1]}: failed  KILLED" in ended.out
    assert not lake.alive("job-0")
    assert run[0].end()[0] == 1
    assert hardpoint("jobs", "list", "--json").json == []
    assert [job["key"] for job in hardpoint("jobs", "list", "--all", "--type", "lake_job", "--json").json] == [run[1]]


def test_a_job_that_does_not_end_is_told(
    run: tuple[Started, str], hardpoint: Callable[..., Any], lake: FakeLake
) -> None:
    lake.stubborn = True
    ended = hardpoint("jobs", "cancel", run[1], *LAKE, "--wait", "--timeout", "0.5", "--json")
    assert ended.status == 1
    assert ended.json["service"]["state"] == "queued"
    assert "was to end, but after 0.5 s it is queued." in ended.err


def test_a_job_whose_run_lives_is_looked_after(run: tuple[Started, str], hardpoint: Callable[..., Any]) -> None:
    swept = hardpoint("jobs", "sweep", *LAKE, "--idle", "0s")
    assert (swept.status, swept.out) == (0, "Every job is looked after.\n")


@pytest.mark.parametrize("action", ["--cancel", "--forget"])
def test_a_job_whose_run_is_gone_is_swept(
    run: tuple[Started, str], hardpoint: Callable[..., Any], lake: FakeLake, action: str
) -> None:
    killed(run[0])
    [stray] = hardpoint("jobs", "sweep", *LAKE, "--json").json
    assert (stray["key"], stray["state"], stray["done"]) == (run[1], "queued", None)
    assert stray["why"].startswith("its run interrupted: hardpoint run --resume ")
    assert lake.alive("job-0")
    swept = hardpoint("jobs", "sweep", run[1], *LAKE, action)
    assert {"--cancel": "cancelled", "--forget": "forgotten"}[action] in swept.out
    assert lake.alive("job-0") is (action == "--forget")
    assert hardpoint("jobs", "list").out == "No jobs.\n"


def test_a_job_that_has_ended_meanwhile_is_written_off(
    run: tuple[Started, str], hardpoint: Callable[..., Any], lake: FakeLake
) -> None:
    killed(run[0])
    lake.end("job-0")
    assert hardpoint("jobs", "sweep", *LAKE).out == "Every job is looked after.\n"
    [job] = hardpoint("jobs", "list", "--all", "--json").json
    assert (job["state"], job["ended"]) == ("succeeded", True)


def test_a_job_that_only_its_service_knows_is_cancelled_by_name(hardpoint: Callable[..., Any], lake: FakeLake) -> None:
    tags = {"hardpoint-key": "hp-theirs-1", "hardpoint-execution": "f3a9", "hardpoint-node": "n0"}
    lake.jobs["job-9"] = Job("job-9", "hp-theirs-1", 1, tags=tags)
    lake.jobs["job-10"] = Job("job-10", "strangers", 1)
    [stray] = hardpoint("jobs", "sweep", *LAKE, "--cancel", "--json").json
    assert (stray["key"], stray["journal"], stray["done"]) == ("hp-theirs-1", None, None)
    assert stray["why"] == "the journal does not know it; of f3a9 n0"
    assert lake.alive("job-9")
    assert "cancelled" in hardpoint("jobs", "sweep", "hp-theirs-1", *LAKE, "--cancel").out
    assert not lake.alive("job-9")
    assert lake.alive("job-10")


def test_what_cannot_be_swept_is_told(run: tuple[Started, str], hardpoint: Callable[..., Any]) -> None:
    killed(run[0])
    swept = hardpoint("jobs", "sweep")
    assert swept.status == 1
    assert "Cannot find connector for task category: lake_job_v0." in swept.err
    assert run[1] in swept.out
    wrong = hardpoint("jobs", "sweep", "--idle", "soon")
    assert (wrong.status, "'soon' is no length of time" in wrong.err) == (2, True)


@pytest.mark.parametrize("words", [(), ("list",), ("show",), ("attach",), ("cancel",), ("sweep",)], ids=lambda w: w[:1])
def test_help_has_examples(hardpoint: Callable[..., Any], words: tuple[str, ...]) -> None:
    told = hardpoint("jobs", *words, "--help")
    assert told.status == 0
    assert ("Examples" in told.out) is bool(words)
    assert "sweep" in told.out or words
