"""A throw-away PostgreSQL: its own data directory, a free port on loopback, user and password ``test``."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.services.share import Pool, Started, free_port, missing

_CLUSTER = ("-E", "UTF8", "--no-locale", "--no-sync")


@dataclass(frozen=True)
class PostgreSQL:
    """A running server.

    Attributes:
        port: Its port on 127.0.0.1.
    """

    port: int

    def url(self, database: str = "postgres", driver: str = "") -> str:
        """An SQLAlchemy URL; `driver` such as ``psycopg``."""
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        return f"{scheme}://test:test@127.0.0.1:{self.port}/{database}"


def _program(name: str) -> str:
    # Debian keeps the server's programs off the PATH, one folder a version.
    versions = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), key=lambda p: float(Path(p).parts[4]))
    found = versions[-1] if versions else shutil.which(name)
    return found or missing("PostgreSQL", "postgresql")


def _start(folder: Path) -> Started:
    initdb, postgres = _program("initdb"), _program("postgres")
    port = free_port()
    data, password = folder / "data", folder / "password"
    status = data / "postmaster.pid"
    password.write_text("test")
    # It refuses to run as root.
    user = "postgres" if os.getuid() == 0 else ""
    if user:
        shutil.chown(folder, user)
    subprocess.run(
        [initdb, "-D", str(data), "-U", "test", f"--pwfile={password}", "-A", "scram-sha-256", *_CLUSTER],
        check=True,
        capture_output=True,
        cwd=folder,
        **({"user": user, "group": user, "extra_groups": []} if user else {}),  # type: ignore[call-overload]
    )
    # Durability is for data that outlives the tests; no socket file, since its path may be too long for one.
    fast = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "unix_socket_directories=")
    options = [word for option in fast for word in ("-c", option)]
    return Started(
        [postgres, "-D", str(data), "-h", "127.0.0.1", "-p", str(port), *options],
        {"port": port},
        # It listens before it lets anyone in. https://www.postgresql.org/docs/current/storage-file-layout.html
        ready=lambda: status.is_file() and status.read_text().rstrip().endswith("ready"),
        user=user,
    )


def postgres_server(pool: Pool) -> PostgreSQL:
    return PostgreSQL(port=int(str(pool.get("postgres", _start)["port"])))
