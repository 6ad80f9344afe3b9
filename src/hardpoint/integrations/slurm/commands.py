"""Slurm's commands: what is run on the login host, and what is read from what it prints.

https://slurm.schedmd.com/man_index.html
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hardpoint.errors import FlyteValidationException
from hardpoint.integrations.slurm.problems import LOCKED
from hardpoint.integrations.slurm.ssh import new_mark

__all__ = [
    "Job",
    "Submission",
    "accounting",
    "accounting_by_name",
    "cancel",
    "check_options",
    "details",
    "home",
    "job_name",
    "parse_accounting",
    "parse_details",
    "parse_found",
    "parse_queue",
    "parse_submitted",
    "parse_tails",
    "queue",
    "queue_by_name",
    "read",
    "tails",
]

_OPTION = re.compile(r"[a-z][a-z0-9-]*")
_REFUSED = {
    "clusters": "Name a login host of that cluster as the host of ssh_config.",
    "parsable": "The job's id is asked for anyway.",
    "test-only": "Without a job there is nothing to follow.",
    "wait": "The job is followed anyway.",
    "wrap": "Write the command into a script.",
}
_ID = re.compile(r"\d+")
_LONGEST_NAME = 40
_GO_HOME = "cd 2>/dev/null"
"""A job runs where it was submitted, unless it is told otherwise; what the login shell reads may have gone elsewhere."""
_USER = '--user="$(id -un)"'
_SINCE = "now-7days"
"""How far back a job's name is looked for in accounting: longer than a service is out of order."""


def check_options(config: Mapping[str, Any] | None) -> dict[str, str | None]:
    """The options of sbatch that a task gives: text by name, None for one that takes none.

    Raises:
        FlyteValidationException: one of them is no long option, or is not the task's to choose.
    """
    options: dict[str, str | None] = {}
    for name, value in (config or {}).items():
        if not _OPTION.fullmatch(name):
            raise FlyteValidationException(
                f"sbatch_config has {name!r}, which is not the long name of an option.",
                remedy='Write the option as sbatch documents it, without dashes before it: {"cpus-per-task": 4}.',
            )
        if name in _REFUSED:
            raise FlyteValidationException(f"sbatch_config has {name!r}, which cannot be.", remedy=_REFUSED[name])
        if value is None or value is False:
            continue
        if value is True or value == "":
            options[name] = None
        elif isinstance(value, str | int | float):
            options[name] = str(value)
        else:
            raise FlyteValidationException(f"sbatch_config has a {type(value).__name__} for {name!r}, not text.")
    return options


def job_name(config: Mapping[str, Any] | None, key: str) -> str:
    """The name of a job: the idempotency key, after the name that the task gives, if it does."""
    given = check_options(config).get("job-name")
    return f"{given[:_LONGEST_NAME]}.{key}" if given else key


@dataclass(frozen=True)
class Submission:
    """What is given to sbatch.

    Attributes:
        name: The job's name, by which it is found again.
        options: Of sbatch, by name.
        script: The script; None: it is there already.
        path: Where it is then.
        arguments: What the script is called with.
        comment: What the job is labelled with, unless the task says something.
    """

    name: str
    options: Mapping[str, str | None]
    script: str | None = None
    path: str = ""
    arguments: Sequence[str] = ()
    comment: str = ""
    _mark: str = field(default_factory=new_mark)

    def program(self) -> str:
        """A program that prints the id of the job of this name, which it submits unless there is one.

        One submission waits for the other: a first one whose connection was lost may still be on its way when a second begins.
        The lock goes with the process that holds it. Who is done removes it, so that who gets it makes sure that it is still there.
        """
        options = {"comment": self.comment, **self.options, "job-name": self.name}
        words = [f"--{name}" if value is None else f"--{name}={value}" for name, value in options.items()]
        command = ["sbatch", "--parsable", *words, "/dev/stdin" if self.script is not None else self.path]
        lock = f'"/tmp/hardpoint-$(id -u)-"{shlex.quote(self.name)}'
        submit = shlex.join([*command, *self.arguments])
        if self.script is not None:
            # A here-document and a pipe: sshd's own stdin is a socket, which cannot be opened by its name.
            submit = f"cat <<'{self._mark}' | {submit}\n{self.script.rstrip(chr(10))}\n{self._mark}"
        return f"""
{_GO_HOME}
lock={lock}
turn=0
while command -v flock && [ "$turn" -lt 100 ]; do
  turn=$((turn + 1))
  mkdir -m 700 "$lock"
  if [ -h "$lock" ] || {{ [ -e "$lock" ] && [ ! -O "$lock" ]; }}; then break; fi
  command exec 9<"$lock" || continue
  flock -w 60 9 || return {LOCKED}
  if [ "$lock" -ef /proc/self/fd/9 ]; then break; fi
done >/dev/null 2>&1
found=$({queue_by_name(self.name, "%F")}) || return
if [ -z "$found" ]; then
  {submit}
else
  printf '%s\\n' "$found" | head -n 1
fi
status=$?
rmdir "$lock" 2>/dev/null
return $status"""


def home() -> str:
    """The folder in which jobs are submitted."""
    return f"{_GO_HOME}\npwd"


def queue_by_name(name: str, form: str) -> str:
    """The queue's jobs of a name, also those that have ended lately."""
    return f"squeue --noheader {_USER} --states=all {shlex.quote(f'--name={name}')} --format={shlex.quote(form)}"


def read(path: str, at: int, size: int) -> str:
    """A part of a file."""
    return f"tail -c +{at + 1} -- {shlex.quote(path)} | head -c {size}"


def accounting_by_name(name: str) -> str:
    """Accounting's jobs of a name."""
    return (
        f"sacct --noheader --parsable2 --allocations {_USER} {shlex.quote(f'--name={name}')} --starttime={_SINCE} "
        "--format=JobID,Comment"
    )


def queue(ids: Iterable[str]) -> str:
    """States of the queue's jobs."""
    return f"squeue --noheader {_USER} --states=all --jobs={','.join(ids)} --format='%i|%T|%r'"


def accounting(ids: Iterable[str]) -> str:
    """States of accounting's jobs."""
    return f"sacct --noheader --parsable2 --allocations --jobs={','.join(ids)} --format=JobID,State,ExitCode,NodeList,Reason"


def details(ids: Iterable[str]) -> str:
    """All that Slurm knows of some jobs, each on a line."""
    return "\n".join(f"scontrol --oneliner show job {id}" for id in ids) + "\nreturn 0"


def tails(wanted: Iterable[tuple[str, int]], mark: str) -> str:
    """The ends of some files, of as many bytes, each after a line that is the mark."""
    return "\n".join(f"echo {mark}; tail -c {size} -- {shlex.quote(path)} 2>&1" for path, size in wanted) + "\nreturn 0"


def cancel(id: str) -> str:
    """End a job, and print the states of its parts once none of them goes on, or after a while."""
    alive = "PENDING|RUNNING|SUSPENDED|CONFIGURING|STOPPED|RESIZING|REQUEUED|REQUEUE_HOLD|SPECIAL_EXIT"
    states = f"squeue --noheader {_USER} --states=all --jobs={id} --format=%T 2>/dev/null"
    return f"""
scancel {id} || return
for pause in 0 0.1 0.2 0.5 1 2 4; do
  sleep $pause
  states=$({states})
  printf '%s\\n' "$states" | grep -Eqx '{alive}' || return 0
done
printf '%s\\n' "$states"
return {LOCKED}"""


# -- what they print -----------------------------------------------------------------------------------------------------


def base_id(id: str) -> str:
    """The id of the whole job: ``4`` of ``4_1``, ``4_[0-2]`` and ``4+1``."""
    found = _ID.match(id)
    return found[0] if found else ""


@dataclass
class Job:
    """What is known of a job.

    Attributes:
        states: Of its parts; an array has several.
        reason: Why it waits, or has ended.
        exit: Its exit status and signal, as ``3:0``; the worst of its parts.
        nodes: Where it ran.
        out, err: The files that it writes to.
        is_array: Whether it has several parts, as far as can be seen.
    """

    states: list[str] = field(default_factory=list)
    reason: str = ""
    exit: str = ""
    nodes: str = ""
    out: str = ""
    err: str = ""
    is_array: bool = False


def parse_submitted(text: str) -> str | None:
    """Of `Submission.program`: the job's id."""
    ids = [line for line in map(str.strip, text.splitlines()) if re.fullmatch(r"\d+(;\S+)?", line)]
    return ids[-1].partition(";")[0] if ids else None


def parse_queue(text: str) -> dict[str, Job]:
    """Of `queue`: jobs by id."""
    jobs: dict[str, Job] = {}
    for line in text.splitlines():
        id, *rest = line.split("|", 2)
        if len(rest) != 2 or not base_id(id):
            continue  # what the login shell says by itself
        job = jobs.setdefault(base_id(id), Job())
        job.states.append(rest[0])
        job.reason = _telling(rest[1]) or job.reason
        job.is_array = not id.isdigit()
    return jobs


def parse_accounting(text: str) -> dict[str, Job]:
    """Of `accounting`: jobs by id."""
    jobs: dict[str, Job] = {}
    for line in text.splitlines():
        id, *rest = line.split("|", 4)
        if len(rest) != 4 or not base_id(id):
            continue
        state, status, nodes, reason = rest
        job = jobs.setdefault(base_id(id), Job())
        job.states.append(state)
        job.exit = status if status != "0:0" else job.exit or status
        job.nodes, job.reason = nodes, _telling(reason) or job.reason
    return jobs


# A value ends where the next name begins, or the line does; values have spaces.
_FIELD = re.compile(r"(?:^| )(JobId|Reason|ExitCode|BatchHost|StdOut|StdErr)=(.*?)(?= [A-Z][\w/:.]*=|\s*$)")


def parse_details(text: str) -> dict[str, Job]:
    """Of `details`: jobs by id."""
    jobs: dict[str, Job] = {}
    for line in text.splitlines():
        found = dict(_FIELD.findall(line))
        if "JobId" not in found:
            continue
        array = re.search(r" ArrayJobId=(\d+)", line)
        job = jobs.setdefault(array[1] if array else base_id(found["JobId"]), Job())
        status = found.get("ExitCode", "")
        if job.exit in ("", "0:0"):
            job.exit, job.reason = status, _telling(found.get("Reason", ""))
            job.nodes = found.get("BatchHost", "")
            job.out, job.err = found.get("StdOut", ""), found.get("StdErr", "")
    return jobs


def parse_tails(text: str, mark: str) -> list[str]:
    """Of `tails`: the ends, in the order in which they were asked for."""
    return [part.removeprefix("\n").rstrip("\n") for part in text.split(f"{mark}")[1:]]


def parse_found(text: str) -> tuple[str, str] | None:
    """Of `queue_by_name` with ``%F|%k``, or of `accounting_by_name`: a job's id and its comment."""
    for line in text.splitlines():
        id, bar, comment = line.partition("|")
        if base_id(id):
            return base_id(id), comment if bar else ""
    return None


def _telling(reason: str) -> str:
    return "" if reason in ("None", "(null)", "") else reason
