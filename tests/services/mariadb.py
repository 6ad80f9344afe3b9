"""A throw-away MariaDB: its own data directory, a free port on loopback, user and password ``test``."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.services.share import Pool, Started, free_port, listens, missing


@dataclass(frozen=True)
class MariaDB:
    """A running server.

    Attributes:
        port: Its port on 127.0.0.1.
    """

    port: int

    def url(self, database: str = "", driver: str = "pymysql") -> str:
        """An SQLAlchemy URL."""
        return f"mysql+{driver}://test:test@127.0.0.1:{self.port}/{database}"


def _program(name: str) -> str:
    search = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
    return shutil.which(name, path=search) or missing("MariaDB", "mariadb-server")


def _start(folder: Path) -> Started:
    install, server = _program("mariadb-install-db"), _program("mariadbd")
    port, data, user = free_port(), folder / "data", getpass.getuser()
    subprocess.run(
        [install, "--no-defaults", f"--datadir={data}", f"--user={user}", "--skip-test-db"],
        check=True,
        capture_output=True,
    )
    grants = folder / "init.sql"
    grants.write_text("CREATE USER test@'127.0.0.1' IDENTIFIED BY 'test';\nGRANT ALL ON *.* TO test@'127.0.0.1';\n")
    return Started(
        [
            *(server, "--no-defaults", f"--user={user}", f"--datadir={data}", f"--init-file={grants}"),
            *("--bind-address=127.0.0.1", f"--port={port}", f"--socket={folder}/socket", "--skip-name-resolve"),
            # Durability is for data that outlives the tests.
            *("--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0"),
        ],
        {"port": port},
        ready=lambda: listens(port),
    )


def mariadb_server(pool: Pool) -> MariaDB:
    return MariaDB(port=int(str(pool.get("mariadb", _start)["port"])))
