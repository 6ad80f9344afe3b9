"""A cluster, as its jobs need it: submitted once, found by name, asked about together, cancelled for certain, read."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from hardpoint.connectors.phases import JobGoneError
from hardpoint.connectors.resource import log_link
from hardpoint.errors import HardpointError, UserError
from hardpoint.idl import TaskLog
from hardpoint.integrations.slurm import commands
from hardpoint.integrations.slurm.commands import Job, Submission
from hardpoint.integrations.slurm.login import Login, SSHConfig
from hardpoint.integrations.slurm.problems import LOCKED, MISSING, SlurmUnavailableError, refused
from hardpoint.integrations.slurm.ssh import Hosts, new_mark
from hardpoint.integrations.slurm.states import standing

__all__ = ["Cluster", "Missing", "Part", "checked_id", "links", "summary"]

_SUBMIT = 120.0
"""Seconds that sbatch may take; a controller that is busy keeps it waiting."""
_TAIL = 4096
"""Bytes of its output that a message about a job ends with."""
_CHUNK = 65536

_ENDED_ALREADY = re.compile(r"invalid job id|already complet", re.IGNORECASE)


class Part(NamedTuple):
    """Some lines of a file, and the position after them."""

    lines: list[str]
    end: int


class Cluster:
    """What one login can do at one cluster.

    Args:
        hosts: The connections.
        login: Who does it.
    """

    def __init__(self, hosts: Hosts, login: Login) -> None:
        self.hosts, self.login, self._host = hosts, login, login.config.host

    def submit(self, submission: Submission, prepare: Callable[[], None] | None = None) -> str:
        """The id of the job of that name, which is submitted unless there is one.

        Args:
            submission: The job.
            prepare: What has to be done before a job is submitted that there is not yet.

        Raises:
            SlurmError: Slurm refuses the job.
            SlurmUnavailableError: it is not known whether there is a job now.
        """
        if prepare is not None:
            found = self.find(submission.name)
            if found is not None:
                return found[0]
            prepare()
        ran = self.hosts.run(self.login, submission.program(), _SUBMIT)
        job_id = commands.parse_submitted(ran.out)
        if ran.status or job_id is None:
            raise refused(ran, "submit the job", self._host)
        return job_id

    def find(self, name: str) -> tuple[str, str] | None:
        """The id and the comment of the job of a name; None if there is none."""
        ran = self.hosts.run(self.login, commands.queue_by_name(name, "%F|%k"))
        if ran.status:
            raise refused(ran, "look the job up", self._host)
        return commands.parse_found(ran.out) or commands.parse_found(
            self._accounting(commands.accounting_by_name(name)) or ""
        )

    def _accounting(self, command: str) -> str | None:
        """What sacct prints; None if the cluster keeps no accounts."""
        ran = self.hosts.run(self.login, command)
        if not ran.status:
            return ran.out
        if "accounting storage is disabled" in ran.err or ran.status == MISSING:
            return None
        raise SlurmUnavailableError(f"Slurm's accounting at {self._host} cannot be asked: {ran.said}")

    def home(self) -> str:
        """The user's home, in which jobs are submitted."""
        ran = self.hosts.run(self.login, commands.home())
        if ran.status or not ran.out.startswith("/"):
            raise refused(ran, "say where the user's home is", self._host)
        return ran.out.removesuffix("\n")

    # -- states --------------------------------------------------------------------------------------------------------

    def jobs(self, ids: Sequence[str]) -> dict[str, Job]:
        """What is known of jobs, by id: from the queue in one question, from accounting in another if some have left it."""
        ran = self.hosts.run(self.login, commands.queue(map(checked_id, ids)))
        if ran.status and "Invalid job id" not in ran.err:
            raise refused(ran, "tell how the job stands", self._host)
        jobs = commands.parse_queue(ran.out)
        ended = [job_id for job_id, job in jobs.items() if standing(job.states)[0].is_terminal]
        # The elements of an array that ended first also leave the queue first.
        gone = [job_id for job_id in ids if job_id not in jobs or (job_id in ended and jobs[job_id].is_array)]
        if gone:
            told = commands.parse_accounting(self._accounting(commands.accounting(gone)) or "")
            for job_id, job in told.items():
                known = jobs.setdefault(job_id, job)
                known.states = list(dict.fromkeys((*known.states, *job.states)))
        if ended:
            told = commands.parse_details(self.hosts.run(self.login, commands.details(ended)).out)
            for job_id in set(ended) & set(told):
                jobs[job_id] = replace(told[job_id], states=jobs[job_id].states)
        return jobs

    def reports(self, jobs: Sequence[Job]) -> list[str]:
        """What there is to say of jobs that have ended: how, and the ends of what they wrote, in one question for all."""
        paths = [[path for path in dict.fromkeys((job.out, job.err)) if path and path != "/dev/null"] for job in jobs]
        wanted = [(path, _TAIL // len(own)) for own in paths for path in own]
        ends: dict[str, str] = {}
        if wanted:
            mark = new_mark()
            ran = self.hosts.run(self.login, commands.tails(wanted, mark))
            ends = dict(zip((path for path, _ in wanted), commands.parse_tails(ran.out, mark), strict=False))
        said = {path: f"The end of {path}:\n{tail}" if tail else f"{path} is empty." for path, tail in ends.items()}
        return [
            "\n".join([summary(job), *(said[path] for path in own if path in said)])
            for job, own in zip(jobs, paths, strict=True)
        ]

    # -- verbs ---------------------------------------------------------------------------------------------------------

    def cancel(self, job_id: str) -> None:
        """End a job, and see that it does not go on. One that has ended, or is not known any more, is as it should be."""
        ran = self.hosts.run(self.login, commands.cancel(checked_id(job_id)))
        if ran.status == LOCKED:
            said = " ".join(ran.out.split())
            raise SlurmUnavailableError(f"The job {job_id} goes on, though it was cancelled: it is {said}.")
        if ran.status and not _ENDED_ALREADY.search(ran.err):
            raise refused(ran, "cancel the job", self._host)

    def output(self, job_id: str, at: int) -> Iterator[Part]:
        """What a job has written by now, from a position on."""
        job = commands.parse_details(self.hosts.run(self.login, commands.details([checked_id(job_id)])).out).get(job_id)
        if job is None or job.out in ("", "/dev/null"):
            return
        while True:
            raw = self.hosts.run(self.login, commands.read(job.out, at, _CHUNK)).raw
            # A line that is not finished waits, unless it is longer than all that is read at once.
            whole = raw[: raw.rfind(b"\n") + 1] or (raw if len(raw) == _CHUNK else b"")
            if not whole:
                return
            at += len(whole)
            yield Part(whole.decode(errors="replace").splitlines(), at)


def checked_id(job_id: str) -> str:
    """The id, which becomes a part of a command."""
    if not job_id.isdigit():
        raise UserError(f"{job_id!r} is not the id of a job of Slurm.")
    return job_id


def summary(job: Job) -> str:
    """A job's state in a few words."""
    parts = [", ".join(dict.fromkeys(job.states))]
    if job.reason:
        parts.append(f"({job.reason})")
    status, _, signal = job.exit.partition(":")
    if status.isdigit() and int(status):
        parts.append(f"exit status {status}")
    if signal.isdigit() and int(signal):
        parts.append(f"signal {signal}")
    if job.nodes:
        parts.append(f"on {job.nodes}")
    return " ".join(parts)


def links(config: SSHConfig, job_id: str, job: Job) -> list[TaskLog]:
    """Where people find what the job writes."""
    paths: Mapping[str, str] = {"output": job.out, "errors": job.err if job.err != job.out else ""}
    return [
        log_link(f"Slurm job {job_id}: {what}", f"sftp://{config.endpoint}{path}")
        for what, path in paths.items()
        if path and path != "/dev/null"
    ]


class Missing:
    """Jobs that nobody knows. Accounting is written with a delay, so that at first this is no proof.

    Args:
        grace: Seconds after which it is.
    """

    def __init__(self, grace: float) -> None:
        self._grace, self._lock = grace, threading.Lock()
        self._since: dict[tuple[str, str], float] = {}

    def error(self, endpoint: str, job_id: str) -> HardpointError:
        """What is to be said of a job that nobody knows."""
        with self._lock:
            since = self._since.setdefault((endpoint, job_id), time.monotonic())
        if time.monotonic() - since < self._grace:
            return SlurmUnavailableError(f"Slurm at {endpoint} does not know the job {job_id} at the moment.")
        return JobGoneError(
            f"Slurm at {endpoint} does not know the job {job_id} any more: neither the queue nor accounting has it.",
            remedy="Slurm forgets a job MinJobAge seconds after its end. Let the cluster keep accounts (slurmdbd), or ask its "
            "staff for a longer MinJobAge.",
        )

    def found(self, endpoint: str, job_id: str) -> None:
        """A job is known after all."""
        with self._lock:
            self._since.pop((endpoint, job_id), None)
