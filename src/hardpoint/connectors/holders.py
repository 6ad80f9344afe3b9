"""Who holds a lease: names that tell whether their bearer still lives."""

from __future__ import annotations

import itertools
import os
import socket
import uuid

__all__ = ["is_dead", "new_holder", "retire_holder"]

_HOST = socket.gethostname()
_LIFE = uuid.uuid4().hex
"""Tells this process from another of the same number: in a container all are number 1."""
_numbers = itertools.count()
_holders: set[str] = set()


def new_holder() -> str:
    """A name for one who wants leases; it is alive until `retire_holder`, or until this process ends."""
    holder = f"{_HOST}/{os.getpid()}/{_LIFE}-{next(_numbers)}"
    _holders.add(holder)
    return holder


def retire_holder(holder: str) -> None:
    """Say that this holder is gone."""
    _holders.discard(holder)


def is_dead(holder: str) -> bool:
    """Whether a holder was of this machine and is gone for certain, so that nobody needs to wait for its lease to run out."""
    host, pid, _ = holder.rsplit("/", 2)
    if host != _HOST:
        return False
    if int(pid) == os.getpid():
        return holder not in _holders
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
