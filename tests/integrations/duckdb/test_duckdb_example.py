"""The example runs as it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "duckdb_example.py"


def test_the_example() -> None:
    command = [sys.executable, "-m", "hardpoint.cli.main", "run", str(EXAMPLE), *["report", "--least", "2"]]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ.copy())
    assert ran.returncode == 0, ran.stderr
    assert "Oslo: 2 orders, 12.5" in ran.stdout
