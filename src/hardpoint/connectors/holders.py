"""Who holds a lease: names that tell whether their bearer still lives."""

from __future__ import annotations

import itertools
import os
import socket
import time
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path

__all__ = ["MACHINE", "is_alive", "is_dead", "is_of_this_process", "new_holder", "retire_holder", "told_alive"]


def _machine() -> str:
    """Where process numbers mean the same: containers may share a host's name and each have numbers of their own."""
    parts = [socket.gethostname().replace("/", "-")]
    with suppress(OSError):  # only Linux tells
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid").strip("pid:[]"))
    return ".".join(parts)


def _started(pid: int) -> str:
    """When a process began, in a unit of the kernel's, so that its number can be told from a later one's; empty if nobody says."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""


@cache
def _own(pid: int) -> str:
    return f"{pid}@{_started(pid)}"


MACHINE = f"{_machine()}/"
"""With what the names of this machine's holders begin."""
_LIFE = uuid.uuid4().hex
"""Tells this process from another of the same number: in a container all are number 1."""
_numbers = itertools.count()
_holders: dict[str, float] = {}
"""The holders of this process, and until when, of `time.monotonic`, they have told that they live."""


def new_holder() -> str:
    """A name for one who wants leases; it is alive until `retire_holder`, or until this process ends."""
    holder = f"{MACHINE}{_own(os.getpid())}/{_LIFE}-{next(_numbers)}"
    _holders[holder] = float("-inf")
    return holder


def told_alive(holder: str, until: float) -> None:
    """Say that a holder of this process lives, until a time of `time.monotonic`, which does not jump."""
    if holder in _holders:
        _holders[holder] = until


def retire_holder(holder: str) -> None:
    """Say that this holder is gone."""
    _holders.pop(holder, None)


def is_of_this_process(holder: str) -> bool:
    """Whether a holder is, or was, of this very process."""
    return holder.startswith(f"{MACHINE}{_own(os.getpid())}/{_LIFE}-")


def is_alive(holder: str) -> bool:
    """Whether a holder is of this machine and lives for certain, so that its lease is its own whatever the clock says."""
    return _lives(holder) is True


def is_dead(holder: str) -> bool:
    """Whether a holder was of this machine and is gone for certain, so that nobody needs to wait for its lease to run out."""
    return _lives(holder) is False


def _lives(holder: str) -> bool | None:
    """Whether a holder lives; None if nobody here can say."""
    if not holder.startswith(MACHINE):
        return None
    if is_of_this_process(holder):
        until = _holders.get(holder)
        return False if until is None else True if time.monotonic() < until else None
    number, _, started = holder[len(MACHINE) :].partition("/")[0].partition("@")
    pid = int(number)
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    now = _started(pid)
    return now == started if now and started else None
