"""The example runs as it says."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa

from tests.services.bigquery import PROJECT, BigQuery

EXAMPLE = Path(__file__).parents[3] / "examples" / "bigquery_example.py"


def test_the_example(service: BigQuery) -> None:
    day = datetime.date(2024, 2, 1)
    cities, amounts = ["Oslo", "L'Aquila", "Oslo", "L'Aquila", "Voss"], [10.0, 50.0, 2.5, 1.0, 99.0]
    orders = pa.table({"city": cities, "amount": amounts, "day": [day] * 5})
    service.warehouse.add_table(PROJECT, "sales", "orders", orders)
    service.warehouse.datasets[PROJECT, "sales"] = "EU"
    command = [sys.executable, "-m", "hardpoint.cli.main", "run", str(EXAMPLE), *["report", "--least", "2"]]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ.copy(), timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert "Oslo: 2 orders, 12.5" in ran.stdout
    [job] = service.created()
    told = service.job(job).configuration
    assert told["labels"]["team"] == "sales"
    assert told["query"]["maximumBytesBilled"] == "1000000000"
    assert [p["name"] for p in told["query"]["queryParameters"]] == ["least", "since", "without"]
