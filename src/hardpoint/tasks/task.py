"""`@task`: makes a task of a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, overload

from hardpoint.errors import FlyteAssertion, FlyteValidationException
from hardpoint.tasks.class_decorator import is_async_function
from hardpoint.tasks.metadata import Cache, Documentation, TaskMetadata, VersionParameters
from hardpoint.tasks.plugins import TaskPlugins
from hardpoint.tasks.python_function_task import AsyncPythonFunctionTask, ExecutionBehavior, PythonFunctionTask

if TYPE_CHECKING:
    from hardpoint.deck import DeckField
    from hardpoint.tasks.accelerators import BaseAccelerator
    from hardpoint.tasks.image_spec import ImageSpec
    from hardpoint.tasks.pod import PodTemplate
    from hardpoint.tasks.resolver import TaskResolverMixin
    from hardpoint.tasks.resources import Resources
    from hardpoint.tasks.secret import Secret

__all__ = ["task"]

T = TypeVar("T")
F = Callable[..., Any]

_DEPRECATED = ("cache_serialize", "cache_version", "cache_ignore_input_vars")


@overload
def task(_task_function: F) -> PythonFunctionTask[None]: ...
@overload
def task(
    _task_function: None = None, *, task_config: None = None, **options: Any
) -> Callable[[F], PythonFunctionTask[None]]: ...
@overload
def task(_task_function: None = None, *, task_config: T, **options: Any) -> Callable[[F], PythonFunctionTask[T]]: ...
def task(
    _task_function: F | None = None,
    task_config: Any = None,
    cache: bool | Cache = False,
    retries: int = 0,
    interruptible: bool | None = None,
    deprecated: str = "",
    timeout: timedelta | int = 0,
    container_image: str | ImageSpec | None = None,
    environment: Mapping[str, str] | None = None,
    requests: Resources | None = None,
    limits: Resources | None = None,
    secret_requests: Iterable[Secret] | None = None,
    execution_mode: ExecutionBehavior = ExecutionBehavior.DEFAULT,
    node_dependency_hints: Iterable[Any] | None = None,
    task_resolver: TaskResolverMixin | None = None,
    docs: Documentation | None = None,
    disable_deck: bool | None = None,
    enable_deck: bool | None = None,
    deck_fields: Sequence[DeckField | str] | None = None,
    pod_template: PodTemplate | None = None,
    pod_template_name: str | None = None,
    accelerator: BaseAccelerator | None = None,
    pickle_untyped: bool = False,
    shared_memory: bool | str | None = None,
    resources: Resources | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> PythonFunctionTask[Any] | Callable[[F], PythonFunctionTask[Any]]:
    """The function as a task, which can be called, put in workflows and registered.

    Args:
        task_config: Chooses and configures another kind of task, for example one that runs on Spark.
        cache: Whether and how results are kept and found again.
        retries: Further attempts after a recoverable failure.
        interruptible: Whether it may run on machines that can be taken away; None leaves it to the workflow.
        deprecated: Why the task should not be used any more, if so.
        timeout: Longest run time of one attempt: seconds or a timedelta; 0: no limit.
        container_image: An image reference, perhaps with ``{{.image.<name>}}`` in it, or an `ImageSpec`.
        environment: Environment variables of the container.
        requests: What the task is guaranteed.
        limits: What it may use at most.
        secret_requests: Secrets that it wants.
        execution_mode: What calling the function does; `@dynamic` and `@eager` set it.
        node_dependency_hints: What a dynamic workflow may start.
        task_resolver: How the container finds the task.
        docs: What the console shows; gaps are filled from the docstring.
        disable_deck: Deprecated; the opposite of `enable_deck`.
        enable_deck: Whether a run leaves decks. Without it, none.
        deck_fields: Which decks are made without the task's doing; default: all.
        pod_template: The pod in which it runs.
        pod_template_name: A pod template of the cluster.
        accelerator: A kind of accelerator.
        pickle_untyped: Let what has no annotation travel as pickles.
        shared_memory: True for a memory-backed ``/dev/shm``, or its size limit.
        resources: Requests and limits at once: pairs, or single amounts for both.
        labels: Labels of the Kubernetes object.
        annotations: Annotations of the Kubernetes object.
        kwargs: The deprecated ``cache_serialize``, ``cache_version`` and ``cache_ignore_input_vars``.

    Raises:
        FlyteValidationException: the arguments, or the function's signature, do not make a task.
    """
    unknown = {name: value for name, value in kwargs.items() if name not in _DEPRECATED}
    if unknown:
        raise FlyteValidationException(f"Unrecognized argument(s) for task: {unknown.keys()}")

    def make(fn: F) -> PythonFunctionTask[Any]:
        metadata = TaskMetadata(
            **_cache_fields(cache, kwargs, VersionParameters(fn, container_image, pod_template, pod_template_name)),
            retries=retries,
            interruptible=interruptible,
            deprecated=deprecated,
            timeout=timeout,
            pod_template_name=pod_template_name,
            is_eager=execution_mode is ExecutionBehavior.EAGER,
            labels=labels,
            annotations=annotations,
        )
        return _plugin(task_config, fn)(
            task_config,
            fn,
            metadata=metadata,
            container_image=container_image,
            environment=environment,
            requests=requests,
            limits=limits,
            secret_requests=secret_requests,
            execution_mode=execution_mode,
            node_dependency_hints=node_dependency_hints,
            task_resolver=task_resolver,
            docs=docs,
            disable_deck=disable_deck,
            enable_deck=enable_deck,
            deck_fields=deck_fields,
            pod_template=pod_template,
            pod_template_name=pod_template_name,
            accelerator=accelerator,
            pickle_untyped=pickle_untyped,
            shared_memory=shared_memory,
            resources=resources,
        )

    return make if _task_function is None else make(_task_function)


def _plugin(task_config: Any, fn: F) -> type[PythonFunctionTask[Any]]:
    default = AsyncPythonFunctionTask if is_async_function(fn) else PythonFunctionTask
    if task_config is None:
        return default
    plugin = TaskPlugins.find_pythontask_plugin(type(task_config))
    if plugin is PythonFunctionTask:
        return default
    if is_async_function(fn) and not issubclass(plugin, AsyncPythonFunctionTask):
        raise FlyteAssertion(
            f"{plugin.__name__} runs plain functions only, but {fn.__name__} is async.", remedy="Declare it with def."
        )
    return plugin


def _cache_fields(
    cache: bool | Cache, deprecated: Mapping[str, Any], params: VersionParameters[Any, Any]
) -> dict[str, Any]:
    """What `cache` and the older arguments mean for the metadata."""
    given = {name: value for name, value in deprecated.items() if value}
    if isinstance(cache, Cache):
        if given:
            raise FlyteValidationException(
                "cache_serialize, cache_version, and cache_ignore_input_vars are deprecated and cannot be used "
                f"together with a Cache object, but {', '.join(given)} is given."
            )
    elif not cache or given.get("cache_version"):
        return {"cache": cache, **given}
    else:
        cache = Cache(
            serialize=given.get("cache_serialize", False), ignored_inputs=given.get("cache_ignore_input_vars", ())
        )
    return {
        "cache": True,
        "cache_serialize": cache.serialize,
        "cache_version": cache.get_version(params),
        "cache_ignore_input_vars": cache.get_ignored_inputs(),
    }
