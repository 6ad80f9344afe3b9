"""The example runs as it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from hardpoint.integrations.slurm.login import SLURM_PRIVATE_KEY
from tests.services.slurm import Clusters

EXAMPLE = Path(__file__).parents[3] / "examples" / "slurm_example.py"


def test_the_example(slurm: Clusters, own_home: Path, tmp_path: Path) -> None:
    login = slurm.login("example", {"SLURM_CONF": slurm.main.conf, "PATH": os.environ["PATH"]})
    assert f"_FSEC_{SLURM_PRIVATE_KEY}" not in os.environ
    # What people have on their own machine, so that `ssh cluster` does it.
    settings = own_home / ".ssh"
    settings.mkdir(mode=0o700)
    shutil.copy(login.known_hosts, settings / "known_hosts")
    (settings / "config").write_text(
        f"Host cluster\n  HostName 127.0.0.1\n  Port {login.port}\n  User {login.user}\n  IdentityFile {login.client_key}\n"
    )
    # What they have on the cluster.
    research = Path(login.home) / "research"
    (research / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(EXAMPLE, research)
    (research / ".venv" / "bin" / "activate").write_text(f"PATH={Path(sys.executable).parent}:$PATH\n")
    text = tmp_path / "book.txt"
    text.write_text("the hare and the tortoise; the tortoise and a hare called hippopotamus\n")
    command = [sys.executable, "-m", "hardpoint.cli.main", "run", str(EXAMPLE), "report"]
    ran = subprocess.run(
        [*command, "--text", str(text), "--least", "2"],
        capture_output=True,
        text=True,
        env=os.environ.copy(),
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert "tortoise" in ran.stdout
    assert slurm.main.run("squeue", "--noheader", "--states=all", "--format=%j").count("words.hp-") == 1
    assert list((Path(login.home) / ".hardpoint").iterdir()) == [], "What a job was given is removed at its end."
    assert len(list(Path(login.home).glob("slurm-*.out"))) == 2
