from __future__ import annotations

import copy
from typing import Any

import pytest

from hardpoint import idl
from hardpoint.errors import FlyteValidationException
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.pod import PodTemplate, kubernetes_client, plain_kubernetes
from hardpoint.tasks.resources import Resources
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.tasks.task import task
from tests.unit.tasks import samples

SETTINGS = SerializationSettings(image_config=ImageConfig.auto(img_name="im:tag"), env={"FOO": "bar"})


def client_objects() -> Any:
    """The pod of the samples, made of the Kubernetes client's objects."""
    client = kubernetes_client()
    return client.V1PodSpec(
        containers=[
            client.V1Container(
                name="main",
                env=[client.V1EnvVar(name="T", value="1")],
                volume_mounts=[client.V1VolumeMount(name="v", mount_path="/v")],
            ),
            client.V1Container(name="side", image="{{.image.default.fqn}}:{{.image.default.version}}x"),
        ],
        volumes=[client.V1Volume(name="v", empty_dir=client.V1EmptyDirVolumeSource())],
    )


def test_client_objects_and_dicts_are_equal() -> None:
    made = PodTemplate(client_objects(), "main", {"x": "y"}, {"q": "r"})
    assert made.spec() == samples.POD.spec()
    assert made == samples.POD
    assert hash(made) == hash(samples.POD)
    assert made != PodTemplate(client_objects(), "main", {"x": "z"}, {"q": "r"})


def pod_of(**arguments: Any) -> dict[str, Any]:
    def podded(a: int) -> int:
        return a

    found: dict[str, Any] = idl.native(task(**arguments)(podded).template(SETTINGS).k8s_pod.pod_spec)
    return found


def test_template_is_not_changed() -> None:
    before = copy.deepcopy(samples.POD.pod_spec)
    samples.podded.template(SETTINGS)
    assert samples.POD.pod_spec == before


def test_primary_container_is_added() -> None:
    spec = pod_of(pod_template=PodTemplate({"containers": [{"name": "side", "image": "x"}]}))
    assert [c["name"] for c in spec["containers"]] == ["side", "primary"]
    assert spec["containers"][0] == {"name": "side", "image": "x"}
    assert spec["containers"][1]["image"] == "im:tag"
    assert spec["containers"][1]["args"][0] == "hardpoint-execute"


def test_template_without_spec() -> None:
    assert [c["name"] for c in pod_of(pod_template=PodTemplate())["containers"]] == ["primary"]


def test_image_and_resources_of_the_template_stay_unless_the_task_has_its_own() -> None:
    own = {"name": "primary", "image": "{{.image.default.fqn}}:own", "resources": {"limits": {"cpu": "9"}}}
    template = PodTemplate({"containers": [own]})
    (container,) = pod_of(pod_template=template, container_image="not:used")["containers"]
    assert container["image"] == "im:own"
    assert container["resources"] == {"limits": {"cpu": "9"}}
    (container,) = pod_of(pod_template=template, requests=Resources(cpu=1))["containers"]
    assert container["resources"] == {"requests": {"cpu": "1"}, "limits": {}}


def test_environment_of_the_task_comes_first() -> None:
    template = PodTemplate({"containers": [{"name": "primary", "env": [{"name": "T", "value": "1"}]}]})
    (container,) = pod_of(pod_template=template, environment={"A": "b"})["containers"]
    assert [entry["name"] for entry in container["env"]] == ["FOO", "A", "T"]


def test_primary_container_has_a_name() -> None:
    with pytest.raises(FlyteValidationException, match="A primary container name cannot be undefined"):
        PodTemplate(primary_container_name="")


def test_strangers_are_refused() -> None:
    with pytest.raises(FlyteValidationException, match="holds a object, which is no object of Kubernetes"):
        plain_kubernetes({"x": [object()]})
    with pytest.raises(FlyteValidationException, match="should be a V1PodSpec or a dict, not list"):
        PodTemplate([]).spec()
