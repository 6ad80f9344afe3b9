"""A script and a function on a Slurm cluster: ``hardpoint run examples/slurm_example.py report --text book.txt --least 2``.

``ssh cluster`` leads to a login host, by what ~/.ssh/config says of it. There, ~/research holds this file, and .venv Hardpoint.
The function's data goes where HARDPOINT_LOCAL_RAW_OUTPUT_PREFIX says: to a bucket, or to a folder that the cluster sees as well.
"""

from __future__ import annotations

from pathlib import Path

from hardpoint import kwtypes, task, workflow
from hardpoint.integrations.slurm import OutputLocation, SlurmConfig, SlurmFunctionConfig, SlurmShellTask
from hardpoint.types.file import FlyteFile

CLUSTER = {"host": "cluster"}

words = SlurmShellTask(
    name="words",
    task_config=SlurmConfig(CLUSTER, {"job-name": "words", "time": 10}),
    script="""#!/bin/bash
set -euo pipefail
tr -cs '[:alpha:]' '\\n' < {inputs.text} | sort | uniq -c | awk -v least={inputs.least} '$1 >= least' > {outputs.counts}
""",
    inputs=kwtypes(text=FlyteFile, least=int),
    output_locs=[OutputLocation("counts", FlyteFile, "{ctx.working_directory}/counts.txt")],
)


@task(
    task_config=SlurmFunctionConfig(
        CLUSTER,
        {"cpus-per-task": 2, "time": 10},
        script="#!/bin/bash\ncd ~/research\n. .venv/bin/activate\n{task.fn}\n",
    )
)
def longest(counts: FlyteFile) -> str:
    return max((line.split()[1] for line in Path(counts).read_text().splitlines()), key=len)


@workflow
def report(text: FlyteFile, least: int = 2) -> str:
    return longest(counts=words(text=text, least=least))


if __name__ == "__main__":
    print(report(text=FlyteFile(__file__)))
