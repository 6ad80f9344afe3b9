"""Functions for AWS Batch, in a module, so that a container can find them."""

from __future__ import annotations

from hardpoint import Resources, task
from hardpoint.errors import FlyteRecoverableException
from hardpoint.integrations.awsbatch import AWSBatchConfig

IMAGE = "registry.example/hardpoint:1"
ON_BATCH = AWSBatchConfig(jobQueue="work")


@task(task_config=ON_BATCH, container_image=IMAGE, environment={"LANG": "C"}, requests=Resources(cpu="500m", mem="1Gi"))
def successor(n: int) -> int:
    if n == 13:
        raise ValueError("Unlucky.")
    if n == 14:
        raise FlyteRecoverableException("The next time may do.")
    return n + 1


@task(task_config=AWSBatchConfig(), container_image=IMAGE)
def at_home(n: int) -> int:
    return n + 1


@task(task_config=ON_BATCH, container_image=IMAGE)
def nothing(n: int) -> None: ...
