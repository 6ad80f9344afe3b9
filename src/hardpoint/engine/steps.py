"""Runs one node of a graph, whatever it is: a task, a workflow, a choice, a map, a gate, a launch plan."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from hardpoint.context import FlyteContextManager, Mode
from hardpoint.engine.attempts import Attempt, Policy, TaskExit, in_thread, limited, run_in_thread, run_on_loop
from hardpoint.engine.events import NodeEvent
from hardpoint.engine.failure import Failure, explain
from hardpoint.engine.gates import pass_gate
from hardpoint.engine.maps import run_map
from hardpoint.engine.run import Run, clock
from hardpoint.engine.scheduler import Values, Work, run_graph
from hardpoint.errors import FlyteAssertion
from hardpoint.idl import Literal
from hardpoint.secrets import redact_uri
from hardpoint.tasks import conversion
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.python_function_task import ExecutionBehavior
from hardpoint.types import TypeEngine
from hardpoint.workflows.dynamic import compile_dynamic
from hardpoint.workflows.gate import Gate
from hardpoint.workflows.graph import Branch, Graph, Node
from hardpoint.workflows.launch_plan import LaunchPlan
from hardpoint.workflows.map_task import ArrayNode, MapTask
from hardpoint.workflows.reference import ReferenceEntity
from hardpoint.workflows.values import evaluate, resolve
from hardpoint.workflows.workflow import WorkflowBase, WorkflowFailurePolicy, sub_workflows

if TYPE_CHECKING:
    from hardpoint.workflows.graph import NodeMetadata

__all__ = ["call_plan", "plan", "run_entity", "run_node", "run_workflow"]

Outputs = Mapping[str, Literal]
_DEEPEST = 100
"""Workflows within workflows."""


def plan(run: Run, node: Node, values: Values, prefix: str) -> Work | Coroutine[Any, Any, Outputs]:
    """How a node of a graph is run: a plain task as work for a thread, all else on the loop."""
    entity = node.entity
    if _is_plain(entity):
        policy = Policy.of(entity, node.metadata)
        if in_thread(entity, policy) and not entity.waits:
            return lambda: run_in_thread(run, prefix + node.id, entity, _inputs(node, values), policy)
    return run_node(run, node, values, prefix)


def call_plan(run: Run, entity: Any, inputs: Outputs) -> Work | Coroutine[Any, Any, Outputs]:
    """How something that is called by itself is run: in the caller's thread if it needs no loop."""
    if _is_plain(entity):
        policy = Policy.of(entity)
        if in_thread(entity, policy):
            return lambda: run_in_thread(run, "n0", entity, inputs, policy)
    return run_entity(run, "n0", entity, inputs)


def _is_plain(entity: Any) -> bool:
    """Whether it is a task that does its work itself."""
    if not isinstance(entity, PythonTask) or isinstance(entity, MapTask):
        return False
    return getattr(entity, "execution_mode", None) is not ExecutionBehavior.DYNAMIC


def _inputs(node: Node, values: Values) -> dict[str, Literal]:
    return {name: resolve(binding, values) for name, binding in node.bindings.items()}


async def run_node(run: Run, node: Node, values: Values, prefix: str) -> Outputs:
    """Run a node of a graph on the values of the nodes before it."""
    inputs = _inputs(node, values)
    path = prefix + node.id
    entity = node.entity
    if isinstance(entity, Branch):
        return await _recorded(run, path, entity.name, inputs, lambda: _run_branch(run, entity, inputs, values, prefix))
    return await run_entity(run, path, entity, inputs, node.metadata, node.sub_metadata)


async def run_entity(
    run: Run,
    path: str,
    entity: Any,
    inputs: Outputs,
    metadata: NodeMetadata | None = None,
    sub: NodeMetadata | None = None,
) -> Outputs:
    """Run a task, a map, a workflow or a launch plan, and record it under `path`.

    Args:
        run: The run.
        path: Where in the run it is.
        entity: What to run.
        inputs: Its inputs.
        metadata: How its node says that it is run.
        sub: How the node of a map says that its elements are run.
    """
    if isinstance(entity, Gate):
        return await _recorded(run, path, entity.name, inputs, lambda: pass_gate(run, path, entity, inputs))
    if isinstance(entity, MapTask | ArrayNode):
        return await _recorded(
            run,
            path,
            entity.name,
            inputs,
            lambda: run_map(run, path, entity, inputs, run_entity, _element(entity, sub)),
        )
    if _is_plain(entity):
        policy = Policy.of(entity, metadata)
        if in_thread(entity, policy):
            made: Outputs = await run.workers_for(entity).run(lambda: run_in_thread(run, path, entity, inputs, policy))
            return made
        return await run_on_loop(run, path, entity, inputs, policy)
    if isinstance(entity, PythonTask):
        policy = Policy.of(entity, metadata)
        return await run_on_loop(
            run, path, entity, inputs, policy, lambda attempt: _run_dynamic(run, path, entity, inputs, attempt)
        )
    if isinstance(entity, LaunchPlan | WorkflowBase):
        workflow = entity.workflow if isinstance(entity, LaunchPlan) else entity
        complete = {**_launch_inputs(entity), **inputs} if isinstance(entity, LaunchPlan) else inputs
        limit = metadata.timeout.total_seconds() if metadata is not None and metadata.timeout else None
        return await _recorded(
            run,
            path,
            entity.name,
            inputs,
            lambda: limited(entity.name, limit, run_workflow(run, workflow, complete, f"{path}/")),
        )
    if isinstance(entity, ReferenceEntity):
        return await _recorded(
            run, path, entity.name, inputs, lambda: run.workers.run(lambda: _stand_in(entity, inputs))
        )
    raise FlyteAssertion(
        f"{entity!r} cannot run on this machine: it refers to something that is registered on a cluster.",
        remedy="Run it remotely, or put a task of your own in its place for local runs.",
    )


def _stand_in(entity: ReferenceEntity, inputs: Outputs) -> dict[str, Literal]:
    """What the stand-in of a reference gives."""
    interface = entity.python_interface
    made = entity.execute(**conversion.decode(entity.name, interface.input_codecs, inputs))
    return conversion.encode_outputs(entity.name, interface, made)


async def run_workflow(run: Run, workflow: WorkflowBase, inputs: Outputs, prefix: str = "") -> dict[str, Literal]:
    """Run a workflow to its end; when it fails, its handler too.

    Raises:
        FlyteValidationException: it contains itself.
    """
    graph = workflow.compile()
    if not prefix:
        sub_workflows(graph, (workflow.name,))
    if prefix.count("/") >= _DEEPEST:
        raise FlyteAssertion(
            f"{workflow.name} runs within {_DEEPEST} other workflows.",
            remedy="Something calls itself, by way of a launch plan or a @dynamic, and never stops.",
        )
    keep_going = workflow.failure_policy is WorkflowFailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE
    try:
        return await run_graph(run, graph, inputs, plan, prefix, keep_going=keep_going)
    except Exception as error:
        if graph.failure_node is not None:
            await _handle_failure(run, graph.failure_node, inputs, error, prefix)
        raise


async def _handle_failure(run: Run, node: Node, inputs: Outputs, error: Exception, prefix: str) -> None:
    """Run a workflow's failure handler. That it fails itself is noted on the error that it was to handle."""
    run.forget(prefix + node.id)  # another failure, even if it looks like that of the run that is resumed
    values = {name: resolve(binding, Values(inputs)) for name, binding in node.bindings.items()}
    from hardpoint.types.error import FlyteError

    failure = Failure.of(error)
    told = FlyteError(message=redact_uri(str(error)), failed_node_id=failure.path if failure else node.id)
    for name, t in node.entity.python_interface.inputs.items():
        if name not in inputs and TypeEngine.codec(t).accepts(told):
            values[name] = TypeEngine.codec(t).encode(told)
    try:
        await run_entity(run, prefix + node.id, node.entity, values, node.metadata)
    except Exception as second:
        error.add_note(f"The failure handler {node.entity.name} failed as well: {second}")


async def _recorded(run: Run, path: str, name: str, inputs: Outputs, body: Callable[[], Awaitable[Outputs]]) -> Outputs:
    """Run something that is made of nodes itself, and record it as one."""
    recalled = run.recall(path, name, inputs)
    if recalled is not None:
        run.tell(NodeEvent(path, name, "succeeded", cached=True, message="kept from the run that is resumed"))
        return recalled
    run.node_started(path, name, 0, inputs)
    run.tell(NodeEvent(path, name, "running"))
    began = clock()
    try:
        outputs = await body()
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        Failure.attach(error, path, name, inputs, 0)
        run.node_failed(path, explain(error))
        run.tell(NodeEvent(path, name, "failed", seconds=clock() - began, message=str(error)))
        raise
    run.node_succeeded(path, outputs)
    run.tell(NodeEvent(path, name, "succeeded", seconds=clock() - began))
    return outputs


async def _run_branch(run: Run, branch: Branch, inputs: Outputs, values: Values, prefix: str) -> Outputs:
    for condition, node in branch.cases:
        if evaluate(condition, inputs):
            chosen = node
            break
    else:
        if branch.otherwise is None:
            raise FlyteAssertion(branch.error or f"No case of the conditional {branch.name!r} holds.")
        chosen = branch.otherwise
    outputs = await run_node(run, chosen, values, prefix)
    return {name: outputs[name] for name in branch.outputs}


async def _run_dynamic(run: Run, path: str, task: Any, inputs: Outputs, attempt: Attempt) -> Outputs:
    """Compile a dynamic task's body on its real inputs, in a thread as other user code, and run what comes out."""
    context = run.context(path, task, attempt.number, attempt.prefix).new(mode=Mode.LOCAL_DYNAMIC_TASK_EXECUTION)

    def compile_it() -> Graph:
        with FlyteContextManager.use(context):
            try:
                return compile_dynamic(task, task.decode_inputs(inputs))
            except SystemExit as error:
                raise TaskExit(task.name, error.code) from error
            finally:
                run.collect(path, task.name, context.params.decks)

    graph = await run.workers.run(compile_it)
    return await run_graph(run, graph, {}, plan, f"{path}/")


def _element(entity: MapTask | ArrayNode, sub: NodeMetadata | None) -> Policy | None:
    return Policy.of(entity.target, sub) if isinstance(entity.target, PythonTask) else None


def _launch_inputs(plan: LaunchPlan) -> dict[str, Literal]:
    """What a launch plan supplies by itself: its defaults and its fixed inputs."""
    literals = {name: p.default for name, p in plan.parameters().parameters.items() if p.HasField("default")}
    return {**literals, **plan.fixed_literals()}
