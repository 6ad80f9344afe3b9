"""The example runs as it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "pandera_example.py"


def test_the_example() -> None:
    command = [sys.executable, "-m", "hardpoint.cli.main", "run", str(EXAMPLE), "--shop", "careless"]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ.copy())
    assert ran.returncode == 0, ran.stderr
    assert "Ann: 20.00" in ran.stdout
    assert "Bob" not in ran.stdout
    assert "Rows that were dropped: 1." in ran.stderr
