"""Parts of the service that need no port."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import DecodeError

from hardpoint import idl
from hardpoint.connectors import Phase, Resource
from hardpoint.connectors.phases import ERRORS
from hardpoint.connectors.registry import FlyteConnectorNotFound
from hardpoint.connectors.resource import MetaError
from hardpoint.connectors.service import logs
from hardpoint.connectors.service.access import TokenCheck
from hardpoint.connectors.service.calls import margin
from hardpoint.connectors.service.options import ServiceOptions
from hardpoint.connectors.service.outputs import declared, move_out, to_literals
from hardpoint.connectors.service.rpc import Rpc, current
from hardpoint.connectors.service.status import Refused, RequestError, UnauthenticatedError, refused
from hardpoint.errors import HardpointError, UserError
from hardpoint.secrets import remember

# -- statuses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for _, kind in ERRORS], ids=lambda kind: str(kind.status))
def test_every_kind_of_error_has_a_status_of_grpc(kind: Any) -> None:
    assert grpc.StatusCode[kind.status] is not grpc.StatusCode.UNKNOWN


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FlyteConnectorNotFound("x"), "NOT_FOUND"),
        (MetaError("x"), "INVALID_ARGUMENT"),
        (DecodeError("x"), "INVALID_ARGUMENT"),
        (RequestError("x"), "INVALID_ARGUMENT"),
        (UnauthenticatedError("x"), "UNAUTHENTICATED"),
        (HardpointError("x"), "INTERNAL"),
        (KeyError("x"), "INTERNAL"),
        (RecursionError("x"), "INTERNAL"),
    ],
)
def test_statuses(error: Exception, status: str) -> None:
    told = refused(error, "do it", where="Lake")
    assert told.status is grpc.StatusCode[status]
    assert told.text.startswith("Lake could not do it: ")
    assert "\n  -> " in told.text


def test_what_is_refused_already_stays_so() -> None:
    told = Refused(grpc.StatusCode.UNAVAILABLE, "no")
    assert refused(told, "do it", where="Lake") is told


# -- options -----------------------------------------------------------------------------------------------------------


def test_options_travel_to_other_processes() -> None:
    options = ServiceOptions(port=0, only=("a", "b"), prometheus_port=None, workers=3, timeout=1.5)
    assert ServiceOptions.from_json(options.to_json()) == options


@pytest.mark.parametrize(
    ("host", "expected"),
    [("[::]", "[::]:1"), ("::1", "[::1]:1"), ("127.0.0.1", "127.0.0.1:1"), ("localhost", "localhost:1")],
)
def test_addresses(host: str, expected: str) -> None:
    assert ServiceOptions(host=host, port=1).address == expected


@pytest.mark.parametrize(("remaining", "expected"), [(None, None), (10.0, 9.0), (60.0, 59.0), (1.0, 0.9), (0.05, 0.0)])
def test_an_answer_is_there_before_the_caller_has_gone(remaining: float | None, expected: float | None) -> None:
    assert margin(remaining) == expected


# -- the token ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "allowed"),
    [
        ((), False),
        (None, False),
        ((("authorization", "Bearer tökén-1"),), True),
        ((("user-agent", "x"), ("authorization", "Bearer tökén-1".encode())), True),
        ((("authorization", "Bearer tökén-2"),), False),
        ((("authorization", "bearer tökén-1"),), False),
        ((("authorization", ""),), False),
    ],
)
def test_tokens(metadata: Any, allowed: bool) -> None:
    assert TokenCheck("tökén-1").allows(metadata) is allowed


# -- outputs -----------------------------------------------------------------------------------------------------------


async def test_outputs_are_converted_by_what_the_task_declares() -> None:
    template = idl.TaskTemplate()
    for name, kind in (("ratio", idl.SimpleType.FLOAT), ("n", idl.SimpleType.INTEGER)):
        template.interface.outputs.variables[name].type.simple = kind
    resource = Resource(Phase.SUCCEEDED, outputs={"ratio": 1, "n": 1})
    literals = await to_literals(resource, declared(template))
    assert literals is not None
    assert literals.literals["ratio"].scalar.primitive.WhichOneof("value") == "float_value"
    assert literals.literals["n"].scalar.primitive.integer == 1


async def test_large_outputs_without_a_place_are_told() -> None:
    resource = Resource(Phase.SUCCEEDED, outputs=idl.LiteralMap(literals={"o0": idl.string("x" * 100)}))
    assert await move_out(resource, "", 1000) is resource
    with pytest.raises(UserError, match=r"The outputs are 1.. bytes, of which a message holds 50"):
        await move_out(resource, "", 50)


# -- the log -----------------------------------------------------------------------------------------------------------


class _Context:
    def __init__(self, *metadata: tuple[str, Any]) -> None:
        self.metadata = metadata

    def invocation_metadata(self) -> Any:
        return self.metadata


@pytest.fixture
def written() -> Iterator[Any]:
    """Sets the log up as the service does, and gives what was written."""
    root, package = logging.getLogger(), logging.getLogger("hardpoint")
    handlers, levels = root.handlers[:], (root.level, package.level)
    stream = io.StringIO()

    def begin(kind: str, **more: Any) -> io.StringIO:
        logs.set_up(kind, **more)
        [handler] = [h for h in root.handlers if isinstance(h, logging.StreamHandler)]
        handler.setStream(stream)
        return stream

    yield begin
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    package.setLevel(levels[1])


def test_a_record_tells_its_call(written: Any) -> None:
    stream = written("json")
    rpc = Rpc("/s/GetTask", _Context(("x-request-id", "r1")))
    rpc.task_type, rpc.find_key = "query_v0", lambda: "hp-1"
    token = current.set(rpc)
    try:
        logging.getLogger("hardpoint.x").info("said %s", "ü")
    finally:
        current.reset(token)
    record = json.loads(stream.getvalue())
    assert {name: record[name] for name in ("level", "message", "request_id", "task_type", "key")} == {
        "level": "INFO",
        "message": "said ü",
        "request_id": "r1",
        "task_type": "query_v0",
        "key": "hp-1",
    }


@pytest.mark.parametrize("kind", ["json", "text"])
def test_no_secret_is_logged(written: Any, kind: str) -> None:
    stream = written(kind)
    remember("canary-of-the-log")
    try:
        raise ValueError("canary-of-the-log was refused")
    except ValueError:
        logging.getLogger("hardpoint.x").exception("The token %s is bad", "canary-of-the-log")
    assert "canary" not in stream.getvalue()
    assert "ValueError: *** was refused" in stream.getvalue()
    assert "The token *** is bad" in stream.getvalue()


def test_levels(written: Any) -> None:
    stream = written("text")
    logging.getLogger("hardpoint.x").debug("one")
    logging.getLogger("grpc").info("two")
    logging.getLogger("grpc").warning("three")
    written("text", debug=True)
    logging.getLogger("hardpoint.x").debug("four")
    assert [line.split()[-1] for line in stream.getvalue().splitlines()] == ["three", "four"]


def test_calls_without_an_id_get_one() -> None:
    first, second = (Rpc("/s/m", _Context(("x-request-id", b"\x00"))) for _ in range(2))
    assert first.id == first.id != second.id
    assert len(Rpc("/s/m", _Context(("x-request-id", "x" * 1000))).id) == 64
