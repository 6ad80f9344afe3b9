"""Tasks that run Python in a container: `PythonFunctionTask` for a function, `PythonInstanceTask` for an object."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, TypeVar

from hardpoint import idl
from hardpoint.context import FlyteContextManager
from hardpoint.errors import FlyteValidationException
from hardpoint.tasks.base import PythonTask
from hardpoint.tasks.class_decorator import decorators_of, is_async_function
from hardpoint.tasks.command import execute_command, fast_prefix
from hardpoint.tasks.interface import Interface, interface_of
from hardpoint.tasks.naming import function_name, refuse_nested
from hardpoint.tasks.resolver import TaskResolverMixin, default_task_resolver, resolver_for
from hardpoint.tasks.resources import (
    Resources,
    ResourceSpec,
    construct_extended_resources,
    fill_resources,
    resource_spec,
)
from hardpoint.tasks.secret import Secret, security_context

if TYPE_CHECKING:
    from hardpoint.idl import Container, ExtendedResources, K8sPod
    from hardpoint.tasks.accelerators import BaseAccelerator
    from hardpoint.tasks.image_spec import ImageSpec
    from hardpoint.tasks.pod import PodTemplate
    from hardpoint.tasks.serialization import SerializationSettings

__all__ = [
    "AsyncPythonFunctionTask",
    "ExecutionBehavior",
    "PythonAutoContainerTask",
    "PythonFunctionTask",
    "PythonInstanceTask",
    "fill_container",
]

T = TypeVar("T")


def fill_container(
    message: Container,
    image: str,
    environment: Mapping[str, str],
    resources: ResourceSpec,
    settings: SerializationSettings,
) -> Container:
    """Write what all containers have: image, environment (the task's after the settings') and resources."""
    message.image = image
    for name, value in {**(settings.env or {}), **environment}.items():
        message.env.add(key=name, value=value)
    fill_resources(resources or settings.default_resources or resources, message.resources)
    return message


class PythonAutoContainerTask(PythonTask[T]):
    """A task whose container starts this package, which finds the task again and runs it.

    Args:
        name: Its name.
        task_config: What configures this kind of task.
        task_type: By which the backend chooses who runs it.
        container_image: An image reference, perhaps with ``{{.image.<name>}}`` in it, or an `ImageSpec`. Default: the
            settings' image.
        requests: What the task is guaranteed.
        limits: What it may use at most.
        environment: Environment variables of the container.
        task_resolver: How the container finds the task.
        secret_requests: Secrets that it wants.
        pod_template: The pod in which it runs.
        pod_template_name: A pod template of the cluster.
        accelerator: A kind of accelerator.
        shared_memory: True for a memory-backed ``/dev/shm``, or its size limit.
        resources: Requests and limits at once: pairs, or single amounts for both.
        kwargs: As for `PythonTask`.
    """

    def __init__(
        self,
        name: str,
        task_config: T | None,
        task_type: str = "python-task",
        container_image: str | ImageSpec | None = None,
        requests: Resources | None = None,
        limits: Resources | None = None,
        environment: Mapping[str, str] | None = None,
        task_resolver: TaskResolverMixin | None = None,
        secret_requests: Iterable[Secret] | None = None,
        pod_template: PodTemplate | None = None,
        pod_template_name: str | None = None,
        accelerator: BaseAccelerator | None = None,
        shared_memory: bool | str | None = None,
        resources: Resources | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("security_ctx", security_context(secret_requests))
        super().__init__(task_type=task_type, name=name, task_config=task_config, environment=environment, **kwargs)
        self.container_image = container_image
        self.resources = resource_spec(requests, limits, resources)
        self.secret_requests = list(secret_requests or ())
        self.pod_template = pod_template
        self.accelerator = accelerator
        self.shared_memory = shared_memory
        if pod_template_name is not None:
            self.metadata = replace(self.metadata, pod_template_name=pod_template_name)
        self._command_fn: Callable[[SerializationSettings], list[str]] = self.get_default_command
        # A task that is made while a workflow is built belongs to the workflow, which alone can make it again.
        compilation = FlyteContextManager.current_context().compilation
        owner = getattr(compilation, "task_resolver", None)
        self._task_resolver: TaskResolverMixin = owner or task_resolver or default_task_resolver
        if owner is not None:
            owner.add(self)
        self.name = self._task_resolver.task_name(self) or self.name

    @property
    def task_resolver(self) -> TaskResolverMixin:
        """How the container finds the task."""
        return self._task_resolver

    def set_resolver(self, resolver: TaskResolverMixin) -> None:
        """Let another resolver find the task."""
        self._task_resolver = resolver

    def get_default_command(self, settings: SerializationSettings) -> list[str]:
        """The command that finds and runs the task."""
        resolver = self.task_resolver
        return execute_command(resolver.location, resolver.loader_args(settings, self))

    def set_command_fn(self, get_command_fn: Callable[[SerializationSettings], list[str]]) -> None:
        """Let the container run another command."""
        self._command_fn = get_command_fn

    def reset_command_fn(self) -> None:
        """Let the container run the default command again."""
        self._command_fn = self.get_default_command

    def get_command(self, settings: SerializationSettings) -> list[str]:
        """The command that the container runs."""
        return self._command_fn(settings)

    def get_image(self, settings: SerializationSettings) -> str:
        """The reference of the container's image."""
        from hardpoint.tasks.image import image_for

        return image_for(self.container_image, settings)

    def get_environment(self, settings: SerializationSettings) -> dict[str, str]:
        """The task's own environment variables; those of the settings come before."""
        image = self.container_image
        if image is None or isinstance(image, str) or not image.runtime_packages:
            return self.environment
        from hardpoint.tasks.image import RUNTIME_PACKAGES_VARIABLE

        return {**self.environment, RUNTIME_PACKAGES_VARIABLE: " ".join(image.runtime_packages)}

    def get_container(self, settings: SerializationSettings) -> Container | None:
        if self.pod_template is not None:
            return None
        container = idl.Container(args=[*fast_prefix(settings), *self.get_command(settings)])
        return fill_container(
            container, self.get_image(settings), self.get_environment(settings), self.resources, settings
        )

    def get_k8s_pod(self, settings: SerializationSettings) -> K8sPod | None:
        if self.pod_template is None:
            return None
        from hardpoint.tasks.image import resolve_image
        from hardpoint.tasks.pod import PrimaryContainer, build_pod

        primary = PrimaryContainer(
            image=self.get_image(settings),
            command=(),
            args=[*fast_prefix(settings), *self.get_command(settings)],
            env={**(settings.env or {}), **self.get_environment(settings)},
            resources=self.resources or settings.default_resources or self.resources,
        )
        return build_pod(self.pod_template, primary, lambda image: resolve_image(image, settings.image_config))

    def get_config(self, settings: SerializationSettings) -> dict[str, str]:
        return {} if self.pod_template is None else self.pod_template.config()

    def get_extended_resources(self, settings: SerializationSettings) -> ExtendedResources | None:
        return construct_extended_resources(accelerator=self.accelerator, shared_memory=self.shared_memory)


class PythonInstanceTask(PythonAutoContainerTask[T]):
    """A task that is an object: subclasses write `execute`, users assign instances to variables of a module.

    Args:
        name: Its name.
        task_config: What configures this kind of task.
        task_type: By which the backend chooses who runs it.
        task_resolver: How the container finds the task; default: by its variable.
        kwargs: As for `PythonAutoContainerTask`.
    """

    def __init__(
        self,
        name: str,
        task_config: T | None,
        task_type: str = "python-task",
        task_resolver: TaskResolverMixin | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, task_config=task_config, task_type=task_type, task_resolver=task_resolver, **kwargs)


class PythonFunctionTask(PythonAutoContainerTask[T]):
    """A task that is a function; `@task` makes them.

    Args:
        task_config: What configures this kind of task.
        task_function: The function.
        task_type: By which the backend chooses who runs it.
        ignore_input_vars: Arguments that are not inputs, since `execute` gives them.
        execution_mode: What calling the function does.
        task_resolver: How the container finds the task.
        node_dependency_hints: What a dynamic workflow may start, so that it can be registered before.
        pickle_untyped: Let what has no annotation travel as pickles.
        kwargs: As for `PythonAutoContainerTask`.

    Raises:
        FlyteValidationException: a container could not find the function, or its signature cannot be an interface.
    """

    class ExecutionBehavior(enum.Enum):
        """What calling the function does."""

        DEFAULT = 1
        """It does the work."""
        DYNAMIC = 2
        """It builds a workflow from the values of the inputs, which then runs."""
        EAGER = 3
        """It is a coroutine that starts tasks and waits for them."""

    def __init__(
        self,
        task_config: T | None,
        task_function: Callable[..., Any],
        task_type: str = "python-task",
        ignore_input_vars: Sequence[str] | None = None,
        execution_mode: ExecutionBehavior = ExecutionBehavior.DEFAULT,
        task_resolver: TaskResolverMixin | None = None,
        node_dependency_hints: Iterable[Any] | None = None,
        pickle_untyped: bool = False,
        **kwargs: Any,
    ) -> None:
        if node_dependency_hints is not None and execution_mode is not ExecutionBehavior.DYNAMIC:
            raise FlyteValidationException(
                "node_dependency_hints should only be used on dynamic tasks. On static tasks and workflows, "
                "the dependencies are known already."
            )
        resolver = task_resolver or resolver_for(task_function)
        in_workflow = getattr(FlyteContextManager.current_context().compilation, "task_resolver", None) is not None
        if resolver is default_task_resolver and not in_workflow:
            refuse_nested(task_function)
        interface: Interface = interface_of(task_function, pickle_untyped)
        super().__init__(
            name=".".join(function_name(task_function)),
            task_config=task_config,
            task_type=task_type,
            interface=interface.remove_inputs(ignore_input_vars) if ignore_input_vars else interface,
            task_resolver=resolver,
            **kwargs,
        )
        self._task_function = task_function
        self.execution_mode = execution_mode
        self.node_dependency_hints = list(node_dependency_hints or ())
        self.is_async = is_async_function(task_function)
        update_wrapper(self, task_function, updated=())

    @property
    def task_function(self) -> Callable[..., Any]:
        """The function."""
        return self._task_function

    def execute(self, **kwargs: Any) -> Any:
        """Call the function."""
        return self._task_function(**kwargs)

    def get_environment(self, settings: SerializationSettings) -> dict[str, str]:
        if self.execution_mode is ExecutionBehavior.DEFAULT:
            return super().get_environment(settings)
        from hardpoint.tasks.serialization import SERIALIZED_CONTEXT_VARIABLE

        # What such a task starts is serialized in its container, by the settings under which it was itself.
        return {SERIALIZED_CONTEXT_VARIABLE: settings.serialized_context, **super().get_environment(settings)}

    def get_config(self, settings: SerializationSettings) -> dict[str, str]:
        config = super().get_config(settings)
        for decorator in decorators_of(self._task_function):
            config.update(decorator.get_extra_config())
        return config


ExecutionBehavior = PythonFunctionTask.ExecutionBehavior


class AsyncPythonFunctionTask(PythonFunctionTask[T]):
    """A task that is a coroutine function: calling it gives an awaitable."""
