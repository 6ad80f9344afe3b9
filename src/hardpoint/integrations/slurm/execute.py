"""Runs a task's function on a node: ``python3 -m hardpoint.integrations.slurm.execute execute --inputs ... -- ...``.

The arguments are those of a container's command. On a node there is no image: the module is run by whatever Python the batch script
has set up, which needs this package and the code of the task.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import traceback
from collections.abc import Sequence

from flyteidl.core.dynamic_job_pb2 import DynamicJobSpec
from flyteidl.core.errors_pb2 import ContainerError, ErrorDocument
from flyteidl.core.execution_pb2 import ExecutionError

from hardpoint.context import ExecutionParameters, FlyteContextManager, Mode, TaskIdentity
from hardpoint.errors import HardpointError, TransientError, UserError
from hardpoint.idl import LiteralMap, literal_map
from hardpoint.secrets import redact_uri
from hardpoint.storage import FileAccess
from hardpoint.tasks.dispatch import IgnoreOutputs, Outputs, dispatch
from hardpoint.tasks.resolver import load_resolver

__all__ = ["main"]

_ENVIRONMENT = {
    "project": "FLYTE_INTERNAL_EXECUTION_PROJECT",
    "domain": "FLYTE_INTERNAL_EXECUTION_DOMAIN",
    "execution": "FLYTE_INTERNAL_EXECUTION_ID",
}


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m hardpoint.integrations.slurm.execute")
    commands = parser.add_subparsers(dest="command", required=True)
    execute = commands.add_parser("execute", help="Run the task that a resolver finds.")
    for name in ("inputs", "output-prefix", "raw-output-data-prefix", "resolver"):
        execute.add_argument(f"--{name}", required=True)
    for name in ("checkpoint-path", "prev-checkpoint"):
        execute.add_argument(f"--{name}")
    execute.add_argument("loader_args", nargs="*")
    fast = commands.add_parser("fast-execute", help="Unpack the task's code, and run a command in it.")
    fast.add_argument("--additional-distribution", required=True)
    fast.add_argument("--dest-dir", required=True)
    fast.add_argument("rest", nargs=argparse.REMAINDER)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The status of the process: 0 if the task has succeeded."""
    given = _arguments().parse_args(argv)
    if given.command == "fast-execute":
        return _fast(given.additional_distribution, given.dest_dir, given.rest[given.rest[:1] == ["--"] :])
    return _execute(given)


def _execute(given: argparse.Namespace) -> int:
    identity = TaskIdentity(
        **{name: os.environ[variable] for name, variable in _ENVIRONMENT.items() if variable in os.environ},
        attempt=int(os.environ.get("FLYTE_ATTEMPT_NUMBER") or 0),
    )
    params = ExecutionParameters(
        identity,
        raw_output_prefix=given.raw_output_data_prefix,
        output_metadata_prefix=given.output_prefix,
        checkpoint_prefix=_prefix(given.checkpoint_path),
        previous_checkpoint=_prefix(given.prev_checkpoint),
    )
    files = FileAccess(given.raw_output_data_prefix)
    with FlyteContextManager.use(mode=Mode.TASK_EXECUTION, params=params, files=files) as context:
        try:
            with files.open(given.inputs, "rb") as stream:
                inputs = LiteralMap.FromString(stream.read())
            task = load_resolver(given.resolver).load_task(given.loader_args)
            outputs = dispatch(task, inputs, ctx=context)
            with files.open(f"{given.output_prefix}/outputs.pb", "wb") as stream:
                stream.write(_message(outputs).SerializeToString())
        except IgnoreOutputs:
            return 0
        except Exception as error:
            traceback.print_exception(error)
            with files.open(f"{given.output_prefix}/error.pb", "wb") as stream:
                stream.write(_document(error).SerializeToString())
            return 1
    return 0


def _prefix(text: str | None) -> str | None:
    """A control plane writes an empty prefix with its quotes."""
    return text.strip('"') or None if text else None


def _message(outputs: Outputs) -> LiteralMap:
    if isinstance(outputs, DynamicJobSpec):
        raise UserError("A dynamic task cannot run on Slurm: its nodes would need a control plane.")
    return outputs if isinstance(outputs, LiteralMap) else literal_map(outputs)


def _document(error: Exception) -> ErrorDocument:
    recoverable = isinstance(error, TransientError)
    return ErrorDocument(
        error=ContainerError(
            code=error.code if isinstance(error, HardpointError) else "USER:RuntimeError",
            message=redact_uri("".join(traceback.format_exception(error))),
            kind=ContainerError.RECOVERABLE if recoverable else ContainerError.NON_RECOVERABLE,
            origin=ExecutionError.USER,
        )
    )


def _fast(distribution: str, folder: str, command: list[str]) -> int:
    """Unpack the code, and run the command with it."""
    os.makedirs(folder, exist_ok=True)
    with FileAccess(folder).open(distribution, "rb") as stream, tarfile.open(fileobj=stream, mode="r|*") as archive:
        archive.extractall(folder, filter="data")
    path = os.pathsep.join(filter(None, (os.path.abspath(folder), os.environ.get("PYTHONPATH"))))
    module = [sys.executable, "-m", __spec__.name, "execute"]
    words = module + command[1:] if command and command[0] == "hardpoint-execute" else command
    return subprocess.run(words, cwd=folder, env={**os.environ, "PYTHONPATH": path}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
