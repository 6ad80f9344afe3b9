"""The clusters that other tests rely on."""

from __future__ import annotations

import subprocess

from tests.services.slurm import Clusters


def test_a_job_by_way_of_ssh(slurm: Clusters) -> None:
    login = slurm.login("main", {"SLURM_CONF": slurm.main.conf})
    submit = "sbatch --parsable --wait --output=/dev/null --wrap true"
    job = subprocess.run(login.ssh(submit), check=True, capture_output=True, text=True, timeout=60).stdout
    assert "JobState=COMPLETED" in slurm.main.run("scontrol", "show", "job", job.strip())
    assert slurm.hasty.run("squeue", "--noheader") == ""
