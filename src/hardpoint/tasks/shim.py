"""Shim tasks: all that their run needs is in the template, and an executor class in the image does the work.

The user's module need not be in the image. In a container the resolver reads the template and makes an
`ExecutableTemplateShimTask` of it; locally the task makes the template itself and runs the same executor.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from flyteidl.core.tasks_pb2 import Container

from hardpoint.context import ExecutionParameters, FlyteContextManager
from hardpoint.errors import UserError
from hardpoint.idl import Literal, TaskTemplate
from hardpoint.tasks import conversion
from hardpoint.tasks.base import DEFAULT_DECK_FIELDS, PythonTask
from hardpoint.tasks.command import TASK_TEMPLATE_PATH, shim_command
from hardpoint.tasks.image import Image, ImageConfig, image_for
from hardpoint.tasks.interface import Interface
from hardpoint.tasks.naming import module_name
from hardpoint.tasks.python_function_task import fill_container
from hardpoint.tasks.resolver import TaskResolverMixin, load_object
from hardpoint.tasks.resources import Resources, resource_spec
from hardpoint.tasks.secret import Secret, security_context
from hardpoint.tasks.serialization import SerializationSettings

if TYPE_CHECKING:
    from hardpoint.tasks.image_spec import ImageSpec

__all__ = [
    "LOCAL_SETTINGS",
    "ExecutableTemplateShimTask",
    "PythonCustomizedContainerTask",
    "ShimTaskExecutor",
    "TaskTemplateResolver",
    "default_task_template_resolver",
]

T = TypeVar("T")

LOCAL_SETTINGS = SerializationSettings(
    image_config=ImageConfig(Image("custom_container_task", "flyteorg.io/placeholder", "image")),
    project="PLACEHOLDER_PROJECT",
    domain="LOCAL",
    version="PLACEHOLDER_VERSION",
    env={},
)
"""The settings under which a shim task makes its template for a local run."""


OUTPUT_ORDER_KEY = "hardpoint_output_order"
"""The key of a template's `config` that tells in which order an executor returns its outputs.

The template's interface is a map, and maps have no order on the wire. It is left out where the order is the natural one.
"""


def _natural_order(names: Iterable[str]) -> list[str]:
    """``o2`` before ``o10``, and else by the alphabet."""
    return sorted(names, key=lambda name: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name)])


class ShimTaskExecutor(Generic[T]):
    """Does the work of one kind of shim task. It is made without arguments, when the task runs."""

    def execute_from_model(self, tt: TaskTemplate, **kwargs: Any) -> Any:
        """Do the work.

        Args:
            tt: The template; what configures the work is in ``tt.custom``.
            kwargs: The inputs.
        """
        raise NotImplementedError(f"{type(self).__name__} has no execute_from_model method.")


class ExecutableTemplateShimTask:
    """A task that was made from a template alone: its types are guessed from the template's interface.

    Args:
        tt: The template.
        executor_type: The class that does the work.
    """

    is_async = False
    task_function = None

    def __init__(self, tt: TaskTemplate, executor_type: type[ShimTaskExecutor[Any]]) -> None:
        from hardpoint.types.engine import TypeEngine

        self._task_template = tt
        self.executor_type = executor_type
        outputs = TypeEngine.guess_python_types(tt.interface.outputs.variables)
        named = tt.config.get(OUTPUT_ORDER_KEY)
        order = named.split(",") if named else _natural_order(outputs)
        self.interface = Interface(
            TypeEngine.guess_python_types(tt.interface.inputs.variables), {name: outputs[name] for name in order}
        )
        self.enable_deck = tt.metadata.generates_deck.value
        self.deck_fields = DEFAULT_DECK_FIELDS if self.enable_deck else ()

    @property
    def name(self) -> str:
        """The task's name, or its type if the template has no id."""
        return self._task_template.id.name or self._task_template.type

    @property
    def task_template(self) -> TaskTemplate:
        """The template."""
        return self._task_template

    @property
    def executor(self) -> ShimTaskExecutor[Any]:
        """A new executor."""
        return self.executor_type()

    def pre_execute(self, user_params: ExecutionParameters) -> ExecutionParameters | None:
        """As `PythonTask.pre_execute`."""
        return user_params

    def execute(self, **kwargs: Any) -> Any:
        """Let the executor do the work."""
        return self.executor.execute_from_model(self._task_template, **kwargs)

    def post_execute(self, user_params: ExecutionParameters, rval: Any) -> Any:
        """As `PythonTask.post_execute`."""
        return rval

    def take_inputs(self, literals: Mapping[str, Literal]) -> dict[str, Any]:
        """As `PythonTask.take_inputs`."""
        return self.decode_inputs(literals)

    def decode_inputs(self, literals: Mapping[str, Literal]) -> dict[str, Any]:
        """As `PythonTask.decode_inputs`."""
        return conversion.decode(self.name, self.interface.input_codecs, literals)

    def encode_outputs(self, value: Any) -> dict[str, Literal]:
        """As `PythonTask.encode_outputs`; values of other types than the guessed ones travel by their own."""
        from hardpoint.tasks.fitting import fitting_type

        declared = self._task_template.interface.outputs.variables
        outputs = conversion.named_outputs(self.name, self.interface, value)
        fitting = Interface(outputs={name: fitting_type(v, declared[name].type) for name, v in outputs.items()})
        return conversion.encode_outputs(self.name, fitting, value)


class PythonCustomizedContainerTask(PythonTask[T]):
    """A task whose work is done by an executor class that is in the image.

    The code is not fetched into the container, so a change to the executor needs a new image.

    Args:
        name: Its name.
        task_config: What configures it; `get_custom` puts into the template what the executor needs of it.
        container_image: The image that holds the executor.
        executor_type: The executor; a class that can be imported.
        task_resolver: How the container finds the executor.
        task_type: By which the backend chooses who runs it.
        requests: What the task is guaranteed.
        limits: What it may use at most.
        environment: Environment variables of the container.
        secret_requests: Secrets that it wants.
        resources: Requests and limits at once.
        kwargs: As for `PythonTask`.
    """

    def __init__(
        self,
        name: str,
        task_config: T | None,
        container_image: str | ImageSpec | None,
        executor_type: type[ShimTaskExecutor[T]],
        task_resolver: TaskResolverMixin | None = None,
        task_type: str = "python-task",
        requests: Resources | None = None,
        limits: Resources | None = None,
        environment: Mapping[str, str] | None = None,
        secret_requests: Iterable[Secret] | None = None,
        resources: Resources | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            task_type=task_type,
            name=name,
            task_config=task_config,
            environment=environment,
            security_ctx=security_context(secret_requests),
            **kwargs,
        )
        if "<locals>" in executor_type.__qualname__:
            raise UserError(
                f"The executor {executor_type.__qualname__} is defined inside a function, where no container finds it.",
                remedy="Define it at the top level of a module that the image holds.",
            )
        self.container_image = container_image
        self.executor_type = executor_type
        self.resources = resource_spec(requests, limits, resources)
        self.secret_requests = list(secret_requests or ())
        self.task_resolver = task_resolver or default_task_template_resolver

    def get_image(self, settings: SerializationSettings) -> str:
        """The reference of the container's image."""
        return image_for(self.container_image, settings)

    def get_command(self, settings: SerializationSettings) -> list[str]:
        """The command that the container runs."""
        return shim_command(self.task_resolver.location, self.task_resolver.loader_args(settings, self))

    def get_container(self, settings: SerializationSettings) -> Container | None:
        container = Container(args=self.get_command(settings))
        return fill_container(container, self.get_image(settings), self.environment, self.resources, settings)

    def template(self, settings: SerializationSettings) -> TaskTemplate:
        message = super().template(settings)
        names = list(self.interface.outputs)
        if names != _natural_order(names):
            message.config[OUTPUT_ORDER_KEY] = ",".join(names)
        return message

    @property
    def executor(self) -> ShimTaskExecutor[T]:
        """A new executor."""
        return self.executor_type()

    def execute(self, **kwargs: Any) -> Any:
        """Let the executor do the work, from a template like that which a container would get."""
        settings = FlyteContextManager.current_context().serialization or LOCAL_SETTINGS
        return self.executor.execute_from_model(self.template(settings), **kwargs)


class TaskTemplateResolver(TaskResolverMixin):
    """Makes a shim task of the template that the control plane hands over."""

    FILE_NAME = "task_template.pb"

    def name(self) -> str:
        return "task template resolver"

    def loader_args(self, settings: SerializationSettings, t: Any) -> list[str]:
        executor = t.executor_type
        return [TASK_TEMPLATE_PATH, f"{module_name(executor.__module__)}.{executor.__qualname__}"]

    def load_task(self, loader_args: list[str]) -> ExecutableTemplateShimTask:
        """The task.

        Raises:
            UserError: the image does not hold the executor.
        """
        uri, executor = loader_args
        context = FlyteContextManager.current_context()
        path = os.path.join(context.params.working_directory, self.FILE_NAME)
        context.file_access.get_data(uri, path)
        with open(path, "rb") as stream:
            template = TaskTemplate.FromString(stream.read())
        return ExecutableTemplateShimTask(template, load_object(executor))


default_task_template_resolver = TaskTemplateResolver()
