"""How a task runs in its container: literals from one file, outputs to another, or the error, or a workflow to be run instead."""

from __future__ import annotations

import os
import sys
from asyncio import CancelledError
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from google.protobuf.message import Message

from hardpoint.cluster.failure import error_document
from hardpoint.cluster.offload import offloaded
from hardpoint.context import (
    ExecutionParameters,
    FileAccessLike,
    FlyteContext,
    FlyteContextManager,
    Mode,
    TaskIdentity,
)
from hardpoint.engine.attempts import TaskCancelled, TaskExit
from hardpoint.errors import FlyteAssertion, UserError
from hardpoint.idl import DynamicJobSpec, Literal, LiteralMap, literal_map
from hardpoint.secrets import REQUESTS
from hardpoint.storage import FileAccess
from hardpoint.storage.access import default_file_access
from hardpoint.tasks.dispatch import EXECUTING, IgnoreOutputs, dispatch
from hardpoint.tasks.python_function_task import ExecutionBehavior
from hardpoint.tasks.resolver import load_resolver
from hardpoint.tasks.serialization import (
    SERIALIZED_CONTEXT_VARIABLE,
    FastSerializationSettings,
    SerializationSettings,
)
from hardpoint.tasks.shim import ExecutableTemplateShimTask
from hardpoint.types.codec import fetched
from hardpoint.workflows.dynamic import compile_dynamic, job_spec
from hardpoint.workflows.values import resolve

__all__ = ["ERROR", "FUTURES", "OUTPUTS", "Call", "array_index", "identity", "run_task", "settings_of"]

OUTPUTS, FUTURES, ERROR = "outputs.pb", "futures.pb", "error.pb"

# By which names the control plane tells who is running; those with an underscore are older.
_EXECUTION = {
    "project": ("FLYTE_INTERNAL_EXECUTION_PROJECT", "_F_PRJ"),
    "domain": ("FLYTE_INTERNAL_EXECUTION_DOMAIN", "_F_DM"),
    "execution": ("FLYTE_INTERNAL_EXECUTION_ID", "_F_NM"),
    "task_name": ("FLYTE_INTERNAL_TASK_NAME", "_F_TK_NM"),
    "task_version": ("FLYTE_INTERNAL_TASK_VERSION", "_F_TK_V"),
}
_TASK_PROJECT = ("FLYTE_INTERNAL_TASK_PROJECT", "_F_TK_PRJ")
_TASK_DOMAIN = ("FLYTE_INTERNAL_TASK_DOMAIN", "_F_TK_DM")
_ATTEMPT = "FLYTE_ATTEMPT_NUMBER"
_ONE_OF_SEVERAL = ("FLYTE_INTERNAL_DIST_ERROR_STRATEGY", "_F_DES")
_WORKER = ("FLYTE_INTERNAL_WORKER_NAME", "_F_WN")
_INDEX_NAME, _INDEX, _OFFSET = (
    "BATCH_JOB_ARRAY_INDEX_VAR_NAME",
    "FLYTE_K8S_ARRAY_INDEX",
    "BATCH_JOB_ARRAY_INDEX_OFFSET",
)


@dataclass(frozen=True)
class Call:
    """What a container's command line says.

    Attributes:
        inputs: URI of the inputs.
        output_prefix: Below which the outcome is written.
        resolver: Location of the resolver that finds the task.
        loader_args: What it is given.
        raw_output_prefix: Below which the task's own data goes; None: into a temporary folder.
        checkpoint: Where this attempt keeps its checkpoint, if anywhere.
        previous_checkpoint: Where the one before did.
        code: URI of the code that was fetched, if it was; what a dynamic task starts fetches it as well.
        code_folder: Where it was unpacked.
    """

    inputs: str
    output_prefix: str
    resolver: str
    loader_args: tuple[str, ...] = ()
    raw_output_prefix: str | None = None
    checkpoint: str | None = None
    previous_checkpoint: str | None = None
    code: str | None = None
    code_folder: str | None = None


def identity(environment: Mapping[str, str]) -> TaskIdentity:
    """Which execution the environment says that this is."""
    found = {name: _first(environment, variables) for name, variables in _EXECUTION.items()}
    return TaskIdentity(
        **{name: value for name, value in found.items() if value},
        attempt=int(environment.get(_ATTEMPT) or 0),
    )


def array_index(environment: Mapping[str, str]) -> int:
    """Which element of a map task the environment says that this is.

    Raises:
        UserError: it does not say.
    """
    name = environment.get(_INDEX_NAME) or _INDEX
    try:
        return int(environment.get(_OFFSET) or 0) + int(environment[name])
    except (KeyError, ValueError) as error:
        raise UserError(
            f"The environment does not say which element of the map task this is: {name} is {environment.get(name)!r}.",
            remedy="Let the control plane start it, as a node of a workflow.",
        ) from error


def run_task(call: Call, *, mapped: bool = False, may_be_dynamic: bool = True) -> bool:
    """Run a task and write what came of it: ``outputs.pb``, ``futures.pb`` or ``error.pb``, and its deck.

    Args:
        call: What the command line says.
        mapped: Whether it is one element of a map task.
        may_be_dynamic: Whether whoever reads the outcome can run a workflow.

    Returns:
        Whether it has succeeded.

    Raises:
        Exception: the outcome could not be written.
    """
    params = ExecutionParameters(
        identity(os.environ),
        raw_output_prefix=call.raw_output_prefix or "",
        output_metadata_prefix=call.output_prefix,
        checkpoint_prefix=call.checkpoint,
        previous_checkpoint=call.previous_checkpoint,
    )
    files = FileAccess(call.raw_output_prefix) if call.raw_output_prefix else default_file_access()
    task: Any = None
    is_users = False
    with FlyteContextManager.use(mode=Mode.TASK_EXECUTION, params=params, files=files) as context:
        try:
            inputs = LiteralMap.FromString(_read(files, call.inputs))
            is_users = True
            task = load_resolver(call.resolver).load_task(list(call.loader_args))
            is_users = False
            outputs = _outputs(task, inputs, context, call, mapped, may_be_dynamic)
            name = FUTURES if isinstance(outputs, DynamicJobSpec) else OUTPUTS
            _write(files, f"{call.output_prefix}/{name}", outputs)
        except IgnoreOutputs:
            return True
        except (Exception, SystemExit, CancelledError) as error:
            told = error if isinstance(error, Exception) else _as_error(error, task)
            _tell(told, files, call.output_prefix, is_users or _is_users(told, task))
            return False
    return True


def _outputs(
    task: Any, inputs: LiteralMap, context: FlyteContext, call: Call, mapped: bool, may_be_dynamic: bool
) -> LiteralMap | DynamicJobSpec:
    """What the task makes of its inputs."""
    literals: Mapping[str, Literal] = inputs.literals
    if mapped:
        index = array_index(os.environ)
        # A list that was too large for its message is fetched: only one element of it is a value.
        lists = {
            name: fetched(literal) if literal.HasField("offloaded_metadata") else literal
            for name, literal in inputs.literals.items()
        }
        literals, task = task.element(lists, index), task.target
    requests = getattr(task, "secret_requests", ())
    context = context.new(params=context.params.with_attributes(**{REQUESTS: requests}))
    behavior = getattr(task, "execution_mode", ExecutionBehavior.DEFAULT)
    if behavior is ExecutionBehavior.EAGER:
        raise UserError(
            f"{task.name} is an eager task, which would have to start others on the control plane; that cannot be done yet.",
            remedy="Make it a @dynamic task or a @workflow.",
        )
    if behavior is ExecutionBehavior.DYNAMIC:
        if not may_be_dynamic:
            raise UserError(
                f"{task.name} is a dynamic task: only a control plane can run the nodes that it makes.",
                remedy="Make it a @task, or let the control plane run it.",
            )
        task = _Dynamic(task, settings_of(os.environ, call))
        context = context.new(mode=Mode.DYNAMIC_TASK_EXECUTION)
    made = dispatch(task, literals, ctx=context)
    if isinstance(made, DynamicJobSpec):
        return made
    outputs = made if isinstance(made, LiteralMap) else literal_map(made)
    types = {name: codec.literal_type for name, codec in task.interface.output_codecs.items()}
    return offloaded(outputs, types, call.output_prefix, context.file_access, os.environ)


class _Dynamic:
    """A dynamic task whose run gives the workflow that it makes of its inputs; the outputs, if that has no nodes."""

    def __init__(self, task: Any, settings: SerializationSettings) -> None:
        self._task, self._settings = task, settings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def execute(self, **values: Any) -> LiteralMap | DynamicJobSpec:
        graph = compile_dynamic(self._task, values)
        if graph.nodes:
            return job_spec(graph, self._settings)
        return literal_map({name: resolve(binding, _no_node) for name, binding in graph.outputs.items()})


def _no_node(node: str, output: str) -> Literal:
    raise FlyteAssertion(f"There is no node {node!r} with an output {output!r}.")


def settings_of(environment: Mapping[str, str], call: Call) -> SerializationSettings:
    """By which settings what a dynamic task starts is serialized: those under which it was itself, and the same code."""
    packed = environment.get(SERIALIZED_CONTEXT_VARIABLE)
    if packed is None:
        raise UserError(
            f"The environment does not say how what the task starts is serialized: {SERIALIZED_CONTEXT_VARIABLE} is missing.",
            remedy="Register the task again with this release, which sets it.",
        )
    settings = SerializationSettings.from_transport(packed)
    execution = identity(environment)
    fast = settings.fast_serialization_settings
    if call.code is not None:
        fast = FastSerializationSettings(True, call.code_folder, call.code)
    return replace(
        settings,
        project=_first(environment, _TASK_PROJECT) or settings.project or execution.project,
        domain=_first(environment, _TASK_DOMAIN) or settings.domain or execution.domain,
        version=execution.task_version or settings.version,
        fast_serialization_settings=fast,
    )


def _as_error(ending: BaseException, task: Any) -> Exception:
    """What the task's code did to end the process, as an error."""
    name = getattr(task, "name", "The task's module")
    made = TaskExit(name, ending.code) if isinstance(ending, SystemExit) else TaskCancelled(name)
    made.__cause__ = ending
    return made


def _is_users(error: Exception, task: Any) -> bool:
    """Whether an error came from the task's own code. What an executor of ours does not foresee is nobody's but ours."""
    if isinstance(error, TaskExit | TaskCancelled):
        return True
    if isinstance(task, ExecutableTemplateShimTask):
        return False
    return any(note.startswith(EXECUTING) for note in getattr(error, "__notes__", ()))


def _tell(error: Exception, files: FileAccessLike, prefix: str, is_users: bool) -> None:
    """Write the error down, and to the container's log."""
    one_of_several = _first(os.environ, _ONE_OF_SEVERAL)
    name = f"error-{uuid4().hex}.pb" if one_of_several else ERROR
    document = error_document(error, is_users=is_users, worker=_first(os.environ, _WORKER) or "")
    sys.stderr.write(document.error.message)
    _write(files, f"{prefix}/{name}", document)


def _first(environment: Mapping[str, str], variables: Iterable[str]) -> str | None:
    """The first of the variables that is set to something."""
    return next((environment[name] for name in variables if environment.get(name)), None)


def _read(files: FileAccessLike, uri: str) -> bytes:
    with files.open(uri, "rb") as stream:
        data: bytes = stream.read()
        return data


def _write(files: FileAccessLike, uri: str, message: Message) -> None:
    with files.open(uri, "wb") as stream:
        stream.write(message.SerializeToString())
