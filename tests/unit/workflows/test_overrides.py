from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from hardpoint.errors import FlyteAssertion, FlyteValidationException
from hardpoint.tasks.accelerators import A100, T4
from hardpoint.tasks.metadata import Cache
from hardpoint.tasks.resources import Resources
from hardpoint.tasks.task import task
from hardpoint.workflows.map_task import map_task
from hardpoint.workflows.workflow import workflow


@task(timeout=30, retries=2)
def inc(a: int) -> int:
    return a + 1


@task
def pair(a: int) -> tuple[int, int]:
    return a, a


def node_of(settings, *changes, call=lambda x: inc(a=x)):
    """The message of a node after these calls of with_overrides."""

    @workflow
    def wf(x: int):
        made = call(x)
        for change in changes:
            made = made.with_overrides(**change)

    return wf.template(settings).nodes[0]


def test_calls_add_up(settings):
    node = node_of(
        settings,
        {"accelerator": T4, "requests": Resources(cpu="1"), "limits": Resources(cpu="2")},
        {"shared_memory": "2Gi", "name": "mine"},
        {"limits": Resources(cpu="3"), "retries": 5},
    )
    overrides = node.task_node.overrides
    assert overrides.extended_resources.gpu_accelerator.device == "nvidia-tesla-t4"
    assert overrides.extended_resources.shared_memory.size_limit == "2Gi"
    assert [(r.value) for r in overrides.resources.requests] == ["1"]
    assert [(r.value) for r in overrides.resources.limits] == ["3"]
    assert (node.metadata.name, node.metadata.retries.retries) == ("mine", 5)


def test_one_node_changes_and_nothing_else(settings):
    before = inc.template(settings)

    @workflow
    def wf(x: int):
        inc(a=x).with_overrides(
            timeout=5, retries=9, interruptible=True, cache=Cache("1", serialize=True), accelerator=A100
        )
        inc(a=x)

    first, second = wf.template(settings).nodes
    assert first.metadata.timeout.seconds == 5
    assert first.metadata.interruptible
    assert (first.metadata.cacheable, first.metadata.cache_version, first.metadata.cache_serializable) == (
        True,
        "1",
        True,
    )
    assert second.metadata.timeout.seconds == 30
    assert second.metadata.retries.retries == 2
    assert not second.metadata.HasField("interruptible")
    assert inc.template(settings) == before


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(None, None), (0, None), (7, 7), (timedelta(minutes=2), 120)], ids=str
)
def test_timeouts(settings, timeout, seconds):
    metadata = node_of(settings, {"timeout": timeout}).metadata
    assert (metadata.timeout.seconds if metadata.HasField("timeout") else None) == seconds


def test_a_later_call_keeps_the_cache(settings):
    metadata = node_of(settings, {"cache": Cache(version="a")}, {"retries": 1}, {"cache": True}).metadata
    assert (metadata.cacheable, metadata.cache_version) == (True, "a")
    assert node_of(settings, {"cache": False}).metadata.cacheable is False


def test_resources_in_one(settings):
    resources = node_of(settings, {"resources": Resources(cpu=("1", "2"), mem="1Gi")}).task_node.overrides.resources
    assert {r.value for r in resources.requests} == {"1", "1Gi"}
    assert {r.value for r in resources.limits} == {"2", "1Gi"}


def test_a_new_id_is_followed_by_all_that_names_it(settings):
    @workflow
    def wf(x: int) -> int:
        a = inc(a=x)
        b = inc(a=a)
        a.with_overrides(node_name="My_Node.X")
        b.with_overrides(node_name="n0")
        return b

    graph = wf.compile()
    assert [node.id for node in graph.nodes] == ["my-node-x", "n0"]
    assert graph.nodes[1].bindings["a"].promise.node_id == "my-node-x"
    assert graph.nodes[1].upstream_ids == ["my-node-x"]
    assert graph.outputs["o0"].promise.node_id == "n0"
    assert wf(x=1) == 3


def test_two_nodes_cannot_have_one_id():
    @workflow
    def wf(x: int):
        inc(a=x).with_overrides(node_name="same")
        inc(a=x).with_overrides(node_name="same")

    with pytest.raises(FlyteValidationException, match=r"Two nodes of .* have the id 'same'"):
        wf.compile()


def test_several_outputs_share_the_node(settings):
    node = node_of(settings, {"aliases": {"o1": "second"}, "retries": 4}, call=lambda x: pair(a=x))
    assert node.metadata.retries.retries == 4
    assert [(alias.var, alias.alias) for alias in node.output_aliases] == [("o1", "second")]


@dataclass
class Config:
    size: int


def test_another_config_is_a_task_of_its_own(settings):
    @task(task_config=Config(1))
    def configured(a: int) -> int:
        return a

    @workflow
    def wf(x: int) -> int:
        a = configured(a=x).with_overrides(task_config=Config(2))
        return configured(a=a)

    first, second = wf.nodes
    assert first.entity.task_config == Config(2)
    assert second.entity is configured
    assert configured.task_config == Config(1)
    assert first.entity.name != configured.name
    assert first.proto(settings).task_node.reference_id.name == first.entity.name

    @workflow
    def wrong(x: int):
        configured(a=x).with_overrides(task_config=3)

    with pytest.raises(FlyteValidationException, match="can't change the type of the task config"):
        wrong.compile()


def test_maps_change_their_elements(settings):
    node = node_of(
        settings, {"retries": 8, "timeout": 60}, {"requests": Resources(cpu="1")}, call=lambda x: map_task(inc)(a=[x])
    )
    assert node.metadata.retries.retries == 0
    assert node.array_node.node.metadata.retries.retries == 8
    assert node.array_node.node.metadata.timeout.seconds == 60
    assert node.array_node.node.task_node.overrides.resources.requests[0].value == "1"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"cache": True}, FlyteValidationException, "must specify cache version when overriding"),
        ({"cache": Cache("1"), "cache_version": "2"}, FlyteValidationException, "do not go together"),
        ({"timeout": "1h"}, FlyteValidationException, "timeout should be duration"),
        ({"requests": {"cpu": "1"}}, FlyteAssertion, "requests should be specified as"),
        (
            {"resources": Resources(cpu="1"), "limits": Resources(cpu="1")},
            FlyteValidationException,
            "can not be used together",
        ),
        ({"aliases": ["a"]}, FlyteAssertion, "Aliases should be specified as"),
        ({"colour": "red"}, FlyteAssertion, "colour"),
    ],
)
def test_what_cannot_be(settings, change, error, words):
    with pytest.raises(error, match=words):
        node_of(settings, change)


def test_promises_are_no_settings(settings):
    @workflow
    def retries(x: int):
        inc(a=x).with_overrides(retries=x)

    @workflow
    def of_an_input(x: int):
        x.with_overrides(retries=3)

    with pytest.raises(AssertionError, match="Cannot override retries with a promise"):
        retries.compile()
    with pytest.raises(FlyteAssertion, match="is an input of the workflow"):
        of_an_input.compile()


def test_requests_alone_are_clamped(settings, caplog):
    node_of(settings, {"requests": Resources(cpu="1")})
    assert "overrides requests but no limits" in caplog.text


def test_unknown_names_are_refused(settings):
    with pytest.raises(FlyteAssertion, match=r"with_overrides\(\) does not know cpuu\.\n.*It takes .*timeout, retries"):
        node_of(settings, {"cpuu": 1})
