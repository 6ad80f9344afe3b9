"""Who may call, and how much at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyteidl.admin.agent_pb2 import CreateTaskRequest, ListAgentsRequest
from flyteidl.service.agent_pb2_grpc import AgentMetadataServiceStub
from grpc_health.v1.health_pb2 import HealthCheckRequest

from tests.e2e.service import messages
from tests.e2e.service.certificates import Authority
from tests.e2e.service.conftest import Service
from tests.e2e.service.test_flyte1 import META, refusal

TOKEN = "canary-token-77af"


def listed(port: int, authority: bytes, key: bytes | None = None, certificate: bytes | None = None) -> list[str]:
    credentials = grpc.ssl_channel_credentials(authority, key, certificate)
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
        answer = AgentMetadataServiceStub(channel).ListAgents(ListAgentsRequest(), timeout=20)
        return [agent.name for agent in answer.agents]


def test_tls(start: Callable[..., Service], tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    pair = authority.sign("server")
    service = start("--tls-cert", str(pair.cert_file), "--tls-key", str(pair.key_file))
    assert "Jobs" in listed(service.port, authority.certificate)
    with pytest.raises(grpc.RpcError):
        service.v1_metadata.ListAgents(ListAgentsRequest(), timeout=5)  # without TLS
    with pytest.raises(grpc.RpcError):
        listed(service.port, Authority(tmp_path, "other").certificate)


def test_certificates_that_are_renewed_are_used(start: Callable[..., Service], tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    pair = old.sign("server")
    service = start("--tls-cert", str(pair.cert_file), "--tls-key", str(pair.key_file))
    assert listed(service.port, old.certificate)
    renewed = new.sign("renewed")
    pair.cert_file.write_bytes(renewed.certificate)
    pair.key_file.write_bytes(renewed.key)
    later = time.time() + 5
    os.utime(pair.cert_file, (later, later))
    assert listed(service.port, new.certificate)
    pair.cert_file.unlink()  # in the middle of the next renewal
    assert listed(service.port, new.certificate)


def test_mutual_tls(start: Callable[..., Service], tmp_path: Path) -> None:
    authority, clients = Authority(tmp_path, "authority"), Authority(tmp_path, "clients")
    pair, client, stranger = authority.sign("server"), clients.sign("client"), authority.sign("stranger")
    files = ("--tls-cert", str(pair.cert_file), "--tls-key", str(pair.key_file))
    service = start(*files, "--client-ca", str(clients.file))
    assert "Jobs" in listed(service.port, authority.certificate, client.key, client.certificate)
    with pytest.raises(grpc.RpcError):
        listed(service.port, authority.certificate)
    with pytest.raises(grpc.RpcError):
        listed(service.port, authority.certificate, stranger.key, stranger.certificate)


@pytest.mark.parametrize("where", ["file", "environment"])
def test_a_token(start: Callable[..., Service], tmp_path: Path, where: str) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    service = start("--token-file", str(file)) if where == "file" else start(HARDPOINT_SERVICE_TOKEN=TOKEN)
    good = (("authorization", f"Bearer {TOKEN}"),)
    assert service.v1_metadata.ListAgents(ListAgentsRequest(), metadata=good).agents
    assert list(service.v1_sync.ExecuteTaskSync(iter(messages.sync()), metadata=good))
    for bad in ((), (("authorization", f"Bearer {TOKEN}x"),), (("authorization", TOKEN),), (("token", TOKEN),)):
        for call in (
            lambda bad=bad: service.v1.CreateTask(messages.create(), metadata=bad),
            lambda bad=bad: list(service.v1.GetTaskLogs(messages.logs(META), metadata=bad)),
            lambda bad=bad: list(service.v1_sync.ExecuteTaskSync(iter(messages.sync()), metadata=bad)),
            lambda bad=bad: service.v2_metadata.ListConnectors(ListAgentsRequest(), metadata=bad),
        ):
            code, details = refusal(call)
            assert code is grpc.StatusCode.UNAUTHENTICATED
            assert TOKEN not in details
    assert service.health.Check(HealthCheckRequest()).status == 1  # probes have no token
    assert TOKEN not in service.text
    assert TOKEN not in service.metrics()


def test_a_message_that_is_too_large(start: Callable[..., Service]) -> None:
    service = start("--max-message-size", "100000")
    request = messages.create(name="x" * 200_000)
    assert refusal(lambda: service.v1.CreateTask(request))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    request = messages.create(get="large:200000")
    meta = service.v1.CreateTask(request).resource_meta
    assert refusal(lambda: service.v1.GetTask(messages.get(meta)))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_messages_of_many_megabytes(start: Callable[..., Service]) -> None:
    service = start()
    request = CreateTaskRequest(template=messages.template(get="phase:RUNNING"), output_prefix="x" * 30_000_000)
    assert service.v1.CreateTask(request).resource_meta


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tls-cert", "{file}"), "TLS needs both a certificate and its key"),
        (("--token-file", "{file}"), "is empty"),
        (("--only", "nope"), "There is no connector 'nope'"),
        (("--modules", "no_such_module"), "The module no_such_module cannot be imported"),
        (("--prometheus-port", "x"), "'x' is no port"),
        (("--journal", "mysql://h/d"), "The journal cannot be kept in mysql://h/d"),
    ],
)
def test_a_command_that_cannot_be_is_told(
    start: Callable[..., Service], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "file").touch()
    service = start(*(word.format(file=tmp_path / "file") for word in words), wait=False)
    assert service.process.wait(60) == 2
    assert service.said(said)
    assert "Traceback" not in service.text


def test_a_port_that_is_taken(start: Callable[..., Service], tmp_path: Path) -> None:
    first = start()
    for words in (("--port", str(first.port)), ("--port", str(first.port), "--workers", "2")):
        second = start(*words, "--journal", str(tmp_path / "other.sqlite"), wait=False)
        assert second.process.wait(60) == 2
        assert second.said(f"cannot listen on 127.0.0.1:{first.port}")
    third = start("--prometheus-port", str(first.metrics_port), wait=False)
    assert third.process.wait(60) == 2
    assert third.said(f"Metrics cannot be served on port {first.metrics_port}")


def test_a_choice_of_connectors(start: Callable[..., Service]) -> None:
    def names(service: Service) -> set[str]:
        answer: Any = service.v1_metadata.ListAgents(ListAgentsRequest())
        return {agent.name for agent in answer.agents}

    chosen = start("--only", "Jobs", "--only", "now")
    assert names(chosen) == {"Jobs", "Now"}
    assert refusal(lambda: chosen.v1.CreateTask(messages.create("plain")))[0] is grpc.StatusCode.NOT_FOUND
    assert names(start("--except", "plain_v2", "--except", "Jobs")) >= {"Plain", "Now"}
    assert not names(start("--except", "plain_v2", "--except", "Jobs")) & {"Iterating", "Jobs"}
