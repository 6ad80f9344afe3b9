"""A stand-in for BigQuery: its REST API, with real SQL behind it, jobs that really run, and tokens that are really checked.

https://cloud.google.com/bigquery/docs/reference/rest
"""

from __future__ import annotations

import asyncio
import email
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyarrow as pa
from aiohttp import web
from sqlglot import exp

from hardpoint.testing.shims import CANARY
from tests.services.bigquery_checks import FIELDS, check_fields, check_job_id, check_labels, check_parameter
from tests.services.bigquery_sql import Failure, Outcome, Warehouse, rows_of, type_name, value_of, value_set

PROJECT = "acme"
_API = "/bigquery/v2/projects/{project}"
_MULTI_REGIONS = ("US", "EU")
_STATUS = {
    "accessDenied": 403,
    "duplicate": 409,
    "notFound": 404,
    "rateLimitExceeded": 403,
    "backendError": 503,
    "internalError": 500,
}


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    agent: str


@dataclass(eq=False)
class Job:
    """A job.

    Attributes:
        said: A state that it is to report, whatever its own is.
    """

    id: str
    project: str
    location: str
    configuration: dict[str, Any]
    parent: str = ""
    state: str = "PENDING"
    error: dict[str, str] | None = None
    warnings: list[dict[str, str]] = field(default_factory=list)
    statistics: dict[str, Any] = field(default_factory=dict)
    destination: tuple[str, str, str] | None = None
    said: str = ""
    done: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    interrupt: Callable[[], None] | None = None
    is_cancelled: bool = False
    verdict: dict[str, str] | None = None
    created: float = field(default_factory=time.time)

    @property
    def is_expression(self) -> bool:
        """Whether it is the part of a script that works out a value."""
        return bool(self.statistics.get("scriptStatistics", {}).get("evaluationKind") == "EXPRESSION")

    @property
    def kind(self) -> str:
        return "load" if "load" in self.configuration else "query"

    def resource(self) -> dict[str, Any]:
        configuration = {**self.configuration, "jobType": self.kind.upper()}
        if self.destination is not None and self.kind == "query":
            configuration["query"] = {**configuration["query"], "destinationTable": _reference(self.destination)}
        status: dict[str, Any] = {"state": self.said or self.state}
        if self.error:
            status["errorResult"] = self.error
        if self.error or self.warnings:
            status["errors"] = [*([self.error] if self.error else []), *self.warnings]
        statistics = {"creationTime": str(int(self.created * 1000)), **self.statistics}
        if self.parent:
            statistics["parentJobId"] = self.parent
        return {
            "kind": "bigquery#job",
            "etag": "e",
            "id": f"{self.project}:{self.location}.{self.id}",
            "selfLink": f"https://bigquery.googleapis.com/bigquery/v2/projects/{self.project}/jobs/{self.id}",
            "jobReference": {"projectId": self.project, "jobId": self.id, "location": self.location},
            "configuration": configuration,
            "statistics": statistics,
            "status": status,
            "user_email": "robot@acme.iam.gserviceaccount.com",
        }


@cache
def _key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def _private_key() -> str:
    from cryptography.hazmat.primitives import serialization as s

    data: bytes = _key().private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
    return data.decode()


def private_words() -> str:
    """A part of the account's key, which nobody should see."""
    return _private_key().splitlines()[5]


class BigQuery:
    """The server.

    Attributes:
        url: Where it listens.
        canary: The id of the service account's key.
        holds: Whether queries wait for `end` before they are executed.
        refuses: Whether no token is taken.
        forgets: How many rows of each page are lost on their way.
        asks_nobody: Whether no token is needed, as with most emulators.
        requests: All that was sent.
        warehouse: The data.
    """

    def __init__(self) -> None:
        self.canary = CANARY
        self.holds = self.refuses = self.asks_nobody = False
        self.forgets = 0
        self.requests: list[Asked] = []
        self.warehouse = Warehouse()
        self._jobs: dict[str, Job] = {}
        self._order: list[str] = []
        self._all: list[Job] = []
        self._uploads: dict[str, tuple[str, dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._started.wait()
        self.warehouse.add_dataset(PROJECT, "sales")
        self.warehouse.add_dataset(PROJECT, "north", "europe-north1")

    # -- what tests do with it -----------------------------------------------------------------------------------------

    @property
    def credentials(self) -> str:
        """The JSON of a service account, which signs its tokens itself, as those outside of Google's public cloud do.

        Those inside would ask Google for their tokens' bounds.
        """
        account = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": self.canary,
            "private_key": _private_key(),
            "client_email": "robot@acme.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{self.url}/token",
            "universe_domain": "cloud.example",
        }
        return json.dumps(account)

    def created(self) -> list[str]:
        """Ids of all jobs that were ever asked for, in order."""
        return list(self._order)

    def job(self, id: str) -> Job:
        return self._jobs[id]

    def alive(self, job: str) -> bool:
        return job in self._jobs and self._jobs[job].state != "DONE"

    def end(self, job: str, ok: bool = True, reason: str = "invalidQuery") -> None:
        """Let a job that waits be executed, or fail; wait until it has."""
        held = self._jobs[job]
        held.said = ""
        held.verdict = None if ok else {"reason": reason, "message": f"The job failed: {reason}", "location": "query"}
        held.released.set()
        assert held.done.wait(30)

    def say(self, job: str, raw_state: str) -> None:
        """Make a job report a state."""
        self._jobs[job].said = raw_state

    def forget(self, job: str) -> None:
        """Make a job vanish."""
        self._jobs.pop(job).released.set()

    def calls(self, method: str, path: str) -> list[Asked]:
        """The requests of a method whose path matches a pattern."""
        return [asked for asked in self.requests if asked.method == method and re.search(path, asked.path)]

    def close(self) -> None:
        with self._lock:
            running = [job for job in self._all if not job.done.is_set()]
        for job in running:
            self._cancel(job)
        for thread in self._threads:
            thread.join()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self.warehouse.close()

    # -- the server ----------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        self._loop.run_until_complete(self._run())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _run(self) -> None:
        app = web.Application(middlewares=[self._front], client_max_size=1 << 30)
        upload = f"/upload{_API}/jobs"
        app.add_routes(
            [
                web.post(f"{_API}/jobs", self._insert),
                web.get(f"{_API}/jobs", self._list_jobs),
                web.get(f"{_API}/jobs/{{job}}", self._get_job),
                web.post(f"{_API}/jobs/{{job}}/cancel", self._cancel_job),
                web.post(f"{_API}/queries", self._query),
                web.get(f"{_API}/queries/{{job}}", self._results),
                web.post(upload, self._upload),
                web.put(upload, self._resume),
                web.get(f"{_API}/datasets", self._list_datasets),
                web.post(f"{_API}/datasets", self._add_dataset),
                web.get(f"{_API}/datasets/{{dataset}}", self._get_dataset),
                web.get(f"{_API}/datasets/{{dataset}}/tables/{{table}}", self._get_table),
                web.delete(f"{_API}/datasets/{{dataset}}/tables/{{table}}", self._delete_table),
                web.get(f"{_API}/datasets/{{dataset}}/tables/{{table}}/data", self._data),
            ]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._started.set()
        await self._stop.wait()
        await runner.cleanup()

    @web.middleware
    async def _front(self, request: web.Request, handler: Any) -> web.StreamResponse:
        raw = await request.read()
        body: Any = raw
        if request.content_type == "application/json" and raw:
            body = json.loads(raw)
        path = request.path
        with self._lock:
            self.requests.append(
                Asked(request.method, path, dict(request.query), body, request.headers.get("User-Agent", ""))
            )
        try:
            if not self.asks_nobody:
                token = request.headers.get("Authorization", "").removeprefix("Bearer ")
                if not self._takes(token):
                    return _refused(
                        401, "authError", "Request had invalid authentication credentials.", "UNAUTHENTICATED"
                    )
            return await handler(request)  # type: ignore[no-any-return]
        except Failure as failure:
            return _refused(_STATUS.get(failure.reason, 400), failure.reason, failure.message)
        except web.HTTPNotFound:
            return _refused(404, "notFound", f"Not found: {request.method} {path}")

    def _takes(self, token: str) -> bool:
        """Whether a token is signed by the service account."""
        from cryptography.hazmat.primitives import serialization as s
        from google.auth import jwt

        public = _key().public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
        try:
            return not self.refuses and bool(jwt.decode(token, certs=public))
        except ValueError:
            return False

    # -- jobs ----------------------------------------------------------------------------------------------------------

    async def _insert(self, request: web.Request) -> web.Response:
        body = await request.json()
        return web.json_response(self._start(request.match_info["project"], body).resource())

    def _start(self, project: str, body: dict[str, Any], data: bytes | None = None) -> Job:
        """Check a job's description as the API does, and start it.

        Raises:
            Failure: the API refuses it.
        """
        check_fields("", body, "job")
        configuration = body["configuration"]
        check_fields("configuration", configuration, "job.configuration")
        reference = body.get("jobReference", {})
        check_fields("jobReference", reference, "job.job_reference")
        if reference.get("projectId", project) != project:
            raise Failure("invalid", f"Value {reference['projectId']} of projectId is not the project {project}.")
        check_labels(configuration.get("labels", {}))
        dry = bool(configuration.get("dryRun"))
        id = str(reference.get("jobId") or f"job_{uuid.uuid4().hex}")
        check_job_id(id)
        location = reference.get("location")
        if "load" in configuration:
            check_fields("load", configuration["load"], "job.configuration.load")
            target = configuration["load"]["destinationTable"]
            at = self.warehouse.datasets.get((target["projectId"], target["datasetId"]))
        else:
            at = self._checked_query(project, configuration["query"])
        if location and at and location.lower() != at.lower():
            raise Failure("notFound", f"Not found: Dataset of the query was not found in location {location}")
        job = Job(id, project, location or at or "US", configuration)
        if dry:
            return self._dry(job)
        with self._lock:
            if id in self._order:
                raise Failure("duplicate", f"Already Exists: Job {project}:{self._place(id)}.{id}")
            self._jobs[id] = job
            self._order.append(id)
            self._all.append(job)
        work = threading.Thread(target=self._work, args=(job, data), daemon=True)
        with self._lock:
            self._threads.append(work)
        work.start()
        return job

    def _place(self, id: str) -> str:
        return self._jobs[id].location if id in self._jobs else "US"

    def _checked_query(self, project: str, query: dict[str, Any]) -> str | None:
        """Check what needs no execution; where the datasets are that it names."""
        check_fields("query", query, "job.configuration.query")
        if query.get("useLegacySql", True):  # which is what the API takes for granted
            raise Failure("invalid", "The stand-in executes GoogleSQL, not legacy SQL")
        if query.get("queryParameters") and query.get("parameterMode") != "NAMED":
            raise Failure("invalid", "The stand-in takes parameterMode NAMED")
        for parameter in query.get("queryParameters", ()):
            check_parameter(parameter)
            type_name(parameter["parameterType"])
            value_of(parameter)
        try:
            statements = self.warehouse.parse(query["query"])
        except Failure:
            return None  # the job fails, not its creation
        return self.warehouse.location_of(statements, project, query.get("defaultDataset", {}).get("datasetId", ""))

    def _dry(self, job: Job) -> Job:
        query = job.configuration["query"]
        dataset = query.get("defaultDataset", {}).get("datasetId", "")
        statements = self.warehouse.parse(query["query"])
        self.warehouse.check_parameters(statements, {p["name"]: p for p in query.get("queryParameters", ())})
        for statement in statements:
            if self.warehouse.kind(statement) == "SELECT":
                named = self.warehouse.used(statement, job.project, dataset)
                self._exist(statement, job.project, dataset)
                read = sum(self.warehouse.size(table) for table in named)
                job.statistics = _statistics(Outcome("SELECT", bytes=read))
        job.id, job.state = "", "DONE"
        return job

    def _exist(self, statement: Any, project: str, dataset: str) -> None:
        own = {cte.alias for cte in statement.find_all(exp.CTE)}
        for table in statement.find_all(exp.Table):
            key = (table.catalog or project, table.db or dataset, table.name)
            if table.name and table.name not in own and key not in self.warehouse.tables:
                raise Failure("notFound", f"Not found: Table {key[0]}:{key[1]}.{key[2]} was not found")

    def _work(self, job: Job, data: bytes | None) -> None:
        job.state = "RUNNING"
        job.statistics["startTime"] = str(int(time.time() * 1000))
        if self.holds and job.kind == "query":
            job.released.wait()
        try:
            if job.is_cancelled:
                raise Failure("stopped", "Job execution was cancelled: User requested cancellation")
            if job.verdict:
                raise Failure(job.verdict["reason"], job.verdict["message"], job.verdict["location"])
            if job.kind == "load":
                count = self.warehouse.load(job.configuration["load"], data or b"")
                job.statistics["load"] = {"outputRows": str(count), "inputFiles": "1", "badRecords": "0"}
            else:
                self._execute(job)
        except Failure as failure:
            job.error = failure.proto
        except Exception as error:  # of the stand-in itself; the test sees it
            job.error = {"reason": "internalError", "message": f"{type(error).__name__}: {error}"}
        job.statistics["endTime"] = str(int(time.time() * 1000))
        job.interrupt = None
        job.state = "DONE"
        job.done.set()

    def _execute(self, job: Job) -> None:
        query = job.configuration["query"]
        dataset = query.get("defaultDataset", {}).get("datasetId", "")
        parameters = query.get("queryParameters", [])
        statements = self.warehouse.parse(query["query"])
        self.warehouse.check_parameters(statements, {p["name"]: p for p in parameters})
        limit = int(query.get("maximumBytesBilled") or 0)
        tables = {table for s in statements for table in self.warehouse.used(s, job.project, dataset)}
        size = sum(map(self.warehouse.size, tables))
        if limit and size > limit:
            raise Failure(
                "bytesBilledLimitExceeded",
                f"Query exceeded limit for bytes billed: {limit}. {size} or higher required.",
            )
        cursor = self.warehouse.cursor()
        job.interrupt = cursor.interrupt
        is_script = len(statements) > 1
        for number, statement in enumerate(statements):
            if is_script and isinstance(statement, exp.Declare):
                continue
            if job.is_cancelled:
                raise Failure("stopped", "Job execution was cancelled: User requested cancellation")
            target = self._target(job, query if not is_script else {})
            evaluated = value_set(statement) if is_script and isinstance(statement, exp.Set) else statement
            outcome = self.warehouse.run(cursor, evaluated, job.project, dataset, parameters, target, query)
            told = job
            if is_script:
                told = Job(
                    f"script_job_{job.id}_{number}", job.project, job.location, {"query": {"query": statement.sql()}}
                )
                told.parent, told.state = job.id, "DONE"
                evaluation = "EXPRESSION" if isinstance(statement, exp.Set) else "STATEMENT"
                told.statistics["scriptStatistics"] = {"evaluationKind": evaluation}
            told.destination = outcome.destination
            told.statistics.update(_statistics(outcome))
            if is_script:
                self._jobs[told.id] = told
        if is_script:
            job.statistics.update(_statistics(Outcome("SCRIPT")))
            job.statistics["numChildJobs"] = str(len(statements))

    def _target(self, job: Job, query: Mapping[str, Any]) -> tuple[str, str, str]:
        """Where the rows go: to the table that was named, or to one of the results that are kept for a day."""
        if "destinationTable" in query:
            reference = query["destinationTable"]
            return reference["projectId"], reference["datasetId"], reference["tableId"]
        self.warehouse.add_dataset(job.project, "_anonymous", job.location)
        return job.project, "_anonymous", f"anon{uuid.uuid4().hex}"

    def _found(self, request: web.Request) -> Job:
        job = self._jobs.get(request.match_info["job"])
        place = request.query.get("location")
        if job is None or job.project != request.match_info["project"] or not _is_there(job, place):
            name = f"{request.match_info['project']}:{place + '.' if place else ''}{request.match_info['job']}"
            raise Failure("notFound", f"Not found: Job {name}")
        return job

    async def _get_job(self, request: web.Request) -> web.Response:
        return web.json_response(self._found(request).resource())

    async def _list_jobs(self, request: web.Request) -> web.Response:
        given = request.query
        known = list(self._jobs.values())  # threads add to them
        jobs = [job for job in reversed(known) if job.project == request.match_info["project"]]
        jobs = [job for job in jobs if job.parent == given.get("parentJobId", "")]
        jobs = [job for job in jobs if job.created * 1000 >= float(given.get("minCreationTime", 0))]
        start, size = int(given.get("pageToken", 0)), int(given.get("maxResults", 50))
        told: dict[str, Any] = {"jobs": [job.resource() for job in jobs[start : start + size]]}
        if start + size < len(jobs):
            told["nextPageToken"] = str(start + size)
        return web.json_response(told)

    async def _cancel_job(self, request: web.Request) -> web.Response:
        job = self._found(request)
        self._cancel(job)
        return web.json_response({"kind": "bigquery#jobCancelResponse", "job": job.resource()})

    def _cancel(self, job: Job) -> None:
        job.is_cancelled = True
        job.released.set()
        stop = threading.Thread(target=self._interrupt, args=(job,), daemon=True)
        with self._lock:
            self._threads.append(stop)
        stop.start()

    @staticmethod
    def _interrupt(job: Job) -> None:
        """Interrupt a job until it ends: what DuckDB has not begun yet, it does not take for interrupted."""
        while not job.done.wait(0.02):
            if interrupt := job.interrupt:
                interrupt()

    async def _query(self, request: web.Request) -> web.Response:
        """jobs.query: a query that is waited for. https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query."""
        body = await request.json()
        own = {k: v for k, v in body.items() if k in FIELDS["query"]}
        configuration: dict[str, Any] = {"query": own}
        if "labels" in body:
            configuration["labels"] = body["labels"]
        reference = {"location": body["location"]} if body.get("location") else {}
        job = self._start(request.match_info["project"], {"configuration": configuration, "jobReference": reference})
        micros = bool(body.get("formatOptions", {}).get("useInt64Timestamp"))
        return await self._told(job, request, body.get("timeoutMs", 10_000), micros)

    async def _results(self, request: web.Request) -> web.Response:
        job = self._found(request)
        return await self._told(job, request, int(request.query.get("timeoutMs", 10_000)), _micros(request.query))

    async def _told(self, job: Job, request: web.Request, wait: int, micros: bool) -> web.Response:
        await asyncio.to_thread(job.done.wait, wait / 1000)
        told: dict[str, Any] = {"kind": "bigquery#queryResponse", "jobReference": job.resource()["jobReference"]}
        told |= {"jobComplete": job.done.is_set(), "cacheHit": False, "totalBytesProcessed": "0"}
        if job.error:
            raise Failure(job.error["reason"], job.error["message"])
        children = [child for child in list(self._jobs.values()) if child.parent == job.id and not child.is_expression]
        source = next((child for child in reversed(children) if child.destination), job)
        if job.done.is_set() and source.destination in self.warehouse.tables:
            assert source.destination is not None
            fields = self.warehouse.fields(source.destination)
            told |= {"schema": {"fields": fields}}
            told |= self._page(source.destination, request.query, fields, micros)
        return web.json_response(told)

    # -- uploads -------------------------------------------------------------------------------------------------------

    async def _upload(self, request: web.Request) -> web.Response:
        project = request.match_info["project"]
        if request.query.get("uploadType") == "resumable":
            id = uuid.uuid4().hex
            self._uploads[id] = (project, await request.json())
            return web.Response(
                headers={"Location": f"http://{request.host}{request.path}?uploadType=resumable&upload_id={id}"}
            )
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        parts = email.message_from_bytes(head + await request.read()).get_payload()
        assert isinstance(parts, list)
        described, data = (part.get_payload(decode=True) for part in parts)  # type: ignore[union-attr]
        job = self._start(project, json.loads(described), bytes(data))
        return web.json_response(job.resource())

    async def _resume(self, request: web.Request) -> web.Response:
        project, described = self._uploads.pop(request.query["upload_id"])
        assert re.fullmatch(r"bytes 0-\d+/\d+", request.headers["Content-Range"]), "one chunk is enough for a test"
        return web.json_response(self._start(project, described, await request.read()).resource())

    # -- datasets and tables -------------------------------------------------------------------------------------------

    async def _list_datasets(self, request: web.Request) -> web.Response:
        own = [key for key in self.warehouse.datasets if key[0] == request.match_info["project"]]
        return web.json_response({"datasets": [self._dataset(*key) for key in own]})

    async def _add_dataset(self, request: web.Request) -> web.Response:
        body = await request.json()
        key = (request.match_info["project"], body["datasetReference"]["datasetId"])
        if key in self.warehouse.datasets:
            raise Failure("duplicate", f"Already Exists: Dataset {key[0]}:{key[1]}")
        self.warehouse.add_dataset(*key, body.get("location", "US"))
        return web.json_response(self._dataset(*key))

    async def _get_dataset(self, request: web.Request) -> web.Response:
        key = (request.match_info["project"], request.match_info["dataset"])
        if key not in self.warehouse.datasets:
            raise Failure("notFound", f"Not found: Dataset {key[0]}:{key[1]}")
        return web.json_response(self._dataset(*key))

    def _dataset(self, project: str, dataset: str) -> dict[str, Any]:
        reference = {"projectId": project, "datasetId": dataset}
        return {"datasetReference": reference, "location": self.warehouse.datasets[project, dataset]}

    def _table_of(self, request: web.Request) -> tuple[str, str, str]:
        key = (request.match_info["project"], request.match_info["dataset"], request.match_info["table"])
        if key not in self.warehouse.tables:
            raise Failure("notFound", f"Not found: Table {key[0]}:{key[1]}.{key[2]}")
        return key

    async def _get_table(self, request: web.Request) -> web.Response:
        key = self._table_of(request)
        return web.json_response(
            {
                "kind": "bigquery#table",
                "id": f"{key[0]}:{key[1]}.{key[2]}",
                "tableReference": _reference(key),
                "type": "TABLE",
                "schema": {"fields": self.warehouse.fields(key)},
                "numRows": str(self.warehouse.count(key)),
                "numBytes": str(self.warehouse.size(key)),
                "location": self.warehouse.datasets[key[:2]],
                **self.warehouse.tables[key].facts,
            }
        )

    async def _delete_table(self, request: web.Request) -> web.Response:
        self.warehouse.drop(self._table_of(request))
        return web.Response(status=204)

    async def _data(self, request: web.Request) -> web.Response:
        key = self._table_of(request)
        fields = self.warehouse.fields(key)
        if "selectedFields" in request.query:
            names = request.query["selectedFields"].split(",")
            missing = [name for name in names if name not in {f["name"] for f in fields}]
            if missing:
                raise Failure("invalid", f"Selected field {missing[0]} does not exist.")
            fields = [f for f in fields if f["name"] in names]
        return web.json_response(self._page(key, request.query, fields, _micros(request.query)))

    def _page(
        self, key: tuple[str, str, str], query: Mapping[str, str], fields: Sequence[dict[str, Any]], micros: bool
    ) -> dict[str, Any]:
        rows = self.warehouse.arrow(key)
        start = int(query.get("pageToken") or query.get("startIndex") or 0)
        size = int(query.get("maxResults") or 100_000)
        page: pa.Table = rows.slice(start, size)
        page = page.slice(0, page.num_rows - self.forgets)
        told: dict[str, Any] = {"totalRows": str(rows.num_rows), "rows": rows_of(page, fields, micros)}
        if start + size < rows.num_rows:
            told["pageToken"] = str(start + size)
        return told


def _reference(table: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("projectId", "datasetId", "tableId"), table, strict=True))


def _micros(query: Mapping[str, str]) -> bool:
    """Whether times are wanted in microseconds instead of seconds."""
    return query.get("formatOptions.useInt64Timestamp", "").lower() == "true"


def _is_there(job: Job, place: str | None) -> bool:
    """Jobs outside of the multi-regions are found only by whoever says where."""
    return place.lower() == job.location.lower() if place else job.location in _MULTI_REGIONS


def _statistics(outcome: Outcome) -> dict[str, Any]:
    query: dict[str, Any] = {
        "statementType": outcome.kind,
        "totalBytesProcessed": str(outcome.bytes),
        "totalBytesBilled": str(outcome.bytes),
        "totalSlotMs": "7",
        "cacheHit": False,
    }
    if outcome.changed is not None:
        query["numDmlAffectedRows"] = str(outcome.changed)
    return {"query": query, "totalBytesProcessed": str(outcome.bytes), "totalSlotMs": "7"}


def _refused(code: int, reason: str, message: str, status: str = "") -> web.Response:
    error = {"code": code, "message": message, "errors": [{"reason": reason, "message": message, "domain": "global"}]}
    return web.json_response({"error": {**error, "status": status} if status else {**error}}, status=code)


@contextmanager
def bigquery() -> Iterator[BigQuery]:
    """A server of one's own."""
    server = BigQuery()
    try:
        yield server
    finally:
        server.close()
