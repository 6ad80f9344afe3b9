"""`@dynamic`: a task whose body is a workflow, compiled from the values of its inputs when it runs."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hardpoint import idl
from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteValidationException
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.python_function_task import ExecutionBehavior, PythonFunctionTask
from hardpoint.tasks.task import task
from hardpoint.workflows.compilation import Compilation, bind_outputs
from hardpoint.workflows.graph import Graph
from hardpoint.workflows.reference import ReferenceTask
from hardpoint.workflows.workflow import sub_workflows

if TYPE_CHECKING:
    from hardpoint.idl import DynamicJobSpec
    from hardpoint.tasks.serialization import SerializationSettings

__all__ = ["compile_dynamic", "dynamic", "job_spec", "tasks_of"]

dynamic = functools.partial(task, execution_mode=ExecutionBehavior.DYNAMIC)
"""Like `@task`, but calls in the body become nodes of a workflow, which runs when the body has ended.

Inputs are plain values, so that the body may loop over them and decide by them.
"""


def compile_dynamic(task: PythonFunctionTask[Any], inputs: Mapping[str, Any]) -> Graph:
    """The graph that the body of a dynamic task makes for these values.

    Raises:
        FlyteValidationException: what the body returns does not fit the declared outputs.
    """
    compilation = Compilation(task.name, prefix="d")
    with FlyteContextManager.use(compilation=compilation):
        result = task.task_function(**inputs)
        outputs = bind_outputs(task.name, task.python_interface, result, compilation)
    return compilation.finish(outputs)


def job_spec(graph: Graph, settings: SerializationSettings) -> DynamicJobSpec:
    """What a dynamic task hands to the control plane, to be run in its place.

    Raises:
        FlyteValidationException: a reference task is called; its template is not here (also a ValueError).
    """
    message = idl.DynamicJobSpec(min_successes=len(graph.nodes))
    for node in graph.walk():
        if isinstance(node.entity, ReferenceTask):
            raise ReferenceInDynamic(
                f"{node.entity!r} cannot be called in a dynamic task: its template is not here.",
                remedy="Call a reference launch plan, or make the call in a @workflow.",
            )
    message.nodes.extend(node.proto(settings) for node in graph.nodes)
    message.tasks.extend(task.template(settings) for task in tasks_of(graph))
    message.subworkflows.extend(workflow.template(settings) for workflow in sub_workflows(graph))
    for name, binding in graph.outputs.items():
        message.outputs.add(var=name).binding.CopyFrom(binding)
    return message


def tasks_of(graph: Graph) -> list[PythonTask[Any]]:
    """All tasks that a graph calls, also within branches and sub-workflows; each name once, in the order of the nodes.

    Raises:
        FlyteValidationException: two tasks have one name.
    """
    found: dict[str, PythonTask[Any]] = {}
    for part in (graph, *(workflow.compile() for workflow in sub_workflows(graph))):
        for node in part.walk():
            if not isinstance(node.entity, PythonTask):
                continue
            known = found.setdefault(node.entity.name, node.entity)
            if known is not node.entity and type(known) is not type(node.entity):
                raise FlyteValidationException(
                    f"Two tasks are named {known.name!r}: {known!r} and {node.entity!r}.", remedy="Rename one of them."
                )
    return list(found.values())


class ReferenceInDynamic(FlyteValidationException, ValueError):
    """A reference where its template is needed."""
