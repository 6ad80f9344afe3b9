"""What becomes of a service of several processes when they cannot start."""

from __future__ import annotations

import subprocess
import sys

SUPERVISE = """
import sys
from hardpoint.connectors.service.options import ServiceOptions
from hardpoint.connectors.service.supervisor import Supervisor

options = ServiceOptions(host="127.0.0.1", port=0, prometheus_port=None, workers=2, timeout=20)
sys.exit(Supervisor(options, [sys.executable, "-c", sys.argv[1]]).run())
"""
FIRST_IS_LATE = "import sys, time; time.sleep(2 * ('--announce' in sys.argv)); sys.exit(2)"


def test_the_first_ends_the_service_also_when_another_has_died_before() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SUPERVISE, FIRST_IS_LATE], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 2, ran.stderr
    assert "has died (status 2)" in ran.stderr  # the other
