"""Files and values of scripts: to the cluster, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hardpoint import idl, kwtypes, workflow
from hardpoint.connectors.local import JobFailedError
from hardpoint.errors import StorageNotFoundError, UserError
from hardpoint.integrations.slurm import OutputLocation, SlurmConfig, SlurmShellTask
from hardpoint.integrations.slurm.results import Background
from hardpoint.integrations.slurm.values import is_number, text_of
from hardpoint.types import TypeEngine
from hardpoint.types.directory import FlyteDirectory
from hardpoint.types.file import FlyteFile
from tests.services.sshd import SSHD

Text = FlyteFile["txt"]


@pytest.fixture
def config(ssh_config: dict[str, Any], sbatch_config: dict[str, Any], tmp_path: Path) -> SlurmConfig:
    return SlurmConfig(ssh_config, sbatch_config, work_dir=str(tmp_path / "work"))


def test_files_go_to_the_cluster_and_come_back(config: SlurmConfig, tmp_path: Path, s3_bucket: str) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "inner" / "b.txt").write_text("b")
    (tmp_path / "a file.txt").write_text("a\n")
    with FlyteFile(f"{s3_bucket}/remote.txt").open("w") as stream:
        stream.write("from the store\n")
    script = """#!/bin/bash
set -eu
cat {inputs.local} {inputs.remote} > {outputs.both}
mkdir -p {outputs.tree}/deep
cp {inputs.folder}/inner/b.txt {outputs.tree}/deep
echo {inputs.name} > {outputs.tree}/name
echo {inputs.local} > place
"""
    mixed = SlurmShellTask(
        "files.mixed",
        config,
        script,
        inputs=kwtypes(local=FlyteFile, remote=FlyteFile, folder=FlyteDirectory, name=str),
        output_locs=[
            OutputLocation("both", Text, "{inputs.name}.txt"),
            OutputLocation("tree", FlyteDirectory, "{ctx.working_directory}/tree"),
        ],
    )

    @workflow
    def wf(local: FlyteFile, remote: FlyteFile, folder: FlyteDirectory) -> tuple[Text, FlyteDirectory]:
        return mixed(local=local, remote=remote, folder=folder, name="my own")

    both, tree = wf(
        local=FlyteFile(str(tmp_path / "a file.txt")),
        remote=FlyteFile(f"{s3_bucket}/remote.txt"),
        folder=FlyteDirectory(str(tmp_path / "folder")),
    )
    assert Path(both).read_text() == "a\nfrom the store\n"
    assert Path(both).name == "my own.txt"
    found = Path(tree)
    assert {str(path.relative_to(found)) for path in found.rglob("*") if path.is_file()} == {"deep/b.txt", "name"}
    jobs = Path(str((config.sbatch_config or {})["chdir"]))
    assert (jobs / "place").read_text().startswith(str(tmp_path / "work" / "hp-"))
    assert list((tmp_path / "work").iterdir()) == [], "What a job was given is removed at its end."


def test_a_location_may_be_relative_to_the_home(ssh_config: dict[str, Any], login: SSHD) -> None:
    task = SlurmShellTask(
        "files.relative",
        SlurmConfig(ssh_config, {"output": "/dev/null"}),
        "#!/bin/sh\npwd > place.txt\n",
        output_locs=[OutputLocation("o", FlyteFile, "place.txt")],
    )
    assert Path(task()).read_text() == f"{login.home}\n"


def test_an_output_that_is_missing(config: SlurmConfig) -> None:
    task = SlurmShellTask(
        "files.missing", config, "#!/bin/sh\ntrue\n", output_locs=[OutputLocation("o", FlyteFile, "nothing.txt")]
    )
    with pytest.raises(JobFailedError, match=r"its output o is not at .*/nothing.txt on 127.0.0.1"):
        task()


def test_an_output_that_the_script_has_stored_itself(config: SlurmConfig) -> None:
    location = OutputLocation("o", FlyteFile, "s3://theirs/{inputs.n}.bin")
    task = SlurmShellTask(
        "files.stored", config, "#!/bin/sh\necho {outputs.o}\n", inputs=kwtypes(n=int), output_locs=[location]
    )
    assert task(n=3).remote_source == "s3://theirs/3.bin"


def test_an_input_that_is_missing(config: SlurmConfig, s3_bucket: str) -> None:
    task = SlurmShellTask("files.absent", config, "#!/bin/sh\ncat {inputs.f}\n", inputs=kwtypes(f=FlyteFile))
    with pytest.raises(StorageNotFoundError, match=f"There is nothing at {s3_bucket}/absent"):
        task(f=FlyteFile(f"{s3_bucket}/absent"))


VALUES = [
    (3, int, "3"),
    (2.5, float, "2.5"),
    (True, bool, "True"),
    ("it's", str, "it's"),
    (datetime(2026, 1, 2, 3, tzinfo=UTC), datetime, "2026-01-02T03:00:00+00:00"),
    (timedelta(seconds=90), timedelta, "0:01:30"),
    ([1, 2], list[int], "[1, 2]"),
    ({"a": "b"}, dict[str, str], '{"a": "b"}'),
    (None, int | None, ""),
    ("x", str | None, "x"),
    ({"a": [1]}, dict, '{"a": [1]}'),
]


@pytest.mark.parametrize(("value", "t", "text"), VALUES, ids=[str(t) for _, t, _ in VALUES])
def test_values_as_text(value: Any, t: Any, text: str) -> None:
    literal = TypeEngine.codec(t).encode(value)
    assert text_of(literal, lambda file: "") == text
    assert is_number(literal) == (t in (int, float))


def test_files_as_text() -> None:
    literal = idl.blob("s3://b/k")
    assert text_of(literal, lambda file: f"/here/{file.scalar.blob.uri[-1]}") == "/here/k"


def test_work_in_the_background() -> None:
    import threading

    background, go, begun = Background(), threading.Event(), []

    def work() -> str:
        begun.append(1)
        go.wait(30)
        return "done"

    assert background.result("a", work, 0.01) is None
    assert background.result("a", work, 0.01) is None
    go.set()
    assert background.result("a", work, 30) == "done"
    assert len(begun) == 1

    def fails() -> str:
        begun.append(2)
        raise UserError("No.")

    for _ in range(2):
        with pytest.raises(UserError):
            background.result("b", fails, 30)
    assert begun == [1, 2, 2]
