"""Functions that run on a node."""

from __future__ import annotations

import importlib
import sys
import tarfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flyteidl.admin.agent_pb2 import TaskExecutionMetadata

from hardpoint import idl, map_task, workflow
from hardpoint.connectors import Phase
from hardpoint.connectors.local import JobFailedError, JobInterruptedError
from hardpoint.integrations.slurm import SlurmFunctionConnector
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.serialization import FastSerializationSettings, SerializationSettings
from hardpoint.types import TypeEngine
from tests.integrations.slurm import flows
from tests.integrations.slurm.surroundings import python_environment

pytestmark = pytest.mark.usefixtures("functions")


def test_a_workflow_with_a_function_on_a_node() -> None:
    assert flows.both(n=5) == 32


def test_what_a_function_finds_on_its_node() -> None:
    found = flows.surroundings()
    assert found["greeting"] == 'it\'s $HOME; "so"'
    assert found["job"].startswith("hp-")


def test_a_file_comes_back_through_storage() -> None:
    with flows.written(text="what it says").open() as stream:
        assert stream.read() == "what it says"


def test_an_error_is_told_with_the_jobs_own_words(sbatch_config: dict[str, Any]) -> None:
    with pytest.raises(JobFailedError) as caught:
        flows.broken(n=3)
    message = caught.value.message
    assert "ValueError: 3 is not to my taste" in message
    assert "FAILED (NonZeroExitCode) exit status 1 on" in message
    assert f"The end of {sbatch_config['chdir']}/slurm-" in message
    assert "before\n" in message


def test_an_error_that_may_pass_ends_only_the_attempt() -> None:
    with pytest.raises(JobInterruptedError, match="3 may do next time"):
        flows.passing(n=3)


def test_a_function_without_outputs(sbatch_config: dict[str, Any]) -> None:
    assert flows.silent() is None
    [log] = Path(sbatch_config["chdir"]).glob("slurm-*.out")
    assert log.read_text() == "before\nnothing to tell\nafter\n"


SHIPPED = """
from hardpoint import task
from hardpoint.integrations.slurm import SlurmFunctionConfig

SSH = {"host": "127.0.0.1"}
CONFIG = SlurmFunctionConfig(SSH, {}, "#!/bin/sh\\n{task.fn}\\n")


@task(task_config=CONFIG)
def where(n: int) -> str:
    return f"{n} {__file__}"
"""


def outputs_of(
    template: idl.TaskTemplate, n: idl.Literal, folder: Path, metadata: TaskExecutionMetadata | None = None
) -> idl.LiteralMap:
    """What a job leaves for which a control plane asks: it fills in the places of the data."""
    (folder / "inputs.pb").write_bytes(idl.literal_map({"n": n}).SerializeToString())
    places = {
        "{{.input}}": f"{folder}/inputs.pb",
        "{{.outputPrefix}}": f"{folder}/out",
        "{{.rawOutputDataPrefix}}": f"{folder}/raw",
        "{{.checkpointOutputPrefix}}": '""',
        "{{.prevCheckpointPrefix}}": '""',
    }
    template.container.args[:] = [places.get(word, word) for word in template.container.args]
    connector, key = SlurmFunctionConnector(), f"hp-{uuid4().hex}"
    meta = connector.create(
        template, f"{folder}/elsewhere", task_execution_metadata=metadata, idempotency_key=key, tags={}
    )
    deadline = time.monotonic() + 60
    while not (resource := connector.get(meta)).phase.is_terminal:
        assert time.monotonic() < deadline, resource
        time.sleep(0.1)
    connector.close()
    assert resource.phase is Phase.SUCCEEDED, resource.message
    return idl.LiteralMap.FromString((folder / "out" / "outputs.pb").read_bytes())


def test_an_element_of_a_map_is_a_job(tmp_path: Path) -> None:
    """As a control plane asks for it: all elements have the same inputs, and their variables say which one is which."""
    numbers = TypeEngine.codec(list[int]).encode([1, 20, 300])
    template = map_task(flows.successor).template(SerializationSettings())
    variables = {"BATCH_JOB_ARRAY_INDEX_VAR_NAME": "FLYTE_K8S_ARRAY_INDEX", "FLYTE_K8S_ARRAY_INDEX": "1"}
    metadata = TaskExecutionMetadata(environment_variables=variables)
    assert outputs_of(template, numbers, tmp_path, metadata).literals["o0"] == idl.integer(21)


def test_a_map_over_a_function() -> None:
    @workflow
    def successors(numbers: list[int]) -> list[int]:
        return map_task(flows.successor)(n=numbers)

    assert successors(numbers=[1, 20]) == [2, 21]


def test_code_that_was_sent_along_is_unpacked_on_the_node(
    ssh_config: dict[str, Any], sbatch_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a control plane has it done: it fills in the places of the data, and the node has no module of that name."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "shipped_to_slurm.py").write_text(SHIPPED)
    with tarfile.open(tmp_path / "code.tar.gz", "w:gz") as archive:
        archive.add(source / "shipped_to_slurm.py", "shipped_to_slurm.py")
    monkeypatch.syspath_prepend(str(source))
    module: Any = importlib.import_module("shipped_to_slurm")
    monkeypatch.delitem(sys.modules, "shipped_to_slurm")
    module.SSH.update(ssh_config)
    module.CONFIG.sbatch_config.update(sbatch_config)
    fast = FastSerializationSettings(True, str(tmp_path / "node"), str(tmp_path / "code.tar.gz"))
    template = module.where.template(SerializationSettings(fast_serialization_settings=fast))
    for name, value in {**python_environment(), "PYTHONPATH": ""}.items():
        template.container.env.add(key=name, value=value)
    outputs = outputs_of(template, TypeEngine.codec(int).encode(5), tmp_path)
    assert outputs.literals["o0"].scalar.primitive.string_value == f"5 {tmp_path}/node/shipped_to_slurm.py"


def test_a_function_needs_no_image() -> None:
    assert flows.total.template(SerializationSettings()).container.image == "none"
    image = ImageConfig.auto(img_name="registry.example/research:1")
    assert flows.total.template(SerializationSettings(image)).container.image == "registry.example/research:1"
