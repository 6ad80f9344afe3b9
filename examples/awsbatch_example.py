"""A function on AWS Batch: ``hardpoint run examples/awsbatch_example.py report --least 3``.

The image holds this file and Hardpoint; the job's data goes to the bucket that HARDPOINT_LOCAL_RAW_OUTPUT_PREFIX names. Without
AWS_BATCH_QUEUE in the environment, the function is called here.
"""

from __future__ import annotations

import os

from hardpoint import Resources, task, workflow
from hardpoint.integrations.awsbatch import AWSBatchConfig


@task(
    task_config=AWSBatchConfig(jobQueue=os.environ.get("AWS_BATCH_QUEUE") or None, tags={"team": "research"}),
    container_image=os.environ.get("AWS_BATCH_IMAGE", "registry.example/research:1"),
    requests=Resources(cpu="2", mem="4Gi"),
)
def primes(below: int) -> list[int]:
    return [n for n in range(2, below) if all(n % d for d in range(2, int(n**0.5) + 1))]


@task
def count(found: list[int], least: int) -> str:
    return f"{sum(n >= least for n in found)} primes from {least} to {found[-1]}"


@workflow
def report(below: int = 30, least: int = 3) -> str:
    return count(found=primes(below=below), least=least)


if __name__ == "__main__":
    print(report())
