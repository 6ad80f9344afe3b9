"""Stands in for OpenAI, over HTTP: chat completions, responses, files and batches, as strict about requests as the API is.

https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

import email
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hardpoint.testing import CANARY

WORDS = "Unsupported parameter: 'temprature'."
ENDED = ("completed", "failed", "expired", "cancelled")
NEXT = {"validating": "in_progress", "in_progress": "finalizing", "finalizing": "completed"}

_INTEGERS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "n", "seed", "top_logprobs")
_SHARED = {"model", "temperature", "top_p", "tools", "tool_choice", "metadata", "store", "user", *_INTEGERS}
_FIELDS = {
    "/v1/chat/completions": _SHARED | {"messages", "response_format", "stop"},
    "/v1/responses": _SHARED | {"input", "instructions", "text"},
    "/v1/batches": {"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"},
    "/v1/files": {"purpose", "expires_after[anchor]", "expires_after[seconds]"},
}
_ENDPOINTS = ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions", "/v1/moderations")


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        self.status = status
        kind = "invalid_request_error" if status < 500 else "server_error"
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


@dataclass
class Stored:
    id: str
    name: str
    purpose: str
    data: bytes
    expires_after: int | None = None

    def told(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.data),
            "created_at": int(time.time()),
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        }


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Any = None


@dataclass
class FakeOpenAI:
    """The service.

    Attributes:
        keys: API keys that it accepts.
        auto: Whether a batch goes one state further each time that somebody looks at it.
        cut: Files whose download breaks off in the middle.
        page: What it says to everybody, if it is no OpenAI at all.
        asked: All requests, without the contents of files.
    """

    keys: set[str] = field(default_factory=lambda: {CANARY})
    auto: bool = False
    cut: set[str] = field(default_factory=set)
    page: str = ""
    asked: list[Asked] = field(default_factory=list)
    files: dict[str, Stored] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    url: str = ""

    def __post_init__(self) -> None:
        self._ids = itertools.count()
        self._all: list[str] = []
        self._cancelled: set[str] = set()
        self._lock = threading.RLock()
        self._answers: list[tuple[str, Refused, dict[str, str]]] = []

    # -- the remote control --------------------------------------------------------------------------------------------

    def created(self) -> list[str]:
        return list(self._all)

    def end(self, job: str, ok: bool = True) -> None:
        with self._lock:
            batch = self.batches[job]
            if ok:
                self._work(batch)
                batch.update(status="completed", completed_at=int(time.time()))
            else:
                entry = {"code": "invalid_request", "line": 1, "message": WORDS, "param": None}
                batch.update(status="failed", errors={"object": "list", "data": [entry]})

    def say(self, job: str, raw_state: str) -> None:
        with self._lock:
            self.batches[job]["status"] = raw_state
            self._cancelled.discard(job)

    def forget(self, job: str) -> None:
        with self._lock:
            del self.batches[job]

    def alive(self, job: str) -> bool:
        with self._lock:
            return job in self.batches and self.batches[job]["status"] not in (*ENDED, "cancelling")

    def store(self, data: bytes, name: str = "requests.jsonl", purpose: str = "batch") -> str:
        with self._lock:
            stored = Stored(f"file-{next(self._ids)}", name, purpose, data)
            self.files[stored.id] = stored
            return stored.id

    def refuse(self, path: str, status: int, message: str, code: str | None = None, **headers: str) -> None:
        """Answer the next request whose path ends so with an error."""
        self._answers.append((path, Refused(status, message, code=code), headers))

    # -- the API -------------------------------------------------------------------------------------------------------

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        data = _body(handler)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._lock:
            try:
                self._check_key(headers)
                self._fail_as_told(url.path)
                body = self._read(headers, data, url.path)
                self.asked.append(Asked(handler.command, url.path, headers, body))
                query = {name: values[0] for name, values in parse_qs(url.query).items()}
                status, told, more = 200, self._route(handler.command, url.path, query, body), {}
            except Refused as refused:
                status, told = refused.status, refused.body
                more = getattr(refused, "headers", {})
        if isinstance(told, Stored):
            self._send_file(handler, told)
            return
        answer = json.dumps(told).encode()
        if self.page:
            status, answer, more = 200, self.page.encode(), {"Content-Type": "text/html"}
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", "x-request-id": "req_1", **more}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    def _check_key(self, headers: dict[str, str]) -> None:
        key = headers.get("authorization", "").removeprefix("Bearer ")
        if key not in self.keys:
            raise Refused(401, f"Incorrect API key provided: {key}.", code="invalid_api_key")

    def _fail_as_told(self, path: str) -> None:
        for index, (suffix, refused, headers) in enumerate(self._answers):
            if path.endswith(suffix):
                del self._answers[index]
                refused.headers = headers  # type: ignore[attr-defined]
                raise refused

    def _read(self, headers: dict[str, str], data: bytes, path: str) -> Any:
        kind = headers.get("content-type", "")
        if kind.startswith("multipart/form-data"):
            message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + data)
            parts = {part.get_param("name", header="content-disposition"): part for part in message.get_payload()}  # type: ignore[union-attr, arg-type]
            return {
                name: (part.get_filename(), part.get_payload(decode=True))
                if part.get_filename()
                else part.get_payload()
                for name, part in parts.items()
            }
        if not data:
            return None
        if kind != "application/json":
            raise Refused(415, f"Unsupported Content-Type: {kind}")
        body = json.loads(data)
        strangers = body.keys() - _FIELDS[path]
        if strangers:
            raise Refused(400, f"Unrecognized request argument supplied: {sorted(strangers)[0]}")
        for name in _INTEGERS:
            if isinstance(body.get(name), float):
                raise Refused(400, f"Invalid type for '{name}': expected an integer, but got a decimal number instead.")
        return body

    def _route(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        parts = path.removeprefix("/v1/").split("/")
        match method, parts:
            case "POST", ["chat", "completions"]:
                return self._complete(body)
            case "POST", ["responses"]:
                return self._respond(body)
            case "POST", ["files"]:
                return self._upload(body)
            case "GET", ["files", id, "content"]:
                return self._found(self.files, id, f"No such File object: {id}")
            case "POST", ["batches"]:
                return self._create(body)
            case "GET", ["batches"]:
                return self._list(query)
            case "GET", ["batches", id]:
                return self._look(self._found(self.batches, id, f"No batch found with id '{id}'."))
            case "POST", ["batches", id, "cancel"]:
                return self._cancel(self._found(self.batches, id, f"No batch found with id '{id}'."))
        raise Refused(404, f"Invalid URL ({method} {path})")

    @staticmethod
    def _found(table: dict[str, Any], id: str, message: str) -> Any:
        if id not in table:
            raise Refused(404, message, "id")
        return table[id]

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        messages = body.get("messages")
        if not messages or any(not m.get("role") or not isinstance(m.get("content"), str) for m in messages):
            raise Refused(400, "Invalid value for 'messages'.", "messages")
        if body["model"] == "none":
            raise Refused(
                404, "The model `none` does not exist or you do not have access to it.", code="model_not_found"
            )
        message: dict[str, Any] = {"role": "assistant", "content": said(messages), "refusal": None}
        reason = "stop"
        if body["model"] == "refuses":
            message.update(content=None, refusal="I will not.")
        if body["model"] == "calls":
            call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
            message.update(content=None, tool_calls=[call])
            reason = "tool_calls"
        if body["model"] == "silent":
            message["content"] = None
            reason = "length"
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body["model"],
            "choices": []
            if body["model"] == "empty"
            else [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }

    def _respond(self, body: dict[str, Any]) -> dict[str, Any]:
        part: dict[str, Any] = {"type": "output_text", "text": said(body["input"]), "annotations": []}
        if body["model"] == "refuses":
            part = {"type": "refusal", "refusal": "I will not."}
        output: dict[str, Any] = {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }
        if body["model"] == "calls":
            output = {"type": "function_call", "call_id": "c", "name": "look_up", "arguments": "{}"}
        failed, silent = body["model"] == "fails", body["model"] == "silent"
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": time.time(),
            "model": body["model"],
            "status": "failed" if failed else "incomplete" if silent else "completed",
            "error": {"code": "server_error", "message": "The model crashed."} if failed else None,
            "incomplete_details": {"reason": "max_output_tokens"} if silent else None,
            "output": [] if failed or silent else [output],
            "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }

    def _upload(self, body: dict[str, Any]) -> dict[str, Any]:
        strangers = body.keys() - _FIELDS["/v1/files"] - {"file"}
        if strangers:
            raise Refused(400, f"Unrecognized request argument supplied: {sorted(strangers)[0]}")
        name, data = body["file"]
        body["file"] = name
        if body.get("purpose") != "batch" or not name.endswith(".jsonl"):
            raise Refused(400, "Invalid file format for Batch API. Must be .jsonl", "file")
        if not data:
            raise Refused(400, "File is empty.", "file")
        stored = self.files[self.store(data, name)]
        stored.expires_after = int(body["expires_after[seconds]"]) if "expires_after[seconds]" in body else None
        return stored.told()

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("endpoint") not in _ENDPOINTS:
            raise Refused(400, f"Invalid endpoint: {body.get('endpoint')!r}", "endpoint")
        if body.get("completion_window") != "24h":
            raise Refused(400, "Invalid completion_window", "completion_window")
        file = self.files.get(body.get("input_file_id", ""))
        if file is None or file.purpose != "batch":
            raise Refused(400, f"Invalid input_file_id: {body.get('input_file_id')!r}", "input_file_id")
        metadata = body.get("metadata") or {}
        if len(metadata) > 16 or any(
            len(k) > 64 or not isinstance(v, str) or len(v) > 512 for k, v in metadata.items()
        ):
            raise Refused(400, "Invalid 'metadata'.", "metadata")
        now = int(time.time())
        batch = {
            "id": f"batch_{next(self._ids)}",
            "object": "batch",
            "endpoint": body["endpoint"],
            "errors": None,
            "input_file_id": file.id,
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": now,
            "expires_at": now + 86400,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": metadata,
        }
        self.batches[batch["id"]] = batch
        self._all.append(batch["id"])
        return batch

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        newest = list(self.batches.values())[::-1]
        if after := query.get("after"):
            newest = newest[[batch["id"] for batch in newest].index(after) + 1 :]
        limit = int(query.get("limit", "20"))
        if not 1 <= limit <= 100:
            raise Refused(400, "Invalid 'limit'", "limit")
        page = [self._look(batch) for batch in newest[:limit]]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
        return {"object": "list", "data": page, "has_more": len(newest) > limit, **ends}

    def _look(self, batch: dict[str, Any]) -> dict[str, Any]:
        if self.auto and batch["status"] in NEXT:
            if batch["status"] == "finalizing":
                self._work(batch)
            batch["status"] = NEXT[batch["status"]]
        if batch["id"] in self._cancelled:
            batch["status"] = "cancelled"
        return batch

    def _cancel(self, batch: dict[str, Any]) -> dict[str, Any]:
        if batch["status"] in (*ENDED, "cancelling"):
            raise Refused(409, f"Cannot cancel a batch with status '{batch['status']}'.")
        batch.update(status="cancelling", cancelling_at=int(time.time()))
        self._cancelled.add(batch["id"])  # until somebody looks
        return batch

    def _work(self, batch: dict[str, Any]) -> None:
        """Do what the lines of the input ask for."""
        done: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for line in self.files[batch["input_file_id"]].data.splitlines():
            request = json.loads(line)
            try:
                if request["body"]["model"] == "none":
                    raise Refused(404, "The model `none` does not exist or you do not have access to it.")
                status, body = 200, self._complete(request["body"])
            except Refused as refused:
                status, body = refused.status, refused.body
            row = {
                "id": f"batch_req_{next(self._ids)}",
                "custom_id": request["custom_id"],
                "response": {"status_code": status, "request_id": "req_1", "body": body},
                "error": None,
            }
            (done if status == 200 else failed).append(row)
        counts = {"total": len(done) + len(failed), "completed": len(done), "failed": len(failed)}
        batch.update(request_counts=counts)
        for rows, kind in ((done, "output"), (failed, "error")):
            if rows:
                data = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
                batch[f"{kind}_file_id"] = self.store(data, f"{batch['id']}_{kind}.jsonl", "batch_output")

    def _send_file(self, handler: BaseHTTPRequestHandler, file: Stored) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/octet-stream")
        handler.send_header("Content-Length", str(len(file.data)))
        handler.end_headers()
        if file.id in self.cut:
            handler.wfile.write(file.data[: len(file.data) // 2])
            handler.close_connection = True
            return
        handler.wfile.write(file.data)


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if "chunked" not in handler.headers.get("Transfer-Encoding", ""):
        length = int(handler.headers.get("Content-Length") or 0)
        data = handler.rfile.read(length)
        if len(data) < length:
            raise ConnectionAbortedError("The request broke off.")
        return data
    data = b""
    while size := int(handler.rfile.readline(), 16):
        data += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return data


def said(messages: list[dict[str, str]]) -> str:
    """What the model makes of the messages: the last one, loud, with what the system prompt says in front."""
    systems = [m["content"] for m in messages if m["role"] == "system"]
    return " ".join([*systems, messages[-1]["content"].upper()])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


@contextmanager
def running_openai(**options: Any) -> Iterator[FakeOpenAI]:
    service = FakeOpenAI(**options)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def work(self) -> None:
            try:
                service.answer(self)
            except ConnectionError:
                self.close_connection = True

        do_GET = do_POST = do_DELETE = work

        def log_message(self, format: str, *args: Any) -> None: ...

    server = _Server(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def requests(*models: str) -> bytes:
    """The file of a batch: one request for each model."""
    rows: list[dict[str, Any]] = [
        {
            "custom_id": f"r{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": model, "messages": [{"role": "user", "content": f"hello {number}"}]},
        }
        for number, model in enumerate(models)
    ]
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()
