from __future__ import annotations

from typing import Any

import pytest
from flyteidl.core.tasks_pb2 import Resources as ResourcesMessage

from hardpoint.errors import FlyteAssertion, FlyteValidationException
from hardpoint.tasks import accelerators
from hardpoint.tasks.resources import (
    Resources,
    ResourceSpec,
    construct_extended_resources,
    fill_resources,
    pod_spec_from_resources,
    resource_spec,
)


def entries(spec: ResourceSpec) -> tuple[dict[str, str], dict[str, str]]:
    message = ResourcesMessage()
    fill_resources(spec, message)
    name = ResourcesMessage.ResourceName.Name
    return {name(e.name): e.value for e in message.requests}, {name(e.name): e.value for e in message.limits}


def test_numbers_are_amounts() -> None:
    spec = resource_spec(Resources(cpu=2, mem=1024, gpu=1, ephemeral_storage="1Gi"), Resources(cpu=0.5))
    assert entries(spec) == (
        {"EPHEMERAL_STORAGE": "1Gi", "CPU": "2", "GPU": "1", "MEMORY": "1024"},
        {"CPU": "0.5"},
    )


def test_zero_is_an_amount() -> None:
    assert entries(resource_spec(Resources(gpu=0))) == ({"GPU": "0"}, {})


def test_pairs_are_request_and_limit_and_single_amounts_are_both() -> None:
    spec = resource_spec(resources=Resources(cpu=("1", 2), mem="1Gi", gpu=[0, 1]))
    assert spec == ResourceSpec(Resources(cpu="1", mem="1Gi", gpu=0), Resources(cpu=2, mem="1Gi", gpu=1))


@pytest.mark.parametrize("bad", [{"cpu": object()}, {"mem": 1.5}, {"gpu": True}, {"cpu": ("1", None)}])
def test_wrong_types(bad: dict[str, Any]) -> None:
    with pytest.raises(FlyteAssertion, match="should be of type str, int or a list/tuple of str, int"):
        Resources(**bad)


def test_wrong_length() -> None:
    with pytest.raises(ValueError, match="must be of length 2"):
        Resources(cpu=("1", "2", "3"))


def test_pairs_do_not_belong_in_requests() -> None:
    with pytest.raises(ValueError, match="can not be a list or tuple"):
        resource_spec(requests=Resources(cpu=("1", "2")))


def test_resources_exclude_requests() -> None:
    with pytest.raises(FlyteValidationException, match="can not be used together"):
        resource_spec(requests=Resources(cpu=1), resources=Resources(cpu=1))


def test_pod_spec_copies_the_missing_side() -> None:
    spec = pod_spec_from_resources("primary", requests=Resources(cpu="1", gpu=2, ephemeral_storage="1Gi", mem="2Gi"))
    amounts = {"cpu": "1", "nvidia.com/gpu": "2", "ephemeral-storage": "1Gi", "memory": "2Gi"}
    assert spec.containers[0].name == "primary"
    assert spec.containers[0].resources.requests == amounts
    assert spec.containers[0].resources.limits == amounts


def test_extended_resources() -> None:
    assert construct_extended_resources() is None
    assert construct_extended_resources(shared_memory=False) is None
    sized = construct_extended_resources(shared_memory="2Gi")
    assert sized is not None
    assert sized.shared_memory.size_limit == "2Gi"
    assert not sized.HasField("gpu_accelerator")


def test_accelerators() -> None:
    whole = accelerators.A100.unpartitioned.proto()
    assert (whole.device, whole.unpartitioned) == ("nvidia-tesla-a100", True)
    part = accelerators.A100.partition_1g_5gb.proto()
    assert (part.WhichOneof("partition_size_value"), part.partition_size) == ("partition_size", "1g.5gb")
    assert accelerators.A100.proto().WhichOneof("partition_size_value") is None
    assert accelerators.A100_80GB.partition_7g_80gb.proto().partition_size == "7g.80gb"
    assert accelerators.V5E.partitioned("2x2").proto().partition_size == "2x2"
    with pytest.raises(AttributeError, match=r"its partitions are 1g\.5gb"):
        accelerators.A100.partition_9g_9gb  # noqa: B018 - asking is the test
