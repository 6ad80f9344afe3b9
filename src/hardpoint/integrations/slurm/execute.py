"""Runs a task's function on a node: ``python3 -m hardpoint.integrations.slurm.execute execute --inputs ... -- ...``.

The arguments are those of a container's command. On a node there is no image: the module is run by whatever Python the batch script
has set up, which needs this package and the code of the task. Unlike a container, a job that has failed ends so.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from hardpoint.cluster.container import run_task
from hardpoint.cluster.entrypoint import call_of, python_path, split, unpack
from hardpoint.integrations.slurm.scripts import PROGRAMS
from hardpoint.tasks.command import FAST_EXECUTE, MAP_EXECUTE

__all__ = ["main"]

_PROGRAM = f"python3 -m {__spec__.name}"


def main(argv: Sequence[str] | None = None) -> int:
    """The status of the process: 0 if the task has succeeded."""
    command, *rest = (sys.argv[1:] if argv is None else argv) or [""]
    if command == PROGRAMS[FAST_EXECUTE]:
        return _fast(rest)
    if command in PROGRAMS.values():
        call = call_of(rest, f"{_PROGRAM} {command}")
        return int(not run_task(call, mapped=command == PROGRAMS[MAP_EXECUTE], may_be_dynamic=False))
    known = " or ".join(PROGRAMS.values())
    sys.stderr.write(f"{_PROGRAM}: the first argument should be {known}, but is {command!r}.\n")
    return 2


def _fast(argv: Sequence[str]) -> int:
    """Unpack the code, and become the command, in its folder."""
    parser = argparse.ArgumentParser(
        f"{_PROGRAM} {PROGRAMS[FAST_EXECUTE]}", description="Unpack the code, and run a command in it."
    )
    parser.add_argument("--additional-distribution", required=True)
    parser.add_argument("--dest-dir", required=True)
    options, words = split(argv)
    given = parser.parse_args(options)
    if not words:
        parser.error("there is no command behind --")
    unpack(given.additional_distribution, given.dest_dir)
    path = python_path(given.dest_dir)
    if words[0] in PROGRAMS:
        words = [sys.executable, "-m", __spec__.name, PROGRAMS[words[0]], *words[1:]]
    os.chdir(given.dest_dir)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvpe(words[0], words, {**os.environ, "PYTHONPATH": path})


if __name__ == "__main__":
    sys.exit(main())
