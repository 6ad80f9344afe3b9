"""Runs the daemons of a plan in their order, and stops them in the reverse: ``python slurm_daemons.py PLAN.json``.

The plan is a list of steps: ``run`` (a command that ends), or ``start`` (a daemon that stays in the foreground); each
may ``wait`` for a port, a file, or a command that prints one of some words. On SIGINT the commands under ``stop`` run first.
It imports nothing of the tests, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any


def is_ready(wait: dict[str, Any]) -> bool:
    if "port" in wait:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", wait["port"]), timeout=1):
            return True
        return False
    if "file" in wait:
        return os.path.exists(wait["file"])
    told = subprocess.run(wait["command"], capture_output=True, text=True, env=environment(wait)).stdout.split()
    return bool(told) and set(told) <= set(wait["words"])


def environment(step: dict[str, Any]) -> dict[str, str]:
    return {**os.environ, **step.get("env", {})}


def await_ready(step: dict[str, Any], told: list[int]) -> None:
    deadline = time.monotonic() + 50
    while "wait" in step and not is_ready(step["wait"]) and not told:
        if time.monotonic() > deadline:
            sys.exit(f"This did not become ready: {step}")
        time.sleep(0.05)


def main(plan: dict[str, Any]) -> None:
    told: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: told.append(number))
    running: list[subprocess.Popen[bytes]] = []
    try:
        for step in plan["steps"]:
            if told:
                return
            if "run" in step:
                subprocess.run(step["run"], check=True, env=environment(step))
            else:
                running.append(subprocess.Popen(step["start"], env=environment(step)))
            await_ready(step, told)
        with open(plan["ready"], "w"):
            pass
        while not told and all(process.poll() is None for process in running):
            time.sleep(0.1)
        for step in plan["stop"]:
            subprocess.run(step["run"], env=environment(step), timeout=5, check=False)
            with contextlib.suppress(SystemExit):
                await_ready({"wait": step["wait"]}, [])
    finally:
        for process in reversed(running):
            process.terminate()
        deadline = time.monotonic() + 2
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file))
