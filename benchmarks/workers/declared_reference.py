from flytekit import task, workflow


@task
def double(n: int) -> int:
    return 2 * n


@workflow
def flow(n: int = 1) -> int:
    return double(n=n)
