"""What the stand-ins for AWS services share: HTTP in AWS' JSON protocols, with requests checked against botocore's own models."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self
from urllib.parse import unquote, urlsplit

import botocore.session
import pytest
from botocore.model import OperationModel, ServiceModel
from botocore.validate import ParamValidator

ACCOUNT, REGION = "123456789012", "eu-central-1"
KEY_ID = "AKIAHARDPOINTTESTS12"

_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/([\w-]+)/([\w-]+)/aws4_request, ?SignedHeaders=")
_session = botocore.session.Session()


class Refusal(Exception):
    """An error that the service answers with."""

    def __init__(self, code: str, message: str, status: int = 400, **headers: str) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.headers = code, message, status, headers


@dataclass(frozen=True)
class Asked:
    """One request: the operation and its parameters, as the API names them."""

    operation: str
    parameters: dict[str, Any]


@dataclass
class Job:
    """What the service was asked to do, and how it stands."""

    id: str
    parameters: dict[str, Any]
    state: str
    reason: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class AwsStandIn:
    """A service on 127.0.0.1. Use it as a context manager.

    Subclasses name the services and have a method for each operation, `do_<Operation>`, which is given the parameters.

    Attributes:
        url: Where it listens.
        jobs: All jobs by id, also those that are forgotten.
        forgotten: Ids of jobs that the service knows no more.
        asked: All requests that were well-formed, in order.
        faults: Requests that no client should have sent.
        polls: After how many looks a job goes on by itself; None: when it is told.
    """

    services: ClassVar[tuple[str, ...]] = ()
    final: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, polls: int | None = None) -> None:
        self.lock = threading.RLock()
        self.jobs: dict[str, Job] = {}
        self.forgotten: set[str] = set()
        self.asked: list[Asked] = []
        self.faults: list[str] = []
        self.polls = polls
        self._models = [_session.get_service_model(name) for name in self.services]
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def work(self) -> None:
                stand_in._answer(self)

            do_DELETE = do_GET = do_POST = do_PUT = work

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which boto3 finds it."""
        named = {f"AWS_ENDPOINT_URL_{_variable(model)}": self.url for model in self._models}
        return {
            **named,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests",
            "AWS_DEFAULT_REGION": REGION,
        }

    def announce(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let boto3 find it, in this process and in those that it starts."""
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)

    # -- what becomes of jobs ------------------------------------------------------------------------------------------

    def created(self) -> list[str]:
        with self.lock:
            return list(self.jobs)

    def alive(self, job: str) -> bool:
        with self.lock:
            return job not in self.forgotten and self.jobs[job].state not in self.final

    def say(self, job: str, raw_state: str) -> None:
        with self.lock:
            self.jobs[job].state = raw_state

    def forget(self, job: str) -> None:
        with self.lock:
            self.forgotten.add(job)

    def end(self, job: str, ok: bool = True) -> None:
        raise NotImplementedError

    def parameters(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of all requests for an operation."""
        with self.lock:
            return [asked.parameters for asked in self.asked if asked.operation == operation]

    def looked(self, job: Job) -> None:
        """Count that a job was looked at, and let it go on by itself when it is its time."""
        job.facts["looks"] = job.facts.get("looks", 0) + 1
        if self.polls is not None and job.state not in self.final and job.facts["looks"] > self.polls:
            self.end(job.id)

    # -- HTTP ----------------------------------------------------------------------------------------------------------

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        try:
            model, parameters = self._read(request, body)
            self._check(model, parameters, request.headers.get("Authorization", ""))
            with self.lock:
                self.asked.append(Asked(model.name, parameters))
                told = getattr(self, f"do_{model.name}")(parameters) or {}
            status, headers, data = _written(model, told)
        except Refusal as refusal:
            status, headers = refusal.status, {"x-amzn-ErrorType": refusal.code, **refusal.headers}
            data = json.dumps({"__type": refusal.code, "message": refusal.message}).encode()
        except Exception as error:  # a mistake of the stand-in, or of the client; both are to be seen
            self.faults.append(repr(error))
            status, headers, data = 500, {}, json.dumps({"__type": "StandInBroke", "message": repr(error)}).encode()
        request.send_response(status)
        for name, value in {"x-amzn-RequestId": str(uuid.uuid4()), **headers}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def _read(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[OperationModel, dict[str, Any]]:
        target = request.headers.get("X-Amz-Target", "")
        for model in self._models:
            prefix, _, name = target.partition(".")
            if prefix and prefix == model.metadata.get("targetPrefix"):
                return model.operation_model(name), json.loads(body)
        path = urlsplit(request.path).path
        for model in self._models:
            for name in model.operation_names:
                operation = model.operation_model(name)
                pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(operation.http["requestUri"]))
                match = re.fullmatch(pattern, path)
                if match and operation.http["method"] == request.command and "targetPrefix" not in model.metadata:
                    return operation, _rest(operation, match.groupdict(), request.headers, body)
        raise Refusal("UnknownOperationException", f"There is no {request.command} {request.path} {target}", 404)

    def _check(self, model: OperationModel, parameters: dict[str, Any], authorization: str) -> None:
        scope = _SCOPE.match(authorization)
        if scope is None:
            raise Refusal("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        if scope[1] != KEY_ID:
            raise Refusal("UnrecognizedClientException", "The security token included in the request is invalid.", 403)
        if (scope[2], scope[3]) != (REGION, model.service_model.signing_name):
            self.faults.append(f"{model.name} was signed for {scope[2]}/{scope[3]}")
        report = ParamValidator().validate(parameters, model.input_shape)
        if report.has_errors():
            self.faults.append(report.generate_report())
            raise Refusal("ValidationException", report.generate_report())


def _variable(model: ServiceModel) -> str:
    return str(model.service_id).replace(" ", "_").upper()


def _rest(model: OperationModel, uri: Mapping[str, str], headers: Any, body: bytes) -> dict[str, Any]:
    """The parameters of a request of the REST protocol."""
    members = model.input_shape.members if model.input_shape else {}
    payload = model.input_shape.serialization.get("payload") if model.input_shape else None
    found: dict[str, Any] = {}
    for name, shape in members.items():
        where, as_name = shape.serialization.get("location"), shape.serialization.get("name", name)
        if where == "uri":
            found[name] = unquote(uri[as_name])
        elif where == "header" and headers.get(as_name) is not None:
            text = headers[as_name]
            found[name] = int(text) if shape.type_name in ("integer", "long") else text
        elif name == payload:
            found[name] = body
    if payload is None and body:
        found |= json.loads(body)
    return found


def _written(model: OperationModel, told: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    shape = model.output_shape
    members = shape.members if shape else {}
    payload = shape.serialization.get("payload") if shape else None
    headers, rest = {}, {}
    for name, value in told.items():
        if members[name].serialization.get("location") == "header":
            headers[members[name].serialization["name"]] = str(value)
        elif name != payload:
            rest[name] = value
    status = int(model.http.get("responseCode", 200))
    data = told.get(payload, b"") if payload else json.dumps(rest, default=_seconds).encode()
    return status, {"Content-Type": "application/x-amz-json-1.1", **headers}, data


def _seconds(value: Any) -> float:
    assert isinstance(value, datetime), value
    return value.timestamp()
