"""A launch plan, and nothing that could be run without a name."""

from hardpoint import LaunchPlan, task, workflow


@task
def add(a: int, b: int) -> int:
    return a + b


@workflow
def total(a: int, b: int = 1) -> int:
    return add(a=a, b=b)


@workflow
def other(a: int) -> int:
    return add(a=a, b=a)


plan = LaunchPlan.create("plans.ten", total, default_inputs={"b": 10}, fixed_inputs={"a": 5})
