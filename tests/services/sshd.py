"""An SSH server on a free port of loopback: key authentication alone, its own host key, nothing of anybody's home."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.services.share import Pool, Started, free_port, listens, missing


@dataclass(frozen=True)
class SSHD:
    """A running server.

    Attributes:
        port: Its port on 127.0.0.1.
        user: Who may log in.
        client_key: File with the private key that it knows.
        known_hosts: File with its own key, as a client wants to have it.
        log: What it says.
        home: The home of who logs in.
    """

    port: int
    user: str
    client_key: str
    known_hosts: str
    log: str
    home: str

    def ssh(self, *command: str) -> list[str]:
        """The command that runs another one there."""
        options = [f"UserKnownHostsFile={self.known_hosts}", "BatchMode=yes"]
        flags = ["-F", "none", "-p", str(self.port), "-i", self.client_key, *(f"-o{option}" for option in options)]
        return ["ssh", *flags, f"{self.user}@127.0.0.1", *command]


def _key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", str(path)], check=True)
    return path


def _start(folder: Path, environment: Mapping[str, str], settings: Sequence[str]) -> Started:
    server = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin") or missing("sshd", "openssh-server")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(parents=True, exist_ok=True)  # it insists
    port, log = free_port(), folder / "sshd.log"
    host_key, client_key = _key(folder / "host_key"), _key(folder / "client_key")
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")
    home = folder / "home"
    home.mkdir()
    variables = {"HOME": str(home), **environment}  # else the shell would read the settings of whoever runs the tests
    config = folder / "sshd_config"
    config.write_text(
        f"""ListenAddress 127.0.0.1
Port {port}
HostKey {host_key}
PidFile none
AuthorizedKeysFile {folder / "client_key.pub"}
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
MaxStartups 100
Subsystem sftp internal-sftp
SetEnv {" ".join(f'"{name}={value}"' for name, value in variables.items())}
{chr(10).join(settings)}
"""
    )
    facts = {
        "port": port,
        "user": getpass.getuser(),
        "client_key": str(client_key),
        "known_hosts": str(known_hosts),
        "log": str(log),
        "home": str(home),
    }
    command = f"exec {shlex.join([server, '-D', '-e', '-f', str(config)])} 2> {shlex.quote(str(log))}"
    return Started(["sh", "-c", command], dict(facts), ready=lambda: listens(port))


def ssh_server(pool: Pool, name: str, environment: Mapping[str, str], settings: Sequence[str] = ()) -> SSHD:
    """The server `name`, which gives these variables to each login; `settings` are further lines of its configuration."""
    facts = pool.get(name, partial(_start, environment=environment, settings=settings))
    names = ("user", "client_key", "known_hosts", "log", "home")
    return SSHD(int(str(facts["port"])), *(str(facts[name]) for name in names))
