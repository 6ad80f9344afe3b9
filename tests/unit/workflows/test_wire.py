"""The messages are those that Flytekit 1.16.31 makes of the same source, which ``expected`` holds as text.

By design they differ in this: the program and the resolvers of containers; `min_successes` of a map is written; no empty
description is; ids in a sub-workflow of a dynamic task do not begin with ``d``; upstream ids are sorted.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flyteidl.admin.launch_plan_pb2 import LaunchPlanSpec
from flyteidl.admin.workflow_pb2 import WorkflowSpec
from flyteidl.core.dynamic_job_pb2 import DynamicJobSpec
from flyteidl.core.tasks_pb2 import TaskTemplate
from google.protobuf import text_format

from hardpoint.tasks.metadata import sdk_version
from hardpoint.workflows.dynamic import compile_dynamic, job_spec
from tests.unit.workflows import examples

EXPECTED = Path(__file__).parent / "expected"


def recorded(name: str, message: Any) -> Any:
    text = (EXPECTED / f"{name}.txt").read_text()
    # A text has `name: "examples.t1"`, and an argument `"examples"`; here the module has another name.
    text = text.replace('"examples.', f'"{examples.__name__}.').replace('"examples"', f'"{examples.__name__}"')
    return text_format.Parse(text.replace("<version>", sdk_version()), message)


@pytest.mark.parametrize("name", examples.WORKFLOWS)
def test_workflow(name, settings):
    assert getattr(examples, name).spec(settings) == recorded(name, WorkflowSpec())


@pytest.mark.parametrize("name", examples.LAUNCH_PLANS)
def test_launch_plan(name, settings):
    assert getattr(examples, name).spec(settings) == recorded(name, LaunchPlanSpec())


def test_map_task_template(settings):
    assert examples.mapped_task.template(settings) == recorded("mapped_task", TaskTemplate())


def test_dynamic_job(settings):
    spec = job_spec(compile_dynamic(examples.dyn, {"x": 3}), settings)
    assert spec == recorded("dyn", DynamicJobSpec())


DIGEST = """
import hashlib
from hardpoint.tasks.image import Image, ImageConfig
from hardpoint.tasks.serialization import SerializationSettings
from tests.unit.workflows import examples
settings = SerializationSettings(ImageConfig(Image("d", "im", "t")), "p", "d", "v", env={})
for name in examples.WORKFLOWS + examples.LAUNCH_PLANS:
    message = getattr(examples, name).spec(settings)
    print(name, hashlib.sha256(message.SerializeToString(deterministic=True)).hexdigest())
"""


def test_every_process_makes_the_same_bytes():
    def digests(seed: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    first = digests("1")
    assert len(first.splitlines()) == len(examples.WORKFLOWS + examples.LAUNCH_PLANS)
    assert first == digests("31337")


def test_a_template_is_the_same_each_time_and_leaves_the_workflow_alone(settings):
    first = examples.main.spec(settings)
    assert examples.main.spec(settings) == first
    assert examples.t1.template(settings) == examples.t1.template(settings)
