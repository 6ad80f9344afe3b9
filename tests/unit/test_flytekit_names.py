"""The names that users of Flytekit take from its top level."""

from __future__ import annotations

import pytest
from flyteidl.admin import common_pb2
from flyteidl.core.identifier_pb2 import ResourceType

import hardpoint
from hardpoint import (
    Annotations,
    AuthRole,
    ConcurrencyLimitBehavior,
    ConcurrencyPolicy,
    Email,
    FlyteContextManager,
    Labels,
    LaunchPlan,
    LaunchPlanReference,
    Options,
    SecurityContext,
    TaskReference,
    WorkflowExecutionPhase,
    WorkflowReference,
    current_context,
    get_reference_entity,
    load_implicit_plugins,
    new_context,
    task,
    workflow,
)
from hardpoint.models.security import Identity
from hardpoint.tasks.image import Image, ImageConfig
from hardpoint.tasks.serialization import SerializationSettings

SETTINGS = SerializationSettings(ImageConfig(Image("d", "im", "t")), "p", "d", "v", env={})


@task
def double(n: int) -> int:
    return 2 * n


@workflow
def quadruple(n: int) -> int:
    return double(n=double(n=n))


@pytest.mark.parametrize("name", hardpoint.__all__)
def test_each_name_leads_to_something(name: str) -> None:
    assert getattr(hardpoint, name) is not None


def test_a_launch_plan_takes_labels_and_contexts_of_their_own_classes() -> None:
    named = {"labels": Labels({"l": "1"}), "annotations": Annotations(values={"a": "2"})}
    plain = {"labels": {"l": "1"}, "annotations": {"a": "2"}}
    context = SecurityContext(run_as=Identity(k8s_service_account="sa"))
    spec = LaunchPlan.create("names.named", quadruple, security_context=context, **named).spec(SETTINGS)
    message = context.to_flyte_idl()
    assert spec == LaunchPlan.create("names.plain", quadruple, security_context=message, **plain).spec(SETTINGS)
    assert (dict(spec.labels.values), dict(spec.annotations.values)) == ({"l": "1"}, {"a": "2"})

    bare = LaunchPlan.create("names.bare", quadruple)
    assert bare.spec(SETTINGS, Options(security_context=context, **named)) == spec
    labels = common_pb2.Labels(values={"l": "1"})
    assert bare.spec(SETTINGS, Options(labels=labels)).labels == labels

    role = AuthRole(assumable_iam_role="iam", kubernetes_service_account="sa")
    run_as = LaunchPlan.create("names.role", quadruple, auth_role=role).spec(SETTINGS).security_context.run_as
    assert (run_as.iam_role, run_as.k8s_service_account) == ("iam", "sa")


def test_the_rest_of_a_launch_plan() -> None:
    plan = LaunchPlan.create(
        "names.rest",
        quadruple,
        notifications=[Email([WorkflowExecutionPhase.FAILED], ["a@b.c"])],
        concurrency=ConcurrencyPolicy(2, ConcurrencyLimitBehavior.SKIP),
    )
    spec = plan.spec(SETTINGS)
    assert spec.concurrency_policy.max == 2
    assert list(spec.entity_metadata.notifications[0].phases) == [WorkflowExecutionPhase.FAILED]


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        (TaskReference, ResourceType.TASK),
        (WorkflowReference, ResourceType.WORKFLOW),
        (LaunchPlanReference, ResourceType.LAUNCH_PLAN),
    ],
)
def test_references(reference: type[TaskReference], kind: int) -> None:
    named = reference("p", "d", "n", "v")
    entity = get_reference_entity(kind, "p", "d", "n", "v", {"a": int}, {"o0": str})
    assert named.resource_type == kind
    assert entity.id == named.id
    assert entity.python_interface.outputs == {"o0": str}


def test_no_reference_to_anything_else() -> None:
    with pytest.raises(ValueError, match="no reference to a resource of type 4: n"):
        get_reference_entity(ResourceType.DATASET, "p", "d", "n", "v", {}, {})


def test_a_context_of_one_s_own() -> None:
    outer = FlyteContextManager.current_context()
    with new_context() as ctx:
        assert FlyteContextManager.current_context() is ctx
        assert (ctx.mode, ctx.params) == (outer.mode, outer.params)
    assert FlyteContextManager.current_context() is outer


def test_plugins_need_no_loading() -> None:
    load_implicit_plugins()  # type: ignore[func-returns-value]


@task
def measured() -> int:
    stats = current_context().stats
    stats.incr("rows", 3, tags={"a": "b"})
    stats.decr("rows")
    stats.gauge("load", 0.5)
    stats.set("users", "me")
    stats.timing("took", 1.5)
    stats.extend_tags({"a": "b"})
    stats.clear_tags()

    @stats.timer("call")
    def work() -> int:
        return 7

    with stats.get_stats("inner").pipeline() as several, several.timer("block"):
        return work()


def test_measurements_go_nowhere() -> None:
    assert measured() == 7
