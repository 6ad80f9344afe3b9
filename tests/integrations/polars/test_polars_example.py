"""The example runs as it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl

EXAMPLE = Path(__file__).parents[3] / "examples" / "polars_example.py"


def test_the_example() -> None:
    command = [sys.executable, "-m", "hardpoint.cli.main", "run", "--output", "json", str(EXAMPLE), "--days", "2"]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ.copy())
    assert ran.returncode == 0, ran.stderr
    uri = json.loads(ran.stdout)["outputs"]["o0"]
    assert pl.read_parquet(uri)["station"].to_list() == ["Bergen", "Oslo"]
