"""The example runs as it says, by the command and as a script."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "sensor_example.py"


@pytest.mark.parametrize("how", ["command", "script"])
def test_the_example(tmp_path: Path, how: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.csv").write_text("1\n2\n")
    command = [sys.executable, "-m", "hardpoint.cli.main", "run", str(EXAMPLE), "day", "--folder", str(data)]
    with subprocess.Popen(
        command if how == "command" else [sys.executable, str(EXAMPLE)],
        cwd=tmp_path,
        env=os.environ.copy(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        (data / "_SUCCESS").touch()
        (data / "b.csv").write_text("3\n")
        out, err = process.communicate(timeout=120)
    assert "3 rows have arrived" in out, err
