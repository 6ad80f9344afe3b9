"""Programs that npm brings: installed outside of this repository, when they are first asked for."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from tests.services.share import missing


def program(package: str, version: str, name: str) -> Path:
    """Where a package's program is.

    Args:
        package: The package.
        version: Its version.
        name: The program.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "hardpoint-tests")
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{name}-{version}"
    found = folder / "node_modules" / ".bin" / name
    with open(cache / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            npm = shutil.which("npm") or missing("npm", "npm nodejs")
            words = ["--ignore-scripts", "--no-audit", "--no-fund", f"{package}@{version}"]
            subprocess.run(
                [npm, "install", "--prefix", str(folder), *words], check=True, capture_output=True, timeout=300
            )
    return found
