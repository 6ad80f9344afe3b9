"""`ChatGPTTask`: its template, and what the API is asked."""

from __future__ import annotations

import asyncio
import select
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import pytest

from hardpoint import idl, workflow
from hardpoint.connectors import Phase
from hardpoint.connectors.connection import Connection, ForeignEndpointError, use_connection
from hardpoint.connectors.pool import call
from hardpoint.errors import FlyteValidationException, PermanentError, SecretNotFoundError, TransientError
from hardpoint.idl import TaskTemplate
from hardpoint.integrations.openai import ChatGPTConnector, ChatGPTTask
from hardpoint.integrations.openai.chat import NoAnswerError
from hardpoint.integrations.openai.problems import AccessRefusedError, NoSuchObjectError, RequestRefusedError
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.testing import CANARY
from tests.integrations.openai.server import FakeOpenAI

SETTINGS = SerializationSettings(project="p", domain="d", version="v")


def do(task: ChatGPTTask, message: str = "hello", patience: float = 5) -> Any:
    template = TaskTemplate.FromString(task.template(SETTINGS).SerializeToString())
    inputs = idl.literal_map({"message": idl.string(message)})
    return ChatGPTConnector(patience=patience).do(template, "", inputs)


async def asked(task: ChatGPTTask, deadline: float) -> Any:
    """What a connector service answers whom it has so long for."""
    template = TaskTemplate.FromString(task.template(SETTINGS).SerializeToString())
    inputs = idl.literal_map({"message": idl.string("hello")})
    return await call(
        ChatGPTConnector(), "do", deadline=deadline, task_template=template, output_prefix="", inputs=inputs
    )


def test_the_template_is_that_of_the_reference() -> None:
    task = ChatGPTTask("chat", {"model": "m", "max_tokens": 100, "temperature": 0.5}, "org")
    template = task.template(SETTINGS)
    assert (template.type, template.task_type_version) == ("chatgpt", 0)
    assert not template.HasField("container")
    assert idl.native(template.custom) == {
        "openai_organization": "org",
        "chatgpt_config": {"model": "m", "max_tokens": 100, "temperature": 0.5},
    }
    assert list(template.interface.inputs.variables) == ["message"]
    assert list(template.interface.outputs.variables) == ["o0"]
    bare = ChatGPTTask("bare", {"model": "m"}).template(SETTINGS)
    assert idl.native(bare.custom) == {"openai_organization": None, "chatgpt_config": {"model": "m"}}


@pytest.mark.parametrize(
    ("config", "more", "message"),
    [
        ({}, {}, "The 'model' configuration variable is required in chatgpt_config"),
        ({"model": "m", "stream": True}, {}, "asks for a stream"),
        ({"model": "m"}, {"api": "assistants"}, "should be 'chat.completions' or 'responses'"),
        ({"model": "m"}, {"extra_outputs": ["cost"]}, "has no output cost"),
        ({"model": "m"}, {"base_url": "localhost:8000"}, "no URL of a server"),
    ],
)
def test_what_cannot_work_is_refused_at_once(config: dict[str, Any], more: dict[str, Any], message: str) -> None:
    with pytest.raises(FlyteValidationException, match=message):
        ChatGPTTask("wrong", config, **more)


def test_a_workflow_asks(service: FakeOpenAI) -> None:
    task = ChatGPTTask("chat.in_workflow", {"model": "m"}, "org-1", openai_project="proj-1")

    @workflow
    def wf(message: str) -> str:
        return task(message=message)

    assert wf(message="hello") == "HELLO"
    (asked,) = service.asked
    assert asked.body == {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    assert (asked.headers["openai-organization"], asked.headers["openai-project"]) == ("org-1", "proj-1")


def test_whole_numbers_stay_whole_and_what_is_null_is_left_out(service: FakeOpenAI) -> None:
    config = {"model": "m", "max_tokens": 100, "n": 1, "temperature": 0.5, "seed": None}
    assert do(ChatGPTTask("chat.numbers", config)).outputs == {"o0": "HELLO"}
    body = service.asked[0].body
    assert (body["max_tokens"], body["temperature"], "seed" in body) == (100, 0.5, False)
    assert type(body["max_tokens"]) is int


def test_the_message_comes_after_those_of_the_config(service: FakeOpenAI) -> None:
    history = [{"role": "system", "content": "Sir!"}, {"role": "user", "content": "a"}]
    config = {"model": "m", "messages": history}
    task = ChatGPTTask("chat.history", config)
    for _ in range(2):
        assert do(task).outputs == {"o0": "Sir! HELLO"}
    assert config == {"model": "m", "messages": history[:2]}


def test_further_outputs_are_given_if_they_are_declared(service: FakeOpenAI) -> None:
    task = ChatGPTTask("chat.more", {"model": "m"}, extra_outputs=("usage", "finish_reason", "id"))
    answer = task(message="hello")
    assert answer.o0 == "HELLO"
    assert answer.usage == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert (answer.finish_reason, answer.id) == ("stop", "chatcmpl-1")


def test_tokens_are_told_in_any_case(service: FakeOpenAI) -> None:
    resource = do(ChatGPTTask("chat.told", {"model": "m"}))
    assert resource.phase is Phase.SUCCEEDED
    assert resource.custom_info["usage"]["total_tokens"] == 5
    assert resource.custom_info["model"] == "m"


@pytest.mark.parametrize("api", ["chat.completions", "responses"])
@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("refuses", "The model refuses refuses: I will not."),
        ("calls", r"wants to call tools \(function"),
        ("silent", "without text; it finished by '(length|max_output_tokens)'"),
    ],
)
def test_an_answer_without_text_says_what_it_is(service: FakeOpenAI, api: Any, model: str, message: str) -> None:
    with pytest.raises(NoAnswerError, match=message) as caught:
        do(ChatGPTTask("chat.no_text", {"model": model}, api=api))
    assert caught.value.remedy


def test_an_answer_without_choices_is_an_error(service: FakeOpenAI) -> None:
    with pytest.raises(PermanentError, match="without a choice"):
        do(ChatGPTTask("chat.empty", {"model": "empty"}))


def test_the_responses_api(service: FakeOpenAI) -> None:
    history = [{"role": "system", "content": "Sir!"}]
    config = {"model": "m", "input": history, "max_output_tokens": 9}
    task = ChatGPTTask("chat.responses", config, api="responses", extra_outputs=["finish_reason"])
    answer = task(message="hello")
    assert (answer.o0, answer.finish_reason) == ("Sir! HELLO", "completed")
    assert service.asked[0].path == "/v1/responses"
    assert service.asked[0].body["input"] == [*history, {"role": "user", "content": "hello"}]
    spoken = ChatGPTTask("chat.spoken", {"model": "m", "input": "before"}, api="responses")
    assert do(spoken).outputs == {"o0": "HELLO"}
    with pytest.raises(PermanentError, match="The model crashed"):
        do(ChatGPTTask("chat.crashes", {"model": "fails"}, api="responses"))


def test_what_the_api_does_not_know_is_the_users_to_mend(service: FakeOpenAI) -> None:
    with pytest.raises(NoSuchObjectError, match="The model `none` does not exist") as missing:
        do(ChatGPTTask("chat.none", {"model": "none"}))
    assert "HTTP 404, request req_1" in missing.value.message
    with pytest.raises(RequestRefusedError, match="Invalid value for 'messages'"):
        do(ChatGPTTask("chat.invalid", {"model": "m", "messages": [{"role": "user"}]}))
    with pytest.raises(RequestRefusedError, match="unexpected keyword argument 'temprature'"):
        do(ChatGPTTask("chat.typo", {"model": "m", "temprature": 1}))
    new = {"model": "m", "extra_body": {"metadata": {"a": "b"}}}
    assert do(ChatGPTTask("chat.extra", new)).outputs == {"o0": "HELLO"}


def test_a_quota_that_is_used_up_is_not_waited_for(service: FakeOpenAI) -> None:
    service.refuse("/completions", 429, "You exceeded your current quota.", code="insufficient_quota")
    with pytest.raises(PermanentError, match="exceeded your current quota") as caught:
        do(ChatGPTTask("chat.quota", {"model": "m"}))
    assert "credit" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("header", "value", "seconds"),
    [
        ("retry_after", "7", 7.0),
        ("retry_after_ms", "1500", 1.5),
        ("retry_after", "in an hour", 3600),
        ("retry_after", "soon", None),
        ("x_other", "", None),
    ],
    ids=["seconds", "milliseconds", "date", "nonsense", "nothing"],
)
def test_who_is_too_fast_is_told_for_how_long_to_wait(
    service: FakeOpenAI, header: str, value: str, seconds: float | None
) -> None:
    if value == "in an hour":
        value = format_datetime(datetime.now(UTC) + timedelta(hours=1))
    service.refuse("/completions", 429, "Rate limit reached.", code="rate_limit_exceeded", **{header: value})
    with pytest.raises(TransientError, match="Rate limit reached") as caught:
        do(ChatGPTTask("chat.busy", {"model": "m"}), patience=0)
    assert caught.value.retry_after == (None if seconds is None else pytest.approx(seconds, rel=0.1))


def test_a_busy_api_is_asked_again_when_it_wants_to_be(service: FakeOpenAI) -> None:
    service.refuse("/completions", 429, "Rate limit reached.", code="rate_limit_exceeded", retry_after="1")
    service.refuse("/completions", 503, "The engine is overloaded.")
    began = time.monotonic()
    assert ChatGPTTask("chat.again", {"model": "m"})(message="hello") == "HELLO"
    assert 1.2 < time.monotonic() - began < 10
    assert len(service.asked) == 1  # that it took


def test_a_request_that_is_wrong_is_not_repeated(service: FakeOpenAI) -> None:
    service.refuse("/completions", 400, "Wrong.")
    with pytest.raises(RequestRefusedError, match="Wrong"):
        do(ChatGPTTask("chat.wrong", {"model": "m"}))
    assert service.asked == []


async def test_nobody_waits_longer_than_the_caller(service: FakeOpenAI) -> None:
    service.refuse("/completions", 429, "Rate limit reached.", retry_after="1")
    service.refuse("/completions", 429, "Rate limit reached.", retry_after="30")
    began = time.monotonic()
    with pytest.raises(TransientError, match="Rate limit reached") as caught:
        await asked(ChatGPTTask("chat.late", {"model": "m"}), deadline=4)
    assert 0.9 < time.monotonic() - began < 3
    assert caught.value.retry_after == 30
    assert caught.value.__notes__ == ["It was asked 2 times."]
    assert "retries" in str(caught.value.remedy)
    assert service.asked == []


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
async def test_no_request_goes_on_when_nobody_waits(drips: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with Slow(drips) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        with pytest.raises(TransientError):
            await asked(ChatGPTTask("chat.slow", {"model": "m"}), deadline=1)
        assert await asyncio.to_thread(server.left.wait, 2), "The connection is still open."


class Slow:
    """A server that takes a question and does not come to an end with its answer."""

    def __init__(self, drips: bool) -> None:
        self.left = left = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                if drips:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.end_headers()
                try:
                    for _ in range(200):
                        if drips:
                            self.wfile.write(b" ")
                        readable, _, _ = select.select([self.connection], [], [], 0.05)
                        if readable and not self.connection.recv(1):
                            break
                    else:
                        return
                except OSError:  # it has hung up
                    pass
                left.set()

            def log_message(self, *words: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_a_server_of_another_kind_is_told(service: FakeOpenAI) -> None:
    service.page = "<html>Welcome</html>"
    with pytest.raises(
        PermanentError, match="does not speak OpenAI's API but answered '<html>Welcome</html>'"
    ) as caught:
        do(ChatGPTTask("chat.elsewhere", {"model": "m"}))
    assert "/v1" in str(caught.value.remedy)
    with pytest.raises(TransientError, match="cannot be reached"):
        do(ChatGPTTask("chat.nowhere", {"model": "m"}, base_url="http://127.0.0.1:9/v1"))


def test_the_key(service: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    task = ChatGPTTask("chat.key", {"model": "m"})
    monkeypatch.setenv("_FSEC_FLYTE_OPENAI_API_KEY", "sk-wrong-key")
    with pytest.raises(AccessRefusedError, match=r"Incorrect API key provided: \*\*\*") as caught:
        do(task)
    assert isinstance(caught.value, PermissionError)
    assert caught.value.__cause__ is None
    monkeypatch.delenv("_FSEC_FLYTE_OPENAI_API_KEY")
    with pytest.raises(SecretNotFoundError, match="FLYTE_OPENAI_API_KEY"):
        do(task)


def test_a_task_may_have_a_key_of_its_own(service: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    service.keys = {"sk-team"}
    monkeypatch.setenv("_FSEC_TEAM_KEY", "sk-team")
    task = ChatGPTTask("chat.team", {"model": "m"}, secrets={"FLYTE_OPENAI_API_KEY": "team_key"})
    assert task(message="hello") == "HELLO"


def test_the_services_key_goes_to_no_address_that_a_task_names(service: FakeOpenAI) -> None:
    task = ChatGPTTask("chat.foreign", {"model": "m"}, base_url=service.url)
    template = task.template(SETTINGS)
    with (
        use_connection(Connection.of(template, shared=True)),
        pytest.raises(ForeignEndpointError, match=r"127\.0\.0\.1"),
    ):
        do(task)
    assert service.asked == []
    with use_connection(Connection.of(template, secrets={"FLYTE_OPENAI_API_KEY": CANARY}, shared=True)):
        assert do(task).outputs == {"o0": "HELLO"}


def test_the_address_may_come_with_the_connection(service: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL")
    with use_connection(Connection(configs={"base_url": service.url})):
        assert do(ChatGPTTask("chat.configured", {"model": "m"})).outputs == {"o0": "HELLO"}
    with (
        use_connection(Connection(configs={"base_url": "llm"})),
        pytest.raises(FlyteValidationException, match="'llm'"),
    ):
        do(ChatGPTTask("chat.misconfigured", {"model": "m"}))


def test_other_names_of_secrets_travel_in_the_template() -> None:
    task = ChatGPTTask("chat.named", {"model": "m"}, secrets={"FLYTE_OPENAI_API_KEY": "team_key"}, request_timeout=5)
    custom = idl.native(task.template(SETTINGS).custom)
    assert (custom["secrets"], custom["timeout"]) == ({"FLYTE_OPENAI_API_KEY": "team_key"}, 5)
