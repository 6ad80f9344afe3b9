"""Functions that run on a node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hardpoint.connectors.local import JobFailedError, JobInterruptedError
from tests.integrations.slurm import flows

pytestmark = pytest.mark.usefixtures("functions")


def test_a_workflow_with_a_function_on_a_node() -> None:
    assert flows.both(n=5) == 32


def test_what_a_function_finds_on_its_node() -> None:
    found = flows.surroundings()
    assert found["greeting"] == 'it\'s $HOME; "so"'
    assert found["job"].startswith("hp-")


def test_a_file_comes_back_through_storage() -> None:
    with flows.written(text="what it says").open() as stream:
        assert stream.read() == "what it says"


def test_an_error_is_told_with_the_jobs_own_words(sbatch_config: dict[str, Any]) -> None:
    with pytest.raises(JobFailedError) as caught:
        flows.broken(n=3)
    message = caught.value.message
    assert "ValueError: 3 is not to my taste" in message
    assert "FAILED (NonZeroExitCode) exit status 1 on" in message
    assert f"The end of {sbatch_config['chdir']}/slurm-" in message
    assert "before\n" in message


def test_an_error_that_may_pass_ends_only_the_attempt() -> None:
    with pytest.raises(JobInterruptedError, match="3 may do next time"):
        flows.passing(n=3)


def test_a_function_without_outputs(sbatch_config: dict[str, Any]) -> None:
    assert flows.silent() is None
    [log] = Path(sbatch_config["chdir"]).glob("slurm-*.out")
    assert log.read_text() == "before\nnothing to tell\nafter\n"
