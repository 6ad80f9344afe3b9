"""One measured child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["Measures", "environment", "measure"]

Measures = dict[str, dict[str, float]]
"""Name of what was measured -> ``wall`` and ``cpu`` in seconds, ``memory`` in bytes at the peak."""

_FOREIGN = ("FLYTE", "HARDPOINT", "PYTHON", "VIRTUAL_ENV")


def environment(folder: Path) -> dict[str, str]:
    """The environment of both sides: nobody's configuration, byte code kept as users have it, all files under one folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    return {
        **kept,
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "state"),
        "TMPDIR": str(folder / "tmp"),
        "FLYTE_SDK_LOGGING_LEVEL": "50",
    }


def measure(command: Sequence[str], folder: Path, env: Mapping[str, str]) -> Measures:
    """Run a command to its end; what it cost as ``process``, and what it says of itself on its last line, if that is JSON."""
    output = folder / "output.txt"
    with output.open("wb") as stream:
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    text = output.read_text(errors="replace")
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}:\n{text[-4000:]}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    measures: Measures = {"process": {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "memory": float(peak)}}
    last = text.strip().rpartition("\n")[2]
    if last.startswith("{"):
        measures |= json.loads(last)
    return measures
