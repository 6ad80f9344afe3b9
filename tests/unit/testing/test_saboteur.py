"""The saboteur passes on what it is sent, and spoils what it is told to."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from hardpoint.testing.saboteur import Answer, Held, HttpSaboteur, Lost, Reset, Saboteur, Slow, TcpSaboteur, sabotage


class Echo:
    """A service that says what it was sent."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        echo = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def work(self) -> None:
                echo.heard.append(f"{self.command} {self.path}")
                if self.path == "/stream":
                    self.send_response(200)
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for part in (b"one", b"two"):
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.write(b"0\r\n\r\n")
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                told = json.dumps({"headers": dict(self.headers), "body": body.decode()}).encode()
                self.send_response(201)
                self.send_header("X-Echo", "yes")
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(told)

            do_GET = do_HEAD = do_POST = do_PUT = work

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.netloc = f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture(params=[HttpSaboteur, TcpSaboteur])
def either(request: pytest.FixtureRequest, echo: Echo) -> Iterator[Saboteur]:
    with request.param(f"http://{echo.netloc}/v1") as made:
        yield made


@pytest.fixture
def saboteur(echo: Echo) -> Iterator[HttpSaboteur]:
    with HttpSaboteur(f"http://{echo.netloc}/v1") as made:
        yield made


def ask(saboteur: Saboteur, method: str = "GET", path: str = "/", body: Any = None, **headers: str) -> tuple[Any, str]:
    client = http.client.HTTPConnection("127.0.0.1", saboteur.port, timeout=10)
    try:
        client.request(method, path, body, headers)
        response = client.getresponse()
        return response, response.read().decode()
    finally:
        client.close()


def test_requests_and_answers_are_passed_on(either: Saboteur, echo: Echo) -> None:
    response, told = ask(either, "POST", "/jobs?a=1", b"{}", Authorization="Bearer x")
    heard = json.loads(told)
    assert (response.status, response.headers["X-Echo"], heard["body"]) == (201, "yes", "{}")
    assert heard["headers"]["Authorization"] == "Bearer x"
    assert heard["headers"]["Host"] == urlsplit(either.url).netloc  # what the service makes of it leads here again
    assert echo.heard == ["POST /jobs?a=1"]


def test_what_is_sent_in_chunks_is_passed_on(saboteur: HttpSaboteur) -> None:
    _, told = ask(saboteur, "PUT", "/", iter([b"one", b"two"]))
    assert json.loads(told)["body"] == "onetwo"


def test_what_is_answered_in_chunks_is_passed_on(either: Saboteur) -> None:
    assert ask(either, path="/stream")[1] == "onetwo"


def test_an_answer_without_a_body_is_passed_on(either: Saboteur) -> None:
    response, told = ask(either, "HEAD")
    assert (response.status, told) == (201, "")
    assert int(response.headers["Content-Length"]) > 0


def test_a_connection_serves_many_requests(saboteur: HttpSaboteur) -> None:
    client = http.client.HTTPConnection("127.0.0.1", saboteur.port, timeout=10)
    for number in range(3):
        client.request("GET", f"/{number}")
        assert client.getresponse().read()
    client.close()
    assert [request.path for request in saboteur.requests] == ["/0", "/1", "/2"]


def test_its_address_keeps_the_rest_of_the_url(echo: Echo) -> None:
    with sabotage(f"ssh://me@{echo.netloc}") as made:
        assert isinstance(made, TcpSaboteur)
        assert made.url == f"ssh://me@127.0.0.1:{made.port}"
    with sabotage(f"http://{echo.netloc}/v1") as made:
        assert isinstance(made, HttpSaboteur)
        assert made.url == f"http://127.0.0.1:{made.port}/v1"


def test_an_address_without_a_port_is_refused() -> None:
    with pytest.raises(ValueError, match="should name a host and a port"):
        HttpSaboteur("http://lake.example")


def test_an_answer_is_made_up(saboteur: HttpSaboteur, echo: Echo) -> None:
    saboteur.fail(Answer.saying(429, "Not now.", retry_after=1.5))
    response, told = ask(saboteur)
    assert (response.status, response.headers["Retry-After"]) == (429, "1.5")
    assert json.loads(told)["message"] == json.loads(told)["error"]["message"] == "Not now."
    assert echo.heard == []
    assert ask(saboteur)[0].status == 201


def test_faults_befall_the_requests_that_are_meant(saboteur: HttpSaboteur) -> None:
    saboteur.fail(Answer(503), lambda request: request.path == "/jobs", skip=1, times=2)
    told = [ask(saboteur, path=path)[0].status for path in ("/jobs", "/", "/jobs", "/jobs", "/jobs")]
    assert told == [201, 201, 503, 503, 201]


def test_faults_go_when_it_heals(saboteur: HttpSaboteur) -> None:
    saboteur.fail(Answer(503), times=None)
    assert [ask(saboteur)[0].status for _ in range(3)] == [503] * 3
    saboteur.heal()
    assert ask(saboteur)[0].status == 201


def test_a_reset_comes_before_the_service_is_asked(either: Saboteur, echo: Echo) -> None:
    either.fail(Reset())
    with pytest.raises(ConnectionError):
        ask(either)
    assert echo.heard == []
    assert ask(either)[0].status == 201


def test_a_loss_comes_after_the_service_was_asked(either: Saboteur, echo: Echo) -> None:
    either.fail(Lost(), lambda _: len(echo.heard) == 2)
    assert ask(either)[0].status == 201
    with pytest.raises(ConnectionError):
        ask(either)
    assert len(echo.heard) == 2


def test_slow_answers_come(either: Saboteur) -> None:
    either.fail(Slow(0.3))
    began = time.monotonic()
    assert ask(either)[0].status == 201
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("after", [False, True])
def test_what_is_held_goes_on_when_it_is_released(either: Saboteur, echo: Echo, after: bool) -> None:
    held, answers = Held(after), []
    either.fail(held)
    thread = threading.Thread(target=lambda: answers.append(ask(either)[0].status))
    thread.start()
    assert held.reached.wait(10)
    assert bool(echo.heard) is after
    assert answers == []
    held.release()
    thread.join(10)
    assert answers == [201]


def test_what_is_held_can_be_dropped(either: Saboteur, echo: Echo) -> None:
    held, errors = Held(), []
    either.fail(held)

    def work() -> None:
        try:
            ask(either)
        except ConnectionError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert held.reached.wait(10)
    held.drop()
    thread.join(10)
    assert len(errors) == 1
    assert echo.heard == []


def test_what_is_held_ends_when_it_closes(echo: Echo) -> None:
    held = Held()
    with (
        HttpSaboteur(f"http://{echo.netloc}") as saboteur,
        socket.create_connection(("127.0.0.1", saboteur.port)) as client,
    ):
        saboteur.fail(held)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert held.reached.wait(10)
        saboteur.close()
        client.settimeout(10)
        assert _ended(client)


def _ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def test_a_service_that_is_not_there_breaks_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    for kind in (HttpSaboteur, TcpSaboteur):
        with kind(url) as saboteur, pytest.raises(ConnectionError):
            ask(saboteur)


def test_answers_are_made_up_only_of_http(echo: Echo) -> None:
    with TcpSaboteur(f"lake://{echo.netloc}") as saboteur, pytest.raises(NotImplementedError, match="protocol is HTTP"):
        saboteur.fail(Answer(503))
