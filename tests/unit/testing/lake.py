"""A service of jobs that can be told what becomes of them, with a connector as it should be; and tasks for it."""

from __future__ import annotations

import http.client
import json
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hardpoint import kwtypes
from hardpoint.connectors import (
    AsyncConnectorBase,
    Capabilities,
    JobGoneError,
    Phase,
    Resource,
    ResourceMeta,
    SyncConnectorBase,
)
from hardpoint.connectors.connection import connection
from hardpoint.connectors.local import AsyncConnectorExecutorMixin, SyncConnectorExecutorMixin
from hardpoint.connectors.resource import log_link
from hardpoint.errors import PermanentError, TransientError, UserError
from hardpoint.idl import TaskTemplate
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.interface import Interface
from hardpoint.testing import CANARY

logger = logging.getLogger(__name__)

ENDED = ("OK", "BROKEN", "KILLED", "NODE_LOST")
WORDS = "The table has been dropped."


@dataclass
class Job:
    id: str
    token: str
    rows: float
    state: str = "WAITING"
    result: int | None = None
    error: str = ""
    tags: dict[str, str] = field(default_factory=dict)


class FakeLake:
    """The service, over HTTP.

    Attributes:
        credential: The only one that is taken.
        stubborn: Whether jobs go on when they are told to end.
        asked: The jobs whose state was asked for.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.all: list[str] = []
        self.credential = CANARY
        self.stubborn = False
        self.asked: set[str] = set()
        self.lock = threading.Lock()
        lake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def work(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
                with lake.lock:
                    status, told = lake.answer(self.command, self.path, body, self.headers.get("Authorization", ""))
                data = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = work

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method: str, path: str, body: Any, credential: str) -> tuple[int, Any]:
        url = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        id = url.path.rpartition("/")[2]
        if credential != f"Bearer {self.credential}":
            return 401, {"message": "Who are you?"}
        if url.path == "/answers":
            return 200, {"rows": int(body["rows"])}
        if method == "POST":
            known = next((job for job in self.jobs.values() if job.token == body["token"]), None)
            if known is not None:
                return 200, {"id": known.id}
            job = Job(f"job-{len(self.all)}", body["token"], body["rows"], tags=body["tags"])
            self.jobs[job.id] = job
            self.all.append(job.id)
            return 201, {"id": job.id}
        if "running" in query:
            return 200, [vars(job) for job in self.jobs.values() if job.state not in ENDED]
        if "token" in query:
            return 200, [vars(job) for job in self.jobs.values() if job.token == query["token"]]
        if "ids" in query:
            self.asked.update(query["ids"].split(","))
            return 200, [vars(self.jobs[id]) for id in query["ids"].split(",") if id in self.jobs]
        if id not in self.jobs:
            return 404, {"message": f"There is no job {id}."}
        if method == "DELETE":
            if self.jobs[id].state not in ENDED and not self.stubborn:
                self.jobs[id].state = "KILLED"
            return 200, {}
        self.asked.add(id)
        return 200, vars(self.jobs[id])

    def created(self) -> list[str]:
        return list(self.all)

    def end(self, job: str, ok: bool = True) -> None:
        with self.lock:
            it = self.jobs[job]
            it.state, it.result, it.error = ("OK", int(it.rows), "") if ok else ("BROKEN", None, WORDS)

    def say(self, job: str, raw_state: str) -> None:
        with self.lock:
            self.jobs[job].state = raw_state

    def forget(self, job: str) -> None:
        with self.lock:
            del self.jobs[job]

    def alive(self, job: str) -> bool:
        with self.lock:
            return job in self.jobs and self.jobs[job].state not in ENDED


@contextmanager
def running_lake() -> Iterator[FakeLake]:
    lake = FakeLake()
    thread = threading.Thread(target=lake.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield lake
    finally:
        lake.server.shutdown()
        thread.join()
        lake.server.server_close()


STATES = {
    "WAITING": Phase.QUEUED,
    "EXECUTING": Phase.RUNNING,
    "OK": Phase.SUCCEEDED,
    "BROKEN": Phase.FAILED,
    "NODE_LOST": Phase.RETRYABLE_FAILED,
    "KILLED": Phase.FAILED,
}


@dataclass
class LakeMeta(ResourceMeta):
    endpoint: str
    job_id: str


class _LakeTask(PythonTask[None]):
    task_type_name: str

    def __init__(self, name: str, rows: int = 3) -> None:
        super().__init__(self.task_type_name, name, None, interface=Interface({}, kwtypes(rows=int)))
        self.rows = rows

    def get_custom(self, settings: Any) -> dict[str, Any]:
        return {"rows": self.rows}


class LakeJob(AsyncConnectorExecutorMixin, _LakeTask):
    task_type_name = "lake_job"


class LakeAnswer(SyncConnectorExecutorMixin, _LakeTask):
    task_type_name = "lake_answer"


class LakeClient:
    timeout = 10.0
    url: str

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        client = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=self.timeout)
        try:
            headers = {"Authorization": f"Bearer {connection().secret('lake_token')}"}
            client.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = client.getresponse()
            told = json.loads(response.read())
        except (http.client.HTTPException, OSError) as error:
            raise TransientError(f"Lake does not answer: {error}") from error
        finally:
            client.close()
        if response.status < 400:
            return told
        if response.status in (429, 503):
            after = response.headers.get("Retry-After")
            raise TransientError(told["message"], retry_after=float(after) if after else None)
        if response.status == 404:
            raise JobGoneError(told["message"])
        if response.status in (401, 403):
            raise PermanentError(told["message"], remedy="Renew the secret lake_token.")
        raise UserError(told["message"])


class LakeAnswerConnector(LakeClient, SyncConnectorBase):
    """As a connector that answers at once should be."""

    timeout = 1.0
    name = "Lake Answers"
    task_type_name = "lake_answer"

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def do(self, task_template: TaskTemplate, **kwargs: Any) -> Resource:
        return Resource(Phase.SUCCEEDED, outputs=self.ask("POST", "/answers", {"rows": task_template.custom["rows"]}))


class LakeConnector(LakeClient, AsyncConnectorBase[LakeMeta]):
    """As a connector should be."""

    name = "Lake Connector"
    task_type_name = "lake_job"
    metadata_type = LakeMeta
    capabilities = Capabilities(idempotent_create=True, finds_by_key=True, batches_polls=True, lists_owned=True)

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.told: set[str] = set()

    def create(self, task_template: TaskTemplate, *, idempotency_key: str, **kwargs: Any) -> LakeMeta:
        rows = task_template.custom["rows"]
        job = {"token": idempotency_key, "rows": rows, "tags": kwargs["tags"]}
        return LakeMeta(self.url, self.ask("POST", "/jobs", job)["id"])

    def get(self, resource_meta: LakeMeta, **kwargs: Any) -> Resource:
        return self.resource(self.ask("GET", f"/jobs/{resource_meta.job_id}"))

    def get_many(self, metas: Sequence[LakeMeta], **kwargs: Any) -> list[Resource]:
        found = {told["id"]: told for told in self.ask("GET", f"/jobs?ids={','.join(meta.job_id for meta in metas)}")}
        gone = {"state": "NODE_LOST", "error": "The job is gone.", "id": "", "result": None}
        return [self.resource(found.get(meta.job_id, gone)) for meta in metas]

    def delete(self, resource_meta: LakeMeta, **kwargs: Any) -> None:
        try:
            self.ask("DELETE", f"/jobs/{resource_meta.job_id}")
        except JobGoneError:
            return

    def find(self, idempotency_key: str, task_template: TaskTemplate, **kwargs: Any) -> LakeMeta | None:
        found = self.ask("GET", f"/jobs?token={idempotency_key}")
        return LakeMeta(self.url, found[0]["id"]) if found else None

    def find_owned(
        self, task_template: TaskTemplate | None = None, **kwargs: Any
    ) -> list[tuple[LakeMeta, dict[str, str]]]:
        found = self.ask("GET", "/jobs?running=yes")
        return [(LakeMeta(self.url, job["id"]), job["tags"]) for job in found if "hardpoint-key" in job["tags"]]

    def resource(self, told: dict[str, Any]) -> Resource:
        phase, message = STATES.get(told["state"]), told["error"] or told["state"]
        if phase is None:
            phase, message = Phase.RUNNING, f"Lake names a state that is not known: {told['state']}"
            self.warn(told["state"])
        return Resource(
            phase,
            message,
            log_links=[log_link("Lake", f"{self.url}/ui/{told['id']}")],
            outputs={"rows": told["result"]} if phase is Phase.SUCCEEDED else None,
        )

    def warn(self, state: str) -> None:
        if state not in self.told:
            self.told.add(state)
            logger.warning("Lake names a state that is not known: %s", state)
