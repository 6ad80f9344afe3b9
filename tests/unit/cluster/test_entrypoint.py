"""The programs of containers, as processes, with the command lines of templates."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import tarfile
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core.errors_pb2 import ContainerError, ErrorDocument
from flyteidl.core.execution_pb2 import ExecutionError

from hardpoint import idl
from hardpoint.cluster.container import array_index, identity
from hardpoint.cluster.entrypoint import call_of
from hardpoint.errors import UserError
from hardpoint.idl import DynamicJobSpec, LiteralMap
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.serialization import FastSerializationSettings, SerializationSettings
from hardpoint.testing import CANARY
from hardpoint.types import TypeEngine
from tests.unit.cluster import tasks

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
SETTINGS = SerializationSettings(
    ImageConfig.auto(img_name="registry.example/hardpoint:1"), project="p", domain="d", version="v"
)
USER, SYSTEM = ExecutionError.USER, ExecutionError.SYSTEM
AGAIN, NEVER = ContainerError.RECOVERABLE, ContainerError.NON_RECOVERABLE


@dataclass
class Container:
    """A container's place: what the control plane has put there, and what the container leaves."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    settings: SerializationSettings = SETTINGS

    def command(self, made: Any, inputs: Mapping[str, Any] | None = None) -> list[str]:
        """What the container of a task starts, once the control plane has filled in what it knows."""
        template = made.template(self.settings)
        self.variables |= {pair.key: pair.value for pair in template.container.env}
        given = {name: TypeEngine.codec(type_of(value)).encode(value) for name, value in (inputs or {}).items()}
        (self.folder / "inputs.pb").write_bytes(idl.literal_map(given).SerializeToString())
        places = {
            "{{.input}}": f"{self.folder}/inputs.pb",
            "{{.taskTemplatePath}}": f"{self.folder}/task.pb",
            "{{.outputPrefix}}": f"{self.folder}/out",
            "{{.rawOutputDataPrefix}}": f"{self.folder}/raw",
            "{{.checkpointOutputPrefix}}": f"{self.folder}/checkpoint",
            "{{.prevCheckpointPrefix}}": '""',
        }
        return [places.get(word, word) for word in template.container.args]

    @property
    def environment(self) -> dict[str, str]:
        own = {"PATH": f"{BIN}{os.pathsep}/usr/bin{os.pathsep}/bin", "PYTHONPATH": str(ROOT)}
        return {**own, **self.variables}

    def run(self, made: Any, inputs: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        command = self.command(made, inputs)
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return subprocess.run(command, env=self.environment, cwd=home, capture_output=True, text=True, timeout=60)

    def left(self) -> set[str]:
        out = self.folder / "out"
        return {path.name for path in out.iterdir()} if out.exists() else set()

    def outputs(self) -> dict[str, Any]:
        return dict(LiteralMap.FromString((self.folder / "out" / "outputs.pb").read_bytes()).literals)

    def error(self, name: str = "error.pb") -> ContainerError:
        return ErrorDocument.FromString((self.folder / "out" / name).read_bytes()).error


def type_of(value: Any) -> Any:
    return list[int] if isinstance(value, list) else type(value)


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


# -- what comes of a task ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [tasks.double, tasks.later], ids=["plain", "async"])
def test_outputs_are_written(container: Container, made: Any) -> None:
    ran = container.run(made, {"n": 21})
    assert (ran.returncode, ran.stderr) == (0, "")
    assert container.left() == {"outputs.pb"}
    assert container.outputs() == {"o0": idl.integer(42)}


def test_outputs_are_written_also_if_there_are_none(container: Container) -> None:
    assert container.run(tasks.silent).returncode == 0
    assert container.left() == {"outputs.pb"}
    assert container.outputs() == {}


@pytest.mark.parametrize(
    ("made", "inputs", "code", "kind", "origin", "says"),
    [
        (
            tasks.double,
            {"n": 13},
            "USER:RuntimeError",
            NEVER,
            USER,
            "ValueError: Unlucky, says postgresql://me:***@host/db.",
        ),
        (tasks.double, {"n": 14}, "USER:Recoverable", AGAIN, USER, "The next time may do."),
        (tasks.double, {"n": 15}, "USER:RuntimeError", NEVER, USER, "called sys.exit(3)"),
        (tasks.double, {"n": 16}, "USER:RuntimeError", NEVER, USER, "The user's own connection."),
        (tasks.later, {"n": 13}, "USER:RuntimeError", NEVER, USER, "raised asyncio.CancelledError"),
        (tasks.double, {"n": "x"}, "USER:TypeTransformerFailed", NEVER, USER, "Failed argument 'n'"),
        (tasks.text_as_number, {}, "USER:TypeTransformerFailed", NEVER, USER, "'three'"),
        (tasks.eagerly, {"n": 1}, "USER:RuntimeError", NEVER, USER, "is an eager task"),
    ],
)
def test_an_error_is_written_with_what_becomes_of_it(
    container: Container, made: Any, inputs: dict[str, Any], code: str, kind: Any, origin: Any, says: str
) -> None:
    ran = container.run(made, inputs)
    assert ran.returncode == 0  # it has done its duty
    assert container.left() == {"error.pb"}
    error = container.error()
    assert (error.code, error.kind, error.origin) == (code, kind, origin)
    assert says in error.message
    assert error.message.startswith("Traceback (most recent call last):")
    assert ran.stderr == error.message
    assert error.timestamp.seconds > 0


def test_a_failure_ends_the_process_badly_if_that_is_asked_for(container: Container) -> None:
    container.variables["FLYTE_FAIL_ON_ERROR"] = "True"
    assert container.run(tasks.double, {"n": 13}).returncode == 1
    assert container.left() == {"error.pb"}
    assert container.run(tasks.double, {"n": 1}).returncode == 0


def test_a_task_that_wants_no_outputs_has_none(container: Container) -> None:
    assert container.run(tasks.double, {"n": 17}).returncode == 0
    assert container.left() == set()


def test_a_long_error_keeps_its_end(container: Container) -> None:
    container.run(tasks.double, {"n": 18})
    message = container.error().message
    assert len(message) < 110_000
    assert message.startswith("Traceback")
    assert "xxx the end\n" in message


def test_code_that_is_not_in_the_image_is_the_users_to_mend(container: Container, tmp_path: Path) -> None:
    command = container.command(tasks.double, {"n": 1})
    for words, says in (
        ({"tests.unit.cluster.tasks": "elsewhere"}, "elsewhere.double cannot be imported"),
        ({"double": "triple"}, "has no triple"),
        (
            {"hardpoint.tasks.resolver.default_task_resolver": "hardpoint.tasks.resolver.load_object"},
            "not a task resolver",
        ),
    ):
        changed = [words.get(word, word) for word in command]
        subprocess.run(changed, env=container.environment, cwd=tmp_path, check=True, capture_output=True)
        error = container.error()
        assert (error.code, error.kind, error.origin) == ("USER:RuntimeError", NEVER, USER), error
        assert says in error.message
    broken = tmp_path / "broken_module.py"
    broken.write_text("1 / 0\n")
    changed = ["broken_module" if word == "tests.unit.cluster.tasks" else word for word in command]
    subprocess.run(changed, env=container.environment, cwd=tmp_path, check=True, capture_output=True)
    error = container.error()
    assert (error.code, error.kind, error.origin) == ("USER:RuntimeError", NEVER, USER)
    assert "ZeroDivisionError" in error.message


def test_what_the_surroundings_fail_in_may_do_next_time(container: Container) -> None:
    command = container.command(tasks.double, {"n": 1})
    (container.folder / "inputs.pb").unlink()
    (container.folder / "inputs.pb").mkdir()
    subprocess.run(command, env=container.environment, check=True, capture_output=True)
    error = container.error()
    assert (error.code, error.kind, error.origin) == ("SYSTEM", AGAIN, SYSTEM), error


def test_an_outcome_that_cannot_be_written_is_no_success(container: Container) -> None:
    (container.folder / "out").write_text("in the way")
    ran = container.run(tasks.double, {"n": 1})
    assert ran.returncode == 1
    assert str(container.folder / "out") in ran.stderr


def test_one_of_several_workers_has_an_error_of_its_own(container: Container) -> None:
    container.variables |= {"_F_DES": "earliest", "_F_WN": "worker-1"}
    container.run(tasks.double, {"n": 13})
    [name] = container.left()
    assert re.fullmatch(r"error-[0-9a-f]{32}\.pb", name)
    assert container.error(name).worker == "worker-1"


def test_large_outputs_go_to_files_of_their_own_where_that_is_switched_on(container: Container) -> None:
    container.variables["_F_L_MIN_SIZE_MB"] = "1"
    size = 2 * 1024 * 1024
    assert container.run(tasks.long, {"n": size}).returncode == 0
    assert container.left() == {"outputs.pb", "o0_offloaded_metadata.pb"}
    outputs = container.outputs()
    assert outputs["o1"] == idl.string("short")
    whole = idl.string("x" * size)
    told = outputs["o0"].offloaded_metadata
    assert (told.uri, told.size_bytes) == (f"{container.folder}/out/o0_offloaded_metadata.pb", whole.ByteSize())
    assert told.inferred_type == TypeEngine.codec(str).literal_type
    assert len(b64decode(outputs["o0"].hash)) == 32
    assert TypeEngine.codec(str).decode(outputs["o0"]) == "x" * size
    container.variables["_F_L_MAX_SIZE_MB"] = "1"
    container.run(tasks.long, {"n": size})
    assert "The output o0 has 2.0 MB as a literal, of which there may be 1." in container.error().message


def test_a_list_that_was_too_large_for_its_message_is_mapped_over(container: Container) -> None:
    container.variables["FLYTE_K8S_ARRAY_INDEX"] = "1"
    command = container.command(tasks.many, {"n": [1, 20]})
    inputs = LiteralMap.FromString((container.folder / "inputs.pb").read_bytes())
    (container.folder / "large.pb").write_bytes(inputs.literals["n"].SerializeToString())
    inputs.literals["n"].Clear()
    inputs.literals["n"].offloaded_metadata.uri = f"{container.folder}/large.pb"
    (container.folder / "inputs.pb").write_bytes(inputs.SerializeToString())
    subprocess.run(command, env=container.environment, check=True)
    assert container.outputs() == {"o0": idl.integer(40)}


# -- what a task finds -------------------------------------------------------------------------------------------------


def test_a_task_finds_who_it_is(container: Container) -> None:
    container.variables |= {
        "FLYTE_INTERNAL_EXECUTION_PROJECT": "flights",
        "_F_DM": "development",
        "FLYTE_INTERNAL_EXECUTION_ID": "f1",
        "FLYTE_INTERNAL_TASK_NAME": "t",
        "FLYTE_INTERNAL_TASK_VERSION": "7",
        "FLYTE_ATTEMPT_NUMBER": "2",
        "OTHER_NAME": CANARY,
    }
    command = container.command(tasks.surroundings, {"n": 1})
    for attempt, previous in enumerate(('""', f"{container.folder}/checkpoint")):
        words = [previous if at and command[at - 1] == "--prev-checkpoint" else w for at, w in enumerate(command)]
        subprocess.run(words, env=container.environment, cwd=container.folder, check=True)
        found = TypeEngine.codec(dict[str, str]).decode(container.outputs()["o0"])
        assert found == {
            "execution": "flights:development:f1",
            "task": "t 7 2",
            "raw": f"{container.folder}/raw",
            "before": "b'kept'" if attempt else "None",
            "secret": CANARY,
            "cwd": str(container.folder),
        }
    assert container.left() == {"outputs.pb", "deck.html"}


def test_a_shim_task_runs_by_its_template(container: Container) -> None:
    (container.folder / "task.pb").write_bytes(tasks.shim.template(SETTINGS).SerializeToString())
    assert container.run(tasks.shim, {"n": 5}).returncode == 0
    assert container.outputs() == {"o0": idl.integer(4)}
    container.run(tasks.shim, {"n": 0})
    error = container.error()
    assert (error.code, error.kind, error.origin) == ("SYSTEM", AGAIN, SYSTEM), error


def test_files_go_below_the_raw_prefix(container: Container) -> None:
    container.run(tasks.written)
    uri = container.outputs()["o0"].scalar.blob.uri
    assert uri.startswith(f"{container.folder}/raw/")
    assert Path(uri).read_text() == "hello"


def test_what_was_not_filled_in_counts_as_not_given() -> None:
    options = itertools.chain(
        ("--inputs", "i", "--output-prefix", "o/", "--raw-output-data-prefix", "{{.rawOutputDataPrefix}}"),
        ("--checkpoint-path", "{{ $checkpointOutputPrefix }}", "--prev-checkpoint", '""', "--resolver", "r"),
    )
    call = call_of([*options, "--", "vars", "", "--", "x"], "hardpoint-execute")
    assert (call.inputs, call.output_prefix, call.resolver) == ("i", "o", "r")
    assert (call.raw_output_prefix, call.checkpoint, call.previous_checkpoint, call.code) == (None,) * 4
    assert call.loader_args == ("vars", "", "--", "x")


def test_a_command_line_that_lacks_something_is_told(container: Container) -> None:
    command = container.command(tasks.double, {"n": 1})
    ran = subprocess.run(command[:3], env=container.environment, capture_output=True, text=True)
    assert ran.returncode == 2
    assert "--output-prefix, --resolver" in ran.stderr


def test_runtime_packages_that_cannot_be_installed_are_told(container: Container) -> None:
    ran = container.run(tasks.with_packages)
    assert ran.returncode == 1
    assert "pip could not install /no/such/package" in ran.stderr
    assert container.left() == set()


# -- maps and dynamic tasks --------------------------------------------------------------------------------------------


def test_an_element_of_a_map_runs_alone(container: Container) -> None:
    container.variables |= {
        "BATCH_JOB_ARRAY_INDEX_VAR_NAME": "WHICH",
        "WHICH": "1",
        "BATCH_JOB_ARRAY_INDEX_OFFSET": "1",
    }
    ran = container.run(tasks.many, {"n": [13, 13, 4]})
    assert (ran.returncode, container.outputs()) == (0, {"o0": idl.integer(8)}), ran.stderr
    del container.variables["WHICH"]
    container.run(tasks.many, {"n": [1]})
    assert "WHICH is None" in container.error().message


def test_the_index_of_an_element() -> None:
    assert array_index({"FLYTE_K8S_ARRAY_INDEX": "3"}) == 3
    with pytest.raises(UserError, match="FLYTE_K8S_ARRAY_INDEX is 'x'"):
        array_index({"FLYTE_K8S_ARRAY_INDEX": "x"})
    assert identity({}).attempt == 0


def test_a_dynamic_task_hands_its_workflow_on(container: Container) -> None:
    container.variables |= {"FLYTE_INTERNAL_TASK_VERSION": "w", "FLYTE_INTERNAL_TASK_PROJECT": "q"}
    assert container.run(tasks.twice, {"n": 3}).returncode == 0
    assert container.left() == {"futures.pb"}
    made = DynamicJobSpec.FromString((container.folder / "out" / "futures.pb").read_bytes())
    assert (made.min_successes, [node.id for node in made.nodes]) == (2, ["dn0", "dn1"])
    [started] = made.tasks
    assert (started.id.project, started.id.domain, started.id.version) == ("q", "d", "w")
    assert started.container.image == "registry.example/hardpoint:1"
    assert made.outputs[0].binding.promise.node_id == "dn1"


def test_a_dynamic_task_without_nodes_has_outputs(container: Container) -> None:
    container.run(tasks.twice, {"n": 0})
    assert container.left() == {"outputs.pb"}
    assert container.outputs() == {"o0": idl.integer(0)}


# -- code that is fetched ----------------------------------------------------------------------------------------------

SHIPPED = """
from hardpoint import dynamic, task

@task
def where(n: int) -> str:
    return f"{n} {__file__}"

@dynamic
def starts(n: int) -> str:
    return where(n=n)
"""


@pytest.fixture
def shipped(container: Container, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module that travels as an archive; its template says so."""
    source = container.folder / "source"
    source.mkdir()
    (source / "shipped_to_container.py").write_text(SHIPPED)
    archive = container.folder / "code.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(source / "shipped_to_container.py", "shipped_to_container.py")
    fast = FastSerializationSettings(True, str(container.folder / "code"), str(archive))
    container.settings = SerializationSettings(SETTINGS.image_config, "p", "d", "v", fast_serialization_settings=fast)
    monkeypatch.syspath_prepend(str(source))
    module = __import__("shipped_to_container")
    monkeypatch.delitem(sys.modules, "shipped_to_container")
    return module


def test_code_is_fetched_and_run(container: Container, shipped: Any) -> None:
    ran = container.run(shipped.where, {"n": 5})
    assert ran.returncode == 0, ran.stderr
    [said] = container.outputs().values()
    assert said.scalar.primitive.string_value == f"5 {container.folder}/code/shipped_to_container.py"


def test_what_a_dynamic_task_starts_fetches_the_same_code(container: Container, shipped: Any) -> None:
    assert container.run(shipped.starts, {"n": 5}).returncode == 0
    made = DynamicJobSpec.FromString((container.folder / "out" / "futures.pb").read_bytes())
    assert list(made.tasks[0].container.args[:6]) == [
        *("hardpoint-fast-execute", "--additional-distribution", f"{container.folder}/code.tar.gz"),
        *("--dest-dir", f"{container.folder}/code", "--"),
    ]


def test_code_that_is_not_there_is_told(container: Container, shipped: Any) -> None:
    (container.folder / "code.tar.gz").unlink()
    ran = container.run(shipped.where, {"n": 5})
    assert ran.returncode == 1
    assert f"The code at {container.folder}/code.tar.gz was not unpacked" in ran.stderr
    assert container.left() == set()


def test_an_archive_puts_nothing_elsewhere(container: Container, shipped: Any) -> None:
    with tarfile.open(container.folder / "code.tar.gz", "w:gz") as packed:
        packed.add(container.folder / "source" / "shipped_to_container.py", "../escaped.py")
    ran = container.run(shipped.where, {"n": 5})
    assert ran.returncode == 1
    assert "escaped.py" in ran.stderr
    assert not (container.folder / "escaped.py").exists()


def test_signals_and_the_exit_status_are_the_commands_own(container: Container, tmp_path: Path) -> None:
    archive = tmp_path / "empty.tar"
    tarfile.open(archive, "w").close()
    fast = [
        "hardpoint-fast-execute",
        "--additional-distribution",
        str(archive),
        "--dest-dir",
        str(tmp_path / "x"),
        "--",
    ]
    ran = subprocess.run([*fast, "sh", "-c", "exit 7"], env=container.environment, check=False)
    assert ran.returncode == 7
    command = [*fast, *container.command(tasks.waits)]
    with subprocess.Popen(
        command, env=container.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline() == "waiting\n"
        running.send_signal(signal.SIGUSR1)
        assert any(" in waits" in line for line in running.stderr)
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=20) == -signal.SIGTERM
    missing = subprocess.run([*fast, "no-such-program"], env=container.environment, capture_output=True, text=True)
    assert (missing.returncode, missing.stderr) == (1, "hardpoint-fast-execute: There is no program no-such-program.\n")
