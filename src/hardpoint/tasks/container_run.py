"""Runs a `ContainerTask` here, by the command line of Docker or Podman."""

from __future__ import annotations

import datetime
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteAssertion, TypeTransformerFailedError, UserError
from hardpoint.tasks.image import ImageConfig, image_for
from hardpoint.tasks.serialization import SerializationSettings
from hardpoint.types.codec import describe_type
from hardpoint.types.transformer import runtime_class

if TYPE_CHECKING:
    from hardpoint.tasks.container_task import ContainerTask

__all__ = ["parse_quantity", "read_output", "run_container", "substitute"]

_INPUT = re.compile(r"{{\s*\.inputs\.(\w+)\s*}}")
_PROGRAMS = ("docker", "podman")
_SHOWN_LINES = 20
_NOT_STARTED = 125  # https://docs.docker.com/engine/containers/run/#exit-status


def run_container(task: ContainerTask, inputs: Mapping[str, Any]) -> Any:
    """Run the task's command, and give its outputs as `execute` does."""
    program = next((path for name in _PROGRAMS if (path := shutil.which(name))), None)
    if program is None:
        raise UserError(
            f"Task {task.name} runs in a container, but neither Docker nor Podman is on the PATH here.",
            remedy="Install Docker, or run the task on a cluster.",
            task=task.name,
        )
    # Outputs that are files have to outlive this call; inputs need not.
    outputs = Path(
        tempfile.mkdtemp(prefix="outputs-", dir=FlyteContextManager.current_context().params.working_directory)
    )
    outputs.chmod(0o777)  # whoever the container runs as has to write there
    with tempfile.TemporaryDirectory(prefix="hardpoint-container-") as folder:
        arguments = [program, "run", "--rm", *_options(task, inputs, Path(folder), outputs)]
        arguments += [_image(task), *(substitute(task, word, inputs) for word in (*task.command, *task.arguments))]
        _run(task, arguments)
    values = tuple(read_output(task.name, name, t, outputs / name) for name, t in task.interface.outputs.items())
    return values[0] if len(values) == 1 else values or None


def _image(task: ContainerTask) -> str:
    settings = FlyteContextManager.current_context().serialization
    return image_for(task.image, settings or SerializationSettings(ImageConfig.auto()))


def _options(task: ContainerTask, inputs: Mapping[str, Any], folder: Path, outputs: Path) -> list[str]:
    options: list[str] = []
    for name, value in task.environment.items():
        options += ["--env", f"{name}={value}"]
    limits, requests = task.resources.limits, task.resources.requests
    cpu, memory = limits.cpu or requests.cpu, limits.mem or requests.mem
    if cpu is not None:
        options += ["--cpus", str(parse_quantity(cpu))]
    if memory is not None:
        options += ["--memory", f"{int(parse_quantity(memory))}b"]
    if task.input_data_dir:
        data = folder / "inputs"
        data.mkdir()
        options += ["--volume", f"{data}:{task.input_data_dir}"]
        for name, value in inputs.items():
            if hasattr(value, "__fspath__"):
                options += ["--volume", f"{Path(value).resolve()}:{task.input_data_dir}/{name}:ro"]
            else:
                (data / name).write_text(_text(value), encoding="utf-8")
    if task.output_data_dir:
        options += ["--volume", f"{outputs}:{task.output_data_dir}"]
    return options


def _run(task: ContainerTask, arguments: Sequence[str]) -> None:
    shown: list[str] = []
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if task.local_logs:
                sys.stderr.write(line)
            shown = [*shown[1 - _SHOWN_LINES :], line]
    if run.returncode == _NOT_STARTED:
        raise UserError(
            f"{Path(arguments[0]).name} could not start the container of task {task.name}:\n{''.join(shown).rstrip()}",
            remedy="Check that its service runs and that the image can be pulled.",
            task=task.name,
        )
    if run.returncode:
        raise UserError(
            f"The container of task {task.name} ended with status {run.returncode}. Its last lines:\n{''.join(shown).rstrip()}",
            task=task.name,
            status=run.returncode,
        )


def substitute(task: ContainerTask, word: str, inputs: Mapping[str, Any]) -> str:
    """A word of the command, with values in place of ``{{.inputs.x}}``.

    Raises:
        FlyteAssertion: there is no such input, or it is a file.
    """

    def value_of(match: re.Match[str]) -> str:
        name = match[1]
        if name not in inputs:
            raise FlyteAssertion(f"The command of task {task.name} names {match[0]}, but there is no input {name!r}.")
        if hasattr(inputs[name], "__fspath__"):
            raise FlyteAssertion(
                f"The command of task {task.name} names {match[0]}, but {name!r} is a file or directory.",
                remedy=f"Write its path, {task.input_data_dir or '<input_data_dir>'}/{name}.",
            )
        return _text(inputs[name])

    return _INPUT.sub(value_of, word)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    return str(value)


def read_output(task: str, name: str, t: Any, path: Path) -> Any:
    """The value that the container left in a file.

    Raises:
        UserError: it left none.
        TypeTransformerFailedError: the text is none of the type.
    """
    cls = runtime_class(t)
    if not path.exists():
        raise UserError(f"The container of task {task} left no file for output {name!r}.", task=task, output=name)
    if isinstance(cls, type) and hasattr(cls, "__fspath__"):
        return cls(str(path))
    text = path.read_text(encoding="utf-8")
    try:
        if cls is str:
            return text
        text = text.strip()
        if cls is bool:
            return text.lower() != "false"
        if cls is datetime.datetime or cls is datetime.date:
            return cls.fromisoformat(text)
        if cls is datetime.timedelta:
            return _duration(text)
        return cls(text)
    except (TypeError, ValueError) as error:
        raise TypeTransformerFailedError(
            f"The container of task {task} left {text!r} for output {name!r}, which is no {describe_type(t)}.",
            task=task,
            output=name,
        ) from error


_DURATION = re.compile(
    r"^(?:(?P<days>-?\d+) days?, )?(?:(?:(?P<hours>\d+):)?(?P<minutes>\d+):)?(?P<seconds>\d+(?:\.\d+)?)$"
)


def _duration(text: str) -> datetime.timedelta:
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration")
    return datetime.timedelta(**{unit: float(number) for unit, number in match.groupdict().items() if number})


# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_SUFFIXES: dict[str, Decimal] = {
    "": Decimal(1),
    **{suffix: Decimal(10) ** power for suffix, power in {"n": -9, "u": -6, "m": -3}.items()},
    **{suffix: Decimal(1000) ** (index + 1) for index, suffix in enumerate(("k", "M", "G", "T", "P", "E"))},
    **{suffix: Decimal(1024) ** (index + 1) for index, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))},
}


def parse_quantity(quantity: object) -> Decimal:
    """The number that a Kubernetes quantity stands for.

    Raises:
        UserError: it is none.
    """
    match = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([A-Za-z]*)", str(quantity).strip())
    if match is None or match[2] not in _SUFFIXES:
        raise UserError(f"{quantity!r} is no quantity.", remedy='Write it as "500m", "2" or "1.5Gi", for example.')
    return Decimal(match[1]) * _SUFFIXES[match[2]]
