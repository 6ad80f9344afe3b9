"""What `deploy/` says is what Kubernetes and our own command line understand."""

from __future__ import annotations

import ast
import importlib
import json
import re
from pathlib import Path
from typing import Any

import click
import kubernetes.client
import pytest
import yaml

from hardpoint.cli.serve import connector
from hardpoint.connectors.connection import Connection
from hardpoint.settings import load

DEPLOY = Path(__file__).parents[3] / "deploy"
SOURCE = DEPLOY.parent / "src"
FILES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
MODELS = {
    "ConfigMap": "V1ConfigMap",
    "Deployment": "V1Deployment",
    "PodDisruptionBudget": "V1PodDisruptionBudget",
    "Secret": "V1Secret",
    "Service": "V1Service",
}


def documents() -> list[dict[str, Any]]:
    return [document for file in FILES for document in yaml.safe_load_all(file.read_text())]


def one(kind: str) -> dict[str, Any]:
    [found] = [document for document in documents() if document["kind"] == kind]
    return found


def model(document: dict[str, Any]) -> Any:
    """The document as the client's model, which knows each field's type."""

    with kubernetes.client.ApiClient() as client:
        return client.deserialize(json.dumps(document), MODELS[document["kind"]], "application/json")


def names(value: Any) -> Any:
    """A document without what is empty, to compare what went in with what was understood."""
    if isinstance(value, dict):
        return {k: names(v) for k, v in value.items() if v not in (None, {}, [])}
    return [names(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("document", documents(), ids=lambda document: document["kind"])
def test_kubernetes_understands_every_field(document: dict[str, Any]) -> None:
    with kubernetes.client.ApiClient() as client:
        understood = client.sanitize_for_serialization(model(document))
    for empty in ("emptyDir",):  # says something though nothing is in it
        assert json.dumps(document).count(empty) == json.dumps(understood).count(empty)
    assert names(understood) == names(document)


def arguments() -> list[str]:
    [container] = one("Deployment")["spec"]["template"]["spec"]["containers"]
    found: list[str] = container["args"]
    return found


def test_the_command_line_is_ours() -> None:
    parsed = connector.make_context("connector", arguments())
    [container] = one("Deployment")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": parsed.params["port"], "metrics": parsed.params["prometheus_port"]}
    assert {p["port"] for p in one("Service")["spec"]["ports"]} == set(ports.values())
    assert container["readinessProbe"]["grpc"]["port"] == ports["grpc"]
    pod = one("Deployment")["spec"]["template"]["spec"]
    drain = parsed.params["drain_timeout"] + container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > drain


def test_the_containers_command_is_ours() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    [entry] = re.findall(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE)
    [words] = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    assert json.loads(entry) == ["hardpoint", "serve", "connector"]
    connector.make_context("connector", json.loads(words))
    assert re.search(r"^USER [1-9]", text, re.MULTILINE)
    [pod_user] = {one("Deployment")["spec"]["template"]["spec"]["securityContext"]["runAsUser"]}
    assert f"USER {pod_user}:" in text


def test_what_is_copied_into_the_image_is_there() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    copied = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line]
    assert copied
    assert all((DEPLOY.parent / name).exists() for names in copied for name in names)


def test_a_word_that_is_wrong_would_be_noticed() -> None:
    with pytest.raises(click.UsageError):
        connector.make_context("connector", ["--prometheus=9090"])


def test_the_environment_is_ours() -> None:
    given = one("ConfigMap")["data"] | one("Secret")["stringData"]
    own = {name: value for name, value in given.items() if name.startswith("HARDPOINT_")}
    settings = load({**own, "HARDPOINT_CONNECTORS_ENDPOINTS": "lake.example", "XDG_CONFIG_HOME": "/nonexistent"})
    assert settings.connectors.journal.startswith("postgresql://")
    assert settings.connectors.endpoints == "lake.example"
    assert {name.removeprefix("HARDPOINT_CONNECTORS_").lower() for name in own} == {
        "journal",
        "endpoints",
        "task_secrets",
    }


def asked_for() -> set[str]:
    """The names under which connectors look secrets up."""
    found = set()
    for file in sorted((SOURCE / "hardpoint" / "integrations").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or getattr(node.func, "attr", "") != "secret" or not node.args:
                continue
            name = node.args[0]
            if isinstance(name, ast.Name):
                module = importlib.import_module(".".join(file.relative_to(SOURCE).with_suffix("").parts))
                found.add(getattr(module, name.id))
            else:
                found.add(ast.literal_eval(name))
    return found


def test_secrets_bear_the_names_that_connectors_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = load({"XDG_CONFIG_HOME": "/nonexistent"}).secrets.env_prefix
    given = {name: value for name, value in one("Secret")["stringData"].items() if name.startswith(prefix)}
    names = {name.upper(): name for name in asked_for()}
    assert given
    assert "AWS_ACCESS_KEY_ID" in names
    for variable, value in given.items():
        name = names.get(variable.removeprefix(prefix))
        assert name is not None, f"{variable}: connectors ask for {', '.join(sorted(names))}."
        monkeypatch.setenv(variable, value)
        assert Connection(shared=True).secret(name) == value


def test_selectors_select() -> None:
    labels = one("Deployment")["spec"]["template"]["metadata"]["labels"]
    for selector in (
        one("Deployment")["spec"]["selector"]["matchLabels"],
        one("Service")["spec"]["selector"],
        one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
