"""Two small Slurm clusters on this machine, with accounting, and SSH to them.

munged, MariaDB, slurmdbd, and for each cluster slurmctld and slurmd: all from Debian's packages, on free ports of
loopback, without systemd or cgroups. The cluster ``main`` remembers jobs that have ended for five minutes, as usual; ``hasty``
forgets them after two seconds, so that only accounting knows them. Clients find a cluster by ``SLURM_CONF``.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.share import Pool, Started, free_port, missing
from tests.services.sshd import SSHD, ssh_server

_PROGRAMS = {
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "sbatch": "slurm-wlm",
    "slurmdbd": "slurmdbd",
    "munged": "munge",
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
}


@dataclass(frozen=True)
class Slurm:
    """One of the clusters.

    Attributes:
        conf: Its configuration.
        conf_without_accounting: The same for a client that is told that there is none.
    """

    conf: str
    conf_without_accounting: str

    def run(self, *command: str) -> str:
        """What one of Slurm's commands prints."""
        environment = {**os.environ, "SLURM_CONF": self.conf}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


@dataclass(frozen=True)
class Clusters:
    """Both clusters, and the logins to them."""

    main: Slurm
    hasty: Slurm
    pool: Pool

    def login(self, name: str, environment: Mapping[str, str], *settings: str) -> SSHD:
        """The SSH server `name`; `environment` says which cluster its users see, `settings` are lines of its configuration."""
        return ssh_server(self.pool, f"sshd-{name}", environment, settings)


def _programs() -> dict[str, str]:
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    return {name: shutil.which(name, path=path) or missing(name, package) for name, package in _PROGRAMS.items()}


def _client_conf(name: str, ports: tuple[int, int], folder: Path, age: int) -> str:
    host = socket.gethostname().partition(".")[0]
    user = getpass.getuser()
    own = folder / name
    return f"""ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={own}/state
SlurmdSpoolDir={own}/spool
SlurmctldPidFile={own}/slurmctld.pid
SlurmdPidFile={own}/slurmd.pid
SlurmctldLogFile={own}/slurmctld.log
SlurmdLogFile={own}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=1000,sched_interval=1
MpiDefault=none
ReturnToService=2
KillWait=2
MinJobAge={age}
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=1000 State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""


def _cluster(name: str, folder: Path, dbd_port: int, age: int, programs: dict[str, str]) -> list[dict[str, Any]]:
    """Write a cluster's files; the steps that start it."""
    own = folder / name
    for part in ("state", "spool"):
        (own / part).mkdir(parents=True)
    conf = own / "slurm.conf"
    common = _client_conf(name, (free_port(), free_port()), folder, age)
    conf.write_text(
        f"""{common}AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd_port}
AccountingStoragePass={folder}/munge.socket
"""
    )
    (own / "without_accounting.conf").write_text(f"{common}AccountingStorageType=accounting_storage/none\n")
    # It must be there; with the plugins above nothing of it is used.
    (own / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    env = {"SLURM_CONF": str(conf)}
    ready = {"command": ["sinfo", "--noheader", "--format=%t"], "words": ["idle"], "env": env}
    return [
        {"run": ["sacctmgr", "--immediate", "--quiet", "add", "cluster", name], "env": env},
        {"start": [programs["slurmctld"], "-D", "-f", str(conf)]},
        {"start": [programs["slurmd"], "-D", "-f", str(conf)], "wait": ready},
    ]


def _start(folder: Path) -> Started:
    programs, user = _programs(), getpass.getuser()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    munge = {
        "key-file": "munge.key",
        "socket": "munge.socket",
        "pid-file": "munged.pid",
        "log-file": "munged.log",
        "seed-file": "munge.seed",
    }
    database, dbd_port = free_port(), free_port()
    data = folder / "mysql"
    subprocess.run(
        [
            *(programs["mariadb-install-db"], "--no-defaults", f"--datadir={data}", f"--user={user}"),
            *("--auth-root-authentication-method=normal", "--skip-test-db"),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "init.sql").write_text(
        "CREATE OR REPLACE USER slurm@localhost IDENTIFIED BY 'slurm';\n"
        "GRANT ALL ON slurm_acct_db.* TO slurm@localhost;\n"
    )
    dbd_conf = folder / "slurmdbd.conf"
    dbd_conf.write_text(
        f"""AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={dbd_port}
CommunicationParameters=NoInAddrAny
SlurmUser={user}
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
"""
    )
    dbd_conf.chmod(0o600)
    mariadbd = [
        *(programs["mariadbd"], "--no-defaults", f"--user={user}", f"--datadir={data}", f"--port={database}"),
        *(f"--socket={folder}/mysql.sock", "--bind-address=127.0.0.1", f"--init-file={folder}/init.sql"),
        *("--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0"),
    ]
    clusters = {name: _cluster(name, folder, dbd_port, age, programs) for name, age in (("main", 300), ("hasty", 2))}
    confs = [{"SLURM_CONF": str(folder / name / "slurm.conf")} for name in clusters]
    plan = {
        "steps": [
            {
                "start": [programs["munged"], "-F", "--force", *(f"--{k}={folder / v}" for k, v in munge.items())],
                "wait": {"file": str(folder / "munge.socket")},
            },
            {"start": mariadbd, "wait": {"port": database}},
            {
                # It finds its configuration beside that of a cluster.
                "start": [programs["slurmdbd"], "-D"],
                "env": {"SLURM_CONF": str(folder / "slurm.conf")},
                "wait": {"port": dbd_port},
            },
            *(step for steps in clusters.values() for step in steps),
        ],
        "stop": [
            {
                "run": ["scancel", "--user", user],
                "env": env,
                "wait": {
                    "command": ["sh", "-c", "squeue --noheader --format=%T; echo done"],
                    "words": ["done"],
                    "env": env,
                },
            }
            for env in confs
        ],
        "ready": str(folder / "ready"),
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    command = [sys.executable, "-I", str(Path(__file__).with_name("slurm_daemons.py")), str(folder / "plan.json")]
    return Started(command, {"folder": str(folder)}, ready=(folder / "ready").exists)


def slurm_clusters(pool: Pool) -> Clusters:
    """The clusters of this session."""
    folder = Path(str(pool.get("slurm", _start)["folder"]))
    names = ("slurm.conf", "without_accounting.conf")
    main, hasty = (Slurm(*(str(folder / cluster / name) for name in names)) for cluster in ("main", "hasty"))
    return Clusters(main, hasty, pool)
