"""A real Slurm with a remote control: what its commands say of a job can be changed on its login host.

The commands there are found in a folder of this class's own first. They run Slurm's own and change their output: so a
job can be in a state that nobody can bring about, or be unknown. All else is Slurm's.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.services.slurm import Clusters
from tests.services.sshd import SSHD

_WRAPPER = """#!{python} -IS
import os, re, subprocess, sys

folder, own = {folder!r}, os.path.basename(sys.argv[0])
asked = re.search(r"--jobs=(\\d+)$|^(\\d+)$", next((a for a in sys.argv[1:] if re.search(r"--jobs=\\d+$|^\\d+$", a)), ""))
asked = (asked[1] or asked[2]) if asked else ""

def marked(kind, job):
    return os.path.join(folder, kind, job)

if own == "scancel" and os.path.exists(marked("says", asked)):
    os.unlink(marked("says", asked))
ran = subprocess.run(["/usr/bin/" + own, *sys.argv[1:]], capture_output=True, text=True)
lines = []
for line in ran.stdout.splitlines():
    found = re.match(r"(?:JobId=)?(\\d+)", line)
    job = found[1] if found else asked
    if os.path.exists(marked("forgotten", job)):
        continue
    if own == "squeue" and os.path.exists(marked("says", job)):
        fields = line.split("|")
        if len(fields) == 3 or "--format=%T" in sys.argv:
            fields[len(fields) > 1] = open(marked("says", job)).read()
        line = "|".join(fields)
    lines.append(line + "\\n")
sys.stdout.write("".join(lines))
sys.stderr.write(ran.stderr)
sys.exit(ran.returncode)
"""

_ALIVE = {"PENDING", "CONFIGURING", "RUNNING", "SUSPENDED"}


class SlurmVendor:
    """The cluster ``main``, by way of a login host of this object's own.

    Args:
        clusters: The clusters.
        name: Of the jobs that are its: their names begin with it.
        folder: Where it keeps what it is told.

    Attributes:
        login: The login host.
        url: Where that listens.
    """

    def __init__(self, clusters: Clusters, name: str, folder: Path) -> None:
        self._slurm, self.name, self.folder = clusters.main, name, folder
        for part in ("says", "forgotten", "ends", "bin"):
            (folder / part).mkdir()
        for command in ("squeue", "sacct", "scontrol", "scancel"):
            wrapper = folder / "bin" / command
            wrapper.write_text(_WRAPPER.format(python=sys.executable, folder=str(folder)))
            wrapper.chmod(0o755)
        path = os.pathsep.join((str(folder / "bin"), "/usr/local/bin", "/usr/bin", "/bin"))
        self.login: SSHD = clusters.login(f"vendor-{name}", {"SLURM_CONF": self._slurm.conf, "PATH": path})
        self.url = f"ssh://127.0.0.1:{self.login.port}"

    @property
    def script(self) -> str:
        """A script that runs until `end`; it leaves its id at ``{outputs.o}``."""
        return f"""#!/bin/bash
end={self.folder}/ends/$SLURM_JOB_ID
for turn in {{1..1200}}; do
  [ -s "$end" ] && break
  sleep 0.05
done
status=$(cat "$end")
echo "It ends with $status."
echo "$SLURM_JOB_ID" > {{outputs.o}}
exit "$status"
"""

    def _queue(self) -> Mapping[str, str]:
        lines = self._slurm.run("squeue", "--noheader", "--states=all", "--format=%A|%T|%j").splitlines()
        rows = (line.split("|") for line in lines)
        found = sorted((int(job), state) for job, state, name in rows if name.startswith(f"{self.name}."))
        return {str(job): state for job, state in found}

    def created(self) -> list[str]:
        return list(self._queue())

    def end(self, job: str, ok: bool = True) -> None:
        (self.folder / "ends" / job).write_text("0\n" if ok else "3\n")

    def say(self, job: str, raw_state: str) -> None:
        if (self.folder / "ends" / job).exists():  # a state of one that has ended is true of it only then
            self._until_ended(job)
        (self.folder / "says" / job).write_text(raw_state)

    def forget(self, job: str) -> None:
        self._slurm.run("scancel", job)
        self._until_ended(job)
        (self.folder / "forgotten" / job).touch()

    def _until_ended(self, job: str) -> None:
        deadline = time.monotonic() + 60
        while self._queue().get(job) in {*_ALIVE, "COMPLETING"}:
            assert time.monotonic() < deadline, f"The job {job} does not end."
            time.sleep(0.05)

    def alive(self, job: str) -> bool:
        return self._queue().get(job) in _ALIVE

    def close(self) -> None:
        """End what still runs."""
        for job, state in self._queue().items():
            if state in _ALIVE:
                self._slurm.run("scancel", job)

    def ssh_config(self, port: int) -> dict[str, Any]:
        """How the login host is reached at another port than its own."""
        key = Path(self.login.known_hosts).read_text().split(" ", 1)[1]
        return {"host": "127.0.0.1", "port": port, "username": self.login.user, "known_hosts": key.strip()}
