"""A vendor of jobs: a real HTTP server that counts what it is asked, and fails on demand; and connectors for it."""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hardpoint.connectors import AsyncConnectorBase, Capabilities, JobGoneError, Phase, Resource, ResourceMeta, phase_of
from hardpoint.connectors.errors import JobExistsError
from hardpoint.errors import PermanentError, TransientError, UserError
from hardpoint.idl import TaskTemplate


@dataclass
class Fault:
    """What becomes of a request: a status in its stead, slow work, a slow answer, one that is lost, or a job that is in this state
    at once."""

    status: int = 0
    seconds: float = 0.0
    late: float = 0.0
    lost: bool = False
    retry_after: str = ""
    state: str = ""


@dataclass
class Job:
    id: str
    token: str
    state: str = "RUNNING"
    asked: int = 0
    polls_left: int | None = None
    tags: dict[str, str] = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    request_queue_size = 512  # so that no connection of a crowd is refused

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # of a client that is gone
            super().handle_error(request, client_address)


class Vendor:
    """The server.

    Attributes:
        jobs: All jobs by id.
        calls: How often each method was asked, as ``POST``, ``GET`` (one job), ``LIST`` (several), ``FIND`` and ``DELETE``.
        faults: By method, what happens to the next requests.
        unique: What a token that it has leads to: ``refused``, the ``same`` job, or another (``no``).
        most: How many jobs have run at once.
        stubborn: Whether jobs go on when they are told to end.
        polls: After how many polls a job ends as ``DONE``; None: it runs until it is told.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.calls: Counter[str] = Counter()
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        self.faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self.unique: str = "no"
        self.most = 0
        self.stubborn = False
        self.polls: int | None = None
        self.lock = threading.Lock()
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def handle_request(self) -> None:
                vendor.answer(self)

            do_GET = do_POST = do_DELETE = handle_request

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"127.0.0.1:{self.server.server_port}"

    def fail(self, method: str, *faults: Fault) -> None:
        self.faults[method].extend(faults)

    @property
    def running(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.state == "RUNNING"]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        url = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = json.loads(request.rfile.read(int(request.headers.get("Content-Length") or 0)) or b"{}")
        method = "FIND" if "token" in query else "LIST" if "ids" in query else str(request.command)
        with self.lock:
            self.calls[method] += 1
            self.times[method].append(time.monotonic())
            fault = self.faults[method].popleft() if self.faults[method] else Fault()
        if fault.status:
            self._send(request, fault.status, {"error": "The vendor is sorry."}, fault.retry_after)
            return
        if fault.seconds:
            time.sleep(fault.seconds)
        with self.lock:
            status, told = self._work(method, url.path.rpartition("/")[2], query, body)
            if fault.state:
                self.jobs[told["id"]].state = fault.state
        if fault.late:
            time.sleep(fault.late)
        if fault.lost:
            request.connection.close()
            return
        self._send(request, status, told)

    def _work(self, method: str, id: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        if method == "POST":
            if body.get("refuse"):
                return 400, {"error": body["refuse"]}
            known = next((job for job in self.jobs.values() if job.token == body["token"]), None)
            if known is not None and self.unique == "same":
                return 200, {"id": known.id}
            if known is not None and self.unique == "refused":
                return 409, {"error": "There is a job with this token."}
            job = Job(f"j{len(self.jobs)}", body["token"], polls_left=self.polls, tags=body["tags"])
            self.jobs[job.id] = job
            self.most = max(self.most, len(self.running))
            return 201, {"id": job.id}
        if method == "FIND":
            return 200, [job.id for job in self.jobs.values() if job.token == query["token"]]
        if method == "LIST":
            return 200, [self._look(id) for id in query["ids"].split(",")]
        if id not in self.jobs:
            return 404, {"error": "There is no such job."}
        if method == "DELETE":
            if self.jobs[id].state == "RUNNING" and not self.stubborn:
                self.jobs[id].state = "KILLED"
            return 200, {}
        return 200, self._look(id)

    def _look(self, id: str) -> dict[str, Any]:
        job = self.jobs[id]
        job.asked += 1
        if job.polls_left is not None and job.state == "RUNNING":
            job.polls_left -= 1
            if job.polls_left < 0:
                job.state = "DONE"
        return {"state": job.state, "id": id}

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, told: Any, retry_after: str = "") -> None:
        data = json.dumps(told).encode()
        request.send_response(status)
        if retry_after:
            request.send_header("Retry-After", retry_after)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)


@contextmanager
def running_vendor() -> Iterator[Vendor]:
    vendor = Vendor()
    thread = threading.Thread(target=vendor.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield vendor
    finally:
        vendor.server.shutdown()
        thread.join()
        vendor.server.server_close()


PHASES = {
    "RUNNING": Phase.RUNNING,
    "DONE": Phase.SUCCEEDED,
    "BROKEN": Phase.FAILED,
    "LOST_NODE": Phase.RETRYABLE_FAILED,
    "KILLED": Phase.ABORTED,
}


@dataclass
class JobMeta(ResourceMeta):
    endpoint: str
    job_id: str


def ask(endpoint: str, method: str, path: str, body: Any = None) -> Any:
    connection = http.client.HTTPConnection(endpoint, timeout=10)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None)
        response = connection.getresponse()
        told = json.loads(response.read())
    except (http.client.HTTPException, OSError) as error:
        raise TransientError(f"The vendor at {endpoint} does not answer: {error}") from error
    finally:
        connection.close()
    if response.status in (429, 503):
        after = response.headers.get("Retry-After")
        raise TransientError(told["error"], retry_after=float(after) if after else None)
    if response.status == 404:
        raise JobGoneError(told["error"])
    if response.status == 409:
        raise JobExistsError(told["error"])
    if response.status == 401:
        raise PermanentError(told["error"])
    if response.status >= 400:
        raise UserError(told["error"], remedy="Correct the job.")
    return told


class Plain(AsyncConnectorBase[JobMeta]):
    """A connector as one writes it first: nothing promised."""

    name = "Vendor"
    task_type_name = "vendor_plain"
    metadata_type = JobMeta

    def create(
        self, task_template: TaskTemplate, *, idempotency_key: str, tags: dict[str, str], **kwargs: Any
    ) -> JobMeta:
        endpoint = task_template.custom["endpoint"]
        body = {"token": idempotency_key, "tags": tags, "refuse": task_template.config.get("refuse", "")}
        return JobMeta(endpoint, ask(endpoint, "POST", "/jobs", body)["id"])

    def get(self, resource_meta: JobMeta, **kwargs: Any) -> Resource:
        told = ask(resource_meta.endpoint, "GET", f"/jobs/{resource_meta.job_id}")
        return Resource(phase_of(told["state"], PHASES, integration="vendor"), message=told["state"])

    def delete(self, resource_meta: JobMeta, **kwargs: Any) -> None:
        ask(resource_meta.endpoint, "DELETE", f"/jobs/{resource_meta.job_id}")


class Finding(Plain):
    """One whose vendor can look jobs up by their token."""

    task_type_name = "vendor_finding"
    capabilities = Capabilities(finds_by_key=True)

    def find(self, idempotency_key: str, task_template: TaskTemplate, **kwargs: Any) -> JobMeta | None:
        endpoint = task_template.custom["endpoint"]
        found = ask(endpoint, "GET", f"/jobs?token={idempotency_key}")
        return JobMeta(endpoint, found[0]) if found else None


class Idempotent(Plain):
    """One whose vendor answers a token that it has with its job."""

    task_type_name = "vendor_idempotent"
    capabilities = Capabilities(idempotent_create=True)


class Batching(Plain):
    """One whose vendor tells of many jobs at once."""

    task_type_name = "vendor_batching"
    capabilities = Capabilities(batches_polls=True)

    def get_many(self, metas: Sequence[JobMeta], **kwargs: Any) -> list[Resource]:
        told = ask(metas[0].endpoint, "GET", f"/jobs?ids={','.join(meta.job_id for meta in metas)}")
        return [Resource(phase_of(job["state"], PHASES, integration="vendor"), message=job["state"]) for job in told]


def template(vendor: Vendor | str, task_type: str, **config: str) -> TaskTemplate:
    message = TaskTemplate(type=task_type, config=config)
    message.custom["endpoint"] = vendor if isinstance(vendor, str) else vendor.endpoint
    return message
