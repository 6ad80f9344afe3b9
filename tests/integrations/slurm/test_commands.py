"""What is said to Slurm, and what is read from its answers."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from hardpoint.connectors.phases import Phase
from hardpoint.errors import FlyteValidationException, TransientError, UserError
from hardpoint.integrations.slurm import commands
from hardpoint.integrations.slurm.cluster import checked_id, summary
from hardpoint.integrations.slurm.problems import MISSING, Ran, refused
from hardpoint.integrations.slurm.states import PHASES, standing, word

# https://slurm.schedmd.com/job_state_codes.html, all of them
STATES = [
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PENDING",
    "PREEMPTED",
    "RUNNING",
    "SUSPENDED",
    "TIMEOUT",
    "COMPLETING",
    "CONFIGURING",
    "EXPEDITING",
    "LAUNCH_FAILED",
    "POWER_UP_NODE",
    "RECONFIG_FAIL",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESIZING",
    "RESV_DEL_HOLD",
    "REVOKED",
    "SIGNALING",
    "SPECIAL_EXIT",
    "STAGE_OUT",
    "STOPPED",
    "UPDATE_DB",
]


def test_every_state_has_a_phase() -> None:
    assert set(PHASES) == set(STATES)
    assert Phase.UNDEFINED not in PHASES.values()


@pytest.mark.parametrize(
    ("said", "state"),
    [("CANCELLED by 1000", "CANCELLED"), ("CANCELLED+", "CANCELLED"), ("RUNNING", "RUNNING"), ("", "")],
)
def test_compound_words(said: str, state: str) -> None:
    assert word(said) == state


@pytest.mark.parametrize(
    ("states", "phase"),
    [
        (["CANCELLED by 0"], Phase.ABORTED),
        (["COMPLETED", "RUNNING", "FAILED"], Phase.RUNNING),
        (["COMPLETED", "PENDING"], Phase.QUEUED),
        (["COMPLETED", "FAILED", "NODE_FAIL"], Phase.FAILED),
        (["COMPLETED", "NODE_FAIL"], Phase.RETRYABLE_FAILED),
        (["COMPLETED", "COMPLETED"], Phase.SUCCEEDED),
    ],
)
def test_the_parts_of_a_job_make_one_phase(states: list[str], phase: Phase) -> None:
    assert standing(states) == (phase, "")


def test_a_state_that_nobody_knows_is_a_job_that_runs() -> None:
    phase, said = standing(["DREAMING"])
    assert phase is Phase.RUNNING
    assert "'DREAMING'" in said


def test_options() -> None:
    given = {"partition": "a b", "cpus-per-task": 4, "exclusive": True, "hold": False, "requeue": "", "qos": None}
    assert commands.check_options(given) == {
        "partition": "a b",
        "cpus-per-task": "4",
        "exclusive": None,
        "requeue": None,
    }
    assert commands.check_options(None) == {}


@pytest.mark.parametrize(
    "config",
    [{"a; rm -rf x": "1"}, {"--time": "1"}, {"N": 1}, {"": 1}, {"wait": True}, {"wrap": "x"}, {"time": ["1"]}],
)
def test_options_that_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(FlyteValidationException):
        commands.check_options(config)


def test_names() -> None:
    assert commands.job_name(None, "hp-key") == "hp-key"
    assert commands.job_name({"job-name": "train"}, "hp-key") == "train.hp-key"
    assert commands.job_name({"job-name": "x" * 200}, "hp-key") == f"{'x' * 40}.hp-key"


def test_what_a_user_writes_is_one_word_of_the_command() -> None:
    """The program is run with a shell whose commands say what they were called with."""
    submission = commands.Submission(
        "it's", {"comment": "a; rm -rf x", "hold": None}, "#!/bin/sh\necho '$x' `y`", arguments=["$(z)", "a b"]
    )
    stubs = """
id() { echo 0; }
mkdir() { :; }
rmdir() { :; }
flock() { :; }
squeue() { :; }
sbatch() { printf '<%s>\\n' "$@"; cat; }
"""
    program = f"{stubs}\nhardpoint() {{\n{submission.program()}\n}}\nhardpoint </dev/null\n"
    ran = subprocess.run(["sh"], input=program, capture_output=True, text=True, timeout=30, check=True)
    assert ran.stdout.splitlines() == [
        *(
            "<--parsable>",
            "<--comment=a; rm -rf x>",
            "<--hold>",
            "<--job-name=it's>",
            "</dev/stdin>",
            "<$(z)>",
            "<a b>",
        ),
        "#!/bin/sh",
        "echo '$x' `y`",
    ]


def test_of_a_program_whose_end_is_lost_nothing_is_done() -> None:
    program = "hardpoint() {\necho done\n" + commands.Submission("n", {}, "#!/bin/sh\ntrue").program()
    for length in range(0, len(program), 7):
        ran = subprocess.run(["sh"], input=program[:length], capture_output=True, text=True, timeout=30, check=False)
        assert ran.stdout == ""


def test_the_queue_is_read() -> None:
    text = "Welcome!\n7|RUNNING|None\n8_[2-3]|PENDING|Resources\n8_1|COMPLETED|None\n9+0|FAILED|NonZeroExitCode\n"
    jobs = commands.parse_queue(text)
    assert {job_id: job.states for job_id, job in jobs.items()} == {
        "7": ["RUNNING"],
        "8": ["PENDING", "COMPLETED"],
        "9": ["FAILED"],
    }
    assert [jobs[job_id].is_array for job_id in ("7", "8", "9")] == [False, True, True]
    assert summary(jobs["8"]) == "PENDING, COMPLETED (Resources)"


def test_accounts_are_read() -> None:
    jobs = commands.parse_accounting(
        "7|CANCELLED by 0|0:15|n1|None\n8_0|COMPLETED|0:0|n1|None\n8_1|FAILED|3:0|n2|x y\n"
    )
    assert summary(jobs["7"]) == "CANCELLED by 0 signal 15 on n1"
    assert summary(jobs["8"]) == "COMPLETED, FAILED (x y) exit status 3 on n2"


def test_details_are_read() -> None:
    line = (
        "JobId=5 ArrayJobId=4 ArrayTaskId=1 JobName=a b=c JobState=FAILED Reason=NonZeroExitCode Dependency=(null) "
        "ExitCode=2:0 BatchHost=n1 WorkDir=/a dir StdErr=/a dir/x y.out StdIn=/dev/null StdOut=/a dir/x y.out Power= \n"
    )
    [(job_id, job)] = commands.parse_details(line).items()
    assert (job_id, job.exit, job.nodes, job.out) == ("4", "2:0", "n1", "/a dir/x y.out")


@pytest.mark.parametrize(("text", "id"), [("12\n", "12"), ("motd 5\n12;cluster\n", "12"), ("hello\n", None)])
def test_the_id_of_a_new_job_is_read(text: str, id: str | None) -> None:
    assert commands.parse_submitted(text) == id


def test_an_id_that_is_none_is_no_part_of_a_command() -> None:
    with pytest.raises(UserError, match="is not the id of a job"):
        checked_id("1; rm -rf x")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
            TransientError,
        ),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", TransientError),
        ("sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying", TransientError),
        ("sbatch: error: AssocMaxSubmitJobLimit", TransientError),
        ("sbatch: error: Batch job submission failed: Invalid partition name specified", UserError),
        ("sbatch: error: Batch job submission failed: Requested node configuration is not available", UserError),
    ],
)
def test_complaints(said: str, kind: type[Exception]) -> None:
    error = refused(Ran(b"", said, 1), "submit the job", "login")
    assert type(error).__mro__[1] is kind or isinstance(error, kind)
    assert said in error.message


def test_a_missing_command_is_told_with_what_mends_it() -> None:
    error = refused(Ran(b"", "/bin/sh: 5: sbatch: not found", MISSING), "submit the job", "login")
    assert isinstance(error, UserError)
    assert error.remedy is not None
    assert "PATH" in error.remedy
