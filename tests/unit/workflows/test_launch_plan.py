from __future__ import annotations

import gc
from datetime import timedelta

import pytest
from flyteidl.admin.common_pb2 import AuthRole, RawOutputDataConfig
from flyteidl.core.execution_pb2 import WorkflowExecution
from flyteidl.core.security_pb2 import Identity, SecurityContext

from hardpoint.errors import FlyteAssertion, FlyteValidationException, TypeTransformerFailedError
from hardpoint.tasks.task import task
from hardpoint.workflows.launch_plan import ConcurrencyPolicy, LaunchPlan
from hardpoint.workflows.notification import Email, PagerDuty, Slack
from hardpoint.workflows.options import Options
from hardpoint.workflows.schedule import CronSchedule, FixedRate, OnSchedule
from hardpoint.workflows.workflow import workflow


@task
def join(a: int, b: str, c: int | None = None) -> str:
    return f"{a}{b}{c}"


@workflow
def wf(a: int, b: str = "b", c: int | None = None) -> str:
    return join(a=a, b=b, c=c)


@workflow
def other(a: int) -> str:
    return join(a=a, b="")


FAILED = WorkflowExecution.FAILED


def test_calls_run_the_workflow_with_the_plans_inputs():
    given = {"a": 1}
    plan = LaunchPlan.create("calls", wf, default_inputs=given, fixed_inputs={"b": "fixed"})
    assert plan() == "1fixedNone"
    assert plan(a=2, c=5) == "2fixed5"
    assert given == {"a": 1}
    with pytest.raises(FlyteAssertion, match="Only Keyword Arguments"):
        plan(3)
    with pytest.raises(
        FlyteAssertion, match=r"Fixed inputs cannot be specified\. Please remove the following inputs - b"
    ):
        plan(b="x")

    @workflow
    def caller():
        plan(b="x")

    with pytest.raises(FlyteAssertion, match="Fixed inputs cannot be specified"):
        caller.compile()


def test_parameters():
    plan = LaunchPlan.create("parameters", wf, default_inputs={"c": 4}, fixed_inputs={"b": "x"})
    parameters = plan.parameters().parameters
    assert set(parameters) == {"a", "c"}
    assert parameters["a"].required
    assert parameters["c"].default.scalar.union.value.scalar.primitive.integer == 4
    default = LaunchPlan.get_default_launch_plan(wf).parameters().parameters
    assert default["b"].default.scalar.primitive.string_value == "b"
    assert default["c"].default.scalar.HasField("none_type")


def test_the_default_plan():
    plan = LaunchPlan.get_or_create(wf)
    assert plan.name == wf.name
    assert LaunchPlan.get_or_create(wf) is plan
    assert LaunchPlan.get_default_launch_plan(wf) is plan
    with pytest.raises(ValueError, match="Only named launchplans can be created that have other properties"):
        LaunchPlan.get_or_create(wf, labels={"a": "b"})


def test_names_are_unique():
    kept = LaunchPlan.create("unique", wf)
    with pytest.raises(AssertionError, match="Launch plan named unique was already created"):
        LaunchPlan.create("unique", wf)
    with pytest.raises(AssertionError, match=f"both named 'unique' for the workflows '{other.name}' and '{wf.name}'"):
        LaunchPlan.get_or_create(other, "unique")
    assert LaunchPlan.get_or_create(wf, "unique") is kept


@pytest.mark.parametrize(
    ("first", "second", "argument"),
    [
        ({"default_inputs": {"a": 1}}, {"default_inputs": {"a": 2}}, "default_inputs"),
        ({"fixed_inputs": {"a": 1}}, {}, "fixed_inputs"),
        ({}, {"schedule": FixedRate(timedelta(hours=1))}, "schedule"),
        (
            {"notifications": [Email([FAILED], ["a@b.c"])]},
            {"notifications": [Slack([FAILED], ["a@b.c"])]},
            "notifications",
        ),
        ({"labels": {"a": "1"}}, {"labels": {"a": "2"}}, "labels"),
        ({"annotations": {"a": "1"}}, {}, "annotations"),
        ({"raw_output_data_config": "s3://a"}, {"raw_output_data_config": "s3://b"}, "raw_output_data_config"),
        ({"max_parallelism": 1}, {"max_parallelism": 2}, "max_parallelism"),
        ({"security_context": SecurityContext(run_as=Identity(iam_role="x"))}, {}, "security_context"),
        ({"overwrite_cache": True}, {}, "overwrite_cache"),
        ({"auto_activate": True}, {}, "auto_activate"),
        ({"concurrency": ConcurrencyPolicy(1)}, {"concurrency": ConcurrencyPolicy(2)}, "concurrency"),
    ],
)
def test_two_plans_of_one_name_must_agree(first, second, argument):
    name = f"agree-{argument}"
    plan = LaunchPlan.get_or_create(wf, name, **first)
    assert LaunchPlan.get_or_create(wf, name, **first) is plan
    with pytest.raises(AssertionError, match=f"both named '{name}' but with different values for '{argument}'"):
        LaunchPlan.get_or_create(wf, name, **second)


def test_a_plan_that_nobody_holds_is_forgotten():
    LaunchPlan.create("forgotten", wf, labels={"a": "1"})
    gc.collect()
    assert LaunchPlan.create("forgotten", wf).settings.labels is None


def test_a_workflow_that_is_defined_anew_gets_a_new_plan():
    def define():
        @workflow
        def again(a: int) -> str:
            return join(a=a, b="")

        return again

    old = define()
    plan = LaunchPlan.get_or_create(old, "anew")
    new = define()
    assert LaunchPlan.get_or_create(new, "anew").workflow is new
    assert plan.workflow is old


def test_values_that_cannot_be_compared_with_a_word():
    class Odd:
        def __eq__(self, value):
            raise ValueError("ambiguous")

        __hash__ = None

    odd = Odd()
    plan = LaunchPlan.get_or_create(wf, "odd", {"a": odd})
    assert LaunchPlan.get_or_create(wf, "odd", {"a": odd}) is plan
    with pytest.raises(AssertionError, match="default_inputs"):
        LaunchPlan.get_or_create(wf, "odd", {"a": Odd()})


def test_inputs_are_checked(settings):
    with pytest.raises(FlyteAssertion, match="gives 'z', which is no input"):
        LaunchPlan.create("unknown", wf, default_inputs={"z": 1})
    with pytest.raises(TypeTransformerFailedError, match="Failed argument 'a'"):
        LaunchPlan.create("mistyped", wf, fixed_inputs={"a": "text"}).spec(settings)


def test_clones_differ_in_what_is_said_and_in_nothing_else(settings):
    plan = LaunchPlan.create(
        "original", wf, fixed_inputs={"b": "x"}, concurrency=ConcurrencyPolicy(3), labels={"l": "1"}, max_parallelism=4
    )
    clone = plan.clone_with("clone", max_parallelism=5)
    expected = plan.spec(settings)
    expected.max_parallelism = 5
    assert clone.spec(settings) == expected
    assert clone.name == "clone"


def test_options_come_before_what_the_plan_says(settings):
    plan = LaunchPlan.create(
        "options",
        wf,
        labels={"l": "plan"},
        annotations={"a": "plan"},
        raw_output_data_config=RawOutputDataConfig(output_location_prefix="s3://plan"),
        security_context=SecurityContext(run_as=Identity(iam_role="role", k8s_service_account="plan")),
        notifications=[Email([FAILED], ["plan@b.c"])],
    )
    options = Options.default_from(k8s_service_account="options", raw_data_prefix="s3://options")
    spec = plan.spec(settings, options)
    assert spec.labels.values == {"l": "plan"}
    assert spec.raw_output_data_config.output_location_prefix == "s3://options"
    assert spec.security_context.run_as.k8s_service_account == "options"
    assert spec.security_context.run_as.iam_role == "role"
    assert len(spec.entity_metadata.notifications) == 1
    quiet = plan.spec(settings, Options(labels={"l": "o"}, disable_notifications=True, overwrite_cache=True))
    assert quiet.labels.values == {"l": "o"}
    assert not quiet.entity_metadata.notifications
    assert quiet.overwrite_cache
    assert plan.spec(settings).raw_output_data_config.output_location_prefix == "s3://plan"


def test_a_role_is_an_identity(settings):
    role = AuthRole(assumable_iam_role="iam", kubernetes_service_account="sa")
    run_as = LaunchPlan.create("role", wf, auth_role=role).spec(settings).security_context.run_as
    assert (run_as.iam_role, run_as.k8s_service_account) == ("iam", "sa")
    with pytest.raises(ValueError, match="Use of AuthRole is deprecated"):
        LaunchPlan.create("both", wf, auth_role=role, security_context=SecurityContext())


def test_a_trigger_is_a_schedule(settings):
    schedule = CronSchedule(schedule="@daily")
    plan = LaunchPlan.create("trigger", wf, trigger=OnSchedule(schedule))
    assert plan.spec(settings).entity_metadata.schedule == schedule.proto()
    with pytest.raises(ValueError, match="a schedule and a trigger"):
        LaunchPlan.create("two", wf, schedule=schedule, trigger=OnSchedule(schedule))


@pytest.mark.parametrize(
    "expression",
    [
        "* * * * *",
        "*/5 0-6 1,15 jan-jun mon-fri",
        "0 12 ? * SUN",
        "59 23 31 12 7",
        "1-10/2 * * * *",
        "daily",
        "@Yearly",
        "hours",
        "@midnight",
        "0 0 * * ? *",
        "0 12 ? * MON-FRI 0-59/5",
        "0 0 1 1 * 0 2024-2030",
        "0 0 L,15w * *",
        "0 0 * * sat#5,L1",
        "50-10 22-2 * * fri-mon",
        "*/61 * * * *",
    ],
)
def test_cron_expressions(expression):
    assert CronSchedule(schedule=expression).proto().cron_schedule.schedule == expression


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("* * * *", "4 fields"),
        ("* * * * * * * *", "8 fields"),
        ("0 0 * * * 60", "'60' is no second"),
        ("0 0 * * * ?", r"'\?' is no second"),
        ("0 0 * * * 0 2100", "'2100' is no year"),
        ("0 0 W * *", "'w' is no day of month"),
        ("0 0 * * 5#6", "'5#6' is no day of week"),
        ("60 * * * *", "'60' is no minute"),
        ("* 24 * * *", "'24' is no hour"),
        ("* * 0 * *", "'0' is no day of month"),
        ("* * * 13 *", "'13' is no month"),
        ("* * * * mox", "'mox' is no day of week"),
        ("*/0 * * * *", r"'\*/0'"),
        ("1-2-3 * * * *", "'1-2-3'"),
        ("sometimes", "no schedule has that name"),
    ],
)
def test_cron_expressions_that_are_none(expression, words):
    with pytest.raises(ValueError, match=f"Schedule is invalid.*{words}"):
        CronSchedule(schedule=expression)


def test_other_parts_of_a_schedule():
    with pytest.raises(AssertionError, match="cron_expression is deprecated"):
        CronSchedule(cron_expression="0 0 * * ? *")
    with pytest.raises(AssertionError, match="needs a schedule"):
        CronSchedule()
    for offset in ("PT1H", "P1D", "-P1Y2M3W4DT5H6M7.5S"):
        assert CronSchedule(schedule="hourly", offset=offset).proto().cron_schedule.offset == offset
    for offset in ("1 hour", "P", "PT", "P1H", ""):
        with pytest.raises(ValueError, match="Offset is invalid"):
            CronSchedule(schedule="hourly", offset=offset)


@pytest.mark.parametrize(
    ("duration", "value", "unit"),
    [
        (timedelta(minutes=5), 5, "MINUTE"),
        (timedelta(minutes=120), 2, "HOUR"),
        (timedelta(hours=36), 36, "HOUR"),
        (timedelta(days=7), 7, "DAY"),
        (timedelta(days=1, minutes=1), 1441, "MINUTE"),
    ],
)
def test_rates(duration, value, unit):
    rate = FixedRate(duration, kickoff_time_input_arg="t").proto()
    assert (
        rate.rate.value,
        type(rate.rate).DESCRIPTOR.fields_by_name["unit"].enum_type.values[rate.rate.unit].name,
    ) == (
        value,
        unit,
    )
    assert rate.kickoff_time_input_arg == "t"


@pytest.mark.parametrize(
    "duration", [timedelta(seconds=30), timedelta(minutes=1, seconds=1), timedelta(0), timedelta(days=-1)]
)
def test_rates_are_whole_minutes(duration):
    with pytest.raises(AssertionError, match="Granularity of less than a minute"):
        FixedRate(duration)


def test_notifications_are_of_ends():
    with pytest.raises(AssertionError, match="at least one phase"):
        Email([], ["a@b.c"])
    with pytest.raises(FlyteValidationException, match=r"Invalid phase: 2\. only terminal states"):
        Slack([WorkflowExecution.RUNNING], ["a@b.c"])
    assert PagerDuty([FAILED], ["a@b.c"]) == PagerDuty((FAILED,), ("a@b.c",))
    assert Email([FAILED], ["a@b.c"]) != Slack([FAILED], ["a@b.c"])
