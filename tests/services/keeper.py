"""Runs a server for as long as another process lives: ``python keeper.py OWNER_PID RECORD USER COMMAND...``.

A test session that is killed cannot stop its servers; their keepers notice, and do. On SIGTERM, or when the owner is
gone, the keeper stops the server and removes RECORD. It imports nothing of the tests, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(owner: int, record: str, user: str, command: list[str]) -> int:
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    # Ctrl-C reaches the whole group, and the session then stops its servers in order. A handler, since the server would
    # inherit SIG_IGN.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    identity = {"user": user, "group": user, "extra_groups": []} if user else {}
    server = subprocess.Popen(command, start_new_session=True, **identity)  # type: ignore[call-overload]
    while server.poll() is None and not told and alive(owner):
        time.sleep(0.1)
    if server.poll() is None:
        server.send_signal(signal.SIGINT)  # for PostgreSQL: end the sessions and shut down
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(record)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]))
