"""The programs that containers start: ``hardpoint-execute`` and those beside it. Their command lines are in registered templates.

`hardpoint.tasks.command` writes them; what stands in braces there has been filled in by the control plane.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Sequence

from hardpoint.cluster.container import Call, run_task
from hardpoint.errors import HardpointError
from hardpoint.secrets import redact_uri
from hardpoint.storage import FileAccess
from hardpoint.tasks.command import EXECUTE, FAST_EXECUTE, MAP_EXECUTE
from hardpoint.tasks.image import RUNTIME_PACKAGES_VARIABLE

__all__ = ["call_of", "execute", "fast_execute", "main", "map_execute", "python_path", "split", "unpack"]

_FAIL = "FLYTE_FAIL_ON_ERROR"
_YES = ("true", "t", "1")


def execute(argv: Sequence[str] | None = None) -> int:
    """Run a task. The status of the process: 0 also if it has failed and that was written down, unless `FLYTE_FAIL_ON_ERROR`."""
    return _run(argv, EXECUTE, mapped=False)


def map_execute(argv: Sequence[str] | None = None) -> int:
    """As `execute`, for the element of a map task that the environment names."""
    return _run(argv, MAP_EXECUTE, mapped=True)


def fast_execute(argv: Sequence[str] | None = None) -> int:
    """Fetch the user's code, and become the command that runs in it. It returns only if that cannot be done."""
    parser = argparse.ArgumentParser(FAST_EXECUTE, description="Unpack the code, and run a command in it.")
    parser.add_argument("--additional-distribution", required=True, metavar="URI", help="the archive")
    parser.add_argument("--dest-dir", metavar="FOLDER", help="where it is unpacked  [default: here]")
    options, command = split(sys.argv[1:] if argv is None else argv)
    given = parser.parse_args(options)
    if not command:
        parser.error("there is no command behind --")
    folder = _given(given.dest_dir) or "."
    try:
        unpack(given.additional_distribution, folder)
    except (HardpointError, OSError, tarfile.TarError) as error:
        return _failed(
            FAST_EXECUTE, f"The code at {redact_uri(given.additional_distribution)} was not unpacked: {error}"
        )
    if command[0] in _PROGRAMS:  # run by this Python, whatever the PATH says, and told of the code
        at = command.index("--resolver") if "--resolver" in command else 1
        told = ["--dynamic-addl-distro", given.additional_distribution, "--dynamic-dest-dir", folder]
        command = [sys.executable, "-m", __spec__.name, *command[:at], *told, *command[at:]]
    if shutil.which(command[0]) is None:
        return _failed(FAST_EXECUTE, f"There is no program {command[0]}.")
    sys.stdout.flush()
    sys.stderr.flush()
    # In the place of this process, so that signals and the exit status are the command's own.
    os.execvpe(command[0], command, {**os.environ, "PYTHONPATH": python_path(folder)})


def main() -> int:
    """The program that is named by the first argument: ``python -m hardpoint.cluster.entrypoint hardpoint-execute ...``."""
    program, *rest = sys.argv[1:] or [""]
    if program not in _PROGRAMS:
        return _failed(
            "hardpoint.cluster.entrypoint", f"It starts one of {', '.join(_PROGRAMS)}, but was given {program!r}."
        )
    return _PROGRAMS[program](rest)


_PROGRAMS = {EXECUTE: execute, MAP_EXECUTE: map_execute, FAST_EXECUTE: fast_execute}


def split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What comes before the first ``--``, and what comes behind it."""
    words = list(argv)
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1 :]


def call_of(argv: Sequence[str], program: str) -> Call:
    """What a command line says. An option that the control plane has not filled in counts as not given."""
    parser = argparse.ArgumentParser(program, description="Run the task that a resolver finds.", allow_abbrev=False)
    for name in ("inputs", "output-prefix", "resolver"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("raw-output-data-prefix", "checkpoint-path", "prev-checkpoint"):
        parser.add_argument(f"--{name}")
    for name in ("dynamic-addl-distro", "dynamic-dest-dir"):
        parser.add_argument(f"--{name}", help="of the code that was fetched, for what the task starts")
    options, loader_args = split(argv)
    given = parser.parse_args(options)
    return Call(
        inputs=given.inputs,
        output_prefix=given.output_prefix.rstrip("/"),
        resolver=given.resolver,
        loader_args=tuple(loader_args),
        raw_output_prefix=_given(given.raw_output_data_prefix),
        checkpoint=_given(given.checkpoint_path),
        previous_checkpoint=_given(given.prev_checkpoint),
        code=_given(given.dynamic_addl_distro),
        code_folder=_given(given.dynamic_dest_dir),
    )


def unpack(distribution: str, folder: str) -> None:
    """Fetch an archive and unpack it into a folder, which is made. Nothing is put outside of the folder.

    Raises:
        HardpointError: the archive cannot be read.
        OSError: the folder cannot be written.
        tarfile.TarError: it is no archive, or holds what does not belong into the folder.
    """
    os.makedirs(folder, exist_ok=True)
    with FileAccess(folder).open(distribution, "rb") as stream, tarfile.open(fileobj=stream, mode="r|*") as archive:
        archive.extractall(folder, filter="data")


def python_path(folder: str) -> str:
    """The variable by which a process finds modules in the folder first."""
    return os.pathsep.join(filter(None, (os.path.abspath(folder), os.environ.get("PYTHONPATH"))))


def _run(argv: Sequence[str] | None, program: str, mapped: bool) -> int:
    call = call_of(sys.argv[1:] if argv is None else argv, program)
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1)  # shows where the task is
    packages = os.environ.get(RUNTIME_PACKAGES_VARIABLE, "").split()
    if packages:
        install = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *packages]
        if subprocess.run(install, check=False).returncode:
            return _failed(program, f"pip could not install {' '.join(packages)} ({RUNTIME_PACKAGES_VARIABLE}).")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)  # an image's working directory holds the user's modules
    succeeded = run_task(call, mapped=mapped)
    return int(not succeeded and os.environ.get(_FAIL, "").lower() in _YES)


def _given(text: str | None) -> str | None:
    """The value of an option; None if the control plane has left it as it was, or has written that there is none."""
    value = (text or "").strip('"')
    return None if not value or value.startswith("{{") else value


def _failed(program: str, message: str) -> int:
    sys.stderr.write(f"{program}: {message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
