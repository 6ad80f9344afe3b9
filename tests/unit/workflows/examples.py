"""Workflows whose messages are compared with recorded ones, see ``expected``."""

import datetime
import functools
import typing
from dataclasses import dataclass

from flyteidl.core.execution_pb2 import WorkflowExecution as WorkflowExecutionPhase
from flyteidl.core.security_pb2 import Identity, SecurityContext

from hardpoint.tasks.accelerators import T4
from hardpoint.tasks.metadata import Cache, TaskMetadata
from hardpoint.tasks.pod import PodTemplate
from hardpoint.tasks.resources import Resources
from hardpoint.tasks.task import task
from hardpoint.types.error import FlyteError
from hardpoint.workflows.condition import conditional
from hardpoint.workflows.dynamic import dynamic
from hardpoint.workflows.gate import approve, sleep, wait_for_input
from hardpoint.workflows.imperative import ImperativeWorkflow
from hardpoint.workflows.launch_plan import ConcurrencyPolicy, LaunchPlan
from hardpoint.workflows.map_task import map_task
from hardpoint.workflows.node_creation import create_node
from hardpoint.workflows.notification import Email, PagerDuty, Slack
from hardpoint.workflows.options import Options
from hardpoint.workflows.reference import reference_launch_plan, reference_task
from hardpoint.workflows.schedule import CronSchedule, FixedRate
from hardpoint.workflows.workflow import WorkflowFailurePolicy, workflow

WORKFLOWS = [
    "main",
    "branches",
    "gates",
    "mapped",
    "mapped_metadata",
    "mapped_lp",
    "shapes",
    "imperative",
    "ordered",
    "refs",
    "with_lp",
    "documented",
    "failing_policy",
    "pods",
]
LAUNCH_PLANS = ["plan", "default_plan", "rate_plan", "plain_plan"]
TASKS = ["mapped_task"]


@dataclass
class D:
    a: int
    b: list[int]


class NT(typing.NamedTuple):
    x: int
    y: str


@task(retries=3, timeout=10, interruptible=False)
def t1(a: int, b: str = "q") -> int:
    return a


@task
def t2(a: int) -> D:
    return D(a, [a])


@task
def two(a: int) -> NT:
    return NT(a, "s")


@task
def pair(a: int) -> tuple[int, str]:
    return a, "s"


@task
def void(a: int): ...
@task
def fh(x: int, err: typing.Optional[FlyteError] = None): ...
@task
def lists(
    a: list[int], b: dict[str, int], c: typing.Optional[list[int]] = None, d: typing.Union[int, str] = 3
) -> list[int]:
    return a


@task
def flt(a: float) -> float:
    return a


@workflow
def sub(x: int, y: int = 4) -> int:
    return t1(a=x)


@workflow
def deeper(x: int) -> int:
    return sub(x=x)


@workflow(on_failure=fh)
def main(x: int) -> int:
    n = t1(a=x).with_overrides(
        node_name="my-node",
        timeout=10,
        retries=3,
        interruptible=False,
        cache=Cache(version="2"),
        container_image="im2:t",
        requests=Resources(cpu="1"),
        limits=Resources(cpu="2", mem="1Gi"),
    )
    d = t2(a=n)
    e = t1(a=d.a).with_overrides(accelerator=T4, name="other", aliases={"o0": "alias"})
    return deeper(x=e)


@workflow
def branches(x: int, z: float) -> int:
    a = t1(a=x)
    b = flt(a=z)
    (
        conditional("frac")
        .if_((a > 3) & (x < 10) | (b >= 3.5))
        .then(t1(a=a))
        .elif_(a == 2)
        .then(t1(a=x, b="s"))
        .else_()
        .then(conditional("inner").if_(a != 5).then(two(a=a)).else_().fail("no"))
    )
    conditional("void").if_(x.is_none()).then(void(a=a)).else_().then(t1(a=x))
    s = conditional("tuple").if_(a <= 3).then(two(a=x)).else_().then(two(a=a))
    return t1(a=s.x, b=s.y)


@workflow
def gates(x: int) -> tuple[int, int]:
    a = t1(a=x)
    sleep(datetime.timedelta(seconds=5))
    i = wait_for_input("in1", timeout=datetime.timedelta(hours=2), expected_type=int)
    p = approve(a, "app", timeout=datetime.timedelta(hours=1))
    return t1(a=i), p


@workflow
def mapped(xs: list[int]) -> list[int]:
    a = map_task(functools.partial(t1, b="z"), concurrency=2, min_success_ratio=1.0)(a=xs)
    b = map_task(t1)(a=a, b=["x", "y"]).with_overrides(retries=4, requests=Resources(cpu="3"))
    c = map_task(t1, min_successes=2)(a=b, b=["x", "y"])
    map_task(void, concurrency=0, run_all_sub_nodes=True)(a=c)
    map_task(t1, min_success_ratio=0.5)(a=c, b=["x", "y"])
    return c


@workflow
def mapped_metadata(xs: list[int]) -> list[int]:
    """Map.

    Returns:
        int: first
        str: second
    """
    metadata = TaskMetadata(retries=2, timeout=datetime.timedelta(seconds=4), interruptible=True)
    map_task(void, metadata=metadata)(a=xs)
    map_task(void, metadata=metadata)(a=xs).with_overrides(retries=1)
    return map_task(t1, metadata=TaskMetadata())(a=xs, b=["x"])


@workflow(failure_policy=WorkflowFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE, interruptible=True)
def failing_policy(x: int):
    void(a=x)


plan = LaunchPlan.create(
    "the-plan",
    sub,
    default_inputs={"x": 3},
    fixed_inputs={"y": 9},
    schedule=CronSchedule(schedule="*/5 * * * *", offset="PT1H", kickoff_time_input_arg="when"),
    notifications=[
        Email([WorkflowExecutionPhase.FAILED], ["a@b.c"]),
        Slack([WorkflowExecutionPhase.SUCCEEDED, WorkflowExecutionPhase.ABORTED], ["s@b.c"]),
        PagerDuty([WorkflowExecutionPhase.TIMED_OUT], ["p@b.c"]),
    ],
    labels={"l": "1"},
    annotations={"an": "2"},
    raw_output_data_config="s3://raw",
    max_parallelism=7,
    security_context=SecurityContext(run_as=Identity(k8s_service_account="sa")),
    overwrite_cache=True,
    concurrency=ConcurrencyPolicy(2),
)
rate_plan = LaunchPlan.create("rate", sub, schedule=FixedRate(datetime.timedelta(hours=36), kickoff_time_input_arg="k"))


@workflow(default_options=Options(labels={"l": "x"}, annotations={"a": "y"}))
def with_options(x: int, o: typing.Optional[str], e: list[int], n: typing.Optional[int] = None, s: str = "d") -> int:
    """Short.

    Long text.

    Args:
        x: the x
    """
    return t1(a=x)


default_plan = LaunchPlan.get_or_create(with_options)
plain_plan = LaunchPlan.get_or_create(sub, "plain")
documented = with_options


@workflow
def with_lp(x: int) -> int:
    a = plan(x=x)
    b = default_plan(x=a, e=[1], o=None)
    return plain_plan(x=b)


@workflow
def mapped_lp(xs: list[int]) -> list[int]:
    return map_task(plan, concurrency=3, min_success_ratio=1.0)(x=xs)


@workflow
def shapes(x: int, ys: list[int]) -> tuple[list[int], dict[str, int]]:
    a, s = pair(a=x)
    b = lists(a=[a, x, 4], b={"k": x, "c": 3}, c=[1, x])
    lists(a=ys, b={}, c=[1, 2], d="s")
    lists(a=[], b={"q": 3}, c=None, d=5)
    d = t2(a=b[0])
    t1(a=d.b[0], b=s)
    return [x, a], {"a": x, "b": 7}


imperative = ImperativeWorkflow(name="imp.wf")
i1 = imperative.add_workflow_input("in1", int)
na = imperative.add_entity(t1, a=i1)
nb = imperative.add_task(two, a=na.outputs["o0"])
ns = imperative.add_subwf(sub, x=nb.outputs["x"])
nl = imperative.add_launch_plan(plain_plan, x=nb.outputs["x"])
imperative.add_workflow_output("out", nb.outputs["y"])
imperative.add_workflow_output("outs", [na.outputs["o0"], nb.outputs["x"]], python_type=list[int])


@task
def handler(in1: int, err: typing.Optional[FlyteError] = None): ...


imperative.add_on_failure_handler(handler)


@workflow
def ordered(x: int):
    a = create_node(t1, a=x)
    b = create_node(void, a=x)
    c = create_node(void, a=a.o0)
    b >> a
    b.runs_before(c)
    v = void(a=4)
    t = t1(a=6)
    v >> t


@reference_task(project="rp", domain="rd", name="r.t", version="rv")
def rt(a: int) -> int: ...
@reference_launch_plan(project="rp", domain="rd", name="r.lp", version="rv")
def rlp(a: int) -> int: ...
@workflow
def refs(x: int) -> int:
    return rlp(a=rt(a=x))


@task(cache=True, cache_version="3", retries=2, requests=Resources(cpu="1"), environment={"A": "b"}, enable_deck=True)
def cached(a: int, b: str = "q", c: float = 1.0) -> int:
    return a


mapped_task = map_task(functools.partial(cached, c=2.0, b="x"), concurrency=3)


@workflow
def small(x: int) -> int:
    return cached(a=x)


@workflow
def pods(x: int) -> int:
    tpl = PodTemplate(
        primary_container_name="main",
        labels={"l": "1"},
        annotations={"a": "2"},
        pod_spec={"containers": [{"name": "main", "env": [{"name": "K", "value": "V"}]}]},
    )
    a = cached(a=x).with_overrides(pod_template=tpl)
    map_task(cached)(a=[x], b=["s"], c=[1.0]).with_overrides(pod_template=tpl)
    return a


@dynamic
def dyn(x: int) -> tuple[int, list[int]]:
    ys = [cached(a=i, b=str(i)) for i in range(x)]
    s = small(x=ys[0])
    r = conditional("c").if_(ys[1] > 3).then(cached(a=s)).else_().fail("oh")
    map_task(cached)(a=ys, b=["s"] * 3, c=[1.0] * 3)
    return r, ys
