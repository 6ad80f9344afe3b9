"""The services that ported connectors call: a warehouse and a platform for containers, over HTTP, and a command line client."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODULES = Path(__file__).parent / "modules"


def image() -> dict[str, str]:
    """The variables of a container whose image holds what can be imported here."""
    path = os.pathsep.join(filter(None, [str(MODULES), *sys.path]))
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    role = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return {"PATH": programs, "PYTHONPATH": path, **role}


class Vendor:
    """An HTTP server.

    Attributes:
        asked: All that it was asked: method, path, body and headers.
        jobs: How its jobs stand, by id.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any, dict[str, str]]] = []
        self.jobs: dict[str, dict[str, Any]] = {}
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def handle_request(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
                vendor.asked.append((self.command, self.path, body, dict(self.headers)))
                status, told = vendor.answer(self.command, self.path, body)
                data = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = handle_request

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        raise NotImplementedError

    def bodies(self, method: str, path: str) -> list[Any]:
        return [body for m, p, body, _ in self.asked if (m, p) == (method, path)]


class Warehouse(Vendor):
    """Runs queries: each is RUNNING when it is first asked for, and then what its statement says."""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path == "/queries":
            query = f"q{len(self.jobs)}"
            self.jobs[query] = {**body, "polls": 0}
            return 200, {"id": query}
        if path == "/statements":
            return 200, {"rows": [["ok"]]}
        job = self.jobs[body["id"]]
        job["polls"] += 1
        if job["polls"] == 1:
            return 200, {"status": "RUNNING"}
        if "broken" in job["statement"]:
            return 200, {"status": "FAILED_WITH_ERROR", "error": "002003 (42S02): Object 'BROKEN' does not exist."}
        return 200, {"status": "SUCCESS"}


class Platform(Vendor):
    """Runs the commands of containers, as processes."""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        id = path.rpartition("/")[2]
        if method == "POST":
            if body["requirements"].get("cores", 0) > 64:
                return 400, "There are no machines of so many cores."
            job = f"p{len(self.jobs)}"
            self.jobs[job] = {"status": "Queued", "logs": "", **body}
            return 200, {"id": job}
        if method == "DELETE":
            self.jobs[id]["status"] = "Cancelled"
            return 200, {}
        job = self.jobs[id]
        if job["status"] == "Queued":
            ran = subprocess.run(
                shlex.split(job["command"]),
                env={**image(), **job["env"]},
                capture_output=True,
                text=True,
                check=False,
            )
            job["status"] = "UserError" if ran.returncode else "Done"
            job["logs"] = ran.stdout + ran.stderr
            return 200, {"status": "Running", "logs": ""}
        return 200, {"status": job["status"], "logs": job["logs"]}


@contextmanager
def serving(vendor: Vendor) -> Iterator[Vendor]:
    thread = threading.Thread(target=vendor.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield vendor
    finally:
        vendor.server.shutdown()
        vendor.server.server_close()


FLOAT = '''#!{python}
"""The client of a cloud: it keeps its jobs in a folder, and runs each when it is first shown."""

import argparse, json, os, pathlib, subprocess, sys

root = pathlib.Path({root!r})
with open(root / "asked.jsonl", "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
options = argparse.ArgumentParser(allow_abbrev=False)
options.add_argument("verb")
options.add_argument("--force", action="store_true")
for name in ("address", "username", "password", "format", "cpu", "mem", "image", "job", "migratePolicy"):
    options.add_argument("--" + name)
options.add_argument("--env", action="append", default=[])
given = options.parse_args()
if given.verb == "login":
    sys.exit(given.password != "sesame")
if given.verb == "submit":
    id = "f" + str(len(list(root.glob("*.json"))))
    job = {{"id": id, "status": "Submitted", "script": open(given.job).read(), "env": given.env}}
else:
    id = given.job
    if not (root / (id + ".json")).exists():
        sys.exit("no such job")
    job = json.loads((root / (id + ".json")).read_text())
    if given.verb == "cancel":
        job["status"] = "Cancelled"
    elif job["status"] == "Submitted":
        job["status"] = "Executing"
    elif job["status"] == "Executing":
        env = dict(pair.split("=", 1) for pair in job["env"])
        ran = subprocess.run(["bash", "-c", job["script"]], env={{**{image!r}, **env}}, stdout=sys.stderr)
        job["status"] = "FailToExecute" if ran.returncode else "Completed"
(root / (id + ".json")).write_text(json.dumps(job))
print(json.dumps({{"id": id, "status": job["status"]}}))
'''


class Float:
    """The client, in a folder that is to be on the PATH.

    Args:
        folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.root, self.folder = folder / "jobs", folder / "bin"
        self.root.mkdir()
        self.folder.mkdir()
        program = self.folder / "float"
        program.write_text(FLOAT.format(python=sys.executable, root=str(self.root), image=image()))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    @property
    def path(self) -> str:
        return os.pathsep.join([str(self.folder), os.environ["PATH"]])

    def asked(self, verb: str) -> list[list[str]]:
        lines = map(json.loads, (self.root / "asked.jsonl").read_text().splitlines())
        return [line for line in lines if line[0] == verb]
