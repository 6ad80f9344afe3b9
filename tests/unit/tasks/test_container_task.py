from __future__ import annotations

import datetime
import json
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hardpoint import idl
from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteAssertion, TypeTransformerFailedError, UserError
from hardpoint.tasks.container_run import parse_quantity, read_output, substitute
from hardpoint.tasks.container_task import ContainerTask
from hardpoint.tasks.dispatch import dispatch
from hardpoint.tasks.image import ImageConfig
from hardpoint.tasks.resources import Resources
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.types.columns import kwtypes
from hardpoint.types.file import FlyteFile

SETTINGS = SerializationSettings(image_config=ImageConfig.auto(img_name="im:tag"))

# What `docker run` does as far as a task can see: environment and volumes; paths of volumes stand for those of the host.
DOCKER = r"""
import json, os, subprocess, sys
words, env, volumes, options = sys.argv[2:], dict(os.environ), [], {}
while words[0].startswith("--"):
    option = words.pop(0)
    if option == "--rm":
        continue
    value = words.pop(0)
    if option == "--env":
        name, _, env[name] = value.partition("=")
    elif option == "--volume":
        host, inside = value.split(":")[:2]
        volumes.append((inside, host))
    else:
        options[option] = value
image, *command = words
json.dump({"image": image, "options": options}, open(os.environ["SEEN"], "w"))
if image == "absent":
    print("Unable to find image")
    sys.exit(125)
for inside, host in sorted(volumes, key=lambda pair: -len(pair[0])):
    command = [word.replace(inside, host) for word in command]
sys.exit(subprocess.run(command, env=env).returncode)
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program named docker, first on the PATH; the file in which it says what it was asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "docker"
    program.write_text(f"#!{sys.executable}\n{DOCKER}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("SEEN", str(tmp_path / "seen.json"))
    return tmp_path / "seen.json"


def shell(script: str, **arguments: Any) -> ContainerTask:
    arguments.setdefault("output_data_dir", "/var/outputs")
    return ContainerTask(name="ct", image="alpine:3", command=["sh", "-c", script], **arguments)


def test_inputs_and_outputs(docker: Path) -> None:
    made = shell(
        "echo -n {{.inputs.a}}-$A > /var/outputs/text; cat /var/inputs/b > /var/outputs/number; echo true > /var/outputs/yes",
        inputs=kwtypes(a=str, b=int),
        outputs=kwtypes(text=str, number=int, yes=bool),
        input_data_dir="/var/inputs",
        environment={"A": "env"},
        requests=Resources(cpu="500m"),
        limits=Resources(mem="1.5Gi"),
    )
    outputs = dispatch(made, {"a": idl.string("x"), "b": idl.integer(7)})
    assert outputs == {"text": idl.string("x-env"), "number": idl.integer(7), "yes": idl.boolean(True)}
    assert json.loads(docker.read_text()) == {
        "image": "alpine:3",
        "options": {"--cpus": "0.500", "--memory": "1610612736b"},
    }


def test_files(docker: Path, tmp_path: Path) -> None:
    (tmp_path / "given.txt").write_text("content")
    made = shell(
        "cp /var/inputs/f /var/outputs/g",
        inputs=kwtypes(f=FlyteFile),
        outputs=kwtypes(g=FlyteFile),
        input_data_dir="/var/inputs",
    )
    found = made.execute(f=FlyteFile(str(tmp_path / "given.txt")))
    assert Path(found).read_text() == "content"


def test_a_value_is_one_word(docker: Path) -> None:
    made = ContainerTask(
        name="ct",
        image="alpine:3",
        command=[
            "python3",
            "-c",
            "import sys; open('/var/outputs/o', 'w').write(repr(sys.argv[1:]))",
            "<{{.inputs.a}}>",
        ],
        inputs=kwtypes(a=str),
        outputs=kwtypes(o=str),
        output_data_dir="/var/outputs",
    )
    assert made.execute(a="x; rm -rf {{.inputs.a}} $HOME") == "['<x; rm -rf {{.inputs.a}} $HOME>']"


def test_failed_commands(docker: Path) -> None:
    with pytest.raises(UserError, match=r"ended with status 3\. Its last lines:\nbroken") as caught:
        shell("echo broken >&2; exit 3").execute()
    assert caught.value.status == 3  # type: ignore[attr-defined]


def test_containers_that_do_not_start(docker: Path) -> None:
    with pytest.raises(UserError, match="docker could not start the container of task ct:\nUnable to find image"):
        ContainerTask(name="ct", image="absent", command=["true"]).execute()


def test_logs(docker: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shell("echo heard", local_logs=True).execute()
    shell("echo unheard").execute()
    assert capfd.readouterr().err == "heard\n"


def test_missing_output(docker: Path) -> None:
    with pytest.raises(UserError, match="left no file for output 'o'"):
        shell("true", outputs=kwtypes(o=int)).execute()


def test_configured_image(docker: Path) -> None:
    settings = SerializationSettings(image_config=ImageConfig.parse(["im:1"]))
    with FlyteContextManager.use(serialization=settings):
        ContainerTask(name="ct", image="{{.image.default}}", command=["true"]).execute()
    assert json.loads(docker.read_text())["image"] == "im:1"


def test_no_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="neither Docker nor Podman") as caught:
        shell("true").execute()
    assert caught.value.remedy


def test_templates_of_the_command() -> None:
    made = shell("true", input_data_dir="/in")
    inputs = {"a": 1, "b": True, "t": datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC), "f": Path("x")}
    assert substitute(made, "x{{.inputs.a}}y{{ .inputs.b }}", inputs) == "x1ytrue"
    assert substitute(made, "{{.inputs.t}}", inputs) == "2024-01-02T00:00:00+00:00"
    with pytest.raises(FlyteAssertion, match="there is no input 'z'"):
        substitute(made, "{{.inputs.z}}", inputs)
    with pytest.raises(FlyteAssertion, match="'f' is a file or directory") as caught:
        substitute(made, "{{.inputs.f}}", inputs)
    assert caught.value.remedy == "Write its path, /in/f."


@pytest.mark.parametrize(
    ("t", "text", "value"),
    [
        (int, "3\n", 3),
        (float, "1.5", 1.5),
        (str, " as it is\n", " as it is\n"),
        (bool, "False\n", False),
        (bool, "anything", True),
        (datetime.datetime, "2024-01-02T03:04:05+00:00", datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)),
        (datetime.timedelta, "2 days, 3:04:05.5", datetime.timedelta(days=2, hours=3, minutes=4, seconds=5.5)),
        (datetime.timedelta, "4:05", datetime.timedelta(minutes=4, seconds=5)),
        (datetime.timedelta, "-1 day, 23:59:59", -datetime.timedelta(seconds=1)),
    ],
)
def test_outputs_are_read(t: Any, text: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / "o").write_text(text)
    assert read_output("ct", "o", t, tmp_path / "o") == value


@pytest.mark.parametrize(("t", "text"), [(int, "three"), (datetime.timedelta, "soon"), (datetime.datetime, "today")])
def test_outputs_that_are_no_such_value(t: Any, text: str, tmp_path: Path) -> None:
    (tmp_path / "o").write_text(text)
    with pytest.raises(TypeTransformerFailedError, match=f"left '{text}' for output 'o'"):
        read_output("ct", "o", t, tmp_path / "o")


@pytest.mark.parametrize(
    ("text", "number"),
    [("2", "2"), (2, "2"), (0.5, "0.5"), ("500m", "0.5"), ("1.5Gi", str(3 << 29)), ("1e3", "1000"), ("2k", "2000")],
)
def test_quantities(text: object, number: str) -> None:
    assert parse_quantity(text) == Decimal(number)


def test_no_quantity() -> None:
    with pytest.raises(UserError, match="'1GB' is no quantity"):
        parse_quantity("1GB")


def test_data_is_moved_as_declared() -> None:
    strategies = ContainerTask.IOStrategy
    both = ContainerTask(
        name="ct", image="a", command=[], io_strategy=[strategies.DOWNLOAD_STREAM, strategies.UPLOAD_ON_EXIT]
    )
    config = both.template(SETTINGS).container.data_config
    assert (config.io_strategy.download_mode, config.io_strategy.upload_mode) == (1, 0)
    config = (
        ContainerTask(name="ct", image="a", command=[], io_strategy=strategies.DO_NOT_UPLOAD)
        .template(SETTINGS)
        .container.data_config
    )
    assert config.io_strategy.upload_mode == 2


def test_pod_template_name() -> None:
    made = ContainerTask(name="ct", image="a", command=[], pod_template_name="ptn")
    assert made.template(SETTINGS).metadata.pod_template_name == "ptn"
